//! What mails say: a few sentences in the language of whom they are for, as text and as HTML.
//!
//! What other people chose, a name or a title, is in no mail but the account's own name: a mail of ours is not to carry
//! the words or the addresses of somebody else. Links come from `public_url` and nowhere else.

use std::net::IpAddr;

use maud::{DOCTYPE, Markup, html};

use crate::clock::Timestamp;
use crate::model::{Language, SourceId, Words, is_unseen, say};
use crate::secret::Secret;

/// Longest name of an account that is shown, in characters.
const MAX_SHOWN: usize = 128;

/// What a mail is about.
#[derive(Clone, Debug)]
pub enum Letter {
    /// Somebody asked for a link to choose another password.
    Reset {
        /// The path with its secret, below `public_url`.
        path: Secret,
        /// Until when it may be followed.
        until: Timestamp,
    },
    /// An administrator sends a link to choose a password.
    ResetSent {
        /// The path with its secret.
        path: Secret,
        /// Until when it may be followed.
        until: Timestamp,
    },
    /// An account waits for its owner.
    Invitation {
        /// The path with its secret.
        path: Secret,
        /// Until when it may be followed.
        until: Timestamp,
    },
    /// Something that lets people in has changed.
    Notice(Notice, Happened),
    /// A provisioning connection is paused, for it removed too much.
    Paused {
        /// The connection.
        connection: SourceId,
        /// Since when.
        since: Timestamp,
    },
    /// Mail works.
    Test,
}

/// What has changed of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A role that the owner asked for was given.
    AccessApproved,
    /// Somebody asks for a role that the owner may give; told to those who decide.
    AccessAsked,
    /// Somebody ended a role that the owner held.
    AccessEnded,
    /// Somebody gave the owner a role.
    AccessGiven,
    /// A role that the owner asked for was refused.
    AccessRefused,
    /// The address to which notices go; told at the old one.
    AddressChanged,
    /// A second factor was set up.
    FactorEnrolled,
    /// The second factors were removed.
    FactorRemoved,
    /// Somebody signed in from a browser that the account did not know.
    NewDevice,
    /// A passkey answered as one does that was copied.
    PasskeyCopied,
    /// Its owner changed the password.
    PasswordChanged,
    /// Somebody else, or a link, set the password.
    PasswordSet,
    /// A recovery code was used.
    RecoveryUsed,
    /// The recovery codes were made anew.
    RecoveryMade,
}

impl Notice {
    /// Whether the owner may have lost the account by it.
    pub const fn is_of_takeover(self) -> bool {
        match self {
            Self::AddressChanged
            | Self::FactorEnrolled
            | Self::FactorRemoved
            | Self::PasswordChanged
            | Self::PasswordSet => true,
            Self::AccessApproved
            | Self::AccessAsked
            | Self::AccessEnded
            | Self::AccessGiven
            | Self::AccessRefused
            | Self::NewDevice
            | Self::PasskeyCopied
            | Self::RecoveryUsed
            | Self::RecoveryMade => false,
        }
    }

    /// Whether it tells that somebody else changed what the owner may do, of which many may be changed at once.
    pub(super) const fn is_of_changed_access(self) -> bool {
        matches!(self, Self::AccessEnded | Self::AccessGiven)
    }
}

/// When something happened, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happened {
    /// When.
    pub at: Timestamp,
    /// From which address; `None` on the machine itself.
    pub from: Option<IpAddr>,
}

impl Letter {
    /// The word for events and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Reset { .. } | Self::ResetSent { .. } => "password-reset",
            Self::Invitation { .. } => "invitation",
            Self::Notice(notice, _) => notice.name(),
            Self::Paused { .. } => "connection-paused",
            Self::Test => "test",
        }
    }

    /// Whether somebody waits for it.
    pub const fn is_link(&self) -> bool {
        matches!(self, Self::Reset { .. } | Self::ResetSent { .. } | Self::Invitation { .. })
    }

    /// Whether it tells that its owner may have lost the account.
    pub const fn is_of_takeover(&self) -> bool {
        matches!(self, Self::Notice(notice, _) if notice.is_of_takeover())
    }

    /// Until when it is of use; `None` for one that tells only.
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Reset { until, .. } | Self::ResetSent { until, .. } | Self::Invitation { until, .. } => Some(*until),
            Self::Notice(..) | Self::Paused { .. } | Self::Test => None,
        }
    }
}

