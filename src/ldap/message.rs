//! The shape of LDAP messages (RFC 4511 section 4.1.1), checked without decoding them: that every element that a
//! decoder will ask for is there and of its type.

use super::ber::{BOOLEAN, ENUMERATED, Element, Error, INTEGER, OCTETS, Reader, SEQUENCE, SET, Writer};

/// BindRequest.
pub const BIND_REQUEST: u8 = 0x60;
/// BindResponse.
pub const BIND_RESPONSE: u8 = 0x61;
/// UnbindRequest.
pub const UNBIND_REQUEST: u8 = 0x42;
/// SearchRequest.
pub const SEARCH_REQUEST: u8 = 0x63;
/// SearchResultEntry.
pub const SEARCH_ENTRY: u8 = 0x64;
/// SearchResultDone.
pub const SEARCH_DONE: u8 = 0x65;
/// SearchResultReference.
pub const SEARCH_REFERENCE: u8 = 0x73;
/// AbandonRequest.
pub const ABANDON_REQUEST: u8 = 0x50;
/// ExtendedRequest.
pub const EXTENDED_REQUEST: u8 = 0x77;
/// ExtendedResponse.
pub const EXTENDED_RESPONSE: u8 = 0x78;
/// IntermediateResponse.
pub const INTERMEDIATE_RESPONSE: u8 = 0x79;
/// Tag of the controls of a message.
pub const CONTROLS: u8 = 0xa0;

/// StartTLS (RFC 4511 section 4.14).
pub const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// Simple paged results (RFC 2696).
pub const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";

/// What the password policy says of a bind (draft-behera-ldap-password-policy section 6).
pub const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// The password has expired or was reset: all that the connection may do is choose another (Netscape).
pub const PASSWORD_EXPIRED: &str = "2.16.840.1.113730.3.4.4";

/// One message, taken apart one level deep.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its id, 0 for unsolicited notifications.
    pub id: i32,
    /// What is asked or answered.
    pub operation: Element<'a>,
    /// The elements of the controls.
    pub controls: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// Takes a whole frame apart.
    ///
    /// # Errors
    /// `Malformed` when it is no LDAPMessage.
    pub fn parse(frame: &'a [u8]) -> Result<Self, Error> {
        let mut outer = Reader::new(frame);
        let mut inner = outer.enter(SEQUENCE)?;
        outer.end()?;
        let id = inner.number(INTEGER)?;
        if id < 0 {
            return Err(Error::Malformed("a negative message id"));
        }
        let operation = inner.element()?.ok_or(Error::Malformed("a message without an operation"))?;
        let controls = inner.take_optional(CONTROLS)?;
        // Active Directory puts the name of a notice of disconnection behind the response instead of into it.
        if id == 0 {
            inner.take_optional(0x8a)?;
        }
        inner.end()?;
        Ok(Self { id, operation, controls })
    }

    /// Checks an answer of a server down to its last element.
    ///
    /// # Errors
    /// `Malformed` naming the first thing that is wrong.
    pub fn check_answer(&self) -> Result<(), Error> {
        if let Some(controls) = self.controls {
            check_controls(controls)?;
        }
        let content = Reader::new(self.operation.content);
        match self.operation.tag {
            SEARCH_ENTRY => check_entry(content),
            SEARCH_REFERENCE => check_texts(content),
            INTERMEDIATE_RESPONSE => check_intermediate(content),
            BIND_RESPONSE | SEARCH_DONE | EXTENDED_RESPONSE => check_result(content),
            _ => Err(Error::Malformed("an operation that answers no question of ours")),
        }
    }

    /// Whether more answers with this id may follow.
    pub fn is_followed(&self) -> bool {
        matches!(self.operation.tag, SEARCH_ENTRY | SEARCH_REFERENCE | INTERMEDIATE_RESPONSE)
    }

    /// Code and diagnostic text of an answer that carries a result.
    ///
    /// # Errors
    /// `Malformed` when it carries none.
    pub fn result(&self) -> Result<(i32, &'a str), Error> {
        let mut content = Reader::new(self.operation.content);
        let code = content.number(ENUMERATED)?;
        content.text(OCTETS)?;
        Ok((code, content.text(OCTETS)?))
    }
}

