//! What a message must survive before a parser sees it: one pass over its bytes.
//!
//! Refused here: other encodings than UTF-8, NUL, every `<!` (document types, comments, CDATA sections), processing
//! instructions, and sizes that make a parser or a canonicalizer slow. A parser that follows can then be strict and
//! plain, because nothing is left that two parsers read differently.

use super::refused;
use crate::upstream::Error;

/// How large and how free a document may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of the whole document.
    pub(crate) max_bytes: usize,
    /// Elements of the whole document.
    pub(crate) max_tags: usize,
    /// What a parser has to do for the attributes and namespaces of the whole document, see [`Tag::work`].
    pub(crate) max_work: usize,
    /// Comments are taken only where a person wrote the document: in metadata.
    pub(crate) comments: Comments,
}

/// Whether comments may stand in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comments {
    Allowed,
    Refused,
}

/// A message that a browser carries.
pub(crate) const MESSAGE: Limits =
    Limits { max_bytes: 256 * 1024, max_tags: MAX_MESSAGE_TAGS, max_work: MAX_WORK, comments: Comments::Refused };
/// A metadata document.
pub(crate) const METADATA: Limits =
    Limits { max_bytes: 1024 * 1024, max_tags: MAX_TAGS, max_work: 8 * MAX_WORK, comments: Comments::Allowed };

impl Limits {
    /// The same for documents of another size, with as many elements for their size.
    pub(crate) fn allowing(self, max_bytes: usize) -> Self {
        let times = max_bytes.div_ceil(self.max_bytes.max(1)).max(1);
        let scaled = |most: usize| most.saturating_mul(times);
        Self { max_bytes, max_tags: scaled(self.max_tags), max_work: scaled(self.max_work), ..self }
    }
}

const MAX_ATTRIBUTES: usize = 64;
const MAX_NAMESPACES_IN_SCOPE: usize = 24;
const MAX_DEPTH: usize = 48;
/// A message of the largest size has fewer, also one that is nothing but attribute values of one character, of 34 bytes each.
const MAX_MESSAGE_TAGS: usize = 8_000;
const MAX_TAGS: usize = 20_000;
/// Three milliseconds, and more than a thousand groups need whose every value declares two namespaces.
const MAX_WORK: usize = 700_000;
/// What a declaration costs a parser beside an attribute, for each namespace that is in scope: it copies them.
const DECLARATION_WORK: usize = 64;
const MAX_DECLARATION_BYTES: usize = 128;
/// A parser may take `:ID` for `ID`, and another one for a name of its own (Namespaces in XML section 4).
const COLON: &str = "a name starts with a colon";

