//! Forms that ask for a passkey, and the list of somebody's own. Without scripts, or in a browser that knows no passkeys,
//! they say so and do nothing.

use maud::{Markup, html};

use crate::credential::passkey::{MAX_NAME_CHARACTERS, Passkey};
use crate::model::{Words, say};

/// The browser's part.
pub const SCRIPT: &str = include_str!("passkey.js");

/// What the buttons say.
pub const SIGN_IN: Words = say("Sign in with a passkey", "Mit einem Passkey anmelden");
/// On the account's own page.
const ADD: Words = say("Add a passkey", "Passkey hinzufügen");
/// On the way in, after something else.
pub const USE: Words = say("Use a passkey", "Passkey verwenden");
/// On the way in, for the first time.
pub const SET_UP: Words = say("Set up a passkey", "Passkey einrichten");

/// A form that asks for a passkey.
#[derive(Debug)]
pub struct Ask<'a> {
    /// Where the answer goes.
    pub action: &'a str,
    /// What it is for, as [`options`](crate::login) are told.
    pub purpose: &'static str,
    /// The anti-forgery value.
    pub csrf: &'a str,
    /// What the button says.
    pub button: Words,
}

impl Ask<'_> {
    /// The form. `fields` are further ones of it.
    pub fn form(&self, fields: &Markup) -> Markup {
        let is_new = matches!(self.purpose, "enrol" | "add");
        let options = if self.purpose == "add" { "/account/passkeys/options" } else { "/login/passkey/options" };
        let suggest = (self.purpose == "sign-in").then_some("");
        html! {
            form method="post" action=(self.action) data-passkey=(if is_new { "create" } else { "get" })
                data-options=(options) data-suggest=[suggest] {
                input type="hidden" name="csrf" value=(self.csrf);
                input type="hidden" name="for" value=(self.purpose);
                input type="hidden" name="credential" value="";
                div data-parts="" hidden {
                    (fields)
                    button type="submit" { (self.button) }
                }
                p data-missing="" role="status" hidden { (say("This browser cannot use passkeys.", "Dieser Browser kann keine Passkeys verwenden.")) }
                p.problem data-failed="" role="alert" hidden { (say("No passkey was used. Try again, or use another way.", "Es wurde kein Passkey verwendet. Versuchen Sie es noch einmal oder auf einem anderen Weg.")) }
                noscript { p.reference { (say("Passkeys need a browser that runs scripts.", "Passkeys brauchen einen Browser, der Skripte ausführt.")) } }
            }
            script src="/login/passkey.js" defer {}
        }
    }
}

/// What the list of somebody's own passkeys needs.
#[derive(Debug)]
pub struct Own<'a> {
    /// The anti-forgery value of the forms.
    pub csrf: &'a str,
    /// What there is.
    pub passkeys: &'a [Passkey],
    /// Whether a second factor was shown a short time ago, so that passkeys may be changed.
    pub is_fresh: bool,
    /// Whether there is no second factor at all.
    pub is_first: bool,
    /// Whether the present password is asked for before the first factor is set up.
    pub asks_password: bool,
    /// Whether passkeys can be made at our address.
    pub has_passkeys: bool,
}

/// The passkeys of somebody who is signed in.
pub fn own(view: &Own<'_>) -> Markup {
    let may_change = view.is_first || view.is_fresh;
    html! {
        section {
            h2 { (say("Passkeys", "Passkeys")) }
            p { (say("A passkey is a device or a security key of yours. It signs you in without a password, or after it.", "Ein Passkey ist ein Gerät oder ein Sicherheitsschlüssel von Ihnen. Er meldet Sie ohne Passwort an oder danach.")) }
            @if view.passkeys.is_empty() { p { (say("You have no passkey.", "Sie haben keinen Passkey.")) } }
            ul.choices { @for passkey in view.passkeys { li { (one(view, passkey)) } } }
            @if !may_change {
                p { a href="/login/step-up?return_to=%2Faccount%2Ffactors" { (say("Confirm that it is you to change them", "Bestätigen Sie, dass Sie es sind, um sie zu ändern")) } }
            } @else if view.has_passkeys {
                (add(view))
            }
        }
    }
}

fn one(view: &Own<'_>, passkey: &Passkey) -> Markup {
    let (id, created) = (passkey.id.to_string(), passkey.created.to_string());
    html! {
        p {
            strong { (passkey.name) } br;
            (say("Since ", "Seit ")) time datetime=(created) { (created) }
            @if let Some(used) = passkey.last_used { (say(", last used ", ", zuletzt verwendet ")) time datetime=(used) { (used) } }
            @if passkey.is_backed_up { br; (say("Kept on several devices", "Auf mehreren Geräten gespeichert")) }
        }
        @if view.is_fresh {
            form method="post" action="/account/passkeys/change" {
                input type="hidden" name="csrf" value=(view.csrf);
                input type="hidden" name="id" value=(id);
                label for={ "name-" (id) } { (say("New name of ", "Neuer Name von ")) (passkey.name) }
                input id={ "name-" (id) } name="name" type="text" value=(passkey.name) maxlength=(MAX_NAME_CHARACTERS)
                    autocomplete="off";
                button type="submit" name="do" value="rename" { (say("Rename ", "Umbenennen: ")) (passkey.name) }
                button type="submit" name="do" value="remove" { (say("Remove ", "Entfernen: ")) (passkey.name) }
            }
        }
    }
}

fn add(view: &Own<'_>) -> Markup {
    let ask = Ask { action: "/account/passkeys/add", purpose: "add", csrf: view.csrf, button: ADD };
    ask.form(&html! {
        label for="passkey-name" { (say("Name of the passkey", "Name des Passkeys")) }
        input #passkey-name name="name" type="text" maxlength=(MAX_NAME_CHARACTERS) autocomplete="off";
        @if view.is_first && view.asks_password {
            label for="passkey-password" { (say("Present password, to add a passkey", "Bisheriges Passwort, um einen Passkey hinzuzufügen")) }
            input #passkey-password name="password" type="password" autocomplete="current-password" required
                maxlength="4096";
        }
    })
}