impl Notice {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AccessApproved => "access-approved",
            Self::AccessAsked => "access-asked",
            Self::AccessEnded => "access-ended",
            Self::AccessGiven => "access-given",
            Self::AccessRefused => "access-refused",
            Self::AddressChanged => "address-changed",
            Self::FactorEnrolled => "factor-enrolled",
            Self::FactorRemoved => "factor-removed",
            Self::NewDevice => "new-device",
            Self::PasskeyCopied => "passkey-copied",
            Self::PasswordChanged => "password-changed",
            Self::PasswordSet => "password-set",
            Self::RecoveryUsed => "recovery-code-used",
            Self::RecoveryMade => "recovery-codes-made",
        }
    }

    /// Whether it tells of an access request, which anybody makes.
    pub(super) const fn is_of_request(self) -> bool {
        matches!(self, Self::AccessApproved | Self::AccessAsked | Self::AccessRefused)
    }

    /// The subject, and the sentence that says it.
    const fn words(self) -> (Words, Words) {
        match self {
            Self::AccessApproved => (
                say("You were given a role", "Sie haben eine Rolle erhalten"),
                say(
                    "A role that you asked for was given to you.",
                    "Eine Rolle, um die Sie gebeten haben, wurde Ihnen gegeben.",
                ),
            ),
            Self::AccessAsked => (
                say("Somebody asks for a role", "Jemand bittet um eine Rolle"),
                say(
                    "Somebody asks for a role that you may give. Nothing is given until you or somebody else decides.",
                    "Jemand bittet um eine Rolle, die Sie geben dürfen. Nichts wird gegeben, bis Sie oder jemand anders entscheidet.",
                ),
            ),
            Self::AccessEnded => (
                say("Your access was changed", "Ihr Zugriff wurde geändert"),
                say("A role that you held was ended.", "Eine Rolle, die Sie hatten, wurde beendet."),
            ),
            Self::AccessGiven => (
                say("Your access was changed", "Ihr Zugriff wurde geändert"),
                say("A role was given to you.", "Ihnen wurde eine Rolle gegeben."),
            ),
            Self::AccessRefused => (
                say("You were not given a role", "Sie haben eine Rolle nicht erhalten"),
                say("A role that you asked for was refused.", "Eine Rolle, um die Sie gebeten haben, wurde abgelehnt."),
            ),
            Self::AddressChanged => (
                say("Your e-mail address was changed", "Ihre E-Mail-Adresse wurde geändert"),
                say(
                    "Another e-mail address was set for your account. From now on messages go there.",
                    "Für Ihr Konto wurde eine andere E-Mail-Adresse eingetragen. Nachrichten gehen von jetzt an dorthin.",
                ),
            ),
            Self::FactorEnrolled => (
                say("A second factor was set up", "Ein zweiter Faktor wurde eingerichtet"),
                say(
                    "A second factor was set up for your account.",
                    "Für Ihr Konto wurde ein zweiter Faktor eingerichtet.",
                ),
            ),
            Self::FactorRemoved => (
                say("Your second factor was removed", "Ihr zweiter Faktor wurde entfernt"),
                say("A second factor of your account was removed.", "Ein zweiter Faktor Ihres Kontos wurde entfernt."),
            ),
            Self::NewDevice => (
                say("A sign-in from a new browser", "Anmeldung mit einem neuen Browser"),
                say(
                    "Somebody signed in to your account with a browser that was not used for it before.",
                    "Jemand hat sich mit einem Browser an Ihrem Konto angemeldet, der dafür bisher nicht benutzt wurde.",
                ),
            ),
            Self::PasskeyCopied => (
                say("A passkey of yours may have been copied", "Ein Passkey von Ihnen wurde vielleicht kopiert"),
                say(
                    "A passkey of your account was refused because it answered as a copy would. If this goes on, remove it and make a new one.",
                    "Ein Passkey Ihres Kontos wurde abgewiesen, weil er wie eine Kopie geantwortet hat. Wiederholt sich das, entfernen Sie ihn und erstellen Sie einen neuen.",
                ),
            ),
            Self::PasswordChanged => (
                say("Your password was changed", "Ihr Passwort wurde geändert"),
                say("The password of your account was changed.", "Das Passwort Ihres Kontos wurde geändert."),
            ),
            Self::PasswordSet => (
                say("Your password was set anew", "Ihr Passwort wurde neu gesetzt"),
                say(
                    "The password of your account was set anew, by a link or by an administrator.",
                    "Das Passwort Ihres Kontos wurde neu gesetzt, über einen Link oder von der Verwaltung.",
                ),
            ),
            Self::RecoveryUsed => (
                say("A recovery code was used", "Ein Wiederherstellungscode wurde benutzt"),
                say(
                    "A recovery code of your account was used in place of your second factor. It does not work again.",
                    "Ein Wiederherstellungscode Ihres Kontos wurde anstelle Ihres zweiten Faktors benutzt. \
                     Er gilt kein zweites Mal.",
                ),
            ),
            Self::RecoveryMade => (
                say("Your recovery codes were made anew", "Ihre Wiederherstellungscodes wurden neu erzeugt"),
                say(
                    "New recovery codes were made for your account. The old ones do not work any more.",
                    "Für Ihr Konto wurden neue Wiederherstellungscodes erzeugt. Die alten gelten nicht mehr.",
                ),
            ),
        }
    }
}