/// The document as text, when it passes.
///
/// # Errors
/// `Refused` with rule `size`, `encoding` or `xml`.
pub(crate) fn check(bytes: &[u8], limits: Limits) -> Result<&str, Error> {
    if bytes.len() > limits.max_bytes {
        return Err(refused("size", format!("{} bytes, more than {}", bytes.len(), limits.max_bytes)));
    }
    if bytes.contains(&0) {
        return Err(refused("encoding", "it contains NUL"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| refused("encoding", format!("not UTF-8: {error}")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let body = skip_declaration(text)?;
    scan(body.as_bytes(), limits)?;
    Ok(text)
}

/// What follows the XML declaration, which may be absent and must say version 1.0 and UTF-8.
fn skip_declaration(text: &str) -> Result<&str, Error> {
    let Some(rest) = text.strip_prefix("<?xml").filter(|rest| rest.starts_with(is_space)) else {
        return Ok(text);
    };
    let (content, body) = rest.split_once("?>").ok_or_else(|| refused("xml", "the XML declaration does not end"))?;
    if content.len() > MAX_DECLARATION_BYTES {
        return Err(refused("xml", "the XML declaration is too long"));
    }
    let wrong = || refused("encoding", "the XML declaration says something else than version 1.0 and UTF-8");
    let (version, content) = pseudo_attribute(content, "version").ok_or_else(wrong)?;
    if version != "1.0" {
        return Err(wrong());
    }
    let content = match pseudo_attribute(content, "encoding") {
        Some((encoding, rest)) if encoding.eq_ignore_ascii_case("utf-8") => rest,
        Some(_) => return Err(wrong()),
        None => content,
    };
    let content = match pseudo_attribute(content, "standalone") {
        Some(("yes" | "no", rest)) => rest,
        Some(_) => return Err(wrong()),
        None => content,
    };
    if content.trim_start_matches(is_space).is_empty() { Ok(body) } else { Err(wrong()) }
}

/// The value of `name="…"` at the start of `content`, and what follows.
fn pseudo_attribute<'a>(content: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let rest = content.trim_start_matches(is_space).strip_prefix(name)?;
    let rest = rest.trim_start_matches(is_space).strip_prefix('=')?.trim_start_matches(is_space);
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    rest.get(1..)?.split_once(quote)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Walks from `<` to `<` and counts.
fn scan(mut rest: &[u8], limits: Limits) -> Result<(), Error> {
    let mut namespaces_in_scope: Vec<usize> = Vec::with_capacity(MAX_DEPTH);
    let (mut tags, mut work) = (0usize, 0usize);
    while let Some(start) = memchr::memchr(b'<', rest) {
        rest = rest.get(start + 1..).unwrap_or_default();
        match rest.first() {
            Some(b'!') if limits.comments == Comments::Allowed && rest.starts_with(b"!--") => {
                rest = rest.get(3..).unwrap_or_default();
                let end = memchr::memmem::find(rest, b"-->");
                let end = end.ok_or_else(|| refused("xml", "a comment does not end"))?;
                rest = rest.get(end + 3..).unwrap_or_default();
            }
            Some(b'!') => return Err(refused("xml", "a document type, comment or CDATA section")),
            Some(b'?') => return Err(refused("xml", "a processing instruction")),
            Some(b'/') => {
                if rest.get(1) == Some(&b':') {
                    return Err(refused("xml", COLON));
                }
                namespaces_in_scope.pop().ok_or_else(|| refused("xml", "an end tag without a start"))?;
            }
            Some(_) => {
                tags += 1;
                let tag = Tag::read(rest)?;
                let in_scope = namespaces_in_scope.last().copied().unwrap_or_default() + tag.namespaces;
                if tags > limits.max_tags {
                    return Err(refused("size", format!("more than {} tags", limits.max_tags)));
                }
                if tag.attributes > MAX_ATTRIBUTES || in_scope > MAX_NAMESPACES_IN_SCOPE {
                    let most = format!("{MAX_ATTRIBUTES} attributes or {MAX_NAMESPACES_IN_SCOPE} namespaces in scope");
                    return Err(refused("size", format!("more than {most}")));
                }
                work += tag.work(in_scope);
                if work > limits.max_work {
                    return Err(refused("size", "too many attributes and namespaces in all"));
                }
                if namespaces_in_scope.len() >= MAX_DEPTH {
                    return Err(refused("size", format!("deeper than {MAX_DEPTH} elements")));
                }
                if !tag.is_empty {
                    namespaces_in_scope.push(in_scope);
                }
                rest = rest.get(tag.length..).unwrap_or_default();
            }
            None => return Err(refused("xml", "it ends within a tag")),
        }
    }
    Ok(())
}

/// What is counted of a start tag.
struct Tag {
    length: usize,
    attributes: usize,
    namespaces: usize,
    is_empty: bool,
}

impl Tag {
    /// What is done for it, in comparisons: a parser compares each attribute with the others and with the namespaces in scope,
    /// and whoever renders it canonically sorts them.
    const fn work(&self, in_scope: usize) -> usize {
        let declares = if self.namespaces > 0 { DECLARATION_WORK } else { 0 };
        2 * self.attributes * (self.attributes + in_scope) + declares * in_scope
    }

    /// Reads up to the `>` that is not in quotes.
    fn read(rest: &[u8]) -> Result<Self, Error> {
        let mut tag = Self { length: 0, attributes: 0, namespaces: 0, is_empty: false };
        let (mut word, mut after_space, mut index) = (0usize, false, 0usize);
        while let Some(byte) = rest.get(index).copied() {
            match byte {
                b'<' => return Err(refused("xml", "`<` within a tag")),
                b'"' | b'\'' => index += Self::quoted(rest.get(index + 1..).unwrap_or_default(), byte)?,
                b' ' | b'\t' | b'\n' | b'\r' => after_space = true,
                b':' if !Self::is_within_name(rest, index) => return Err(refused("xml", COLON)),
                b'=' => {
                    tag.attributes += 1;
                    tag.namespaces += usize::from(rest.get(word..index).is_some_and(|n| n.starts_with(b"xmlns")));
                }
                b'>' => {
                    tag.length = index + 1;
                    tag.is_empty = index.checked_sub(1).and_then(|before| rest.get(before)) == Some(&b'/');
                    return Ok(tag);
                }
                _ if after_space => {
                    word = index;
                    after_space = false;
                }
                _ => {}
            }
            index += 1;
        }
        Err(refused("xml", "it ends within a tag"))
    }

    /// Whether what stands before is a part of the same name.
    fn is_within_name(rest: &[u8], index: usize) -> bool {
        let before = index.checked_sub(1).and_then(|before| rest.get(before));
        before.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte) || !byte.is_ascii())
    }

    /// How far it is to the quote that ends a value.
    fn quoted(rest: &[u8], quote: u8) -> Result<usize, Error> {
        match memchr::memchr2(quote, b'<', rest) {
            Some(end) if rest.get(end) == Some(&quote) => Ok(end + 1),
            Some(_) => Err(refused("xml", "`<` within a tag")),
            None => Err(refused("xml", "it ends within a tag")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), &str>) {
        let rule = super::check(text.as_bytes(), MESSAGE).map(drop).map_err(|error| match error {
            Error::Refused { rule, .. } => rule,
            other => panic!("{other}"),
        });
        assert_eq!(rule, expected, "{}", text.get(..80).unwrap_or(text));
    }

    #[test]
    fn only_a_declaration_of_version_1_0_in_utf_8_is_taken() {
        for fine in ["", " version='1.0'", " version=\"1.0\" encoding=\"utf-8\"", " version = '1.0' standalone='no' "] {
            let start = if fine.is_empty() { String::new() } else { format!("<?xml{fine}?>") };
            check(&format!("{start}<a/>"), Ok(()));
        }
        check("\u{feff}<?xml version='1.0'?><a/>", Ok(()));
        check("<?xml version='1.1'?><a/>", Err("encoding"));
        check("<?xml version='1.0' encoding='utf-16'?><a/>", Err("encoding"));
        check("<?xml version='1.0' encoding='iso-8859-1'?><a/>", Err("encoding"));
        check("<?xml-stylesheet href='x'?><a/>", Err("xml"));
        check(" <?xml version='1.0'?><a/>", Err("xml"));
        check("<a><?php x?></a>", Err("xml"));
    }

    #[test]
    fn markup_that_parsers_read_differently_is_refused() {
        for text in ["<!DOCTYPE a><a/>", "<a><!-- --></a>", "<a><![CDATA[x]]></a>", "<a b='<'/>", "<a", "<", "</a>"] {
            check(text, Err("xml"));
        }
        check("<a>\0</a>", Err("encoding"));
        assert!(super::check(b"<a>\xff</a>", MESSAGE).is_err());
    }

    #[test]
    fn no_name_starts_with_a_colon() {
        for text in ["<:a/>", "<a></:a>", "<a :b=''/>", "<a\n:xmlns='urn:x'/>", "<a b='':c=''/>", "<a b=\"\" :c=''/>"] {
            check(text, Err("xml"));
        }
        for text in ["<p:a p:b=':c'></p:a>", "<a b=' :c'>:d</a>", "<p1:a/>", "<ä:b/>"] {
            check(text, Ok(()));
        }
    }

    #[test]
    fn sizes_are_bounded_and_quotes_are_respected() {
        let attributes = |n: usize, name: &str| (0..n).map(|i| format!(" {name}{i}='>/='")).collect::<String>();
        check(&format!("<a{}/>", attributes(64, "b")), Ok(()));
        check(&format!("<a{}/>", attributes(65, "b")), Err("size"));
        check(&format!("<a{}><b/></a>", attributes(24, "xmlns:p")), Ok(()));
        check(&format!("<a{}><b xmlns:q='x:'/></a>", attributes(24, "xmlns:p")), Err("size"));
        check(&format!("{}{}", "<a>".repeat(48), "</a>".repeat(48)), Ok(()));
        check(&format!("{}{}", "<a>".repeat(49), "</a>".repeat(49)), Err("size"));
        check(&format!("<a>{}</a>", "<b/>".repeat(7_999)), Ok(()));
        check(&format!("<a>{}</a>", "<b/>".repeat(8_000)), Err("size"));
        let groups = "<AttributeValue>g</AttributeValue>".repeat(256 * 1024 / 34);
        check(&format!("<a>{}</a>", groups.get(..groups.len() - 34).unwrap()), Ok(()));
        let many = |one: &str, count: usize| format!("<a{}>{}</a>", attributes(20, "xmlns:p"), one.repeat(count));
        check(&many("<b xmlns:q='x:'/>", 400), Ok(()));
        check(&many("<b xmlns:q='x:'/>", 600), Err("size"));
        check(&many(&format!("<b{}/>", attributes(60, "c")), 200), Err("size"));
        let value = "<v xmlns:xs='urn:xs' xmlns:xsi='urn:xsi' xsi:type='xs:string'>group</v>";
        check(&format!("<a xmlns:p='urn:p' xmlns:s='urn:s'>{}</a>", value.repeat(1_200)), Ok(()));
        check(&" ".repeat(256 * 1024 + 1), Err("size"));
    }

    #[test]
    fn comments_pass_in_metadata_only() {
        assert!(super::check(b"<a><!-- <b> --><c/><!----></a>", METADATA).is_ok());
        assert!(super::check(b"<a><!--> </a>", METADATA).is_err());
        assert!(super::check(b"<a><![CDATA[x]]></a>", METADATA).is_err());
    }
}
