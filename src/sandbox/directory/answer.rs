//! One connection's questions and the answers to them.

use std::sync::atomic::Ordering;

use crate::ldap::Dn;
use crate::ldap::ber::{ENUMERATED, Error, INTEGER, OCTETS, Reader, SEQUENCE, Writer};
use crate::ldap::message::{
    ABANDON_REQUEST, BIND_REQUEST, BIND_RESPONSE, CONTROLS, EXTENDED_REQUEST, EXTENDED_RESPONSE, Message,
    PASSWORD_EXPIRED, SEARCH_DONE, SEARCH_REQUEST, START_TLS, UNBIND_REQUEST,
};

use super::{Directory, Fault, search};

/// What is to be done about a question.
pub(super) enum Reply {
    Answers(Vec<u8>),
    AnswersThenClose(Vec<u8>),
    Close,
    /// Answers, then a TLS handshake.
    Encrypt(Vec<u8>),
    Nothing,
}

/// What a connection knows of the one who asks.
pub(super) struct Session {
    directory: Directory,
    is_protected: bool,
    is_bound: bool,
}

/// Result codes of RFC 4511 appendix A that are used here.
pub(super) mod code {
    pub(in super::super) const SUCCESS: i32 = 0;
    pub(super) const PROTOCOL_ERROR: i32 = 2;
    pub(super) const AUTH_METHOD_NOT_SUPPORTED: i32 = 7;
    pub(super) const CONFIDENTIALITY_REQUIRED: i32 = 13;
    pub(in super::super) const NO_SUCH_OBJECT: i32 = 32;
    pub(super) const INVALID_CREDENTIALS: i32 = 49;
    pub(super) const INSUFFICIENT_ACCESS: i32 = 50;
    pub(super) const UNWILLING: i32 = 53;
}

impl Session {
    pub(super) fn new(directory: Directory, is_protected: bool) -> Self {
        Self { directory, is_protected, is_bound: false }
    }

    /// # Errors
    /// When the question is malformed; the connection ends then.
    pub(super) fn answer(&mut self, message: &Message<'_>) -> Result<Reply, Error> {
        let mut content = Reader::new(message.operation.content);
        match message.operation.tag {
            BIND_REQUEST => self.bind(message.id, content),
            SEARCH_REQUEST => self.search(message, content),
            EXTENDED_REQUEST => {
                let name = content.text(0x80)?;
                Ok(self.extended(message.id, name))
            }
            UNBIND_REQUEST => Ok(Reply::Close),
            ABANDON_REQUEST => Ok(Reply::Nothing),
            _ => Ok(Reply::Answers(result(message.id, EXTENDED_RESPONSE, code::UNWILLING, "the sandbox only reads"))),
        }
    }

    fn bind(&mut self, id: i32, mut content: Reader<'_>) -> Result<Reply, Error> {
        self.directory.0.binds.fetch_add(1, Ordering::SeqCst);
        if self.directory.fault() == Some(Fault::CutInBind) {
            return Ok(Reply::Close);
        }
        if let Some(Fault::CodeInBind(code)) = self.directory.fault() {
            return Ok(Reply::Answers(result(id, BIND_RESPONSE, code, "so the sandbox says")));
        }
        content.number(INTEGER)?;
        let name = content.text(OCTETS)?;
        let answer = |code, text| Ok(Reply::Answers(result(id, BIND_RESPONSE, code, text)));
        let Some(password) = content.take_optional(0x80)? else {
            return answer(code::AUTH_METHOD_NOT_SUPPORTED, "only simple binds");
        };
        if !self.is_protected {
            return answer(code::CONFIDENTIALITY_REQUIRED, "TLS first");
        }
        if password.is_empty() {
            return answer(code::UNWILLING, "a name without a password");
        }
        let records = self.directory.records();
        let dn: Option<Dn> = name.parse().ok();
        let record = records.iter().find(|record| Some(record.dn()) == dn.as_ref());
        let is_locked = record.is_some_and(|record| !record.values("pwdAccountLockedTime").is_empty());
        self.is_bound = !is_locked
            && record.is_some_and(|record| record.values("userPassword").iter().any(|known| known == password));
        if self.is_bound && self.directory.fault() == Some(Fault::ChangeInBind) {
            return Ok(Reply::Answers(must_change(id)));
        }
        if self.is_bound { answer(code::SUCCESS, "") } else { answer(code::INVALID_CREDENTIALS, "") }
    }

    fn extended(&mut self, id: i32, name: &str) -> Reply {
        if name != START_TLS || self.is_protected {
            return Reply::Answers(result(id, EXTENDED_RESPONSE, code::PROTOCOL_ERROR, "not supported"));
        }
        let mut answers = result(id, EXTENDED_RESPONSE, code::SUCCESS, "");
        if self.directory.fault() == Some(Fault::InjectInStartTls) {
            answers.extend(result(id + 1, BIND_RESPONSE, code::SUCCESS, "forged"));
        }
        Reply::Encrypt(answers)
    }

    fn search(&mut self, message: &Message<'_>, content: Reader<'_>) -> Result<Reply, Error> {
        let question = search::Question::parse(content, message.controls)?;
        if question.is_for_root() {
            return Ok(Reply::Answers(search::describe_root(message.id, self.is_protected)));
        }
        self.directory.0.searches.fetch_add(1, Ordering::SeqCst);
        if !self.is_bound {
            return Ok(Reply::Answers(result(message.id, SEARCH_DONE, code::INSUFFICIENT_ACCESS, "bind first")));
        }
        search::answer(&self.directory, message.id, &question)
    }
}

/// A message that carries a result.
pub(super) fn result(id: i32, tag: u8, code: i32, text: &str) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |message| {
        message.number(INTEGER, id);
        message.nest(tag, |content| fill_result(content, code, text));
    });
    writer.into_bytes()
}

/// A bind that succeeds, and must be followed by a change of the password.
fn must_change(id: i32) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |message| {
        message.number(INTEGER, id);
        message.nest(BIND_RESPONSE, |content| fill_result(content, code::SUCCESS, ""));
        message.nest(CONTROLS, |controls| {
            controls.nest(SEQUENCE, |control| {
                control.bytes(OCTETS, PASSWORD_EXPIRED.as_bytes());
                control.bytes(OCTETS, b"0");
            });
        });
    });
    writer.into_bytes()
}

pub(super) fn fill_result(content: &mut Writer, code: i32, text: &str) {
    content.number(ENUMERATED, code);
    content.bytes(OCTETS, b"");
    content.bytes(OCTETS, text.as_bytes());
}
