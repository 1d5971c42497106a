//! What every answer carries: the browser is told to believe nothing that the page does not say itself.

use ::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, Entry, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use ::http::{HeaderMap, HeaderValue};

/// Two years, as browsers' preload lists ask for; without subdomains, which are not ours to decide.
const TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// No `form-action`: browsers apply it to redirects after a form, and sign-in ends at other sites.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'");

const ALWAYS: [(HeaderName, HeaderValue); 4] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// Adds the headers that a handler has not set itself; `encrypted` says that the connection is TLS.
pub(super) fn harden(headers: &mut HeaderMap, encrypted: bool) {
    for (name, value) in ALWAYS {
        if let Entry::Vacant(vacant) = headers.entry(name) {
            vacant.insert(value);
        }
    }
    if encrypted {
        headers.insert(STRICT_TRANSPORT_SECURITY, TRANSPORT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_decides_about_its_own_headers() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        harden(&mut headers, false);
        assert_eq!(headers.get(CACHE_CONTROL).unwrap(), "public, max-age=60");
        assert_eq!(headers.get(X_CONTENT_TYPE_OPTIONS).unwrap(), "nosniff");
        assert!(headers.get(STRICT_TRANSPORT_SECURITY).is_none(), "plain HTTP must not promise TLS");
        harden(&mut headers, true);
        assert_eq!(headers.get(STRICT_TRANSPORT_SECURITY).unwrap(), "max-age=63072000");
    }
}
