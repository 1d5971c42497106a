//! Searches: which records are found, in pages, and all the ways to answer them wrongly.

use std::sync::atomic::Ordering;

use crate::ldap::Dn;
use crate::ldap::ber::{BOOLEAN, ENUMERATED, Error, INTEGER, OCTETS, Reader, SEQUENCE, SET, Writer};
use crate::ldap::message::{
    CONTROLS, EXTENDED_RESPONSE, PAGED_RESULTS, SEARCH_DONE, SEARCH_ENTRY, START_TLS, paging_cookie,
};
use crate::model::fold;

use super::answer::{Reply, code, fill_result, result};
use super::{Directory, Fault, Record};

/// The counter of changes of Active Directory.
const CHANGES: &str = "uSNChanged";

/// A search as it was asked for (RFC 4511 section 4.5.1).
pub(super) struct Question<'a> {
    base: Dn,
    scope: i32,
    filter: Reader<'a>,
    attributes: Vec<&'a str>,
    /// Size of a page and index of its first record.
    page: Option<(usize, usize)>,
}

impl<'a> Question<'a> {
    pub(super) fn parse(mut content: Reader<'a>, controls: Option<&'a [u8]>) -> Result<Self, Error> {
        let base = content.text(OCTETS)?.parse().map_err(|_| Error::Malformed("a base that is no name"))?;
        let scope = content.number(ENUMERATED)?;
        content.number(ENUMERATED)?;
        content.number(INTEGER)?;
        content.number(INTEGER)?;
        content.take(BOOLEAN)?;
        let filter = content;
        content.element()?;
        let mut asked = content.enter(SEQUENCE)?;
        let mut attributes = Vec::new();
        while !asked.is_empty() {
            attributes.push(asked.text(OCTETS)?);
        }
        Ok(Self { base, scope, filter, attributes, page: page(controls.unwrap_or_default())? })
    }

    pub(super) fn is_for_root(&self) -> bool {
        self.base.is_root() && self.scope == 0
    }

    fn finds(&self, record: &Record) -> Result<bool, Error> {
        let is_in_scope = match self.scope {
            0 => *record.dn() == self.base,
            1 => record.dn().is_child_of(&self.base),
            _ => record.dn().is_within(&self.base),
        };
        let mut filter = self.filter;
        Ok(is_in_scope && matches(&mut filter, record)?)
    }
}

fn page(controls: &[u8]) -> Result<Option<(usize, usize)>, Error> {
    let mut controls = Reader::new(controls);
    while !controls.is_empty() {
        let mut control = controls.enter(SEQUENCE)?;
        let name = control.text(OCTETS)?;
        control.take_optional(BOOLEAN)?;
        if name == PAGED_RESULTS {
            let (size, cookie) = paging_cookie(control.take(OCTETS)?)?;
            let start = match std::str::from_utf8(&cookie) {
                Ok("") => 0,
                Ok(text) => text.parse().map_err(|_| Error::Malformed("a cookie that is none of ours"))?,
                Err(_) => return Err(Error::Malformed("a cookie that is none of ours")),
            };
            return Ok(Some((usize::try_from(size).unwrap_or(1).max(1), start)));
        }
    }
    Ok(None)
}

/// Evaluates the next filter (RFC 4511 section 4.5.1.7); kinds that are not known here match nothing.
fn matches(filter: &mut Reader<'_>, record: &Record) -> Result<bool, Error> {
    let Some(element) = filter.element()? else { return Err(Error::Malformed("a filter is missing")) };
    let mut parts = Reader::new(element.content);
    match element.tag {
        0xa0 => {
            let mut all = true;
            while !parts.is_empty() {
                all &= matches(&mut parts, record)?;
            }
            Ok(all)
        }
        0xa1 => {
            let mut any = false;
            while !parts.is_empty() {
                any |= matches(&mut parts, record)?;
            }
            Ok(any)
        }
        0xa2 => Ok(!matches(&mut parts, record)?),
        0xa3 => {
            let name = parts.text(OCTETS)?;
            Ok(record.holds(name, parts.text(OCTETS)?))
        }
        0xa4 => substring(parts, record),
        0x87 => {
            let name = std::str::from_utf8(element.content).map_err(|_| Error::Malformed("a name that is no text"))?;
            Ok(name.eq_ignore_ascii_case("objectClass") || !record.values(name).is_empty())
        }
        _ => Ok(false),
    }
}

