//! What a search returned: a name and attributes, looked up without regard to case and with options taken apart.

use std::collections::HashSet;

use super::name::{Dn, NotADn};

/// Most attributes that an entry has, several times what any directory's schema gives one.
const MAX_ATTRIBUTES: usize = 1_024;

/// Why an entry cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// An attribute came twice, so that neither can be believed.
    #[error("attribute `{0}` came twice")]
    Duplicate(String),
    /// More attributes than an entry has.
    #[error("it has more than {MAX_ATTRIBUTES} attributes")]
    Crowded,
    /// The name is no distinguished name.
    #[error(transparent)]
    Name(#[from] NotADn),
    /// Only some values of a long attribute are there (`member;range=0-1499`).
    #[error("`{0}` has more values than the server gives at once (range retrieval), and the others are not there")]
    Range(String),
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    dn: Dn,
    attributes: Vec<Attribute>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Attribute {
    /// Lower case, without options.
    name: String,
    values: Vec<Vec<u8>>,
}

/// Attribute descriptions with values, as they came.
pub(super) type Described = Vec<(String, Vec<Vec<u8>>)>;

/// An entry as one answer shows it: of long attributes there may be a part only.
#[derive(Debug)]
pub(super) struct Shown {
    entry: Entry,
    cut: Vec<Cut>,
}

/// Some values of an attribute that has more than the server gives at once.
#[derive(Debug)]
pub(super) struct Cut {
    /// The attribute, in lower case, without options.
    pub(super) name: String,
    pub(super) range: Range,
    pub(super) values: Vec<Vec<u8>>,
}

impl Shown {
    /// Takes an answer apart. Attributes in another language or with other options than `binary` are left out: they are not
    /// the attribute itself (RFC 4512 section 2.5).
    ///
    /// # Errors
    /// Every variant of [`EntryError`]; `Range` for a range that is none.
    pub(super) fn new(dn: &str, described: Described) -> Result<Self, EntryError> {
        if described.len() > MAX_ATTRIBUTES {
            return Err(EntryError::Crowded);
        }
        let (mut attributes, mut cut): (Vec<Attribute>, Vec<Cut>) = (Vec::with_capacity(described.len()), Vec::new());
        let mut seen = HashSet::with_capacity(described.len());
        for (description, values) in described {
            let description = description.to_ascii_lowercase();
            let mut parts = description.split(';');
            let name = parts.next().unwrap_or_default().to_owned();
            let options: Vec<&str> = parts.filter(|option| *option != "binary").collect();
            let range = options.iter().find_map(|option| option.strip_prefix("range="));
            if range.is_none() && !options.is_empty() {
                continue;
            }
            // Active Directory puts the attribute without values beside the one that has some of them.
            if range.is_none() && values.is_empty() {
                continue;
            }
            if !seen.insert(name.clone()) {
                return Err(EntryError::Duplicate(name));
            }
            match range {
                None => attributes.push(Attribute { name, values }),
                Some(range) => {
                    let range = Range::parse(range).ok_or_else(|| EntryError::Range(name.clone()))?;
                    cut.push(Cut { name, range, values });
                }
            }
        }
        Ok(Self { entry: Entry { dn: dn.parse()?, attributes }, cut })
    }

    /// The entry, and what there is of its long attributes.
    pub(super) fn into_parts(self) -> (Entry, Vec<Cut>) {
        (self.entry, self.cut)
    }
}

impl Entry {
    /// An entry from a name and attribute descriptions with values, as they came.
    ///
    /// # Errors
    /// As [`Shown::new`]; `Range` where an attribute is there in part.
    #[cfg(test)]
    pub(crate) fn new(dn: &str, described: Described) -> Result<Self, EntryError> {
        let (entry, cut) = Shown::new(dn, described)?.into_parts();
        cut.into_iter().next().map_or(Ok(entry), |cut| Err(EntryError::Range(cut.name)))
    }

    /// Adds an attribute that was read by itself.
    pub(super) fn put(&mut self, name: String, values: Vec<Vec<u8>>) {
        self.attributes.push(Attribute { name, values });
    }

    /// The entry's name.
    pub fn dn(&self) -> &Dn {
        &self.dn
    }

    /// The values of an attribute; none when it is absent.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        self.attributes
            .iter()
            .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
            .map(|attribute| attribute.values.as_slice())
            .unwrap_or_default()
    }

    /// The values of an attribute that are text and not blank, trimmed.
    pub fn texts<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let texts = self.values(name).iter().filter_map(|value| std::str::from_utf8(value).ok());
        texts.map(str::trim).filter(|text| !text.is_empty())
    }

    /// The first value of an attribute that is text and not blank.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    /// The id that survives renames and moves, in the form in which it is stored; `None` when it is absent, empty, not
    /// of its form, or has two values.
    pub fn stable_id(&self, kind: StableId) -> Option<String> {
        let [value] = self.values(kind.attribute()) else { return None };
        match kind {
            StableId::EntryUuid => uuid_text(value),
            StableId::NsUniqueId => {
                let text = std::str::from_utf8(value).ok()?.trim().to_ascii_lowercase();
                let fits = text.len() == 35 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
                fits.then_some(text)
            }
            StableId::ObjectGuid => guid_text(value),
        }
    }
}

