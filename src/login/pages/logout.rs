//! The pages of signing out.

use maud::{Markup, html};

use super::page;
use crate::model::say;

/// Asks before signing out, so that a link cannot do it.
pub fn ask(csrf: &str) -> Markup {
    page(
        say("Sign out", "Abmelden"),
        &html! {
            h1 { (say("Sign out?", "Abmelden?")) }
            form method="post" action="/logout" {
                input type="hidden" name="csrf" value=(csrf);
                button type="submit" { (say("Sign out", "Abmelden")) }
            }
        },
    )
}

/// After signing out. `unsure` is a provider at which the person may still be signed in.
pub fn signed_out(unsure: Option<&str>) -> Markup {
    page(
        say("Signed out", "Abgemeldet"),
        &html! {
            h1 { (say("Signed out", "Abgemeldet")) }
            @if let Some(provider) = unsure {
                p role="status" {
                    (say("You are signed out here. You may still be signed in there: ",
                         "Sie sind hier abgemeldet. Dort sind Sie vielleicht noch angemeldet: "))
                    (provider)
                }
            }
            p { a href="/login" { (say("Sign in again", "Erneut anmelden")) } }
        },
    )
}
