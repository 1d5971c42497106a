//! The pages of signing in and out. They work without scripts; everything that is shown is escaped by construction.

pub mod factor;
pub mod sessions;

use maud::{DOCTYPE, Markup, html};

use crate::model::SourceId;

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
    pub problem: Option<&'a str>,
    /// The id by which an administrator finds the reason.
    pub reference: Option<&'a str>,
    /// Whom to ask.
    pub contact: Option<&'a str>,
}

/// Whom to ask, where somebody is named.
fn ask(contact: Option<&str>) -> Markup {
    html! { @if let Some(contact) = contact { p.contact { "Whom to ask: " (contact) } } }
}

fn page(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) }
                link rel="stylesheet" href="/login/style.css";
            }
            body { main { (body) } }
        }
    }
}

/// The sign-in page.
pub fn sign_in(view: &SignIn<'_>) -> Markup {
    page(
        "Sign in",
        &html! {
            h1 { "Sign in" }
            @if let Some(problem) = view.problem {
                div.problem role="alert" {
                    p { (problem) }
                    @if let Some(reference) = view.reference { p.reference { "Reference " code { (reference) } } }
                    (ask(view.contact))
                }
            }
            form method="post" action="/login/password" {
                input type="hidden" name="csrf" value=(view.csrf);
                input type="hidden" name="return_to" value=(view.return_to);
                label for="username" { "User name" }
                input #username name="username" type="text" autocomplete="username" autocapitalize="none"
                    spellcheck="false" required autofocus maxlength="512";
                label for="password" { "Password" }
                input #password name="password" type="password" autocomplete="current-password" required
                    maxlength="4096";
                button type="submit" { "Sign in" }
            }
            @if !view.choices.is_empty() {
                p.or { "or" }
                ul.choices {
                    @for choice in view.choices {
                        li {
                            a href={ "/login/" (choice.id.as_str()) "?" (return_query(view.return_to)) } {
                                "Continue with " (choice.label)
                            }
                        }
                    }
                }
            }
        },
    )
}

fn return_query(path: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("return_to", path).finish()
}

/// Asks before a one-time link is used, so that a preview of it does not use it up.
pub fn link(token: &str, csrf: &str) -> Markup {
    page(
        "Sign in",
        &html! {
            h1 { "Sign in by link" }
            p { "This link signs you in once." }
            form method="post" action="/login/link" {
                input type="hidden" name="token" value=(token);
                input type="hidden" name="csrf" value=(csrf);
                button type="submit" { "Sign in" }
            }
        },
    )
}

/// A sign-in that did not work, by a way other than the password.
pub fn refused(problem: &str, reference: &str, contact: Option<&str>) -> Markup {
    page(
        "Sign-in did not work",
        &html! {
            h1 { "Sign-in did not work" }
            div.problem role="alert" {
                p { (problem) }
                p.reference { "Reference " code { (reference) } }
                (ask(contact))
            }
            p { a href="/login" { "Try again" } }
        },
    )
}

/// Asks for a new password before there is a session. `rules` are what it must have, `problems` what the last one lacked.
pub fn change_password(csrf: &str, rules: &[String], problems: &[String]) -> Markup {
    page(
        "Choose a new password",
        &html! {
            h1 { "Choose a new password" }
            p { "Your password was set by somebody else, or is too old. Choose another one to go on." }
            (problem_list(problems))
            form method="post" action="/login/change-password" {
                input type="hidden" name="csrf" value=(csrf);
                (new_password(rules))
                button type="submit" { "Save and sign in" }
            }
        },
    )
}

/// The page on which somebody who is signed in changes their password.
pub fn own_password(csrf: &str, rules: &[String], problems: &[String]) -> Markup {
    page(
        "Change your password",
        &html! {
            h1 { "Change your password" }
            p { "You stay signed in here, and are signed out everywhere else." }
            (problem_list(problems))
            form method="post" action="/account/password" {
                input type="hidden" name="csrf" value=(csrf);
                label for="old" { "Present password" }
                input #old name="old" type="password" autocomplete="current-password" required maxlength="4096";
                (new_password(rules))
                button type="submit" { "Save" }
            }
            p { a href="/" { "Back" } }
        },
    )
}

/// After a change of one's own password.
pub fn password_changed() -> Markup {
    page(
        "Password changed",
        &html! {
            h1 { "Password changed" }
            p role="status" { "Your new password holds from now on. You were signed out everywhere else." }
            p { a href="/" { "Go on" } }
        },
    )
}

/// Where the account's password is not kept here.
pub fn no_own_password() -> Markup {
    page(
        "No password here",
        &html! {
            h1 { "No password here" }
            p { "Your password is kept elsewhere, or you sign in without one. Change it where you sign in." }
            p { a href="/" { "Back" } }
        },
    )
}

/// The two fields of a new password, with what it must have.
fn new_password(rules: &[String]) -> Markup {
    html! {
        ul #rules { @for rule in rules { li { (rule) } } }
        label for="new" { "New password" }
        input #new name="new" type="password" autocomplete="new-password" required maxlength="4096"
            aria-describedby="rules";
        label for="again" { "New password, once more" }
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
pub fn begin_again(problem: &str) -> Markup {
    page(
        "Sign in again",
        &html! {
            h1 { "Sign in again" }
            div.problem role="alert" { p { (problem) } }
            p { a href="/login" { "Sign in" } }
        },
    )
}

/// The start page of somebody who is signed in.
pub fn home(name: &str, roles: &[String], csrf: &str, contact: Option<&str>) -> Markup {
    page(
        "Signed in",
        &html! {
            h1 { "Hello, " (name) }
            @if roles.is_empty() {
                p { "You are signed in. No role has been given to you yet." }
                (ask(contact))
            } @else {
                p { "You are signed in. Your roles:" }
                ul { @for role in roles { li { (role) } } }
            }
            p { a href="/account/password" { "Change your password" } }
            p { a href="/account/factors" { "Your second factors" } }
            p { a href="/account/sessions" { "Where you are signed in" } }
            form method="post" action="/logout" {
                input type="hidden" name="csrf" value=(csrf);
                button type="submit" { "Sign out" }
            }
        },
    )
}

/// Asks before signing out, so that a link cannot do it.
pub fn sign_out(csrf: &str) -> Markup {
    page(
        "Sign out",
        &html! {
            h1 { "Sign out?" }
            form method="post" action="/logout" {
                input type="hidden" name="csrf" value=(csrf);
                button type="submit" { "Sign out" }
            }
        },
    )
}

/// After signing out.
pub fn signed_out() -> Markup {
    page(
        "Signed out",
        &html! {
            h1 { "Signed out" }
            p { a href="/login" { "Sign in again" } }
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
            problem: Some(evil),
            reference: Some(evil),
            contact: Some(evil),
        };
        for text in [
            sign_in(&view).into_string(),
            refused(evil, evil, Some(evil)).into_string(),
            home(evil, &[], evil, Some(evil)).into_string(),
            home(evil, &[evil.to_owned()], evil, None).into_string(),
            sign_out(evil).into_string(),
        ] {
            assert!(!text.contains("<script"), "{text}");
        }
    }
}
