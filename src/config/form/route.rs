//! By which names people are sent to a provider: whole domains of e-mail addresses, or single addresses.

use std::fmt;
use std::str::FromStr;

use url::Host;

use super::Domain;

/// Longest name that anybody is sent by, in bytes (RFC 5321 section 4.5.3.1).
const MAX_BYTES: usize = 320;

/// A rule that sends people to a provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MailRoute {
    /// One address, in lower case, its domain in the form of DNS.
    Address(String),
    /// Every address directly in a domain; subdomains are domains of their own. One without a dot is also typed alone: the
    /// name of an organisation.
    Domain(Domain),
}

/// The text is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a domain such as example.com, an address such as ada@example.com, or a word such as acme")]
pub struct NotARoute;

impl MailRoute {
    /// The rules that can be about a name as somebody typed it, the narrower first: in any case, with the domain in Unicode
    /// or with a dot at its end. None of a name that is no address, or has more than one `@`: whose part counts as the
    /// domain must not be for somebody to choose.
    pub fn of_typed(name: &str) -> Option<[Self; 2]> {
        let name = name.trim();
        if name.len() > MAX_BYTES || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return None;
        }
        let Some((local, domain)) = name.split_once('@') else {
            let word = in_dns(name).filter(|word| !word.as_str().contains('.'))?;
            return Some([Self::Domain(word.clone()), Self::Domain(word)]);
        };
        if local.is_empty() || domain.contains('@') {
            return None;
        }
        let domain = in_dns(domain)?;
        Some([Self::Address(format!("{}@{domain}", local.to_lowercase())), Self::Domain(domain)])
    }
}

/// A domain as DNS writes it (RFC 5891), whatever way it is typed.
fn in_dns(text: &str) -> Option<Domain> {
    // The parser of addresses takes more than names: what is coded, and numbers.
    if text.is_empty() || text.contains('%') {
        return None;
    }
    match Host::parse(text).ok()? {
        Host::Domain(name) => name.strip_suffix('.').unwrap_or(&name).parse().ok(),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

impl FromStr for MailRoute {
    type Err = NotARoute;

    fn from_str(text: &str) -> Result<Self, NotARoute> {
        match text.contains('@') {
            true => Self::of_typed(text).map(|[address, _]| address).ok_or(NotARoute),
            false => in_dns(text).map(Self::Domain).ok_or(NotARoute),
        }
    }
}

impl fmt::Display for MailRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => f.write_str(address),
            Self::Domain(domain) => domain.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether somebody of this name is sent by the rule.
    fn sends(rule: &str, name: &str) -> bool {
        let rule: MailRoute = rule.parse().unwrap();
        MailRoute::of_typed(name).is_some_and(|candidates| candidates.contains(&rule))
    }

    #[test]
    fn one_domain_is_found_however_it_is_typed() {
        for name in
            ["ada@corp.example", "ADA@Corp.EXAMPLE", " ada@corp.example ", "ada@corp.example.", "ada@ｃorp.example"]
        {
            assert!(sends("corp.example", name), "{name}");
        }
        for name in
            ["ada@bücher.example", "ada@BÜCHER.example", "ada@xn--bcher-kva.example", "ada@bu\u{308}cher.example."]
        {
            assert!(sends("bücher.example", name) && sends("xn--bcher-kva.example", name), "{name}");
        }
    }

    #[test]
    fn nothing_else_is_taken_for_the_domain() {
        for name in [
            "ada@sub.corp.example",
            "ada@corp.example@evil.example",
            "ada@evil.example@corp.example",
            "\"ada@evil.example\"@corp.example",
            "@corp.example",
            "corp.example",
            "ada@",
            "ada@corp.example..",
            "ada@corp%2Eexample",
            "ada@evilcorp.example",
            "ada@corp.example/x",
            "ada@corp.example:443",
            "ada@corp.example?x",
            "ada@corp.example\n",
            "a da@corp.example",
            "ada@\u{202e}corp.example",
            "ada@127.0.0.1",
        ] {
            // The blank at an end is no part of a name; all else is.
            assert!(!sends("corp.example", name) || name.trim() == "ada@corp.example", "{name}");
        }
        assert_eq!(MailRoute::of_typed(&format!("{}@corp.example", "a".repeat(320))), None);
    }

    #[test]
    fn a_word_is_typed_alone() {
        for name in ["acme", " ACME ", "ada@acme"] {
            assert!(sends("acme", name), "{name}");
        }
        for name in ["acme.example", "ac me", "acme@", "@acme", "acme/x", "acme%20", "other", "acme..", "1"] {
            assert!(!sends("acme", name), "{name}");
        }
        assert!(!sends("corp.example", "corp") && !sends("corp.example", "corp.example"));
    }

    #[test]
    fn an_address_is_a_rule_of_its_own() {
        assert!(sends("Boss@Corp.example", "boss@corp.example."));
        assert!(!sends("boss@corp.example", "ada@corp.example"));
        for text in ["", "a@", "@b", "a@b@c", "corp.example/", "10.0.0.1", "a b", "*.corp.example"] {
            assert_eq!(text.parse::<MailRoute>(), Err(NotARoute), "{text}");
        }
    }
}
