//! The pages for who forgot a password.

use maud::{Markup, html};

use super::{ask as whom_to_ask, page};
use crate::model::{Words, say};

const TITLE: Words = say("Forgotten password", "Passwort vergessen");

/// Asks for a name or an address.
pub fn ask(csrf: &str, problem: Option<Words>) -> Markup {
    page(
        TITLE,
        &html! {
            h1 { (TITLE) }
            @if let Some(problem) = problem { div.problem role="alert" { p { (problem) } } }
            p {
                (say(
                    "Tell us your user name or your e-mail address. You get a link on which you choose a new password.",
                    "Nennen Sie Ihren Benutzernamen oder Ihre E-Mail-Adresse. Sie bekommen einen Link, \
                     über den Sie ein neues Passwort wählen.",
                ))
            }
            form method="post" action="/login/forgot" {
                input type="hidden" name="csrf" value=(csrf);
                label for="username" { (say("User name or e-mail address", "Benutzername oder E-Mail-Adresse")) }
                input #username name="username" type="text" autocomplete="username" autocapitalize="none"
                    spellcheck="false" required autofocus maxlength="512";
                button type="submit" { (say("Send the link", "Link senden")) }
            }
            p { a href="/login" { (say("Back", "Zurück")) } }
        },
    )
}

/// After somebody asked, whoever it was.
pub fn sent() -> Markup {
    page(
        TITLE,
        &html! {
            h1 { (say("Look into your mail", "Sehen Sie in Ihre E-Mail")) }
            p role="status" {
                (say(
                    "If there is an account with a password for what you typed, a link is on its way to its address. \
                     It works once, for half an hour.",
                    "Wenn es zu Ihrer Angabe ein Konto mit Passwort gibt, ist ein Link an dessen Adresse unterwegs. \
                     Er gilt einmal, eine halbe Stunde lang.",
                ))
            }
            p {
                (say(
                    "No mail after a few minutes? Look among unwanted mail, or ask your administrator.",
                    "Nach einigen Minuten keine E-Mail? Sehen Sie bei unerwünschter E-Mail nach, \
                     oder fragen Sie Ihre Verwaltung.",
                ))
            }
            p { a href="/login" { (say("Back", "Zurück")) } }
        },
    )
}

/// Where no mail can be sent.
pub fn no_mail(contact: Option<&str>) -> Markup {
    page(
        TITLE,
        &html! {
            h1 { (TITLE) }
            p {
                (say(
                    "No mail is sent from here. An administrator gives you a link on which you choose a new password.",
                    "Von hier wird keine E-Mail verschickt. Die Verwaltung gibt Ihnen einen Link, \
                     über den Sie ein neues Passwort wählen.",
                ))
            }
            (whom_to_ask(contact))
            p { a href="/login" { (say("Back", "Zurück")) } }
        },
    )
}

/// Asks before a link is used, so that a preview of it does not use it up.
pub fn link(token: &str, csrf: &str) -> Markup {
    let title = say("Choose a new password", "Ein neues Passwort wählen");
    page(
        title,
        &html! {
            h1 { (title) }
            p { (say("This link works once.", "Dieser Link gilt einmal.")) }
            form method="post" action="/login/reset" {
                input type="hidden" name="token" value=(token);
                input type="hidden" name="csrf" value=(csrf);
                button type="submit" { (say("Go on", "Weiter")) }
            }
        },
    )
}

/// A link that does not work, whatever the reason.
pub fn gone(reference: &str, contact: Option<&str>) -> Markup {
    let title = say("This link does not work", "Dieser Link gilt nicht");
    page(
        title,
        &html! {
            h1 { (title) }
            div.problem role="alert" {
                p {
                    (say(
                        "It was used already, is too old, or another one has taken its place. Ask for a new one.",
                        "Er wurde schon benutzt, ist zu alt, oder ein anderer gilt an seiner Stelle. \
                         Lassen Sie sich einen neuen geben.",
                    ))
                }
                p.reference { (say("Reference ", "Referenz ")) code { (reference) } }
                (whom_to_ask(contact))
            }
            p { a href="/login" { (say("Sign in", "Anmelden")) } }
        },
    )
}
