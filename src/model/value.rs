//! Attribute values as RFC 7643 section 2.3 has them, which are those of JSON, and their form in a record.

use std::ops::Range;

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

/// Attributes as they stand in a record, for readers that pass them on: no value is made of them. Where each begins and
/// ends was found when the record was read; that texts are UTF-8 is checked where they are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// Where a name and its value stand.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: Range<usize>,
    value: Range<usize>,
}

/// One value among [`Kept`] attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptValue<'a>(&'a [u8]);

impl<'b, C> Decode<'b, C> for Kept {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = decoder.input().get(decoder.position()..).unwrap_or_default();
        let mut entries = Vec::new();
        let end = walk_map(bytes, 0, MAX_DEPTH, &mut |entry| entries.push(entry));
        let end = end.ok_or_else(|| minicbor::decode::Error::message("attributes that are none"))?;
        decoder.set_position(decoder.position() + end);
        Ok(Self { bytes: bytes.get(..end).unwrap_or_default().to_vec(), entries })
    }
}

impl Kept {
    /// Every attribute, in the order they came; one whose name is no text is left out.
    pub fn entries(&self) -> impl Iterator<Item = (&str, KeptValue<'_>)> {
        self.entries.iter().filter_map(|entry| read_entry(&self.bytes, entry))
    }

    /// The attribute of this very name.
    pub fn get(&self, name: &str) -> Option<KeptValue<'_>> {
        let is_named = |entry: &&Entry| self.bytes.get(entry.name.clone()) == Some(name.as_bytes());
        let entry = self.entries.iter().find(is_named)?;
        self.bytes.get(entry.value.clone()).map(KeptValue)
    }
}

impl<'a> KeptValue<'a> {
    /// Whether it is no value at all.
    pub fn is_null(self) -> bool {
        Decoder::new(self.0).null().is_ok()
    }

    /// What an object has; nothing for every other value.
    pub fn entries(self) -> impl Iterator<Item = (&'a str, KeptValue<'a>)> {
        let mut entries = Vec::new();
        walk_map(self.0, 0, MAX_DEPTH, &mut |entry| entries.push(entry));
        entries.into_iter().filter_map(move |entry| read_entry(self.0, &entry))
    }

    /// The value as any reader takes it.
    pub fn to_value(self) -> Value {
        decode_value(&mut Decoder::new(self.0), MAX_DEPTH).unwrap_or(Value::Null)
    }

    /// Appends the value as JSON, without spaces.
    ///
    /// # Errors
    /// When a text in it is not UTF-8.
    pub fn write_json(self, out: &mut Vec<u8>) -> Result<(), minicbor::decode::Error> {
        write_json(&mut Decoder::new(self.0), out)
    }
}

fn read_entry<'a>(bytes: &'a [u8], entry: &Entry) -> Option<(&'a str, KeptValue<'a>)> {
    let name = std::str::from_utf8(bytes.get(entry.name.clone())?).ok()?;
    Some((name, KeptValue(bytes.get(entry.value.clone())?)))
}

