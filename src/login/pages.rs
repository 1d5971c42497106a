//! The pages of signing in and out. They work without scripts; everything that is shown is escaped by construction.

pub mod devices;
pub mod discover;
pub mod factor;
pub mod invitation;
pub mod logout;
pub mod onward;
pub mod passkey;
pub mod reset;
pub mod sessions;
pub mod trial;
pub mod words;

use maud::{DOCTYPE, Markup, html};

use crate::model::{Language, SourceId, Words, say};

/// The style of every page, served by its own route so that the content security policy needs no exception.
pub const STYLE: &str = include_str!("pages/style.css");

/// A way in, as the page shows it.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The connector.
    pub id: SourceId,
    /// What the button says.
    pub label: String,
}

/// What the sign-in page needs.
#[derive(Debug)]
pub struct SignIn<'a> {
    /// Ways in besides the password.
    pub choices: &'a [Choice],
    /// The anti-forgery value of the form.
    pub csrf: &'a str,
    /// Where the sign-in leads to.
    pub return_to: &'a str,
    /// What went wrong before.
    pub problem: Option<Words>,
    /// The id by which an administrator finds the reason.
    pub reference: Option<&'a str>,
    /// Whom to ask.
    pub contact: Option<&'a str>,
    /// The name that was told already.
    pub name: Option<&'a str>,
    /// Whether passkeys sign people in.
    pub has_passkeys: bool,
    /// Whether a forgotten password can be asked for here.
    pub has_mail: bool,
}

/// Whom to ask, where somebody is named.
fn ask(contact: Option<&str>) -> Markup {
    html! { @if let Some(contact) = contact { p.contact { (say("Whom to ask: ", "Ansprechpartner: ")) (contact) } } }
}

fn page(title: Words, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(words::language().tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) }
                link rel="stylesheet" href="/login/style.css";
            }
            body {
                main { (body) (languages()) }
                (level_of_access())
            }
        }
    }
}

/// The badge of who is signed in, on every page of theirs.
fn level_of_access() -> Markup {
    html! {
        @if let Some(badge) = words::badge() {
            footer.level { (say("Level of access: ", "Zugriffsstufe: ")) strong { (badge) } }
        }
    }
}

/// The same page in the other languages.
fn languages() -> Markup {
    let Some(here) = words::here() else { return html! {} };
    html! {
        ul.languages {
            @for language in Language::ALL.into_iter().filter(|language| *language != words::language()) {
                li {
                    a lang=(language.tag()) href={ "/login/language?to=" (language.tag()) "&" (return_query(here.as_str())) } {
                        (language.name())
                    }
                }
            }
        }
    }
}

/// What went wrong, with what helps to find out why.
fn told(problem: Words, reference: Option<&str>, contact: Option<&str>) -> Markup {
    html! {
        div.problem role="alert" {
            p { (problem) }
            @if let Some(reference) = reference { p.reference { (say("Reference ", "Referenz ")) code { (reference) } } }
            (ask(contact))
        }
    }
}

/// The ways in besides the form of a page: a passkey, and connectors.
fn other_ways(has_passkeys: bool, choices: &[Choice], csrf: &str, return_to: &str) -> Markup {
    let passkey = passkey::Ask { action: "/login/passkey", purpose: "sign-in", csrf, button: passkey::SIGN_IN };
    html! {
        @if has_passkeys {
            p.or { (say("or", "oder")) }
            (passkey.form(&html! { input type="hidden" name="return_to" value=(return_to); }))
        }
        @if !choices.is_empty() {
            p.or { (say("or", "oder")) }
            (discover::list(choices, return_to, None))
        }
    }
}

