//! The language of the page that is being answered: what the person chose, else what their browser asks for.
//!
//! It belongs to the request and is kept beside it, so that no page and no message can forget to hand it on. Work that is
//! not part of a request speaks English.

use std::sync::OnceLock;

use maud::Render;

use crate::credential::Unmet;
use crate::login::ReturnTo;
use crate::model::{Language, Words, say};
use crate::session::Method;

/// What every page knows of its request.
#[derive(Clone, Debug)]
struct Reader {
    language: Language,
    here: Option<ReturnTo>,
    /// The badge of the level of access, once it is known who is signed in.
    badge: OnceLock<String>,
}

tokio::task_local! {
    static READER: Reader;
}

/// The language of the request under way.
pub fn language() -> Language {
    READER.try_with(|reader| reader.language).unwrap_or_default()
}

/// Where the reader is, to come back to it in another language.
/// `None` where its address is not to be told again.
pub fn here() -> Option<ReturnTo> {
    READER.try_with(|reader| reader.here.clone()).unwrap_or_else(|_| Some(ReturnTo::home()))
}

/// Does some work in the language of a reader who is at a page.
pub async fn spoken<T>(language: Language, here: Option<ReturnTo>, work: impl Future<Output = T>) -> T {
    READER.scope(Reader { language, here, badge: OnceLock::new() }, work).await
}

/// Says at which level of access the reader is signed in; what was said first stays.
pub fn say_badge(badge: String) {
    // Work that is not part of a request has no reader.
    let _said = READER.try_with(|reader| reader.badge.set(badge));
}

/// The badge of the reader's level of access; `None` for who is not signed in or has no role everywhere.
pub fn badge() -> Option<String> {
    READER.try_with(|reader| reader.badge.get().cloned()).ok().flatten()
}

impl Words {
    /// The text in the reader's language.
    pub fn text(self) -> &'static str {
        self.to(language())
    }
}

impl Render for Words {
    fn render_to(&self, buffer: &mut String) {
        self.text().render_to(buffer);
    }
}

/// What a new password must have, as a sentence.
pub fn requirement(part: &Unmet) -> String {
    match language() {
        Language::English => format!("It {part}."),
        Language::German => format!("Es {}.", in_german(part)),
    }
}

/// What a new password lacks, as a sentence.
pub fn lack(part: &Unmet) -> String {
    match language() {
        Language::English => format!("The password {part}."),
        Language::German => format!("Das Passwort {}.", in_german(part)),
    }
}

fn in_german(part: &Unmet) -> String {
    match part {
        Unmet::Common => "darf keines sein, das jeder versucht".to_owned(),
        Unmet::Context => {
            "darf keinen Namen und keine Adresse von Ihnen und nicht den Namen dieses Dienstes enthalten".to_owned()
        }
        Unmet::Digit => "muss eine Ziffer enthalten".to_owned(),
        Unmet::Letter => "muss einen Buchstaben enthalten".to_owned(),
        Unmet::Lower => "muss einen Kleinbuchstaben enthalten".to_owned(),
        Unmet::Special => "muss ein Zeichen enthalten, das weder Buchstabe noch Ziffer ist".to_owned(),
        Unmet::TooLong { max_chars } => format!("darf höchstens {max_chars} Zeichen haben"),
        Unmet::TooShort { min_chars } => format!("muss mindestens {min_chars} Zeichen haben"),
        Unmet::Unchanged => "muss ein anderes sein als bisher".to_owned(),
        Unmet::Upper => "muss einen Großbuchstaben enthalten".to_owned(),
    }
}

/// Where a session came from that has no address.
pub const THIS_MACHINE: Words = say("this machine", "diesem Rechner");
/// A browser that sent no name.
pub const NAMELESS: Words = say("A browser that says no name", "Ein Browser ohne Namen");

/// By what somebody signed in.
pub const fn method(method: Method) -> Words {
    match method {
        Method::Link => say("a link", "einem Link"),
        Method::LdapBind => say("the password of a directory", "dem Passwort eines Verzeichnisses"),
        Method::OpenIdConnect => say("OpenID Connect", "OpenID Connect"),
        Method::Passkey => say("a passkey", "einem Passkey"),
        Method::Password => say("password", "Passwort"),
        Method::Saml => say("SAML", "SAML"),
    }
}
