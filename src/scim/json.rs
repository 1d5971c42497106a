//! Bodies as JSON, with failures as RFC 7644 section 3.12 names them.

use serde_json::{Map, Value};

use super::Error;
use crate::http::parse_json;

/// The value in these bytes.
///
/// # Errors
/// `InvalidSyntax` with line and column.
pub fn parse(bytes: &[u8]) -> Result<Value, Error> {
    parse_json(bytes).map_err(|error| Error::InvalidSyntax(format!("the body is not acceptable JSON: {error}")))
}

/// The object in these bytes.
///
/// # Errors
/// `InvalidSyntax`, also when it is another value.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    match parse(bytes)? {
        Value::Object(map) => Ok(map),
        _ => Err(Error::InvalidSyntax("the body must be a JSON object".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_an_object_without_doubled_names() {
        assert!(parse_object(b"{\"a\":{\"b\":1}}").is_ok());
        for body in [&b"[]"[..], b"1", b"", b"{\"a\":1,\"a\":2}"] {
            assert!(matches!(parse_object(body), Err(Error::InvalidSyntax(_))));
        }
    }
}
