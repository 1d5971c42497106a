//! Names that people and systems give: parsed once at the edge, compared in one folded form.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder};
use unicode_normalization::UnicodeNormalization;

/// Longest name of a user or group, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 512;
/// Longest folded form of such a name, in bytes: folding can make several letters of one, and the form is a key.
pub const MAX_FOLDED_BYTES: usize = 1024;
/// Longest name of a source or connector, in bytes.
pub const MAX_SOURCE_BYTES: usize = 64;

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or blanks only.
    #[error("must not be empty or blank")]
    Blank,
    /// A control, bidirectional or zero-width character, which makes two names look like one.
    #[error("must not contain control, bidirectional or zero-width characters")]
    Invisible,
    /// Over the limit in the form in which names are compared.
    #[error("must have at most {MAX_FOLDED_BYTES} bytes in the form in which names are compared")]
    Folded,
    /// Over the limit.
    #[error("must have at most {max_bytes} bytes")]
    Long {
        /// The limit.
        max_bytes: usize,
    },
    /// A source id with other characters.
    #[error("must consist of a-z, 0-9, - and _, starting with a letter")]
    NotASlug,
}

/// The form in which names are compared: NFKC, lower case, trimmed. Case, width and blanks give no second spelling.
pub fn fold(name: &str) -> FoldedName {
    let name = name.trim();
    if name.is_ascii() {
        return FoldedName(name.to_ascii_lowercase());
    }
    FoldedName(name.nfkc().flat_map(char::to_lowercase).nfkc().collect())
}

/// A folded name, the text of an index key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FoldedName(String);

impl FoldedName {
    /// The folded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is asked of a new name. Names that are kept already are held to [`check`] only.
fn check_new(text: &str) -> Result<(), NameError> {
    check(text)?;
    if fold(text).as_str().len() > MAX_FOLDED_BYTES { Err(NameError::Folded) } else { Ok(()) }
}

fn check(text: &str) -> Result<(), NameError> {
    if text.trim().is_empty() {
        return Err(NameError::Blank);
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(NameError::Long { max_bytes: MAX_NAME_BYTES });
    }
    let invisible = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if text.chars().any(invisible) {
        return Err(NameError::Invisible);
    }
    Ok(())
}

/// A user's login name (`userName`, RFC 7643 section 4.1.1): kept as given, unique in folded form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(String);

/// A group's `displayName`: kept as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupName(String);

impl UserName {
    /// The name as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which it is unique.
    pub fn folded(&self) -> FoldedName {
        fold(&self.0)
    }
}

impl GroupName {
    /// The name as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which it is looked up.
    pub fn folded(&self) -> FoldedName {
        fold(&self.0)
    }

    /// `Data Analysts` as `data_analysts`, as the ids of roles are made; `None` when no letter or digit of ASCII is in it.
    pub fn slug(&self) -> Option<String> {
        let words = self.0.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let slug = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_");
        (!slug.is_empty()).then_some(slug)
    }
}

impl FromStr for UserName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check_new(text).map(|()| Self(text.to_owned()))
    }
}

impl FromStr for GroupName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check_new(text).map(|()| Self(text.to_owned()))
    }
}

/// The id of a configured source or connector: `okta`, `corp`, `entra`; `password` is the built-in one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(String);

impl SourceId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SourceId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() > MAX_SOURCE_BYTES {
            return Err(NameError::Long { max_bytes: MAX_SOURCE_BYTES });
        }
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(fits) {
            return Err(NameError::NotASlug);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Encodes anything that prints as its text.
pub(super) fn encode_text<W: minicbor::encode::Write>(
    text: &str,
    encoder: &mut Encoder<W>,
) -> Result<(), minicbor::encode::Error<W::Error>> {
    encoder.str(text)?.ok()
}

/// Decodes text and parses it; a record that does not parse is corrupt.
pub(super) fn decode_text<T: FromStr>(decoder: &mut Decoder<'_>) -> Result<T, minicbor::decode::Error>
where
    T::Err: fmt::Display,
{
    decoder.str()?.parse().map_err(|error: T::Err| minicbor::decode::Error::message(error.to_string()))
}

/// Decodes the name of a user or group that was kept.
fn decode_name(decoder: &mut Decoder<'_>) -> Result<String, minicbor::decode::Error> {
    let text = decoder.str()?;
    check(text).map_err(|error| minicbor::decode::Error::message(error.to_string()))?;
    Ok(text.to_owned())
}

impl<C> Encode<C> for UserName {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encode_text(&self.0, e)
    }
}
impl<C> Encode<C> for GroupName {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encode_text(&self.0, e)
    }
}
impl<C> Encode<C> for SourceId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encode_text(&self.0, e)
    }
}
impl<'b, C> Decode<'b, C> for UserName {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        decode_name(d).map(Self)
    }
}
impl<'b, C> Decode<'b, C> for GroupName {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        decode_name(d).map(Self)
    }
}
impl<'b, C> Decode<'b, C> for SourceId {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        decode_text(d)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_fold_to_one() {
        for other in ["Ada@Example.org", " ada@example.org ", "ＡＤＡ@example.org", "ADA@EXAMPLE.ORG"] {
            assert_eq!(fold(other), fold("ada@example.org"), "{other}");
        }
        assert_ne!(fold("ada"), fold("adam"));
    }

    #[test]
    fn names_that_deceive_are_refused() {
        assert_eq!("  ".parse::<UserName>(), Err(NameError::Blank));
        assert_eq!("a\u{202e}b".parse::<UserName>(), Err(NameError::Invisible));
        assert_eq!("a\nb".parse::<GroupName>(), Err(NameError::Invisible));
        assert_eq!("x".repeat(513).parse::<UserName>(), Err(NameError::Long { max_bytes: 512 }));
        let grows = "\u{fdfa}".repeat(170);
        assert_eq!(grows.parse::<UserName>(), Err(NameError::Folded), "a letter that folding makes eighteen of");
        assert_eq!(grows.parse::<GroupName>(), Err(NameError::Folded));
        assert_eq!("Okta".parse::<SourceId>(), Err(NameError::NotASlug));
        assert!("okta-2".parse::<SourceId>().is_ok());
    }
}
