//! Kong's version, and what differs by it.

use std::fmt;

use crate::words::shown;

/// For example `3.9.0.0-enterprise-edition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    text: String,
    numbers: [u32; 4],
    parts: usize,
}

/// First versions with `before` and `after` on both streams, one for each line that got them late
/// (Kong Gateway changelog); later lines have them from the start.
const TIME_FILTERS: [[u32; 4]; 4] = [[3, 4, 3, 9], [3, 5, 0, 5], [3, 6, 1, 5], [3, 7, 0, 0]];

impl Version {
    /// Reads what `GET /` gives as `version`.
    pub fn parse(text: &str) -> Self {
        let mut numbers = [0; 4];
        let mut parts = 0;
        let numeric = text.split(['-', '+']).next().unwrap_or_default();
        for (slot, part) in numbers.iter_mut().zip(numeric.split('.')) {
            let Ok(number) = part.parse() else { break };
            *slot = number;
            parts += 1;
        }
        Self { text: text.to_owned(), numbers, parts }
    }

    /// As Kong gives it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this is Kong Gateway Enterprise, which alone keeps an audit log: its versions have
    /// four numbers, or say so.
    pub fn is_enterprise(&self) -> bool {
        self.parts == 4 || self.text.contains("enterprise")
    }

    /// Whether `audit_log_ignore_paths` are texts and no patterns.
    pub(super) fn ignores_by_text(&self) -> bool {
        self.parts > 1 && self.numbers < [0, 35, 0, 0]
    }

    /// Whether `before` and `after` filter the audit log; older Kong ignores them.
    pub(crate) fn has_time_filters(&self) -> bool {
        let line = |version: &[u32; 4]| (version[0], version[1]);
        match TIME_FILTERS.iter().find(|first| line(first) == line(&self.numbers)) {
            Some(first) => self.numbers >= *first,
            None => self.numbers > TIME_FILTERS[3],
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn time_filters_came_at_a_version_of_each_line() {
        for (version, filters) in [
            ("2.8.1.1-enterprise-edition", false),
            ("3.3.9.9-enterprise-edition", false),
            ("3.4.3.8-enterprise-edition", false),
            ("3.4.3.9-enterprise-edition", true),
            ("3.4.3.20-enterprise-edition", true),
            ("3.5.0.4-enterprise-edition", false),
            ("3.5.0.5-enterprise-edition", true),
            ("3.6.1.4-enterprise-edition", false),
            ("3.6.1.5-enterprise-edition", true),
            ("3.7.0.0-enterprise-edition", true),
            ("3.10.0.0-enterprise-edition", true),
            ("4.0.0.0-enterprise-edition", true),
            ("nightly", false),
        ] {
            assert_eq!(Version::parse(version).has_time_filters(), filters, "{version}");
        }
    }

    #[test]
    fn four_numbers_or_the_word_make_it_enterprise() {
        assert!(Version::parse("3.9.0.0-enterprise-edition").is_enterprise());
        assert!(Version::parse("3.9.0.0").is_enterprise());
        assert!(Version::parse("1.5-enterprise-edition").is_enterprise());
        assert!(!Version::parse("3.9.0").is_enterprise());
    }
}
