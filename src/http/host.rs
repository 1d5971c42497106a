//! Which names the listener answers for. A page asked under a foreign name is somebody's DNS trick (rebinding, cache
//! poisoning), and links made from such a name would lead away.

use std::net::IpAddr;
use std::sync::Arc;

use ::http::header::HOST;
use ::http::request::Parts;
use ::http::uri::Authority;
use ::http::{StatusCode, Version};

/// The names a listener answers for; ports are not compared.
#[derive(Clone, Debug)]
pub enum Hosts {
    /// Every name: sockets that only machines ask.
    Any,
    /// These names and addresses, lower-case, addresses without brackets.
    Only(Arc<[String]>),
}

impl Hosts {
    /// Answers for `names` only: host names or addresses without port. Case does not matter.
    pub fn only<I: IntoIterator<Item = T>, T: AsRef<str>>(names: I) -> Self {
        Self::Only(names.into_iter().map(|name| bare(name.as_ref()).to_ascii_lowercase()).collect())
    }

    /// Refuses with 400 what names no host or several, with 421 what names another (RFC 9110 sections 7.2 and 15.5.20).
    pub(super) fn check(&self, parts: &Parts) -> Result<(), StatusCode> {
        let mut given = parts.headers.get_all(HOST).iter();
        let header = match given.next() {
            Some(value) => Some(Authority::try_from(value.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?),
            None if parts.version < Version::HTTP_2 => return Err(StatusCode::BAD_REQUEST),
            None => None,
        };
        if given.next().is_some() {
            return Err(StatusCode::BAD_REQUEST);
        }
        let named = [header.as_ref(), parts.uri.authority()];
        if named.iter().all(Option::is_none) {
            return Err(StatusCode::BAD_REQUEST);
        }
        if named.into_iter().flatten().all(|authority| self.answers(authority)) {
            Ok(())
        } else {
            Err(StatusCode::MISDIRECTED_REQUEST)
        }
    }

    fn answers(&self, authority: &Authority) -> bool {
        let Self::Only(names) = self else { return true };
        let host = bare(authority.host());
        // User information before the host is no part of a Host header.
        !authority.as_str().contains('@') && names.iter().any(|name| same_host(name, host))
    }
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

fn same_host(name: &str, host: &str) -> bool {
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    // One IPv6 address has several spellings.
    match (name.parse::<IpAddr>(), host.parse::<IpAddr>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::Request;

    fn check(version: Version, uri: &str, hosts: &[&str], expected: Result<(), u16>) {
        let mut request = Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let answer = Hosts::only(["SSO.example.com", "127.0.0.1", "[::1]"]).check(&parts);
        assert_eq!(answer.map_err(|status| status.as_u16()), expected, "{uri} {hosts:?}");
    }

    #[test]
    fn only_the_listed_names_are_answered_for() {
        let old = Version::HTTP_11;
        for host in ["sso.example.com", "SSO.EXAMPLE.COM:8443", "127.0.0.1:80", "[::1]:443", "[0:0:0:0:0:0:0:1]"] {
            check(old, "/", &[host], Ok(()));
        }
        for host in
            ["evil.example", "sso.example.com.evil.example", "sso.example.com.", "x@sso.example.com", "127.0.0.2"]
        {
            check(old, "/", &[host], Err(421));
        }
        for host in ["", "a b", "sso.example.com/x"] {
            check(old, "/", &[host], Err(400));
        }
        check(old, "/", &[], Err(400));
        check(old, "/", &["sso.example.com", "sso.example.com"], Err(400));
        check(old, "http://evil.example/", &["sso.example.com"], Err(421));
        check(old, "http://sso.example.com/", &["evil.example"], Err(421));
        check(old, "http://sso.example.com/", &["sso.example.com"], Ok(()));
        check(Version::HTTP_2, "https://sso.example.com/", &[], Ok(()));
        check(Version::HTTP_2, "https://evil.example/", &[], Err(421));
        check(Version::HTTP_2, "https://sso.example.com/", &["evil.example"], Err(421));
        check(Version::HTTP_2, "/", &[], Err(400));
    }

    #[test]
    fn a_listener_for_any_name_still_wants_one() {
        let (parts, ()) = Request::builder().uri("/").header(HOST, "whatever").body(()).unwrap().into_parts();
        assert_eq!(Hosts::Any.check(&parts), Ok(()));
        let (parts, ()) = Request::builder().uri("/").body(()).unwrap().into_parts();
        assert_eq!(Hosts::Any.check(&parts), Err(StatusCode::BAD_REQUEST));
    }
}
