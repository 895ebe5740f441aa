//! `allowed_outbound_hosts` by the rules of Spin 4.0.2.
//!
//! An entry is `scheme://host[:port]`, each of which may be `*`. Entries without templates are
//! checked at load, and templates with their variables' defaults; real values are resolved at an
//! instance's first request, and one bad entry then refuses every request. The reason goes to the
//! host's stderr alone. It names the entry as the manifest has it, never the resolved value: an
//! address may hold a password.

use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use ip_network::IpNetwork;
use kong_cloudtrail_application::{Template, Variables};
use url::{Host, Url};

/// Checks what can be checked before the values of variables are known.
pub fn check(entries: &[String], variables: &Variables) -> Result<()> {
    for entry in entries {
        let template = Template::parse(entry).with_context(|| refused(entry))?;
        if template.is_literal() {
            AllowedHost::parse(entry).with_context(|| refused(entry))?;
        } else if let Ok(resolved) =
            template.resolve(|name| variables.default_of(name).map(str::to_owned).ok_or(()))
        {
            AllowedHost::parse(&resolved).with_context(|| {
                format!("{} with the defaults of its variables", refused(entry))
            })?;
        }
    }
    Ok(())
}

fn refused(entry: &str) -> String {
    format!("allowed_outbound_hosts: {entry:?} is malformed")
}

/// A component's allow list with the variables' real values.
#[derive(Debug)]
pub struct AllowedHosts(Vec<AllowedHost>);

