//! Distinguished names (RFC 4514), compared in parsed form: servers differ in case, spaces and escapes of one name.

use std::fmt;
use std::str::FromStr;

use super::ber;
use crate::model::fold;

/// Longest name that is parsed, in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// The text is no distinguished name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a distinguished name such as `cn=Ada,ou=people,dc=example,dc=org`: {0}")]
pub struct NotADn(&'static str);

/// A distinguished name. Equality, order and hash go by the folded form, `Display` prints the text as given.
#[derive(Clone, Debug)]
pub struct Dn {
    text: String,
    /// Relative names from the entry up, each in folded form.
    parts: Vec<String>,
}

impl Dn {
    /// The text as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// One spelling for all spellings of the name: types and values in lower case, blanks collapsed, one way to escape.
    pub fn folded(&self) -> String {
        self.parts.join(",")
    }

    /// Whether the name has no parts: the root of a server.
    pub fn is_root(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether this is `base` or below it.
    pub fn is_within(&self, base: &Self) -> bool {
        self.parts.ends_with(&base.parts)
    }

    /// Whether this is directly below `base`.
    pub fn is_child_of(&self, base: &Self) -> bool {
        self.is_within(base) && self.parts.len() == base.parts.len() + 1
    }
}

impl PartialEq for Dn {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}
impl Eq for Dn {}
impl PartialOrd for Dn {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Dn {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.parts.cmp(&other.parts)
    }
}
impl std::hash::Hash for Dn {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.parts.hash(state);
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Dn {
    type Err = NotADn;

    fn from_str(text: &str) -> Result<Self, NotADn> {
        if text.len() > MAX_BYTES {
            return Err(NotADn("too long"));
        }
        let mut scanner = Scanner { rest: text };
        let mut parts = Vec::new();
        scanner.skip_spaces();
        while !scanner.rest.is_empty() || !parts.is_empty() {
            let mut assertions = vec![scanner.assertion()?];
            while scanner.eat('+') {
                assertions.push(scanner.assertion()?);
            }
            // The order of a relative name's parts says nothing (RFC 4512 section 2.3.2).
            assertions.sort();
            parts.push(assertions.join("+"));
            if !scanner.eat(',') {
                break;
            }
        }
        if !scanner.rest.is_empty() {
            return Err(NotADn("something follows a value"));
        }
        Ok(Self { text: text.to_owned(), parts })
    }
}

struct Scanner<'a> {
    rest: &'a str,
}

impl Scanner<'_> {
    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn eat(&mut self, expected: char) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn bump(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// `type=value` in folded form.
    fn assertion(&mut self) -> Result<String, NotADn> {
        self.skip_spaces();
        let kind = self.kind()?;
        self.skip_spaces();
        if !self.eat('=') {
            return Err(NotADn("a type without `=`"));
        }
        self.skip_spaces();
        let value = if self.eat('#') { self.hexadecimal()? } else { self.value()? };
        Ok(format!("{kind}={value}"))
    }

    fn kind(&mut self) -> Result<String, NotADn> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (kind, rest) = self.rest.split_at(end);
        if !kind.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(NotADn("a type must start with a letter or digit"));
        }
        self.rest = rest;
        let kind = kind.to_ascii_lowercase();
        let kind = kind.strip_prefix("oid.").unwrap_or(&kind);
        Ok(match kind {
            // RFC 4514 section 3: the numbers of the types that servers write by name.
            "2.5.4.3" => "cn",
            "2.5.4.6" => "c",
            "2.5.4.7" => "l",
            "2.5.4.8" => "st",
            "2.5.4.9" => "street",
            "2.5.4.10" => "o",
            "2.5.4.11" => "ou",
            "0.9.2342.19200300.100.1.1" => "uid",
            "0.9.2342.19200300.100.1.25" => "dc",
            other => other,
        }
        .to_owned())
    }

    /// A value in string form, up to the next `,` or `+` that is not escaped.
    fn value(&mut self) -> Result<String, NotADn> {
        let mut bytes = Vec::new();
        let mut utf8 = [0; 4];
        while let Some(next) = self.rest.chars().next() {
            match next {
                ',' | '+' => break,
                '"' | ';' | '<' | '>' | '\0' => return Err(NotADn("a character that must be escaped")),
                '\\' => {
                    self.bump();
                    bytes.extend_from_slice(self.escaped()?.as_slice());
                }
                other => {
                    self.bump();
                    bytes.extend_from_slice(other.encode_utf8(&mut utf8).as_bytes());
                }
            }
        }
        let text = String::from_utf8(bytes).map_err(|_| NotADn("a value that is not UTF-8"))?;
        Ok(fold_value(&text))
    }

    /// What follows a backslash: two hexadecimal digits or a special character.
    fn escaped(&mut self) -> Result<Vec<u8>, NotADn> {
        let first = self.bump().ok_or(NotADn("ends after a backslash"))?;
        if let Some(high) = first.to_digit(16) {
            let low = self.bump().and_then(|c| c.to_digit(16)).ok_or(NotADn("half of an escaped byte"))?;
            return Ok(vec![u8::try_from(high * 16 + low).unwrap_or_default()]);
        }
        match first {
            ' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\' => Ok(first.to_string().into_bytes()),
            _ => Err(NotADn("an escape of a character that needs none")),
        }
    }

    /// A value as the hexadecimal digits of its BER encoding; texts fold as if they were written out.
    fn hexadecimal(&mut self) -> Result<String, NotADn> {
        let end = self.rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.skip_spaces();
        let mut bytes = Vec::new();
        for pair in digits.as_bytes().chunks(2) {
            let pair = std::str::from_utf8(pair).unwrap_or_default();
            if pair.len() != 2 {
                return Err(NotADn("half of a hexadecimal byte"));
            }
            bytes.push(u8::from_str_radix(pair, 16).map_err(|_| NotADn("a digit that is not hexadecimal"))?);
        }
        let mut reader = ber::Reader::new(&bytes);
        let element = reader.element().ok().flatten().filter(|_| reader.is_empty());
        let element = element.ok_or(NotADn("a hexadecimal value that is no BER"))?;
        // UTF8String, PrintableString, IA5String and OCTET STRING.
        let text = matches!(element.tag, 0x0c | 0x13 | 0x16 | 0x04).then(|| std::str::from_utf8(element.content).ok());
        Ok(match text.flatten() {
            Some(text) => fold_value(text),
            None => format!("#{}", digits.to_ascii_lowercase()),
        })
    }
}