impl Notice {
    /// What to do about it.
    fn advice(self, frame: &Frame<'_>) -> String {
        let (words, address) = match self {
            Self::AccessAsked => (
                say(
                    "Who asks for what, and why, is told by `cleargate access-requests list` and at",
                    "Wer worum bittet und warum, zeigen `cleargate access-requests list` und",
                ),
                "/api/v1/access-requests",
            ),
            Self::AccessApproved | Self::AccessRefused => (
                say(
                    "What you asked for, with the answers, is at",
                    "Worum Sie gebeten haben, mit den Antworten, steht unter",
                ),
                "/api/v1/me/access-requests",
            ),
            Self::AccessEnded | Self::AccessGiven => (
                say("What was changed, by whom and why, is at", "Was geändert wurde, von wem und warum, steht unter"),
                "/api/v1/me/history",
            ),
            _ => return warning(frame),
        };
        format!("{} {}{address}", words.to(frame.language), frame.origin)
    }
}

/// What is the same in every mail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    /// The origin of links: `https://sso.example.com`.
    pub(super) origin: &'a str,
    /// Its host, as people know us.
    pub(super) host: &'a str,
    /// Whom to ask.
    pub(super) contact: Option<&'a str>,
    /// Whose account it is about.
    pub(super) account: &'a str,
    pub(super) language: Language,
}

/// A mail's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// A mail in sentences, before it has a form.
struct Draft {
    subject: String,
    sentences: Vec<String>,
    /// What the button says, and where it leads.
    button: Option<(String, String)>,
    closing: Vec<String>,
}

impl Letter {
    pub(super) fn write(&self, frame: &Frame<'_>) -> Written {
        let draft = self.draft(frame);
        Written { subject: draft.subject.clone(), text: draft.text(), html: draft.html(frame.language).into_string() }
    }

