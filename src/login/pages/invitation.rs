//! The page on which an invitation is accepted.

use maud::{Markup, html};

use super::{new_password, page, problem_list};
use crate::model::say;

/// What the page needs.
#[derive(Debug)]
pub struct Accept<'a> {
    /// The link's secret.
    pub token: &'a str,
    /// The anti-forgery value of the form.
    pub csrf: &'a str,
    /// The name by which to sign in later.
    pub account: &'a str,
    /// What the person is called, as far as it is known.
    pub name: &'a str,
    /// What a password must have.
    pub rules: &'a [String],
    /// What the last try lacked.
    pub problems: &'a [String],
}

/// Asks for a name and a password.
pub fn accept(view: &Accept<'_>) -> Markup {
    let title = say("Accept the invitation", "Einladung annehmen");
    page(
        title,
        &html! {
            h1 { (title) }
            p {
                (say("An account waits for you. You will sign in as ", "Ein Konto wartet auf Sie. Sie melden sich an als "))
                strong { (view.account) } "."
            }
            (problem_list(view.problems))
            form method="post" action="/login/invitation" {
                input type="hidden" name="token" value=(view.token);
                input type="hidden" name="csrf" value=(view.csrf);
                input type="hidden" name="username" value=(view.account) autocomplete="username";
                label for="name" { (say("Your name", "Ihr Name")) }
                input #name name="name" type="text" autocomplete="name" value=(view.name) maxlength="200";
                (new_password(view.rules))
                button type="submit" { (say("Accept and sign in", "Annehmen und anmelden")) }
            }
        },
    )
}