/// RFC 4511 section 4.1.9: code, matched DN, text; then referral, credentials, name and value where they belong.
fn check_result(mut content: Reader<'_>) -> Result<(), Error> {
    if content.number(ENUMERATED)? < 0 {
        return Err(Error::Malformed("a negative result code"));
    }
    content.text(OCTETS)?;
    content.text(OCTETS)?;
    while let Some(element) = content.element()? {
        match element.number() {
            3 if element.tag == 0xa3 => check_texts(Reader::new(element.content))?,
            7 if element.tag == 0x87 => {}
            10 if element.tag == 0x8a => check_text(element.content)?,
            11 if element.tag == 0x8b => {}
            3 | 7 | 10 | 11 => return Err(Error::Malformed("a part of a result of another type than expected")),
            _ => {}
        }
    }
    Ok(())
}

/// RFC 4511 section 4.5.2: DN and attributes with their values.
fn check_entry(mut content: Reader<'_>) -> Result<(), Error> {
    content.text(OCTETS)?;
    let mut attributes = content.enter(SEQUENCE)?;
    content.end()?;
    while !attributes.is_empty() {
        let mut attribute = attributes.enter(SEQUENCE)?;
        attribute.text(OCTETS)?;
        let mut values = attribute.enter(SET)?;
        attribute.end()?;
        while !values.is_empty() {
            values.take(OCTETS)?;
        }
    }
    Ok(())
}

fn check_intermediate(mut content: Reader<'_>) -> Result<(), Error> {
    if let Some(name) = content.take_optional(0x80)? {
        check_text(name)?;
    }
    content.take_optional(0x81)?;
    content.end()
}

fn check_texts(mut content: Reader<'_>) -> Result<(), Error> {
    while !content.is_empty() {
        content.text(OCTETS)?;
    }
    Ok(())
}

fn check_text(content: &[u8]) -> Result<(), Error> {
    std::str::from_utf8(content).map(|_| ()).map_err(|_| Error::Malformed("a text that is not UTF-8"))
}

/// RFC 4511 section 4.1.11.
fn check_controls(controls: &[u8]) -> Result<(), Error> {
    let mut controls = Reader::new(controls);
    while !controls.is_empty() {
        let mut control = controls.enter(SEQUENCE)?;
        control.text(OCTETS)?;
        if control.take_optional(BOOLEAN)?.is_some_and(|flag| flag.len() != 1) {
            return Err(Error::Malformed("a truth value that has not one byte"));
        }
        control.take_optional(OCTETS)?;
        control.end()?;
    }
    Ok(())
}

/// The value of a paging control: the estimate of the total and the cookie of the next page, empty after the last one.
///
/// # Errors
/// `Malformed` when it is not as RFC 2696 says.
pub fn paging_cookie(value: &[u8]) -> Result<(i32, Vec<u8>), Error> {
    let mut outer = Reader::new(value);
    let mut inner = outer.enter(SEQUENCE)?;
    outer.end()?;
    let size = inner.number(INTEGER)?;
    let cookie = inner.take(OCTETS)?.to_vec();
    inner.end()?;
    Ok((size, cookie))
}

/// Whether the value of a password policy response says that the password must be changed before anything else: it has
/// expired (0), or was set by somebody else (2).
///
/// # Errors
/// `Malformed` when it is not as draft-behera-ldap-password-policy section 6.2 says.
pub fn must_change_password(value: &[u8]) -> Result<bool, Error> {
    let mut outer = Reader::new(value);
    let mut inner = outer.enter(SEQUENCE)?;
    outer.end()?;
    inner.take_optional(0xa0)?;
    let error = if inner.peek() == Some(0x81) { Some(inner.number(0x81)?) } else { None };
    inner.end()?;
    Ok(matches!(error, Some(0 | 2)))
}