    fn draft(&self, frame: &Frame<'_>) -> Draft {
        let language = frame.language;
        let told = |words: Words| words.to(language).to_owned();
        let account = format!("{} {}", told(say("Account:", "Konto:")), shown(frame.account));
        let place = format!("{} {}", told(say("Sign-in at:", "Anmeldung bei:")), frame.host);
        let button = |words: Words, path: &Secret| Some((told(words), format!("{}{}", frame.origin, path.expose())));
        let mut closing = vec![account, place];
        match self {
            Self::Reset { path, until } => Draft {
                subject: told(say("Choose a new password", "Ein neues Passwort wählen")),
                sentences: vec![
                    told(say(
                        "Somebody, probably you, asked for a new password for your account.",
                        "Jemand, vermutlich Sie, hat ein neues Passwort für Ihr Konto angefordert.",
                    )),
                    told(say(
                        "If it was not you, there is nothing to do: your password stays as it is.",
                        "Wenn Sie es nicht waren, müssen Sie nichts tun: Ihr Passwort bleibt, wie es ist.",
                    )),
                    good_once(*until, language),
                ],
                button: button(say("Choose a new password", "Neues Passwort wählen"), path),
                closing,
            },
            Self::ResetSent { path, until } => Draft {
                subject: told(say("Choose a new password", "Ein neues Passwort wählen")),
                sentences: vec![
                    told(say(
                        "An administrator sends you this link, on which you choose a new password for your account.",
                        "Die Verwaltung schickt Ihnen diesen Link, über den Sie ein neues Passwort für Ihr Konto wählen.",
                    )),
                    good_once(*until, language),
                ],
                button: button(say("Choose a new password", "Neues Passwort wählen"), path),
                closing,
            },
            Self::Invitation { path, until } => Draft {
                subject: format!("{} {}", told(say("Your invitation to", "Ihre Einladung zu")), frame.host),
                sentences: vec![
                    told(say(
                        "An account was made for you. Follow the link to accept the invitation and to choose a password.",
                        "Für Sie wurde ein Konto angelegt. Über den Link nehmen Sie die Einladung an und wählen ein Passwort.",
                    )),
                    told(say(
                        "If you do not expect this, there is nothing to do.",
                        "Wenn Sie das nicht erwarten, müssen Sie nichts tun.",
                    )),
                    good_once(*until, language),
                ],
                button: button(say("Accept the invitation", "Einladung annehmen"), path),
                closing,
            },
            Self::Notice(notice, happened) => {
                let (subject, sentence) = notice.words();
                closing.push(format!("{} {}", told(say("When:", "Wann:")), moment(happened.at)));
                if let Some(from) = happened.from {
                    closing.push(format!("{} {from}", told(say("From the address:", "Von der Adresse:"))));
                }
                let sentences = vec![told(sentence), notice.advice(frame)];
                Draft { subject: told(subject), sentences, button: None, closing }
            }
            Self::Paused { connection, since } => {
                closing.push(format!("{} {connection}", told(say("Connection:", "Verbindung:"))));
                closing.push(format!("{} {}", told(say("Since:", "Seit:")), moment(*since)));
                Draft {
                    subject: told(say("A connection is paused", "Eine Verbindung ist angehalten")),
                    sentences: vec![
                        told(say(
                            "A provisioning connection deactivated or deleted more within an hour than it may, and was paused. \
                             Nothing that it sends is written until an administrator lets it go on.",
                            "Eine Verbindung zur Provisionierung hat in einer Stunde mehr deaktiviert oder gelöscht, als sie darf, \
                             und wurde angehalten. Nichts, was sie sendet, wird geschrieben, bis die Verwaltung sie freigibt.",
                        )),
                        told(say(
                            "Look at what it did before you let it go on:",
                            "Sehen Sie nach, was sie getan hat, bevor Sie sie freigeben:",
                        )),
                        format!("cleargate scim log {connection}"),
                        format!("cleargate scim release {connection}"),
                    ],
                    button: None,
                    closing,
                }
            }
            Self::Test => Draft {
                subject: told(say("A test of mail", "Ein Test der E-Mail")),
                sentences: vec![told(say(
                    "Mail from this server arrives. There is nothing to do.",
                    "E-Mail von diesem Server kommt an. Es ist nichts zu tun.",
                ))],
                button: None,
                closing: vec![format!("{} {}", told(say("Sent by:", "Gesendet von:")), frame.host)],
            },
        }
    }
}

impl Draft {
    fn text(&self) -> String {
        let mut blocks = self.sentences.clone();
        if let Some((words, address)) = &self.button {
            blocks.push(format!("{words}:\n{address}"));
        }
        blocks.push(self.closing.join("\n"));
        format!("{}\n", blocks.join("\n\n"))
    }

