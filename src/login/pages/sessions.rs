//! The page on which people see where they are signed in.

use maud::{Markup, html};

use super::page;
use crate::model::{Words, say};

/// A session as its owner sees it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// How it was opened.
    pub method: Words,
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
pub fn own(sessions: &[Shown], csrf: &str, problem: Option<Words>) -> Markup {
    page(
        say("Where you are signed in", "Wo Sie angemeldet sind"),
        &html! {
            h1 { (say("Where you are signed in", "Wo Sie angemeldet sind")) }
            @if let Some(problem) = problem { div.problem role="alert" { p { (problem) } } }
            ul.choices {
                @for session in sessions {
                    li {
                        p {
                            @if session.is_this { strong { (say("This browser", "Dieser Browser")) } br; }
                            (session.user_agent) br;
                            (say("From ", "Von ")) (session.address) (say(", by ", ", mit ")) (session.method) br;
                            (say("Since ", "Seit ")) time datetime=(session.since) { (session.since) }
                            (say(", last used ", ", zuletzt benutzt ")) time datetime=(session.last_seen) { (session.last_seen) }
                        }
                        form method="post" action="/account/sessions/end" {
                            input type="hidden" name="csrf" value=(csrf);
                            input type="hidden" name="id" value=(session.id);
                            button type="submit" aria-label={ (say("Sign out: ", "Abmelden: ")) (session.user_agent) (say(", since ", ", seit ")) (session.since) } {
                                (say("Sign out", "Abmelden"))
                            }
                        }
                    }
                }
            }
            @if sessions.len() > 1 {
                form method="post" action="/account/sessions/end-others" {
                    input type="hidden" name="csrf" value=(csrf);
                    button type="submit" { (say("Sign out everywhere else", "Überall sonst abmelden")) }
                }
            }
            p { a href="/account/devices" { (say("Browsers that are known", "Bekannte Browser")) } }
            p { a href="/" { (say("Back", "Zurück")) } }
        },
    )
}