impl AllowedHosts {
    /// Resolves all entries; one that cannot be resolved or parsed fails them all.
    pub fn resolve(entries: &[String], variables: &Variables) -> Result<Self> {
        entries
            .iter()
            .map(|entry| {
                let template = Template::parse(entry)?;
                let resolved = template
                    .resolve(|name| variables.application(name))
                    .with_context(|| format!("{entry:?} has no value"))?;
                AllowedHost::parse(&resolved)
                    .with_context(|| format!("the value of {entry:?} is malformed"))
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Whether a request to `url` may go out.
    pub fn allows(&self, url: &Url) -> bool {
        self.0.iter().any(|allowed| allowed.allows(url))
    }

    /// Whether the component may call its own application.
    pub fn allows_self(&self) -> bool {
        self.0.iter().any(|allowed| {
            matches!(allowed.host, HostRule::Any | HostRule::Itself)
                && ["http", "https"].iter().any(|scheme| allowed.allows_scheme(scheme))
        })
    }
}

#[derive(Debug)]
struct AllowedHost {
    /// None is `*`.
    scheme: Option<String>,
    host: HostRule,
    /// None is `*`.
    ports: Option<Range<u32>>,
}

#[derive(Debug)]
enum HostRule {
    Any,
    /// `self` and `self.alt`: the application's own address.
    Itself,
    /// With its leading dot: any depth matches, the domain itself does not.
    Below(String),
    Exact(Host),
    Network(IpNetwork),
}

impl AllowedHost {
    /// The messages leave out the text: it may be a resolved value.
    fn parse(text: &str) -> Result<Self> {
        let (scheme, rest) = text
            .trim()
            .split_once("://")
            .context("it must be scheme://host[:port]; the scheme may be *")?;
        // The last colon, whatever it belongs to: an IPv6 address needs its port.
        let (host, port) = rest.rsplit_once(':').unwrap_or((rest, ""));
        let (port, path) = port.split_once('/').unwrap_or((port, ""));
        ensure!(path.is_empty(), "it has a path but may not");
        let ports = parse_ports(port, scheme)?;
        let scheme = match scheme {
            "*" => None,
            other => {
                ensure!(
                    other.chars().all(char::is_alphabetic),
                    "its scheme may hold letters alone"
                );
                Some(other.to_owned())
            }
        };
        Ok(Self { scheme, host: HostRule::parse(host)?, ports })
    }

    fn allows(&self, url: &Url) -> bool {
        let port = url.port().or_else(|| known_port(url.scheme()));
        self.allows_scheme(url.scheme())
            && url.host().is_some_and(|host| self.host.allows(&host.to_owned()))
            && self
                .ports
                .as_ref()
                .is_none_or(|ports| port.is_some_and(|port| ports.contains(&u32::from(port))))
    }

    fn allows_scheme(&self, scheme: &str) -> bool {
        self.scheme.as_ref().is_none_or(|allowed| allowed == scheme)
    }
}

fn parse_ports(port: &str, scheme: &str) -> Result<Option<Range<u32>>> {
    let number = |text: &str| {
        text.parse::<u16>().map(u32::from).ok().context("its port must be a number up to 65535")
    };
    Ok(Some(match port {
        "" => {
            let port = u32::from(known_port(scheme).context("its scheme needs a port")?);
            port..port + 1
        }
        "*" => return Ok(None),
        _ => match port.split_once("..") {
            // The end is exclusive.
            Some((start, end)) => number(start)?..number(end)?,
            None => number(port)?..number(port)? + 1,
        },
    }))
}

fn known_port(scheme: &str) -> Option<u16> {
    Some(match scheme {
        "http" => 80,
        "https" => 443,
        "mqtt" => 1883,
        "mysql" => 3306,
        "postgres" => 5432,
        "redis" => 6379,
        _ => return None,
    })
}

impl HostRule {
    fn parse(host: &str) -> Result<Self> {
        let host = host.trim();
        match host {
            "*" => return Ok(Self::Any),
            "self" | "self.alt" => return Ok(Self::Itself),
            _ => {}
        }
        if let Ok(network) = IpNetwork::from_str_truncate(host) {
            return Ok(Self::Network(network));
        }
        let host = host.trim_end_matches('/');
        ensure!(!host.contains('/'), "it has a path but may not");
        if let Some(domain) = host.strip_prefix("*.") {
            ensure!(!domain.contains('*'), "a wildcard may stand at the beginning alone");
            return Ok(Self::Below(format!(".{domain}")));
        }
        ensure!(
            !host.contains('*'),
            "a wildcard must be a whole leading label, as in *.example.com"
        );
        match Host::parse(host) {
            Ok(host) => Ok(Self::Exact(host)),
            Err(fault) => bail!("its host is no host name or address: {fault}"),
        }
    }

    fn allows(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Below(suffix), Host::Domain(domain)) => domain.ends_with(suffix),
            (Self::Exact(exact), host) => exact == host,
            (Self::Network(network), Host::Ipv4(address)) => network.contains(*address),
            (Self::Network(network), Host::Ipv6(address)) => network.contains(*address),
            (Self::Itself | Self::Below(_) | Self::Network(_), _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn allows(entry: &str, url: &str) -> bool {
        AllowedHost::parse(entry).unwrap().allows(&Url::parse(url).unwrap())
    }

    #[test]
    fn scheme_host_and_port_must_all_match() {
        assert!(allows("https://kong.example.com:8444", "https://kong.example.com:8444/audit"));
        assert!(!allows("https://kong.example.com:8444", "http://kong.example.com:8444/"));
        assert!(!allows("https://kong.example.com:8444", "https://kong.example.com/"));
        assert!(!allows("https://kong.example.com:8444", "https://other.example.com:8444/"));
    }

    #[test]
    fn the_port_defaults_to_that_of_the_scheme_on_both_sides() {
        assert!(allows("http://a.example", "http://a.example:80/"));
        assert!(allows("https://a.example:443/", "https://a.example/"));
        assert!(!allows("http://a.example", "http://a.example:8001/"));
    }

    #[test]
    fn wildcards_match_schemes_ports_and_subdomains_of_any_depth() {
        assert!(allows("*://*:*", "http://127.0.0.1:9000/"));
        assert!(allows("http://a.example:*", "http://a.example:9000/"));
        assert!(allows(
            "https://*.amazonaws.com",
            "https://cloudtrail-data.us-east-1.amazonaws.com/"
        ));
        assert!(!allows("https://*.amazonaws.com", "https://amazonaws.com/"));
        assert!(!allows("https://*.amazonaws.com", "https://evilamazonaws.com/"));
    }

    #[test]
    fn port_ranges_leave_out_their_end() {
        assert!(allows("http://a.example:8000..8002", "http://a.example:8001/"));
        assert!(!allows("http://a.example:8000..8002", "http://a.example:8002/"));
    }

    #[test]
    fn networks_match_addresses_alone() {
        assert!(allows("*://127.0.0.0/24:80", "http://127.0.0.7/"));
        assert!(!allows("*://127.0.0.0/24:80", "http://127.0.1.7/"));
        assert!(!allows("*://127.0.0.0/24:80", "http://localhost/"));
        assert!(allows("http://[fd00:ec2::254]:80", "http://[fd00:ec2::254]/latest"));
    }

    #[test]
    fn what_spin_refuses_is_refused() {
        for bad in [
            "",
            "*",
            "example.com",
            "example.com:80",
            "http://",
            "http://a.example/path",
            "http://a.example:80/path",
            "http://a*.example",
            "http://*.a.*.example",
            "http://a.example:port",
            "http://a.example:99999",
            "*://a.example",
            "ht-tp://a.example:80",
            "http://[::1]",
            "insecure:allow-all",
        ] {
            assert!(AllowedHost::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_application_itself_is_reached_by_its_own_entries() {
        let hosts = |entry: &str| AllowedHosts(vec![AllowedHost::parse(entry).unwrap()]);
        assert!(hosts("http://self").allows_self());
        assert!(hosts("*://*:*").allows_self());
        assert!(!hosts("redis://self").allows_self());
        assert!(!hosts("http://a.example").allows_self());
        assert!(!hosts("http://self").allows(&Url::parse("http://self/").unwrap()));
    }
}
