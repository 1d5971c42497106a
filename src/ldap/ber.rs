//! The part of BER that LDAP uses (RFC 4511 section 5.1): definite lengths, tags of one byte, nesting up to 32.
//!
//! Reading borrows and never allocates by a claimed length. Lengths may take more bytes than needed (Active Directory
//! always sends four), never more than four.

/// Deepest nesting of a message.
pub const MAX_DEPTH: usize = 32;

/// For so many bytes of the largest message that is taken, it may have one element: a decoder keeps many times its bytes
/// for each, and a name in a group or a value has more than this.
pub const BYTES_PER_ELEMENT: usize = 16;

/// Tag of BOOLEAN.
pub const BOOLEAN: u8 = 0x01;
/// Tag of INTEGER.
pub const INTEGER: u8 = 0x02;
/// Tag of OCTET STRING.
pub const OCTETS: u8 = 0x04;
/// Tag of ENUMERATED.
pub const ENUMERATED: u8 = 0x0a;
/// Tag of SEQUENCE and SEQUENCE OF.
pub const SEQUENCE: u8 = 0x30;
/// Tag of SET OF.
pub const SET: u8 = 0x31;

/// Why bytes are no BER of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    Deep,
    /// More elements than a message of the limit may have.
    #[error("more than {limit} elements in one message")]
    Many {
        /// The limit.
        limit: usize,
    },
    /// A length over the limit.
    #[error("a message of {size_bytes} bytes is over the limit of {limit_bytes}")]
    Large {
        /// What the length says.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// Anything else.
    #[error("{0}")]
    Malformed(&'static str),
}

/// One element: its tag byte and its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// The whole tag byte: class, constructed bit and number.
    pub tag: u8,
    /// The content without tag and length.
    pub content: &'a [u8],
}

impl Element<'_> {
    /// Whether the content is made of elements.
    pub fn is_constructed(&self) -> bool {
        self.tag & 0x20 != 0
    }

    /// The tag's number without class.
    pub fn number(&self) -> u8 {
        self.tag & 0x1f
    }
}

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A reader of the elements in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element, `None` at the end.
    ///
    /// # Errors
    /// `Malformed` when its length goes past the end or has a form that LDAP does not use.
    pub fn element(&mut self) -> Result<Option<Element<'a>>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let Some((tag, size, head)) = header(self.0)? else {
            return Err(Error::Malformed("a length past the end of its container"));
        };
        let end = head.checked_add(size).ok_or(Error::Malformed("a length past the end of its container"))?;
        let content = self.0.get(head..end).ok_or(Error::Malformed("a length past the end of its container"))?;
        self.0 = self.0.get(end..).unwrap_or_default();
        Ok(Some(Element { tag, content }))
    }

    /// The next tag, without taking the element.
    pub fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next element, which must have this tag.
    ///
    /// # Errors
    /// `Malformed` when it has not, or there is none.
    pub fn take(&mut self, tag: u8) -> Result<&'a [u8], Error> {
        match self.element()? {
            Some(element) if element.tag == tag => Ok(element.content),
            Some(_) => Err(Error::Malformed("an element of another type than expected")),
            None => Err(Error::Malformed("an element is missing")),
        }
    }

    /// The content of the next element if it has this tag; anything else is left.
    ///
    /// # Errors
    /// As [`Reader::element`].
    pub fn take_optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Error> {
        if self.peek() == Some(tag) { self.take(tag).map(Some) } else { Ok(None) }
    }

    /// A reader of the next element's content, which must have this tag.
    ///
    /// # Errors
    /// As [`Reader::take`].
    pub fn enter(&mut self, tag: u8) -> Result<Reader<'a>, Error> {
        self.take(tag).map(Reader)
    }

    /// The next element as UTF-8 text.
    ///
    /// # Errors
    /// As [`Reader::take`], and when it is not UTF-8.
    pub fn text(&mut self, tag: u8) -> Result<&'a str, Error> {
        std::str::from_utf8(self.take(tag)?).map_err(|_| Error::Malformed("a text that is not UTF-8"))
    }

    /// The next element as a number of at most four bytes.
    ///
    /// # Errors
    /// As [`Reader::take`], and when it is empty or longer.
    pub fn number(&mut self, tag: u8) -> Result<i32, Error> {
        integer(self.take(tag)?)
    }

    /// Refuses what is left.
    ///
    /// # Errors
    /// `Malformed` when something is left.
    pub fn end(&self) -> Result<(), Error> {
        if self.is_empty() { Ok(()) } else { Err(Error::Malformed("an element too many")) }
    }
}