/// The value as `caseIgnoreMatch` compares it (RFC 4518), with the characters that structure a name escaped.
fn fold_value(value: &str) -> String {
    let folded = fold(value);
    let mut out = String::with_capacity(folded.as_str().len());
    for (index, word) in folded.as_str().split(' ').filter(|word| !word.is_empty()).enumerate() {
        if index > 0 {
            out.push(' ');
        }
        for character in word.chars() {
            if matches!(character, ',' | '+' | '=' | '\\' | '#' | '"' | ';' | '<' | '>') {
                out.push('\\');
            }
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str) -> String {
        text.parse::<Dn>().unwrap().folded()
    }

    #[test]
    fn spellings_of_one_name_are_equal() {
        for (one, other) in [
            ("CN=Ada Lovelace,OU=People,DC=Example,DC=org", "cn=ada  lovelace, ou = people ,dc=example,dc=org"),
            (r"cn=Lovelace\, Ada,dc=x", r"cn=Lovelace\2C Ada,dc=x"),
            (r"cn=a\=b\#c,dc=x", r"cn=a\3Db\23c,dc=x"),
            (r"cn=a=b,dc=x", r"cn=a\=b,dc=x"),
            (r"cn=J\C3\BCrgen,dc=x", "cn=jürgen,dc=x"),
            ("cn=a+uid=b,dc=x", "UID=b + CN=A,dc=x"),
            ("oid.2.5.4.3=a,0.9.2342.19200300.100.1.25=x", "cn=a,dc=x"),
            ("cn=#04024869,dc=x", "cn=Hi,dc=x"),
            (r"cn=\ a\ ,dc=x", "cn=a,dc=x"),
        ] {
            assert_eq!(one.parse::<Dn>(), other.parse::<Dn>(), "{one} and {other}");
        }
    }

    #[test]
    fn different_names_stay_different() {
        for (one, other) in [
            (r"cn=a\,dc=x", "cn=a,dc=x"),
            (r"cn=a\+uid=b", "cn=a+uid=b"),
            ("cn=a,ou=b", "ou=b,cn=a"),
            ("cn=ab", "cn=a b"),
            (r"cn=\23ff", "cn=#04024869"),
        ] {
            assert_ne!(folded(one), folded(other), "{one} and {other}");
        }
    }

    #[test]
    fn texts_that_are_no_names_are_refused() {
        for text in [
            "cn",
            "=a",
            "cn=a,",
            ",cn=a",
            "cn=a,,dc=x",
            r"cn=a\",
            r"cn=a\4",
            r"cn=a\g",
            "cn=\"a\"",
            "cn=a;dc=x",
            r"cn=\FF",
            "cn=#0",
            "cn=#0405aa",
            "cn=a<b",
            "-=a",
        ] {
            assert!(text.parse::<Dn>().is_err(), "{text}");
        }
        assert!(format!("cn={}", "a".repeat(9000)).parse::<Dn>().is_err());
    }

    #[test]
    fn a_name_knows_what_it_is_below() {
        let dn = |text: &str| text.parse::<Dn>().unwrap();
        let (base, entry) = (dn("dc=example,dc=org"), dn("cn=a,ou=p,DC=Example,DC=org"));
        assert!(entry.is_within(&base) && base.is_within(&base) && !base.is_within(&entry));
        assert!(dn("ou=p,dc=example,dc=org").is_child_of(&base) && !entry.is_child_of(&base));
        assert!(entry.is_within(&dn("")) && dn("").is_root());
        assert!(!dn("cn=a,dc=notexample,dc=org").is_within(&base));
    }

    proptest! {
        #[test]
        fn the_folded_form_is_a_name_that_folds_to_itself(value in "\\PC{1,40}") {
            let escaped: String = value.bytes().map(|byte| format!("\\{byte:02x}")).collect();
            let once = folded(&format!("cn={escaped},dc=x"));
            prop_assert_eq!(folded(&once), once);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            let _ = text.parse::<Dn>();
        }
    }
}