fn substring(mut parts: Reader<'_>, record: &Record) -> Result<bool, Error> {
    let name = parts.text(OCTETS)?;
    let pieces = parts.enter(SEQUENCE)?;
    let values = record.values(name).iter().filter_map(|value| std::str::from_utf8(value).ok());
    for value in values {
        let (value, mut pieces) = (fold(value), pieces);
        let (mut rest, mut fits) = (value.as_str(), true);
        while let Some(element) = pieces.element()? {
            let piece = std::str::from_utf8(element.content).map(fold);
            let piece = piece.map_err(|_| Error::Malformed("a piece that is no text"))?;
            let left = match element.tag {
                0x80 => rest.strip_prefix(piece.as_str()),
                0x82 => rest.ends_with(piece.as_str()).then_some(""),
                _ => rest.split_once(piece.as_str()).map(|(_, after)| after),
            };
            fits &= left.is_some();
            rest = left.unwrap_or_default();
        }
        if fits {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The answer to a search by somebody who may search.
pub(super) fn answer(directory: &Directory, id: i32, question: &Question<'_>) -> Result<Reply, Error> {
    let (records, fault) = (directory.records(), directory.fault());
    let is_second = question.page.is_some_and(|(_, start)| start > 0);
    match fault {
        Some(Fault::HugeLength) => {
            return Ok(Reply::Answers(vec![SEQUENCE, 0x84, 0x7f, 0xff, 0xff, 0xff, INTEGER, 1, 1]));
        }
        Some(Fault::LengthPastEnd) => return Ok(Reply::Answers(length_past_end(id))),
        Some(Fault::Nested(levels)) => return Ok(Reply::Answers(nested(id, levels))),
        Some(Fault::Notice) => {
            return Ok(Reply::AnswersThenClose(result(0, EXTENDED_RESPONSE, 52, "down for maintenance")));
        }
        Some(Fault::NotUtf8) => return Ok(Reply::Answers(entry_message(id, b"cn=\xff\xfe", &[]))),
        Some(Fault::Silent) => return Ok(Reply::Nothing),
        Some(Fault::WrongMessageId) => {
            return Ok(Reply::Answers(result(id + 1000, SEARCH_DONE, code::SUCCESS, "")));
        }
        Some(Fault::CodeInSecondPage(code)) if is_second => {
            return Ok(Reply::Answers(result(id, SEARCH_DONE, code, "")));
        }
        _ => {}
    }
    if !records.iter().any(|record| *record.dn() == question.base) {
        return Ok(Reply::Answers(result(id, SEARCH_DONE, code::NO_SUCH_OBJECT, "")));
    }
    let mut found = Vec::new();
    for record in records.iter() {
        if fault != Some(Fault::Empty) && question.finds(record)? {
            found.push(record);
        }
    }
    let (size, start) = question.page.unwrap_or((found.len(), 0));
    let end = start.saturating_add(size).min(found.len());
    let mut answers = Vec::new();
    for (index, record) in found.get(start..end).unwrap_or_default().iter().enumerate() {
        if is_second && index > 0 && fault == Some(Fault::CutInSecondPage) {
            return Ok(Reply::AnswersThenClose(answers));
        }
        answers.extend(entry(directory, id, record, &question.attributes));
    }
    let cookie = if end < found.len() { end.to_string() } else { String::new() };
    let is_paged = question.page.is_some() && fault != Some(Fault::DropPaging);
    answers.extend(done(id, is_paged.then_some(cookie.as_bytes())));
    Ok(Reply::Answers(answers))
}

/// The server's description of itself (RFC 4512 section 5.1).
pub(super) fn describe_root(id: i32, is_protected: bool) -> Vec<u8> {
    let mut attributes: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("supportedLDAPVersion", vec![b"3".to_vec()]),
        ("supportedControl", vec![PAGED_RESULTS.as_bytes().to_vec()]),
        ("vendorName", vec![b"Cleargate sandbox".to_vec()]),
    ];
    if !is_protected {
        attributes.push(("supportedExtension", vec![START_TLS.as_bytes().to_vec()]));
    }
    let mut answers = entry_message(id, b"", &attributes);
    answers.extend(done(id, None));
    answers
}

fn entry(directory: &Directory, id: i32, record: &Record, asked: &[&str]) -> Vec<u8> {
    let (fault, most) = (directory.fault(), directory.0.values_at_once.load(Ordering::SeqCst));
    let mut attributes: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    for (name, values) in record.attributes().iter().filter(|(name, _)| Record::shows(name, asked)) {
        let first = asked.iter().find_map(|wanted| asked_from(wanted, name));
        if name == "member" && fault == Some(Fault::Range) {
            attributes.push((format!("{name};range=0-0"), values.iter().take(1).cloned().collect()));
        } else if first.is_some() || values.len() > most {
            let first = first.unwrap_or_default();
            let part: Vec<_> = values.iter().skip(first).take(most).cloned().collect();
            let end = first + part.len();
            let last = if end < values.len() { (end - 1).to_string() } else { "*".to_owned() };
            attributes.push((name.clone(), Vec::new()));
            attributes.push((format!("{name};range={first}-{last}"), part));
        } else {
            attributes.push((name.clone(), values.clone()));
        }
    }
    if asked.contains(&CHANGES) {
        let step = usize::from(fault == Some(Fault::Restless));
        let changes = directory.0.changes.fetch_add(step, Ordering::SeqCst);
        attributes.push((CHANGES.to_owned(), vec![changes.to_string().into_bytes()]));
    }
    let shown: Vec<_> = attributes.iter().map(|(name, values)| (name.as_str(), values.clone())).collect();
    entry_message(id, record.dn().as_str().as_bytes(), &shown)
}

/// From which value on `wanted` asks for this attribute, if it asks for a range of it.
fn asked_from(wanted: &str, name: &str) -> Option<usize> {
    let (attribute, range) = wanted.split_once(";range=")?;
    let first = range.strip_suffix("-*")?;
    first.parse().ok().filter(|_| attribute.eq_ignore_ascii_case(name))
}

fn entry_message(id: i32, dn: &[u8], attributes: &[(&str, Vec<Vec<u8>>)]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |message| {
        message.number(INTEGER, id);
        message.nest(SEARCH_ENTRY, |content| {
            content.bytes(OCTETS, dn);
            content.nest(SEQUENCE, |list| {
                for (name, values) in attributes {
                    list.nest(SEQUENCE, |attribute| {
                        attribute.bytes(OCTETS, name.as_bytes());
                        attribute.nest(SET, |set| values.iter().for_each(|value| set.bytes(OCTETS, value)));
                    });
                }
            });
        });
    });
    writer.into_bytes()
}

fn done(id: i32, cookie: Option<&[u8]>) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |message| {
        message.number(INTEGER, id);
        message.nest(SEARCH_DONE, |content| fill_result(content, code::SUCCESS, ""));
        if let Some(cookie) = cookie {
            let mut value = Writer::new();
            value.nest(SEQUENCE, |value| {
                value.number(INTEGER, 0);
                value.bytes(OCTETS, cookie);
            });
            message.nest(CONTROLS, |controls| {
                controls.nest(SEQUENCE, |control| {
                    control.bytes(OCTETS, PAGED_RESULTS.as_bytes());
                    control.bytes(OCTETS, &value.into_bytes());
                });
            });
        }
    });
    writer.into_bytes()
}

/// An entry whose name claims four bytes more than the message has.
fn length_past_end(id: i32) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |message| {
        message.number(INTEGER, id);
        message.nest(SEARCH_ENTRY, |content| content.raw(&[OCTETS, 8, b'c', b'n', b'=', b'a']));
    });
    writer.into_bytes()
}

/// An entry that is nothing but elements in elements.
fn nested(id: i32, levels: usize) -> Vec<u8> {
    let mut inner = Vec::new();
    for _ in 0..levels {
        let mut writer = Writer::new();
        writer.bytes(SEQUENCE, &inner);
        inner = writer.into_bytes();
    }
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |message| {
        message.number(INTEGER, id);
        message.nest(SEARCH_ENTRY, |content| content.raw(&inner));
    });
    writer.into_bytes()
}
