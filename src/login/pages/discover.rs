//! The pages that find out where somebody signs in.

use maud::{Markup, html};

use super::{Choice, other_ways, page, return_query, told};
use crate::model::{Words, say};

/// What the page that asks for a name needs.
#[derive(Debug)]
pub struct View<'a> {
    /// Ways in that it lists.
    pub choices: &'a [Choice],
    /// The anti-forgery value of the form.
    pub csrf: &'a str,
    /// Where the sign-in leads to.
    pub return_to: &'a str,
    /// What went wrong before.
    pub problem: Option<Words>,
    /// The id by which an administrator finds the reason.
    pub reference: &'a str,
    /// Whether passkeys sign people in.
    pub has_passkeys: bool,
}

const TITLE: Words = say("Sign in", "Anmelden");

/// Asks for a name, and for nothing else yet.
pub fn ask(view: &View<'_>) -> Markup {
    page(
        TITLE,
        &html! {
            h1 { (TITLE) }
            @if let Some(problem) = view.problem { (told(problem, Some(view.reference), None)) }
            form method="post" action="/login" {
                input type="hidden" name="csrf" value=(view.csrf);
                input type="hidden" name="return_to" value=(view.return_to);
                label for="username" { (say("E-mail address or user name", "E-Mail-Adresse oder Benutzername")) }
                input #username name="username" type="text" autocapitalize="none"
                    autocomplete=(if view.has_passkeys { "username webauthn" } else { "username" })
                    spellcheck="false" required autofocus maxlength="512";
                button type="submit" { (say("Next", "Weiter")) }
            }
            p { a href={ "/login?with=password&" (return_query(view.return_to)) } { (say("Sign in with a password", "Mit einem Passwort anmelden")) } }
            (other_ways(view.has_passkeys, view.choices, view.csrf, view.return_to))
        },
    )
}

/// Lets somebody take one of the ways of their domain.
pub fn choose(choices: &[Choice], name: &str, return_to: &str) -> Markup {
    page(
        TITLE,
        &html! {
            h1 { (say("Where do you sign in?", "Wo melden Sie sich an?")) }
            // The domain alone: whoever made a link to here chose what is before it.
            @if let Some((_, domain)) = name.rsplit_once('@') { p { (domain) } }
            (list(choices, return_to, Some(name)))
            p { a href={ "/login?" (return_query(return_to)) } { (say("Back", "Zurück")) } }
        },
    )
}

/// Ways in, each as a link.
pub(super) fn list(choices: &[Choice], return_to: &str, name: Option<&str>) -> Markup {
    let hint = |name| form_urlencoded::Serializer::new(String::new()).append_pair("login_hint", name).finish();
    html! {
        ul.choices {
            @for choice in choices {
                li {
                    a href={ "/login/" (choice.id.as_str()) "?" (return_query(return_to)) @if let Some(name) = name { "&" (hint(name)) } } {
                        (say("Continue with ", "Weiter mit ")) (choice.label)
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_shown_is_escaped() {
        let evil = "\"><script>alert(1)</script>";
        let choices = [Choice { id: "entra".parse().unwrap(), label: evil.to_owned() }];
        let problem = Some(say("x", "x"));
        let view =
            View { choices: &choices, csrf: evil, return_to: evil, problem, reference: evil, has_passkeys: true };
        for text in [ask(&view).into_string(), choose(&choices, evil, evil).into_string()] {
            assert!(!text.contains("<script>"), "{text}");
        }
    }
}
