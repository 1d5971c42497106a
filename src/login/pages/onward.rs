//! The page that takes a browser on to a provider with a form: a button, and a script of its own file that presses it.

use maud::{Markup, html};

use super::page;
use crate::model::say;

/// Presses the button of the page. Without scripts people press it themselves.
pub const SCRIPT: &str = "document.forms[0].submit();\n";

/// Where the script is.
pub const SCRIPT_PATH: &str = "/login/onward.js";

/// The page with the form for `action`.
pub fn onward(action: &str, fields: &[(&'static str, String)]) -> Markup {
    page(
        say("One moment", "Einen Moment"),
        &html! {
            h1 { (say("One moment", "Einen Moment")) }
            p {
                (say("You are taken on to your provider. If nothing happens, go on yourself.",
                     "Sie werden zu Ihrem Anbieter weitergeleitet. Geschieht nichts, gehen Sie selbst weiter."))
            }
            form method="post" action=(action) {
                @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
                button type="submit" { (say("Continue", "Weiter")) }
            }
            script src=(SCRIPT_PATH) defer {}
        },
    )
}
