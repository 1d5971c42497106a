//! The expression language of RFC 7644 section 3.4.2.2: parse, evaluate, plan. Used by everyone; no I/O.
