//! Who is at the other end: the client's address behind trusted proxies, or the peer of a unix socket.
//!
//! `X-Forwarded-For` is written by whoever sends the request; only the part that trusted proxies appended counts. So it
//! is read from the right, and only when the connection itself comes from a trusted proxy. Nobody is trusted by default;
//! `Forwarded` and `X-Real-IP` are not read.

use std::net::{IpAddr, SocketAddr};

use ::http::request::Parts;
use ::http::{HeaderMap, HeaderName};

use super::RequestId;
use crate::model::{Circumstance, Network};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Most hops that are walked; a longer chain is nobody's honest one.
const MAX_HOPS: usize = 32;

/// The client's address, IPv4 where it is IPv4 mapped into IPv6. In a request's extensions unless it came by unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The user id of the process at the other end of a unix socket, as the kernel reports it. In a request's extensions
/// when it came by unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerUid(pub u32);

/// From where a request came, read from the extensions that the listener set.
pub fn circumstance(parts: &Parts) -> Circumstance {
    Circumstance {
        address: parts.extensions.get::<ClientAddress>().map(|client| client.0),
        request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()),
    }
}

/// Whether `address` is one of the proxies that are believed.
pub(super) fn is_trusted(address: IpAddr, proxies: &[Network]) -> bool {
    proxies.iter().any(|proxy| proxy.contains(address))
}

/// The client behind `peer`: `peer` itself unless it is trusted, else the rightmost address that is not. A chain that
/// breaks off (an address that is none, an empty list) ends at the last trusted hop.
pub(super) fn resolve(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> ClientAddress {
    let mut client = peer.to_canonical();
    if proxies.is_empty() || !is_trusted(client, proxies) {
        return ClientAddress(client);
    }
    let hops =
        headers.get_all(FORWARDED_FOR).iter().rev().flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops.take(MAX_HOPS) {
        let Some(address) = parse_hop(hop) else { break };
        client = address;
        if !is_trusted(client, proxies) {
            break;
        }
    }
    ClientAddress(client)
}

/// An address with or without port, brackets, quotes and zone.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim().trim_matches('"');
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Some(socket.ip().to_canonical());
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let bare = bare.split_once('%').map_or(bare, |(address, _)| address);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, trusted: &[&str], forwarded: &[&str], client: &str) {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let proxies: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let got = resolve(peer.parse().unwrap(), &headers, &proxies);
        assert_eq!(got, ClientAddress(client.parse().unwrap()), "{peer} trusting {trusted:?} with {forwarded:?}");
    }

    #[test]
    fn a_forwarded_address_counts_only_as_far_as_proxies_are_trusted() {
        let proxies = ["10.0.0.0/8", "2001:db8:1::/48"];
        // Nobody is trusted, or the peer is not.
        check("203.0.113.9", &[], &["1.2.3.4"], "203.0.113.9");
        check("203.0.113.9", &proxies, &["1.2.3.4"], "203.0.113.9");
        check("10.0.0.1", &[], &["1.2.3.4"], "10.0.0.1");
        // The rightmost that is not trusted, whatever the client wrote to its left.
        check("10.0.0.1", &proxies, &["1.2.3.4"], "1.2.3.4");
        check("10.0.0.1", &proxies, &["6.6.6.6, 1.2.3.4"], "1.2.3.4");
        check("10.0.0.1", &proxies, &["6.6.6.6, 1.2.3.4, 10.9.9.9"], "1.2.3.4");
        check("10.0.0.1", &proxies, &["127.0.0.1, 10.0.0.7, 1.2.3.4, 10.9.9.9"], "1.2.3.4");
        check("10.0.0.1", &proxies, &["6.6.6.6", "1.2.3.4, 10.9.9.9"], "1.2.3.4");
        check("::ffff:10.0.0.1", &proxies, &["1.2.3.4"], "1.2.3.4");
        // A chain that breaks off ends at the last trusted hop.
        check("10.0.0.1", &proxies, &[], "10.0.0.1");
        check("10.0.0.1", &proxies, &[""], "10.0.0.1");
        check("10.0.0.1", &proxies, &["unknown"], "10.0.0.1");
        check("10.0.0.1", &proxies, &["1.2.3.4, unknown, 10.9.9.9"], "10.9.9.9");
        check("10.0.0.1", &proxies, &["1.2.3.4,"], "10.0.0.1");
        check("10.0.0.1", &proxies, &["10.0.0.5, 10.0.0.6"], "10.0.0.5");
        check("10.0.0.1", &proxies, &["1.2.3.4/8"], "10.0.0.1");
    }

    #[test]
    fn ports_brackets_zones_and_mapped_addresses_are_read() {
        for (text, client) in [
            ("1.2.3.4:5678", "1.2.3.4"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("\"[2001:db8::7]:443\"", "2001:db8::7"),
            ("fe80::1%eth0", "fe80::1"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            (" 1.2.3.4 ", "1.2.3.4"),
        ] {
            check("10.0.0.1", &["10.0.0.0/8"], &[text], client);
        }
    }

    #[test]
    fn an_endless_chain_is_walked_a_bounded_way() {
        let chain = vec!["10.0.0.2"; 40].join(", ");
        check("10.0.0.1", &["10.0.0.0/8"], &[&format!("1.2.3.4, {chain}")], "10.0.0.2");
    }
}