/// The StartTLS request with this message id.
pub fn start_tls_request(id: i32) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |message| {
        message.number(INTEGER, id);
        message.nest(EXTENDED_REQUEST, |request| request.bytes(0x80, START_TLS.as_bytes()));
    });
    writer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: i32, tag: u8, fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nest(SEQUENCE, |w| {
            w.number(INTEGER, id);
            w.nest(tag, fill);
        });
        writer.into_bytes()
    }

    fn result(w: &mut Writer, code: i32) {
        w.number(ENUMERATED, code);
        w.bytes(OCTETS, b"");
        w.bytes(OCTETS, b"text");
    }

    fn check(frame: &[u8], accepted: bool) {
        let outcome = Message::parse(frame).and_then(|message| message.check_answer());
        assert_eq!(outcome.is_ok(), accepted, "{outcome:?} for {frame:02x?}");
    }

    #[test]
    fn a_policy_says_whether_a_password_must_be_changed() {
        for (value, expected) in [
            (&[0x30, 0x00][..], Some(false)),
            (&[0x30, 0x03, 0x81, 0x01, 0x02], Some(true)),
            (&[0x30, 0x03, 0x81, 0x01, 0x00], Some(true)),
            (&[0x30, 0x03, 0x81, 0x01, 0x01], Some(false)),
            (&[0x30, 0x05, 0xa0, 0x03, 0x80, 0x01, 0x07], Some(false)),
            (&[0x30, 0x08, 0xa0, 0x03, 0x81, 0x01, 0x07, 0x81, 0x01, 0x02], Some(true)),
            (&[], None),
            (&[0x30, 0x03, 0x81, 0x01], None),
            (&[0x30, 0x02, 0x82, 0x00], None),
        ] {
            assert_eq!(must_change_password(value).ok(), expected, "{value:02x?}");
        }
    }

    #[test]
    fn answers_of_the_shapes_of_rfc_4511_pass() {
        check(&message(1, BIND_RESPONSE, |w| result(w, 0)), true);
        check(&message(1, SEARCH_DONE, |w| result(w, 4)), true);
        let referral = |w: &mut Writer| {
            result(w, 10);
            w.nest(0xa3, |w| w.bytes(OCTETS, b"ldap://other/"));
        };
        check(&message(1, SEARCH_DONE, referral), true);
        check(&message(1, SEARCH_REFERENCE, |w| w.bytes(OCTETS, b"ldap://x/")), true);
        let entry = |w: &mut Writer| {
            w.bytes(OCTETS, b"cn=a");
            w.nest(SEQUENCE, |w| {
                w.nest(SEQUENCE, |w| {
                    w.bytes(OCTETS, b"jpegPhoto");
                    w.nest(SET, |w| w.bytes(OCTETS, &[0xff, 0xd8]));
                });
            });
        };
        check(&message(1, SEARCH_ENTRY, entry), true);
    }

    #[test]
    fn answers_of_other_shapes_are_refused() {
        check(&message(1, BIND_RESPONSE, |w| w.number(ENUMERATED, 0)), false);
        check(&message(1, BIND_REQUEST, |w| result(w, 0)), false);
        check(&message(1, SEARCH_DONE, |w| result(w, -1)), false);
        check(&message(-1, SEARCH_DONE, |w| result(w, 0)), false);
        let not_utf8 = |w: &mut Writer| {
            w.bytes(OCTETS, &[0xff]);
            w.nest(SEQUENCE, |_| {});
        };
        check(&message(1, SEARCH_ENTRY, not_utf8), false);
        let attribute_without_values = |w: &mut Writer| {
            w.bytes(OCTETS, b"cn=a");
            w.nest(SEQUENCE, |w| w.nest(SEQUENCE, |w| w.bytes(OCTETS, b"cn")));
        };
        check(&message(1, SEARCH_ENTRY, attribute_without_values), false);
        let referral_of_another_type = |w: &mut Writer| {
            result(w, 10);
            w.bytes(0x83, b"ldap://other/");
        };
        check(&message(1, SEARCH_DONE, referral_of_another_type), false);
        check(&message(1, SEARCH_REFERENCE, |w| w.number(INTEGER, 1)), false);
    }

    #[test]
    fn a_control_must_have_its_shape() {
        let with_control = |fill: fn(&mut Writer)| {
            let mut writer = Writer::new();
            writer.nest(SEQUENCE, |w| {
                w.number(INTEGER, 1);
                w.nest(SEARCH_DONE, |w| result(w, 0));
                w.nest(CONTROLS, |w| w.nest(SEQUENCE, fill));
            });
            writer.into_bytes()
        };
        check(&with_control(|w| w.bytes(OCTETS, b"1.2.3")), true);
        check(&with_control(|w| w.number(INTEGER, 1)), false);
        check(
            &with_control(|w| {
                w.bytes(OCTETS, b"1.2.3");
                w.bytes(BOOLEAN, b"");
            }),
            false,
        );
        check(&with_control(|_| {}), false);
    }

    #[test]
    fn a_paging_value_is_a_size_and_a_cookie() {
        let value = |fill: fn(&mut Writer)| {
            let mut writer = Writer::new();
            writer.nest(SEQUENCE, fill);
            writer.into_bytes()
        };
        let good = value(|w| {
            w.number(INTEGER, 0);
            w.bytes(OCTETS, b"next");
        });
        assert_eq!(paging_cookie(&good), Ok((0, b"next".to_vec())));
        assert!(paging_cookie(&value(|w| w.number(INTEGER, 0))).is_err());
        assert!(paging_cookie(b"").is_err());
    }
}