/// The sign-in page.
pub fn sign_in(view: &SignIn<'_>) -> Markup {
    page(
        say("Sign in", "Anmelden"),
        &html! {
            h1 { (say("Sign in", "Anmelden")) }
            @if let Some(problem) = view.problem { (told(problem, view.reference, view.contact)) }
            form method="post" action="/login/password" {
                input type="hidden" name="csrf" value=(view.csrf);
                input type="hidden" name="return_to" value=(view.return_to);
                label for="username" { (say("User name", "Benutzername")) }
                input #username name="username" type="text" autocapitalize="none"
                    autocomplete=(if view.has_passkeys { "username webauthn" } else { "username" })
                    spellcheck="false" required autofocus[view.name.is_none()] value=[view.name] maxlength="512";
                label for="password" { (say("Password", "Passwort")) }
                input #password name="password" type="password" autocomplete="current-password" required
                    autofocus[view.name.is_some()] maxlength="4096";
                button type="submit" { (say("Sign in", "Anmelden")) }
            }
            @if view.has_mail { p { a href="/login/forgot" { (say("Forgot your password?", "Passwort vergessen?")) } } }
            (other_ways(view.has_passkeys, view.choices, view.csrf, view.return_to))
        },
    )
}

fn return_query(path: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("return_to", path).finish()
}

/// Asks before a one-time link is used, so that a preview of it does not use it up.
pub fn link(token: &str, csrf: &str) -> Markup {
    page(
        say("Sign in", "Anmelden"),
        &html! {
            h1 { (say("Sign in by link", "Mit einem Link anmelden")) }
            p { (say("This link signs you in once.", "Dieser Link meldet Sie einmal an.")) }
            form method="post" action="/login/link" {
                input type="hidden" name="token" value=(token);
                input type="hidden" name="csrf" value=(csrf);
                button type="submit" { (say("Sign in", "Anmelden")) }
            }
        },
    )
}

/// A sign-in that did not work, by a way other than the password.
pub fn refused(problem: Words, reference: &str, contact: Option<&str>) -> Markup {
    page(
        say("Sign-in did not work", "Die Anmeldung hat nicht geklappt"),
        &html! {
            h1 { (say("Sign-in did not work", "Die Anmeldung hat nicht geklappt")) }
            (told(problem, Some(reference), contact))
            p { a href="/login" { (say("Try again", "Noch einmal versuchen")) } }
        },
    )
}

/// Asks for a new password before there is a session. `rules` are what it must have, `problems` what the last one lacked.
pub fn change_password(csrf: &str, rules: &[String], problems: &[String]) -> Markup {
    page(
        say("Choose a new password", "Neues Passwort wählen"),
        &html! {
            h1 { (say("Choose a new password", "Neues Passwort wählen")) }
            p { (say("Your password was set by somebody else, or is too old. Choose another one to go on.", "Ihr Passwort wurde von jemand anderem gesetzt oder ist zu alt. Wählen Sie ein anderes, um fortzufahren.")) }
            (problem_list(problems))
            form method="post" action="/login/change-password" {
                input type="hidden" name="csrf" value=(csrf);
                (new_password(rules))
                button type="submit" { (say("Save and sign in", "Speichern und anmelden")) }
            }
        },
    )
}

/// The page on which somebody who is signed in changes their password.
pub fn own_password(csrf: &str, rules: &[String], problems: &[String]) -> Markup {
    page(
        say("Change your password", "Passwort ändern"),
        &html! {
            h1 { (say("Change your password", "Passwort ändern")) }
            p { (say("You stay signed in here, and are signed out everywhere else.", "Hier bleiben Sie angemeldet, überall sonst werden Sie abgemeldet.")) }
            (problem_list(problems))
            form method="post" action="/account/password" {
                input type="hidden" name="csrf" value=(csrf);
                label for="old" { (say("Present password", "Bisheriges Passwort")) }
                input #old name="old" type="password" autocomplete="current-password" required maxlength="4096";
                (new_password(rules))
                button type="submit" { (say("Save", "Speichern")) }
            }
            p { a href="/" { (say("Back", "Zurück")) } }
        },
    )
}

/// After a change of one's own password.
pub fn password_changed() -> Markup {
    page(
        say("Password changed", "Passwort geändert"),
        &html! {
            h1 { (say("Password changed", "Passwort geändert")) }
            p role="status" { (say("Your new password holds from now on. You were signed out everywhere else.", "Ihr neues Passwort gilt ab sofort. Überall sonst wurden Sie abgemeldet.")) }
            p { a href="/" { (say("Go on", "Weiter")) } }
        },
    )
}