/// The first bytes of a CBOR item (RFC 8949 section 3): major type, argument, and where its content begins. Items of
/// unknown length, which no record of ours has, are none.
fn head(bytes: &[u8], at: usize) -> Option<(u8, u64, usize)> {
    let first = *bytes.get(at)?;
    let (major, low) = (first >> 5, first & 0x1f);
    let width = match low {
        0..=23 => return Some((major, u64::from(low), at + 1)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let argument = bytes.get(at + 1..at + 1 + width)?;
    let argument = argument.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    Some((major, argument, at + 1 + width))
}

/// The end of the item at `at`, `None` when it is damaged or nested deeper than `depth`. Texts are not looked into.
fn walk(bytes: &[u8], at: usize, depth: u8) -> Option<usize> {
    let (major, argument, mut at) = head(bytes, at)?;
    match major {
        0 | 1 | 7 => Some(at),
        3 => {
            let end = at.checked_add(usize::try_from(argument).ok()?)?;
            (end <= bytes.len()).then_some(end)
        }
        4 => {
            let depth = depth.checked_sub(1)?;
            for _ in 0..argument {
                at = walk(bytes, at, depth)?;
            }
            Some(at)
        }
        5 => {
            let depth = depth.checked_sub(1)?;
            for _ in 0..argument {
                at = walk_name(bytes, at)?.end;
                at = walk(bytes, at, depth)?;
            }
            Some(at)
        }
        _ => None,
    }
}

/// The end of the map at `at`, with what is in it.
fn walk_map(bytes: &[u8], at: usize, depth: u8, each: &mut dyn FnMut(Entry)) -> Option<usize> {
    let (5, argument, mut at) = head(bytes, at)? else { return None };
    let depth = depth.checked_sub(1)?;
    for _ in 0..argument {
        let name = walk_name(bytes, at)?;
        let value = name.end..walk(bytes, name.end, depth)?;
        at = value.end;
        each(Entry { name, value });
    }
    Some(at)
}

/// Where the text of a name stands.
fn walk_name(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let (3, length, start) = head(bytes, at)? else { return None };
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (end <= bytes.len()).then_some(start..end)
}

fn write_json(decoder: &mut Decoder<'_>, out: &mut Vec<u8>) -> Result<(), minicbor::decode::Error> {
    match decoder.datatype()? {
        Type::Array => {
            out.push(b'[');
            for number in 0..known(decoder.array()?)? {
                if number > 0 {
                    out.push(b',');
                }
                write_json(decoder, out)?;
            }
            out.push(b']');
            Ok(())
        }
        Type::Map => {
            out.push(b'{');
            for number in 0..known(decoder.map()?)? {
                if number > 0 {
                    out.push(b',');
                }
                write_text(decoder.str()?, out)?;
                out.push(b':');
                write_json(decoder, out)?;
            }
            out.push(b'}');
            Ok(())
        }
        Type::String => write_text(decoder.str()?, out),
        Type::Bool => {
            out.extend_from_slice(if decoder.bool()? { b"true" } else { b"false" });
            Ok(())
        }
        _ => {
            let value = decode_value(decoder, 1)?;
            serde_json::to_writer(out, &value).map_err(minicbor::decode::Error::custom)
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) -> Result<(), minicbor::decode::Error> {
    serde_json::to_writer(out, text).map_err(minicbor::decode::Error::custom)
}

fn known(length: Option<u64>) -> Result<u64, minicbor::decode::Error> {
    length.ok_or_else(|| minicbor::decode::Error::message("a value of known length"))
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
    let len = known(decoder.map()?)?;
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
            let len = known(decoder.array()?)?;
            (0..len).map(|_| decode_value(decoder, depth)).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        Type::Map => decode_map(decoder, depth).map(Value::Object),
        _ => decoder.i64().map(Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes() -> Attributes {
        let Value::Object(map) = serde_json::json!({
            "title": "Dr \"\u{1}\u{2028}é", "n": -3, "d": 1.5, "on": true, "nothing": null, "none": [], "empty": {},
            "emails": [{"value": "a@b", "primary": true}, "c"], "urn:x:1": {"manager": {"value": "9"}, "n": [1, 2]}
        }) else {
            unreachable!()
        };
        Attributes(map)
    }

    #[test]
    fn every_kind_of_value_survives_a_record() {
        let bytes = minicbor::to_vec(attributes()).unwrap();
        assert_eq!(minicbor::decode::<Attributes>(&bytes).unwrap(), attributes());
    }

    #[test]
    fn what_is_passed_on_unread_is_what_reading_gives() {
        let bytes = minicbor::to_vec(attributes()).unwrap();
        let kept = minicbor::decode::<Kept>(&bytes).unwrap();
        let names: Vec<&str> = kept.entries().map(|(name, _)| name).collect();
        assert_eq!(names, attributes().0.keys().collect::<Vec<_>>());
        for (name, value) in kept.entries() {
            let read = &attributes().0[name];
            let mut json = Vec::new();
            value.write_json(&mut json).unwrap();
            assert_eq!(String::from_utf8(json).unwrap(), read.to_string(), "{name}");
            assert_eq!((&value.to_value(), value.is_null()), (read, read.is_null()), "{name}");
            assert_eq!(value.entries().count(), read.as_object().map_or(0, |map| map.len()), "{name}");
        }
        assert!(kept.get("on").is_some() && kept.get("ON").is_none());
    }

    #[test]
    fn damaged_attributes_are_refused_whether_they_are_read_or_passed_on() {
        let bytes = minicbor::to_vec(attributes()).unwrap();
        let mut deep = vec![0xa1, 0x61, b'a'];
        deep.extend([0x81; 12]);
        deep.push(0xf6);
        let endless = vec![0xbf, 0xff];
        let beyond = vec![0xa1, 0x61, b'a', 0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let many = vec![0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let tag = vec![0xa1, 0x61, b'a', 0xc0, 0x01];
        for damaged in [bytes[..bytes.len() - 1].to_vec(), deep, endless, beyond, many, tag, vec![0x01], Vec::new()] {
            assert!(minicbor::decode::<Attributes>(&damaged).is_err(), "{damaged:?}");
            assert!(minicbor::decode::<Kept>(&damaged).is_err(), "{damaged:?}");
        }
        let not_text = [0xa1, 0x61, b'a', 0x61, 0xff];
        assert!(minicbor::decode::<Attributes>(&not_text).is_err());
        let kept: Kept = minicbor::decode(&not_text).unwrap();
        assert!(kept.get("a").unwrap().write_json(&mut Vec::new()).is_err());
    }
}