/// Which values of an attribute an answer has (MS-ADTS section 3.1.1.3.1.3.3), counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: usize,
    /// `None` where there are no more behind these.
    pub(super) last: Option<usize>,
}

impl Range {
    /// Reads `0-1499` and `1500-*`.
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let (first, last) = text.split_once('-')?;
        let (first, last) = (number(first)?, if last == "*" { None } else { Some(number(last)?) });
        last.is_none_or(|last| last >= first).then_some(Self { first, last })
    }
}

/// Which attribute identifies entries for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StableId {
    /// `entryUUID` (RFC 4530): a UUID as text.
    EntryUuid,
    /// `nsUniqueId` of 389 Directory Server: four groups of eight digits.
    NsUniqueId,
    /// `objectGUID` of Active Directory: 16 bytes, the first three fields little-endian.
    ObjectGuid,
}

impl StableId {
    /// The attribute's name.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::EntryUuid => "entryUUID",
            Self::NsUniqueId => "nsUniqueId",
            Self::ObjectGuid => "objectGUID",
        }
    }
}

/// A UUID in text form, in lower case; the nil UUID is no id.
fn uuid_text(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?.trim().to_ascii_lowercase();
    let fits = text.len() == 36
        && text.bytes().enumerate().all(|(position, byte)| match position {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    (fits && text.bytes().any(|byte| !matches!(byte, b'0' | b'-'))).then_some(text)
}

/// The text form that Active Directory's own tools show.
fn guid_text(value: &[u8]) -> Option<String> {
    let bytes: [u8; 16] = value.try_into().ok()?;
    if bytes == [0; 16] {
        return None;
    }
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::with_capacity(36);
    for (position, index) in order.into_iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{:02x}", bytes.get(index)?));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(attributes: &[(&str, &[&[u8]])]) -> Result<Entry, EntryError> {
        let attributes = attributes
            .iter()
            .map(|(name, values)| ((*name).to_owned(), values.iter().map(|value| value.to_vec()).collect()));
        Entry::new("cn=a,dc=x", attributes.collect())
    }

    #[test]
    fn attributes_are_found_without_regard_to_case_and_options() {
        let entry =
            entry(&[("givenName", &[b"Ada", b" "]), ("CN;lang-de", &[b"Augusta"]), ("photo;binary", &[&[0xff]])])
                .unwrap();
        assert_eq!(entry.text("GIVENNAME"), Some("Ada"));
        assert_eq!(entry.texts("givenName").count(), 1, "blanks are no values");
        assert_eq!(entry.text("cn"), None, "another language is another attribute");
        assert_eq!(entry.values("photo"), [vec![0xff]]);
        assert_eq!(entry.text("photo"), None, "bytes that are no text");
    }

    #[test]
    fn a_cut_or_repeated_attribute_makes_the_entry_unusable() {
        let cut = entry(&[("member", &[]), ("member;range=0-1499", &[b"cn=b"])]);
        assert_eq!(cut, Err(EntryError::Range("member".into())));
        let twice = entry(&[("member;range=0-0", &[b"cn=b"]), ("member;range=1-*", &[b"cn=c"])]);
        assert_eq!(twice, Err(EntryError::Duplicate("member".into())));
        let both = entry(&[("member", &[b"cn=b"]), ("member;range=0-0", &[b"cn=b"])]);
        assert_eq!(both, Err(EntryError::Duplicate("member".into())));
        assert_eq!(entry(&[("cn", &[b"a"]), ("CN", &[b"b"])]), Err(EntryError::Duplicate("cn".into())));
        assert!(matches!(Entry::new("no name", Vec::new()), Err(EntryError::Name(_))));
    }

    #[test]
    fn a_range_is_two_numbers_or_a_number_and_a_star() {
        assert_eq!(Range::parse("0-1499"), Some(Range { first: 0, last: Some(1499) }));
        assert_eq!(Range::parse("1500-*"), Some(Range { first: 1500, last: None }));
        for text in ["", "-", "0", "0-", "-1", "1-0", "+0-1", "0-+1", "*-*", "0-99999999999999999999999"] {
            assert_eq!(Range::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_entry_of_more_attributes_than_any_has_is_unusable() {
        let described = |count: usize| (0..count).map(|number| (format!("a{number}"), Vec::new())).collect();
        assert!(Entry::new("cn=a", described(MAX_ATTRIBUTES)).is_ok());
        assert_eq!(Entry::new("cn=a", described(MAX_ATTRIBUTES + 1)), Err(EntryError::Crowded));
    }

    #[test]
    fn stable_ids_have_one_text_form() {
        let id = |name: &str, value: &[u8], kind| entry(&[(name, &[value])]).unwrap().stable_id(kind);
        let upper = b"8E8F0C9A-6F1B-103D-8B5A-0B1C2D3E4F50";
        assert_eq!(
            id("entryUUID", upper, StableId::EntryUuid).as_deref(),
            Some("8e8f0c9a-6f1b-103d-8b5a-0b1c2d3e4f50")
        );
        let guid: Vec<u8> = (0u8..16).collect();
        assert_eq!(
            id("objectGUID", &guid, StableId::ObjectGuid).as_deref(),
            Some("03020100-0504-0706-0809-0a0b0c0d0e0f")
        );
        assert_eq!(
            id("nsUniqueId", b"DE7D2E01-5E1811F0-8A3BB9F3-1B1D6A55", StableId::NsUniqueId).as_deref(),
            Some("de7d2e01-5e1811f0-8a3bb9f3-1b1d6a55")
        );
    }

    #[test]
    fn an_empty_or_doubtful_id_is_none() {
        for (name, values, kind) in [
            ("entryUUID", vec![&b""[..]], StableId::EntryUuid),
            ("entryUUID", vec![&b"not-a-uuid"[..]], StableId::EntryUuid),
            ("entryUUID", vec![&b"00000000-0000-0000-0000-000000000000"[..]], StableId::EntryUuid),
            ("objectGUID", vec![&[0u8; 16][..]], StableId::ObjectGuid),
            ("objectGUID", vec![&[1u8; 15][..]], StableId::ObjectGuid),
            ("objectGUID", vec![&[1u8; 16][..], &[2u8; 16][..]], StableId::ObjectGuid),
            ("nsUniqueId", vec![&b" "[..]], StableId::NsUniqueId),
        ] {
            assert_eq!(entry(&[(name, &values)]).unwrap().stable_id(kind), None, "{name} {values:?}");
        }
    }
}
