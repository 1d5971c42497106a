//! Host names: the domains of e-mail addresses, and hosts with a port.

use std::fmt;
use std::str::FromStr;

/// A DNS name in lower case, without trailing dot: `example.com`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

/// The text is no host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a DNS name such as example.com")]
pub struct NotADomain;

impl Domain {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the e-mail address `email` is directly in this domain; subdomains are not.
    pub fn holds(&self, email: &str) -> bool {
        email.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.eq_ignore_ascii_case(&self.0))
    }
}

impl FromStr for Domain {
    type Err = NotADomain;

    fn from_str(text: &str) -> Result<Self, NotADomain> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if text.len() > 253 || !text.split('.').all(label) {
            return Err(NotADomain);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host, and a port when only that one is meant: `keys.example.com`, `10.0.0.5:8443`, `[::1]:8443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    host: String,
    port: Option<u16>,
}

/// The text is no host with or without port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be HOST or HOST:PORT, such as keys.example.com or [2001:db8::5]:8443")]
pub struct NotAHost;

impl HostPort {
    /// Whether it allows `host`, as `url::Url::host_str` gives it, at `port`.
    pub fn allows(&self, host: &str, port: u16) -> bool {
        self.host.eq_ignore_ascii_case(host) && self.port.is_none_or(|mine| mine == port)
    }
}

impl FromStr for HostPort {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        // An address of an endpoint without user, path and query has nothing but host and port.
        let url: url::Url = format!("http://{text}").parse().map_err(|_| NotAHost)?;
        let bare = url.username().is_empty() && url.password().is_none() && url.path() == "/";
        let plain = !text.contains(['/', '?', '#', '@', '\\', ' ']) && !text.ends_with(':');
        let host = url.host_str().filter(|_| bare && plain).ok_or(NotAHost)?;
        let colons = text.rsplit_once(']').map_or(text, |(_, tail)| tail);
        // `Url` drops the scheme's own port, so that it is read from the text.
        let port = colons.rsplit_once(':').map(|(_, port)| port.parse()).transpose().map_err(|_| NotAHost)?;
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_holds_its_own_addresses_only() {
        let domain: Domain = "Example.com".parse().unwrap();
        assert_eq!(domain.as_str(), "example.com");
        for (email, inside) in [
            ("ada@example.com", true),
            ("ada@EXAMPLE.COM", true),
            ("ada@sub.example.com", false),
            ("ada@example.com@evil.test", false),
            ("ada@evilexample.com", false),
            ("@example.com", false),
            ("example.com", false),
        ] {
            assert_eq!(domain.holds(email), inside, "{email}");
        }
        for text in ["", ".", "a..b", "-a.com", "a-.com", "a b", "ä.example", "a.com.", "a_b.com", "user@a.com"] {
            assert_eq!(text.parse::<Domain>(), Err(NotADomain), "{text}");
        }
    }

    #[test]
    fn a_host_may_have_a_port() {
        let any: HostPort = "keys.example.com".parse().unwrap();
        assert!(any.allows("keys.example.com", 443) && any.allows("KEYS.example.com", 8443));
        assert!(!any.allows("other.example.com", 443));
        let one: HostPort = "10.0.0.5:80".parse().unwrap();
        assert!(one.allows("10.0.0.5", 80) && !one.allows("10.0.0.5", 443));
        let six: HostPort = "[2001:db8::5]:8443".parse().unwrap();
        assert!(six.allows("[2001:db8::5]", 8443) && !six.allows("[2001:db8::5]", 443));
        for text in ["", "https://a.com", "a.com/path", "user@a.com", "a.com:", "a.com:99999", "a b", "a.com?x", "a\\b"]
        {
            assert_eq!(text.parse::<HostPort>(), Err(NotAHost), "{text}");
        }
    }
}
