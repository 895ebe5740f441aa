//! Addresses by Spin's rules for `allowed_outbound_hosts` (Spin 4.0.2,
//! `crates/factor-outbound-networking`): `<scheme>://<host>[:<port>]` without a path, where the
//! host may begin with `*.` and an IPv6 address needs its port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One exact address: what a URL's scheme, host and port say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    host: String,
    port: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// One entry of the allow list.
#[derive(Clone, Debug)]
pub struct AllowEntry {
    scheme: Option<Scheme>,
    host: HostPattern,
    ports: Option<std::ops::Range<u32>>,
}

#[derive(Clone, Debug)]
enum HostPattern {
    Any,
    /// Of any depth, but not the domain itself; with its leading dot.
    Subdomain(String),
    Exact(String),
    Network(IpAddr, u32),
}

/// The entries that `spin.toml` always has for AWS: its services, and where credentials are.
pub fn aws() -> impl Iterator<Item = AllowEntry> {
    let domains = ["amazonaws.com", "amazonaws.com.cn", "api.aws", "api.amazonwebservices.com.cn"]
        .map(|domain| AllowEntry {
            scheme: Some(Scheme::Https),
            host: HostPattern::Subdomain(format!(".{domain}")),
            ports: Some(443..444),
        });
    let addresses =
        ["169.254.170.2", "169.254.170.23", "169.254.169.254"].map(|address| AllowEntry {
            scheme: Some(Scheme::Http),
            host: HostPattern::Exact(address.to_owned()),
            ports: Some(80..81),
        });
    domains.into_iter().chain(addresses)
}

impl Scheme {
    fn parse(scheme: &str) -> Result<Self, String> {
        // Spin compares the entry's scheme with the URL's as it stands, in lower case.
        match scheme {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            _ => Err("must begin with http:// or https:// (in lower case)".to_owned()),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Scheme, host and port of an entry; a single slash at the end is let pass, as Spin does.
fn split(value: &str) -> Result<(&str, &str, Option<&str>), String> {
    let (scheme, rest) =
        value.split_once("://").ok_or("has no scheme: it must begin with http:// or https://")?;
    let rest = match rest.split_once('/') {
        // The slash of a network such as 10.0.0.0/8 stays.
        Some((host, bits))
            if host.parse::<IpAddr>().is_ok() && bits.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            rest
        }
        Some((authority, "")) => authority,
        Some(_) => return Err("has a path, which Spin refuses in an allowed host".to_owned()),
        None => rest,
    };
    if rest.contains(['?', '#']) {
        return Err("has a query or a fragment, which Spin refuses in an allowed host".to_owned());
    }
    if rest.contains('@') {
        return Err("holds a user or password, which Spin refuses in an allowed host".to_owned());
    }
    if let Some(end) = rest.strip_prefix('[').and_then(|_| rest.find(']')) {
        let port = rest[end + 1..].strip_prefix(':').filter(|port| !port.is_empty());
        if port.is_none() {
            return Err(
                "is an IPv6 address, which needs its port in Spin, as in [fd00::1]:8444".to_owned()
            );
        }
        return Ok((scheme, &rest[..=end], port));
    }
    match rest.rsplit_once(':') {
        Some((host, port)) => Ok((scheme, host, Some(port).filter(|port| !port.is_empty()))),
        None => Ok((scheme, rest, None)),
    }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| format!("has the port {text:?}, which is none"))
}

/// A host name or an IP address; names outside ASCII must come as punycode.
fn host(text: &str) -> Result<String, String> {
    let fault = || format!("has the host {text:?}, which is neither a name nor an IP address");
    if let Some(v6) = text.strip_prefix('[') {
        let address: Ipv6Addr = v6.trim_end_matches(']').parse().map_err(|_| fault())?;
        return Ok(format!("[{address}]"));
    }
    let labels_fit = text.trim_end_matches('.').split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    });
    // A name that ends in a number is read as an IPv4 address.
    let numeric = text
        .rsplit('.')
        .find(|label| !label.is_empty())
        .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if !labels_fit || text.len() > 253 || (numeric && text.parse::<Ipv4Addr>().is_err()) {
        return Err(fault());
    }
    Ok(text.to_ascii_lowercase())
}