    fn html(&self, language: Language) -> Markup {
        html! {
            (DOCTYPE)
            html lang=(language.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="color-scheme" content="light dark";
                    title { (self.subject) }
                }
                body style="font-family: sans-serif; line-height: 1.5; max-width: 36em" {
                    @for sentence in &self.sentences { p { (sentence) } }
                    @if let Some((words, address)) = &self.button {
                        p { a href=(address) { (words) } }
                        p { small { (address) } }
                    }
                    p { @for line in &self.closing { (line) br; } }
                }
            }
        }
    }
}

/// Until when a link is good.
fn good_once(until: Timestamp, language: Language) -> String {
    match language {
        Language::English => format!("The link works once, until {}.", moment(until)),
        Language::German => format!("Der Link gilt einmal, bis {}.", moment(until)),
    }
}

fn warning(frame: &Frame<'_>) -> String {
    let contact = frame.contact.map(|contact| format!(" ({contact})")).unwrap_or_default();
    match frame.language {
        Language::English => format!("If this was not you, tell your administrator at once{contact}."),
        Language::German => {
            format!("Wenn Sie das nicht waren, sagen Sie es sofort Ihrer Verwaltung{contact}.")
        }
    }
}

/// `2026-11-22 08:09 UTC`.
fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} {} UTC", time.get(..5).unwrap_or(time))
}

/// A name in one line, of bounded length, without what steers a reader's screen.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !is_unseen(*c)).take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(account: &str, language: Language) -> Frame<'_> {
        let (origin, host, contact) = ("https://sso.example.com", "sso.example.com", Some("help@example.com"));
        Frame { origin, host, contact, account, language }
    }

    #[test]
    fn a_link_is_below_the_address_of_the_gateway_in_both_parts_and_both_languages() {
        let path = Secret::new("/login/reset?token=abc".to_owned());
        let letter = Letter::Reset { path, until: Timestamp::from_seconds(1_795_334_400) };
        for language in Language::ALL {
            let written = letter.write(&frame("ada@example.org", language));
            let address = "https://sso.example.com/login/reset?token=abc";
            assert!(written.text.contains(&format!("\n{address}\n")), "{}", written.text);
            assert!(written.html.contains(&format!("href=\"{address}\"")), "{}", written.html);
            assert!(written.html.contains(&format!("lang=\"{}\"", language.tag())));
            assert!(written.text.contains("2026-11-22 08:00 UTC"), "{}", written.text);
        }
    }

    #[test]
    fn a_name_is_text_in_one_line_whatever_it_is() {
        let name = format!("<script>alert(1)</script>\r\nBcc: all\u{202e}\u{200b}{}", "x".repeat(400));
        let happened = Happened { at: Timestamp::from_seconds(0), from: Some("198.51.100.7".parse().unwrap()) };
        let written = Letter::Notice(Notice::PasswordChanged, happened).write(&frame(&name, Language::English));
        assert!(!written.html.contains("<script"), "{}", written.html);
        let line = written.text.lines().find(|line| line.starts_with("Account:")).unwrap();
        assert!(line.contains("Bcc: all") && line.chars().count() < 160, "{line}");
        assert!(written.text.contains("198.51.100.7") && written.text.contains("help@example.com"));
    }

    #[test]
    fn every_notice_has_its_own_words_in_both_languages() {
        let all = [
            Notice::AccessApproved,
            Notice::AccessAsked,
            Notice::AccessEnded,
            Notice::AccessGiven,
            Notice::AccessRefused,
            Notice::AddressChanged,
            Notice::FactorEnrolled,
            Notice::FactorRemoved,
            Notice::PasswordChanged,
            Notice::PasswordSet,
            Notice::RecoveryUsed,
            Notice::RecoveryMade,
        ];
        let texts = all.iter().flat_map(|notice| {
            let (subject, sentence) = notice.words();
            Language::ALL.map(|language| format!("{}|{}", subject.to(language), sentence.to(language)))
        });
        let texts: std::collections::BTreeSet<String> = texts.collect();
        assert_eq!(texts.len(), all.len() * Language::ALL.len());
    }
}