/// Tag, content length and header length; `None` when bytes of the header are missing.
fn header(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, Error> {
    let (Some(tag), first) = (bytes.first().copied(), bytes.get(1).copied()) else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(Error::Malformed("a tag of more than one byte"));
    }
    let Some(first) = first else { return Ok(None) };
    if first < 0x80 {
        return Ok(Some((tag, usize::from(first), 2)));
    }
    let count = usize::from(first & 0x7f);
    match count {
        0 => return Err(Error::Malformed("an indefinite length")),
        1..=4 => {}
        _ => return Err(Error::Malformed("a length of more than four bytes")),
    }
    let Some(digits) = bytes.get(2..2 + count) else { return Ok(None) };
    let size = digits.iter().fold(0usize, |size, digit| (size << 8) | usize::from(*digit));
    Ok(Some((tag, size, 2 + count)))
}

/// A two's complement number of one to four bytes.
fn integer(content: &[u8]) -> Result<i32, Error> {
    let first = match content {
        [] => return Err(Error::Malformed("a number without digits")),
        [first, ..] if content.len() <= 4 => *first,
        _ => return Err(Error::Malformed("a number of more than four bytes")),
    };
    let start = if first & 0x80 == 0 { 0 } else { -1 };
    Ok(content.iter().fold(start, |number, digit| (number << 8) | i32::from(*digit)))
}

/// The size of the message that starts here, header included; `None` when too few bytes are there to tell.
///
/// # Errors
/// `Large` over the limit, `Malformed` when it is no SEQUENCE of definite length.
pub fn frame_size(bytes: &[u8], limit_bytes: usize) -> Result<Option<usize>, Error> {
    if bytes.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(Error::Malformed("a message that is no SEQUENCE"));
    }
    let Some((_, size, head)) = header(bytes)? else { return Ok(None) };
    let size_bytes = size.saturating_add(head);
    if size_bytes > limit_bytes { Err(Error::Large { size_bytes, limit_bytes }) } else { Ok(Some(size_bytes)) }
}

/// Checks that all lengths in `bytes` fit into each other, that nesting ends at [`MAX_DEPTH`], and that there are at most
/// `limit` elements.
///
/// # Errors
/// `Deep`, `Malformed`, `Many`.
pub fn check_nesting(bytes: &[u8], limit: usize) -> Result<(), Error> {
    let mut open = vec![Reader::new(bytes)];
    let mut seen = 0usize;
    while let Some(reader) = open.last_mut() {
        let element = reader.element()?;
        seen = seen.saturating_add(usize::from(element.is_some()));
        if seen > limit {
            return Err(Error::Many { limit });
        }
        match element {
            Some(element) if element.is_constructed() => {
                if open.len() >= MAX_DEPTH {
                    return Err(Error::Deep);
                }
                open.push(Reader::new(element.content));
            }
            Some(_) => {}
            None => {
                open.pop();
            }
        }
    }
    Ok(())
}

/// Writes elements one after the other, lengths in the shortest form.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A primitive element.
    pub fn bytes(&mut self, tag: u8, content: &[u8]) {
        self.0.push(tag);
        self.length(content.len());
        self.0.extend_from_slice(content);
    }

    /// A number.
    pub fn number(&mut self, tag: u8, number: i32) {
        let digits = number.to_be_bytes();
        let skip = digits.windows(2).take_while(|pair| match pair {
            [0x00, next] => next & 0x80 == 0,
            [0xff, next] => next & 0x80 != 0,
            _ => false,
        });
        let skip = skip.count();
        self.bytes(tag, digits.get(skip..).unwrap_or_default());
    }

    /// A BOOLEAN.
    pub fn boolean(&mut self, flag: bool) {
        self.bytes(BOOLEAN, &[if flag { 0xff } else { 0x00 }]);
    }

    /// An element made of those that `fill` writes.
    pub fn nest(&mut self, tag: u8, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::new();
        fill(&mut inner);
        self.bytes(tag, &inner.0);
    }

    /// Bytes that are elements already.
    pub fn raw(&mut self, elements: &[u8]) {
        self.0.extend_from_slice(elements);
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn length(&mut self, length: usize) {
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => self.0.push(short),
            _ => {
                let digits = length.to_be_bytes();
                let skip = digits.iter().take_while(|digit| **digit == 0).count();
                let digits = digits.get(skip..).unwrap_or_default();
                self.0.push(0x80 | u8::try_from(digits.len()).unwrap_or(0x7f));
                self.0.extend_from_slice(digits);
            }
        }
    }
}

#[cfg(test)]
mod tests;
