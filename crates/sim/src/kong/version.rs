//! What differs between versions of Kong Gateway in the audit log, and since when.
//!
//! Source of every number: Kong's changelog (Kong/developer.konghq.com,
//! `app/_data/changelogs/gateway.json`, entries "Audit Log"). A change that was carried back holds
//! in the older lines from a patch of theirs on.

use std::fmt;
use std::str::FromStr;

/// A version of Kong Gateway, such as `3.9.0.0-enterprise-edition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    number: [u32; 4],
    text: String,
    enterprise: bool,
}

impl Version {
    /// The version that the simulator plays unless told otherwise.
    pub fn current() -> Self {
        Self {
            number: [3, 9, 0, 0],
            text: "3.9.0.0-enterprise-edition".to_owned(),
            enterprise: true,
        }
    }

    /// Whether the audit log exists at all: it is a feature of the Enterprise edition.
    pub fn is_enterprise(&self) -> bool {
        self.enterprise
    }

    /// `/audit/requests` comes newest first by `request_timestamp`.
    pub fn sorts_requests(&self) -> bool {
        self.since(&[[3, 4, 3, 8], [3, 5, 0, 4], [3, 6, 1, 5], [3, 7, 0, 0]])
    }

    /// `before` and `after` filter both streams, object entries have a `request_timestamp`, and
    /// `/audit/objects` comes newest first by it (as the API description says from then on).
    pub fn filters_by_time(&self) -> bool {
        self.since(&[[3, 4, 3, 9], [3, 5, 0, 5], [3, 6, 1, 5], [3, 7, 0, 0]])
    }

    /// The `next` of `/audit/requests` is right also with `before` and `after`.
    pub fn next_keeps_filters(&self) -> bool {
        self.since(&[[3, 9, 0, 0]])
    }

    /// Request entries have `rbac_user_name` and `request_source`.
    pub fn names_users(&self) -> bool {
        self.since(&[[3, 2, 0, 0]])
    }

    /// A `request_id` may be empty.
    pub fn leaves_request_ids_empty(&self) -> bool {
        !self.since(&[[3, 4, 0, 0]])
    }

    /// Keys are taken out of payloads at every depth, and out of objects too, whose entries name
    /// them in `removed_from_entity`.
    pub fn excludes_at_every_depth(&self) -> bool {
        self.since(&[[3, 6, 0, 0]])
    }

    /// Entries have `expire` in place of `ttl`, and times in milliseconds, and pages tell the
    /// `total`: 0.34, the first version with an audit log, as its documentation prints them.
    pub fn counts_milliseconds(&self) -> bool {
        !self.since(&[[0, 35, 0, 0]])
    }

    /// Whether the version is at or after the last of `releases`, or in the line of one of the
    /// others and at or after it.
    fn since(&self, releases: &[[u32; 4]]) -> bool {
        releases.last().is_some_and(|first| self.number >= *first)
            || releases
                .iter()
                .any(|release| self.number[..2] == release[..2] && self.number >= *release)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Version {
    type Err = String;

    /// Four numbers, or the suffix `-enterprise-edition`, are Enterprise; three are open source.
    /// The first Enterprise editions counted with a hyphen, as in `0.34-1-enterprise-edition`.
    fn from_str(text: &str) -> Result<Self, String> {
        const SUFFIX: &str = "-enterprise-edition";
        let malformed = || {
            format!(
                "{text:?} is no Kong version: give one such as 3.9.0.0 (Enterprise) or 3.9.0 (open source)"
            )
        };
        let digits = text.strip_suffix(SUFFIX).unwrap_or(text);
        let parts: Vec<u32> = digits
            .split(['.', '-'])
            .map(|part| part.parse().map_err(|_| malformed()))
            .collect::<Result<_, _>>()?;
        if !(2..=4).contains(&parts.len()) {
            return Err(malformed());
        }
        let mut number = [0; 4];
        number[..parts.len()].copy_from_slice(&parts);
        let enterprise = digits != text || parts.len() == 4;
        let text = if enterprise { format!("{digits}{SUFFIX}") } else { digits.to_owned() };
        Ok(Self { number, text, enterprise })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn four_numbers_are_enterprise_and_three_are_open_source() {
        assert_eq!(version("3.9.0.0").to_string(), "3.9.0.0-enterprise-edition");
        assert_eq!(version("2.8-enterprise-edition").to_string(), "2.8-enterprise-edition");
        assert_eq!(version("0.34-1-enterprise-edition").to_string(), "0.34-1-enterprise-edition");
        assert_eq!(version("3.9.0").to_string(), "3.9.0");
        assert!(version("3.9.0.0").is_enterprise());
        assert!(!version("3.9.0").is_enterprise());
        assert!("three".parse::<Version>().unwrap_err().contains("3.9.0.0"));
        assert!("3".parse::<Version>().is_err());
    }

    #[test]
    fn a_change_that_was_carried_back_holds_within_its_line_only() {
        for (text, sorts, filters) in [
            ("3.4.3.7", false, false),
            ("3.4.3.8", true, false),
            ("3.4.3.9", true, true),
            ("3.5.0.3", false, false),
            ("3.5.0.4", true, false),
            ("3.5.0.5", true, true),
            ("3.6.1.4", false, false),
            ("3.6.1.5", true, true),
            ("3.7.0.0", true, true),
            ("3.10.0.0", true, true),
            ("2.8.1.1", false, false),
        ] {
            let version = version(text);
            assert_eq!(
                (version.sorts_requests(), version.filters_by_time()),
                (sorts, filters),
                "{text}"
            );
        }
    }
}