impl Origin {
    /// The origin of a whole URL, whose IPv6 address need not give its port.
    pub fn of_url(scheme: &str, authority: &str) -> Result<Self, String> {
        let default_port = if authority.ends_with(']') {
            format!(":{}", Scheme::parse(scheme)?.default_port())
        } else {
            String::new()
        };
        Self::parse(&format!("{scheme}://{authority}{default_port}"))
    }

    /// Whether credentials may be had of it: over TLS, or from this machine and ECS's and EKS's own
    /// addresses, as AWS's SDKs have it.
    pub fn may_give_credentials(&self) -> bool {
        let known = |address| {
            ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"]
                .iter()
                .any(|known| known.parse() == Ok(address))
        };
        !self.is_plaintext() || self.address().is_some_and(known)
    }

    /// Whether others on the way can read what is sent there.
    pub fn is_plaintext(&self) -> bool {
        let is_here = self.host == "localhost" || self.address().is_some_and(|it| it.is_loopback());
        self.scheme == Scheme::Http && !is_here
    }

    fn address(&self) -> Option<IpAddr> {
        self.host.trim_matches(['[', ']']).parse().ok()
    }

    /// Reads a scheme, host and port without a path, as an entry of Spin's allow list must be.
    pub fn parse(value: &str) -> Result<Self, String> {
        let (scheme, host_text, port_text) = split(value)?;
        Ok(Self {
            scheme: Scheme::parse(scheme)?,
            host: host(host_text)?,
            port: port_text.map(port).transpose()?,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl AllowEntry {
    /// Reads an entry.
    pub fn parse(value: &str) -> Result<Self, String> {
        let (scheme, host_text, port_text) = split(value)?;
        let scheme = if scheme == "*" { None } else { Some(Scheme::parse(scheme)?) };
        let ports = match (port_text, scheme) {
            (Some("*"), _) => None,
            (Some(text), _) => Some(match text.split_once("..") {
                Some((start, end)) => u32::from(port(start)?)..u32::from(port(end)?),
                None => u32::from(port(text)?)..u32::from(port(text)?) + 1,
            }),
            (None, Some(scheme)) => {
                Some(u32::from(scheme.default_port())..u32::from(scheme.default_port()) + 1)
            }
            (None, None) => return Err("allows any scheme and so must give a port".to_owned()),
        };
        Ok(Self { scheme, host: HostPattern::parse(host_text)?, ports })
    }

    /// Whether Spin lets the component reach that address for it.
    pub fn allows(&self, origin: &Origin) -> bool {
        let port = u32::from(origin.port.unwrap_or(origin.scheme.default_port()));
        self.scheme.is_none_or(|scheme| scheme == origin.scheme)
            && self.ports.as_ref().is_none_or(|ports| ports.contains(&port))
            && self.host.allows(&origin.host)
    }
}

impl HostPattern {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some((address, bits)) = text.split_once('/') {
            let fault = || format!("has the network {text:?}, which is none");
            let address: IpAddr = address.parse().map_err(|_| fault())?;
            let bits: u32 = bits.parse().map_err(|_| fault())?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            return if bits <= most { Ok(Self::Network(address, bits)) } else { Err(fault()) };
        }
        match text.strip_prefix("*.") {
            Some(domain) if domain.parse::<Ipv4Addr>().is_err() => {
                Ok(Self::Subdomain(format!(".{}", host(domain)?)))
            }
            _ if text.contains('*') => Err("has a * elsewhere than as its first label".to_owned()),
            _ => Ok(Self::Exact(host(text)?)),
        }
    }

    fn allows(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Subdomain(suffix) => {
                host.ends_with(suffix.as_str()) && host.parse::<Ipv4Addr>().is_err()
            }
            Self::Exact(exact) => exact == host,
            Self::Network(network, bits) => {
                match (network, host.trim_matches(['[', ']']).parse()) {
                    (IpAddr::V4(network), Ok(IpAddr::V4(address))) => {
                        (network.to_bits() ^ address.to_bits()).checked_shr(32 - bits).unwrap_or(0)
                            == 0
                    }
                    (IpAddr::V6(network), Ok(IpAddr::V6(address))) => {
                        (network.to_bits() ^ address.to_bits()).checked_shr(128 - bits).unwrap_or(0)
                            == 0
                    }
                    _ => false,
                }
            }
        }
    }
}
