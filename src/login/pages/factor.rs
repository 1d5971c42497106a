//! The pages of second factors: showing one, setting one up, and what an account has.

use maud::{Markup, PreEscaped, html};
use qrcodegen::{QrCode, QrCodeEcc};

use super::page;
use crate::credential::{Enrolled, Offer};
use crate::secret::Secret;

/// Light modules around a picture, as the standard asks for.
const QUIET: i32 = 4;

/// Asks for a second factor in the middle of a sign-in.
pub fn ask(csrf: &str, problem: Option<&str>) -> Markup {
    page(
        "Confirm that it is you",
        &html! {
            h1 { "Confirm that it is you" }
            (problem_of(problem))
            form method="post" action="/login/factor" {
                input type="hidden" name="csrf" value=(csrf);
                (code_field())
                button type="submit" { "Go on" }
            }
            p { a href="/login" { "Begin again" } }
        },
    )
}

/// Asks for a second factor again from somebody who is signed in.
pub fn ask_again(csrf: &str, return_to: &str, problem: Option<&str>) -> Markup {
    page(
        "Confirm that it is still you",
        &html! {
            h1 { "Confirm that it is still you" }
            p { "What you are about to do needs a second factor that was shown a short time ago." }
            (problem_of(problem))
            form method="post" action="/login/step-up" {
                input type="hidden" name="csrf" value=(csrf);
                input type="hidden" name="return_to" value=(return_to);
                (code_field())
                button type="submit" { "Go on" }
            }
            p { a href="/" { "Back" } }
        },
    )
}

/// Where somebody has no second factor to show again.
pub fn nothing_to_show(sign_in: &str) -> Markup {
    page(
        "Confirm that it is still you",
        &html! {
            h1 { "Confirm that it is still you" }
            p { "What you are about to do needs a second factor, and you have none here." }
            ul {
                li { a href="/account/factors" { "Set up a second factor" } }
                li { a href=(sign_in) { "Sign in again" } ", if your identity provider asks for one" }
            }
        },
    )
}

/// The field of a code. One field for both kinds: whoever looks over a shoulder learns nothing, and nobody must choose.
fn code_field() -> Markup {
    html! {
        label for="code" { "Code of your authenticator app" }
        input #code name="code" type="text" autocomplete="one-time-code" autocapitalize="none" spellcheck="false"
            required autofocus maxlength="64" aria-describedby="hint";
        p #hint.reference { "Without your app, type one of your recovery codes instead." }
    }
}

/// Sets up an app: on the way in, where `action` is the step's, or from the account's own page.
pub fn enrol(csrf: &str, action: &str, offer: &Offer, names: (&str, &str), problem: Option<&str>) -> Markup {
    let (issuer, name) = names;
    page(
        "Set up a second factor",
        &html! {
            h1 { "Set up a second factor" }
            @if action == "/login/enrol" { p { "Your account needs a second factor before you can go on." } }
            (problem_of(problem))
            ol {
                li { "Open an authenticator app on your phone and scan this picture." }
                li { "Type the code that it shows." }
            }
            (picture(&offer.address(issuer, name)))
            p { "If you cannot scan it, type this key into the app:" }
            p.secret { code { (offer.text().expose()) } }
            form method="post" action=(action) {
                input type="hidden" name="csrf" value=(csrf);
                input type="hidden" name="offer" value=(offer.handle());
                label for="code" { "Code of the app" }
                input #code name="code" type="text" inputmode="numeric" autocomplete="one-time-code" required
                    maxlength="16";
                button type="submit" { "Confirm" }
            }
        },
    )
}

/// Shows new recovery codes, this once.
pub fn recovery_codes(codes: &[Secret], next: &str) -> Markup {
    page(
        "Your recovery codes",
        &html! {
            h1 { "Your recovery codes" }
            p role="status" { "Keep these codes in a safe place. They are not shown again." }
            p { "Each signs you in once in place of your app, when you do not have it." }
            ul.codes { @for code in codes { li { code { (code.expose()) } } } }
            p { a href=(next) { "I have kept them, go on" } }
        },
    )
}

/// What the page of an account's own second factors needs.
#[derive(Debug)]
pub struct Own<'a> {
    /// The anti-forgery value of the forms.
    pub csrf: &'a str,
    /// What there is.
    pub enrolled: &'a Enrolled,
    /// Whether the present password is asked for before the first factor is set up.
    pub asks_password: bool,
    /// What went wrong before.
    pub problem: Option<&'a str>,
    /// What was done.
    pub done: Option<&'a str>,
}

/// The second factors of somebody who is signed in.
pub fn own(view: &Own<'_>) -> Markup {
    page(
        "Your second factors",
        &html! {
            h1 { "Your second factors" }
            (problem_of(view.problem))
            @if let Some(done) = view.done { p role="status" { (done) } }
            @match view.enrolled.code {
                Some(since) => (own_app(view, &since.to_string())),
                None => (own_none(view)),
            }
            p { a href="/" { "Back" } }
        },
    )
}

fn own_none(view: &Own<'_>) -> Markup {
    html! {
        p { "You have none. With one, nobody who learns your password can sign in as you." }
        form method="post" action="/account/factors/add" {
            input type="hidden" name="csrf" value=(view.csrf);
            @if view.asks_password {
                label for="password" { "Present password" }
                input #password name="password" type="password" autocomplete="current-password" required
                    maxlength="4096";
            }
            button type="submit" { "Set up an authenticator app" }
        }
    }
}

fn own_app(view: &Own<'_>, since: &str) -> Markup {
    html! {
        p { "An authenticator app, since " time datetime=(since) { (since) } "." }
        p { "Recovery codes left: " (view.enrolled.recovery_codes) }
        form method="post" action="/account/factors/change" {
            input type="hidden" name="csrf" value=(view.csrf);
            (code_field())
            button type="submit" name="do" value="recovery-codes" { "Make new recovery codes" }
            button type="submit" name="do" value="remove" { "Remove the authenticator app" }
        }
    }
}

fn problem_of(problem: Option<&str>) -> Markup {
    html! { @if let Some(problem) = problem { div.problem role="alert" { p { (problem) } } } }
}

/// A picture for phones. It always stands beside the same in words.
fn picture(address: &Secret) -> Markup {
    let Ok(code) = QrCode::encode_text(address.expose(), QrCodeEcc::Medium) else { return html! {} };
    let size = code.size();
    let dark = (0..size).flat_map(|y| (0..size).map(move |x| (x, y))).filter(|(x, y)| code.get_module(*x, *y));
    let path: String =
        dark.map(|(x, y)| format!("M{},{}h1v1h-1z", x.saturating_add(QUIET), y.saturating_add(QUIET))).collect();
    let side = size.saturating_add(QUIET).saturating_add(QUIET);
    html! {
        svg.qr role="img" aria-label="The key as a QR code" viewBox={ "0 0 " (side) " " (side) }
            shape-rendering="crispEdges" xmlns="http://www.w3.org/2000/svg" {
            (PreEscaped(format!("<rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/>")))
            path d=(path) fill="#000" {}
        }
    }
}
