//! The page on which people see which browsers their account knows.

use maud::{Markup, html};

use super::page;
use crate::model::{Words, say};

/// A browser as its owner sees it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// What it calls itself.
    pub user_agent: Option<String>,
    /// Since when it is known.
    pub since: String,
    /// When somebody signed in with it last.
    pub last_used: String,
    /// Whether it is the one that looks.
    pub is_this: bool,
}

impl Shown {
    fn name(&self) -> Markup {
        let nameless = say("A browser that says no name", "Ein Browser, der sich nicht nennt");
        html! { @if let Some(name) = &self.user_agent { (name) } @else { (nameless) } }
    }
}

/// Every browser that the account knows, each with a button that makes it forget.
pub fn own(devices: &[Shown], csrf: &str, problem: Option<Words>) -> Markup {
    let title = say("Browsers that are known", "Bekannte Browser");
    page(
        title,
        &html! {
            h1 { (title) }
            @if let Some(problem) = problem { div.problem role="alert" { p { (problem) } } }
            p {
                (say(
                    "Wrong passwords that others try do not keep you out in a browser that is known.",
                    "Falsche Passwörter, die andere versuchen, sperren Sie in einem bekannten Browser nicht aus.",
                ))
            }
            @if devices.is_empty() { p { (say("None is known.", "Keiner ist bekannt.")) } }
            ul.choices {
                @for device in devices {
                    li {
                        p {
                            @if device.is_this { strong { (say("This browser", "Dieser Browser")) } br; }
                            (device.name()) br;
                            (say("Since ", "Seit ")) time datetime=(device.since) { (device.since) }
                            (say(", last sign-in ", ", letzte Anmeldung "))
                            time datetime=(device.last_used) { (device.last_used) }
                        }
                        form method="post" action="/account/devices/forget" {
                            input type="hidden" name="csrf" value=(csrf);
                            input type="hidden" name="id" value=(device.id);
                            button type="submit"
                                aria-label={ (say("Forget: ", "Vergessen: ")) (device.name()) (say(", since ", ", seit ")) (device.since) } {
                                (say("Forget", "Vergessen"))
                            }
                        }
                    }
                }
            }
            p { a href="/account/sessions" { (say("Where you are signed in", "Wo Sie angemeldet sind")) } }
            p { a href="/" { (say("Back", "Zurück")) } }
        },
    )
}
