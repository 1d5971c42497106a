//! Attribute values as RFC 7643 section 2.3 has them, which are those of JSON, and their form in a record.

use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder};

/// One attribute's value.
pub type Value = serde_json::Value;

/// Attributes by name, in the order they came. Names are RFC 7643's; an extension's are below its URN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(pub serde_json::Map<String, Value>);

/// Deepest nesting of a stored value; SCIM needs three.
const MAX_DEPTH: u8 = 8;

impl<C> Encode<C> for Attributes {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encode_map(&self.0, encoder)
    }
}

impl<'b, C> Decode<'b, C> for Attributes {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        decode_map(decoder, MAX_DEPTH).map(Self)
    }
}

fn encode_map<W: minicbor::encode::Write>(
    map: &serde_json::Map<String, Value>,
    encoder: &mut Encoder<W>,
) -> Result<(), minicbor::encode::Error<W::Error>> {
    encoder.map(length(map.len()))?;
    for (name, value) in map {
        encoder.str(name)?;
        encode_value(value, encoder)?;
    }
    Ok(())
}

fn encode_value<W: minicbor::encode::Write>(
    value: &Value,
    encoder: &mut Encoder<W>,
) -> Result<(), minicbor::encode::Error<W::Error>> {
    match value {
        Value::Null => encoder.null()?.ok(),
        Value::Bool(flag) => encoder.bool(*flag)?.ok(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => encoder.i64(integer)?.ok(),
            (None, Some(decimal)) => encoder.f64(decimal)?.ok(),
            (None, None) => encoder.null()?.ok(),
        },
        Value::String(text) => encoder.str(text)?.ok(),
        Value::Array(values) => {
            encoder.array(length(values.len()))?;
            values.iter().try_for_each(|value| encode_value(value, encoder))
        }
        Value::Object(map) => encode_map(map, encoder),
    }
}

fn length(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

fn decode_map(decoder: &mut Decoder<'_>, depth: u8) -> Result<serde_json::Map<String, Value>, minicbor::decode::Error> {
    let depth = deeper(depth)?;
    let len = decoder.map()?.ok_or_else(|| minicbor::decode::Error::message("a map of known length"))?;
    // A record of ours is small, whatever a damaged one says.
    let mut map = serde_json::Map::with_capacity(usize::try_from(len).unwrap_or(0).min(32));
    for _ in 0..len {
        let name = decoder.str()?.to_owned();
        map.insert(name, decode_value(decoder, depth)?);
    }
    Ok(map)
}

fn deeper(depth: u8) -> Result<u8, minicbor::decode::Error> {
    depth.checked_sub(1).ok_or_else(|| minicbor::decode::Error::message("nested too deeply"))
}

fn decode_value(decoder: &mut Decoder<'_>, depth: u8) -> Result<Value, minicbor::decode::Error> {
    match decoder.datatype()? {
        Type::Null => decoder.null().map(|()| Value::Null),
        Type::Bool => decoder.bool().map(Value::Bool),
        Type::F64 => decoder.f64().map(Value::from),
        Type::String => decoder.str().map(Value::from),
        Type::Array => {
            let depth = deeper(depth)?;
            let len = decoder.array()?.ok_or_else(|| minicbor::decode::Error::message("an array of known length"))?;
            (0..len).map(|_| decode_value(decoder, depth)).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        Type::Map => decode_map(decoder, depth).map(Value::Object),
        _ => decoder.i64().map(Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_survives_a_record() {
        let Value::Object(map) = serde_json::json!({
            "title": "Dr", "n": -3, "d": 1.5, "on": true, "nothing": null,
            "emails": [{"value": "a@b", "primary": true}], "urn:x:1": {"manager": {"value": "9"}}
        }) else {
            unreachable!()
        };
        let attributes = Attributes(map);
        let bytes = minicbor::to_vec(&attributes).unwrap();
        assert_eq!(minicbor::decode::<Attributes>(&bytes).unwrap(), attributes);
    }
}
