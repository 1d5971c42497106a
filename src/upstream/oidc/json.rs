//! JSON as a provider sends it, read without tolerance: a member that appears twice is an error, because two readers
//! would disagree on which of them counts (RFC 8259 section 4, RFC 7519 section 4).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// An object without duplicate members at any depth. Depth is at most 127.
///
/// # Errors
/// What is wrong and where, without quoting the text.
pub(super) fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice::<Strict>(bytes) {
        Ok(Strict(Value::Object(object))) => Ok(object),
        Ok(_) => Err("it is no JSON object".into()),
        Err(e) => Err(format!("it is no valid JSON: {e}")),
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let Strict(value) = members.next_value()?;
            if out.insert(name, value).is_some() {
                return Err(A::Error::custom("a member appears twice"));
            }
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_appears_twice_is_refused_at_every_depth() {
        let cases = [
            (r#"{"a":1,"b":[true,null,"x",-2,1.5,{"c":{}}]}"#, true),
            (r#"{"a":1,"a":1}"#, false),
            (r#"{"a":1,"\u0061":2}"#, false),
            (r#"{"a":[{"b":1,"b":2}]}"#, false),
            (r#"[1]"#, false),
            (r#"{"a":1} {"a":1}"#, false),
            (r#"{"a":1e999}"#, false),
            ("", false),
        ];
        for (text, is_fine) in cases {
            assert_eq!(parse_object(text.as_bytes()).is_ok(), is_fine, "{text}");
        }
    }

    #[test]
    fn a_deep_document_is_an_error_and_no_overflow() {
        let text = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse_object(text.as_bytes()).is_err());
    }

    #[test]
    fn values_come_through_unchanged() {
        let text = r#"{"z":1,"a":[true,null,"x",-2,1.5,{"c":18446744073709551615}]}"#;
        let expected: Value = serde_json::from_str(text).expect("valid");
        assert_eq!(Value::Object(parse_object(text.as_bytes()).expect("valid")), expected);
    }
}
