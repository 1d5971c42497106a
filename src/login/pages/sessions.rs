//! The page on which people see where they are signed in.

use maud::{Markup, html};

use super::page;

/// A session as its owner sees it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// How it was opened.
    pub method: &'static str,
    /// From where.
    pub address: String,
    /// With which browser, as it calls itself.
    pub user_agent: String,
    /// Since when.
    pub since: String,
    /// When it was last used.
    pub last_seen: String,
    /// Whether it is the one that looks.
    pub is_this: bool,
}

/// Everywhere somebody is signed in, each place with a button that ends it.
pub fn own(sessions: &[Shown], csrf: &str, problem: Option<&str>) -> Markup {
    page(
        "Where you are signed in",
        &html! {
            h1 { "Where you are signed in" }
            @if let Some(problem) = problem { div.problem role="alert" { p { (problem) } } }
            ul.choices {
                @for session in sessions {
                    li {
                        p {
                            @if session.is_this { strong { "This browser" } br; }
                            (session.user_agent) br;
                            "From " (session.address) ", by " (session.method) br;
                            "Since " time datetime=(session.since) { (session.since) }
                            ", last used " time datetime=(session.last_seen) { (session.last_seen) }
                        }
                        form method="post" action="/account/sessions/end" {
                            input type="hidden" name="csrf" value=(csrf);
                            input type="hidden" name="id" value=(session.id);
                            button type="submit" aria-label={ "Sign out: " (session.user_agent) ", since " (session.since) } {
                                "Sign out"
                            }
                        }
                    }
                }
            }
            @if sessions.len() > 1 {
                form method="post" action="/account/sessions/end-others" {
                    input type="hidden" name="csrf" value=(csrf);
                    button type="submit" { "Sign out everywhere else" }
                }
            }
            p { a href="/" { "Back" } }
        },
    )
}