/// Where the account's password is not kept here.
pub fn no_own_password() -> Markup {
    page(
        say("No password here", "Kein Passwort an dieser Stelle"),
        &html! {
            h1 { (say("No password here", "Kein Passwort an dieser Stelle")) }
            p { (say("Your password is kept elsewhere, or you sign in without one. Change it where you sign in.", "Ihr Passwort wird anderswo verwaltet, oder Sie melden sich ohne Passwort an. Ändern Sie es dort, wo Sie sich anmelden.")) }
            p { a href="/" { (say("Back", "Zurück")) } }
        },
    )
}

/// The two fields of a new password, with what it must have.
fn new_password(rules: &[String]) -> Markup {
    html! {
        ul #rules { @for rule in rules { li { (rule) } } }
        label for="new" { (say("New password", "Neues Passwort")) }
        input #new name="new" type="password" autocomplete="new-password" required maxlength="4096"
            aria-describedby="rules";
        label for="again" { (say("New password, once more", "Neues Passwort, noch einmal")) }
        input #again name="again" type="password" autocomplete="new-password" required maxlength="4096";
    }
}

fn problem_list(problems: &[String]) -> Markup {
    html! {
        @if !problems.is_empty() {
            div.problem role="alert" { ul { @for problem in problems { li { (problem) } } } }
        }
    }
}

/// A sign-in under way that cannot go on.
pub fn begin_again(problem: Words) -> Markup {
    page(
        say("Sign in again", "Erneut anmelden"),
        &html! {
            h1 { (say("Sign in again", "Erneut anmelden")) }
            div.problem role="alert" { p { (problem) } }
            p { a href="/login" { (say("Sign in", "Anmelden")) } }
        },
    )
}

/// The start page of somebody who is signed in.
pub fn home(name: &str, roles: &[String], csrf: &str, contact: Option<&str>) -> Markup {
    page(
        say("Signed in", "Angemeldet"),
        &html! {
            h1 { (say("Hello, ", "Hallo, ")) (name) }
            @if roles.is_empty() {
                p { (say("You are signed in. No role has been given to you yet.", "Sie sind angemeldet. Eine Rolle haben Sie noch nicht.")) }
                (ask(contact))
            } @else {
                p { (say("You are signed in. Your roles:", "Sie sind angemeldet. Ihre Rollen:")) }
                ul { @for role in roles { li { (role) } } }
            }
            p { a href="/account/password" { (say("Change your password", "Passwort ändern")) } }
            p { a href="/account/factors" { (say("Your second factors", "Ihre zweiten Faktoren")) } }
            p { a href="/account/sessions" { (say("Where you are signed in", "Wo Sie angemeldet sind")) } }
            form method="post" action="/logout" {
                input type="hidden" name="csrf" value=(csrf);
                button type="submit" { (say("Sign out", "Abmelden")) }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_shown_is_escaped() {
        let evil = "\"><script>alert(1)</script>";
        let choices = [Choice { id: "entra".parse().unwrap(), label: evil.to_owned() }];
        let view = SignIn {
            choices: &choices,
            csrf: evil,
            return_to: evil,
            problem: None,
            reference: Some(evil),
            contact: Some(evil),
            name: Some(evil),
            has_passkeys: true,
            has_mail: true,
        };
        for text in [
            sign_in(&view).into_string(),
            refused(say("x", "x"), evil, Some(evil)).into_string(),
            home(evil, &[], evil, Some(evil)).into_string(),
            home(evil, &[evil.to_owned()], evil, None).into_string(),
            logout::ask(evil).into_string(),
            logout::signed_out(Some(evil)).into_string(),
            onward::onward(evil, &[("SAMLRequest", evil.to_owned())]).into_string(),
        ] {
            assert!(!text.contains("<script>"), "{text}");
        }
    }
}
