//! The pages of second factors: showing one, setting one up, and what an account has.

use maud::{Markup, PreEscaped, html};
use qrcodegen::{QrCode, QrCodeEcc};

use super::{page, passkey};
use crate::credential::{Enrolled, Offer};
use crate::model::{Words, say};
use crate::secret::Secret;

/// Light modules around a picture, as the standard asks for.
const QUIET: i32 = 4;

/// Which factors may be shown.
#[derive(Clone, Copy, Debug)]
pub struct Ways {
    /// Codes of an app.
    pub app: bool,
    /// Passkeys.
    pub passkeys: bool,
}

/// Asks for a second factor in the middle of a sign-in.
pub fn ask(csrf: &str, ways: Ways, problem: Option<Words>) -> Markup {
    let passkey = passkey::Ask { action: "/login/factor", purpose: "factor", csrf, button: passkey::USE };
    page(
        say("Confirm that it is you", "Bestätigen Sie, dass Sie es sind"),
        &html! {
            h1 { (say("Confirm that it is you", "Bestätigen Sie, dass Sie es sind")) }
            (problem_of(problem))
            @if ways.passkeys { (passkey.form(&html! {})) }
            form method="post" action="/login/factor" {
                input type="hidden" name="csrf" value=(csrf);
                (code_field(ways))
                button type="submit" { (say("Go on", "Weiter")) }
            }
            p { a href="/login" { (say("Begin again", "Von vorn beginnen")) } }
        },
    )
}

/// Asks for a second factor again from somebody who is signed in.
pub fn ask_again(csrf: &str, return_to: &str, ways: Ways, problem: Option<Words>) -> Markup {
    let passkey = passkey::Ask { action: "/login/step-up", purpose: "step-up", csrf, button: passkey::USE };
    page(
        say("Confirm that it is still you", "Bestätigen Sie, dass Sie es noch sind"),
        &html! {
            h1 { (say("Confirm that it is still you", "Bestätigen Sie, dass Sie es noch sind")) }
            p { (say("What you are about to do needs a second factor that was shown a short time ago.", "Was Sie vorhaben, verlangt einen zweiten Faktor, der vor kurzem gezeigt wurde.")) }
            (problem_of(problem))
            @if ways.passkeys {
                (passkey.form(&html! { input type="hidden" name="return_to" value=(return_to); }))
            }
            form method="post" action="/login/step-up" {
                input type="hidden" name="csrf" value=(csrf);
                input type="hidden" name="return_to" value=(return_to);
                (code_field(ways))
                button type="submit" { (say("Go on", "Weiter")) }
            }
            p { a href="/" { (say("Back", "Zurück")) } }
        },
    )
}

/// Where somebody has no second factor to show again.
pub fn nothing_to_show(sign_in: &str) -> Markup {
    page(
        say("Confirm that it is still you", "Bestätigen Sie, dass Sie es noch sind"),
        &html! {
            h1 { (say("Confirm that it is still you", "Bestätigen Sie, dass Sie es noch sind")) }
            p { (say("What you are about to do needs a second factor, and you have none here.", "Was Sie vorhaben, verlangt einen zweiten Faktor, und Sie haben hier keinen.")) }
            ul {
                li { a href="/account/factors" { (say("Set up a second factor", "Zweiten Faktor einrichten")) } }
                li { a href=(sign_in) { (say("Sign in again", "Erneut anmelden")) } (say(", if your identity provider asks for one", ", falls Ihr Identitätsanbieter danach fragt")) }
            }
        },
    )
}

/// The field of a code. One field for both kinds: whoever looks over a shoulder learns nothing, and nobody must choose.
fn code_field(ways: Ways) -> Markup {
    let (label, hint) = if ways.app {
        (
            say("Code of your authenticator app", "Code Ihrer Authenticator-App"),
            say(
                "Without your app, type one of your recovery codes instead.",
                "Ohne die App geben Sie stattdessen einen Ihrer Wiederherstellungscodes ein.",
            ),
        )
    } else {
        (
            say("Recovery code", "Wiederherstellungscode"),
            say(
                "Without your passkey, type one of your recovery codes.",
                "Ohne den Passkey geben Sie einen Ihrer Wiederherstellungscodes ein.",
            ),
        )
    };
    html! {
        label for="code" { (label) }
        input #code name="code" type="text" autocomplete="one-time-code" autocapitalize="none" spellcheck="false"
            required autofocus[ways.app] maxlength="64" aria-describedby="hint";
        p #hint.reference { (hint) }
    }
}

/// Sets up an app: on the way in, where `action` is the step's, or from the account's own page.
pub fn enrol(
    csrf: &str,
    action: &str,
    offer: &Offer,
    names: (&str, &str),
    has_passkeys: bool,
    problem: Option<Words>,
) -> Markup {
    let (issuer, name) = names;
    let passkey = passkey::Ask { action, purpose: "enrol", csrf, button: passkey::SET_UP };
    page(
        say("Set up a second factor", "Zweiten Faktor einrichten"),
        &html! {
            h1 { (say("Set up a second factor", "Zweiten Faktor einrichten")) }
            @if action == "/login/enrol" { p { (say("Your account needs a second factor before you can go on.", "Ihr Konto braucht einen zweiten Faktor, bevor es weitergeht.")) } }
            (problem_of(problem))
            @if has_passkeys {
                p { (say("A passkey is a device or a security key of yours. Or take an authenticator app, further down.", "Ein Passkey ist ein Gerät oder ein Sicherheitsschlüssel von Ihnen. Oder nehmen Sie weiter unten eine Authenticator-App.")) }
                (passkey.form(&html! {}))
            }
            ol {
                li { (say("Open an authenticator app on your phone and scan this picture.", "Öffnen Sie auf dem Telefon eine Authenticator-App und scannen Sie dieses Bild.")) }
                li { (say("Type the code that it shows.", "Geben Sie den Code ein, den sie anzeigt.")) }
            }
            (picture(&offer.address(issuer, name)))
            p { (say("If you cannot scan it, type this key into the app:", "Wenn Sie es nicht scannen können, tippen Sie diesen Schlüssel in die App:")) }
            p.secret { code { (offer.text().expose()) } }
            form method="post" action=(action) {
                input type="hidden" name="csrf" value=(csrf);
                input type="hidden" name="offer" value=(offer.handle());
                label for="code" { (say("Code of the app", "Code der App")) }
                input #code name="code" type="text" inputmode="numeric" autocomplete="one-time-code" required
                    maxlength="16";
                button type="submit" { (say("Confirm", "Bestätigen")) }
            }
        },
    )
}

/// Shows new recovery codes, this once.
pub fn recovery_codes(codes: &[Secret], next: &str) -> Markup {
    page(
        say("Your recovery codes", "Ihre Wiederherstellungscodes"),
        &html! {
            h1 { (say("Your recovery codes", "Ihre Wiederherstellungscodes")) }
            p role="status" { (say("Keep these codes in a safe place. They are not shown again.", "Bewahren Sie diese Codes sicher auf. Sie werden nicht noch einmal gezeigt.")) }
            p { (say("Each signs you in once in place of your app or your passkey, when you do not have it.", "Jeder meldet Sie einmal anstelle der App oder des Passkeys an, wenn Sie sie nicht haben.")) }
            ul.codes { @for code in codes { li { code { (code.expose()) } } } }
            p { a href=(next) { (say("I have kept them, go on", "Ich habe sie aufbewahrt, weiter")) } }
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
    /// The passkeys, and what may be done with them.
    pub passkeys: &'a passkey::Own<'a>,
    /// What went wrong before.
    pub problem: Option<Words>,
    /// What was done.
    pub done: Option<Words>,
}

/// The second factors of somebody who is signed in.
pub fn own(view: &Own<'_>) -> Markup {
    page(
        say("Your second factors", "Ihre zweiten Faktoren"),
        &html! {
            h1 { (say("Your second factors", "Ihre zweiten Faktoren")) }
            (problem_of(view.problem))
            @if let Some(done) = view.done { p role="status" { (done) } }
            @if !view.enrolled.is_any() {
                p { (say("You have none. With one, nobody who learns your password can sign in as you.", "Sie haben keinen. Mit einem kann sich niemand als Sie anmelden, der Ihr Passwort erfährt.")) }
            }
            section {
                h2 { (say("Authenticator app", "Authenticator-App")) }
                @match view.enrolled.code {
                    Some(since) => (own_app(view, &since.to_string())),
                    None => (own_none(view)),
                }
            }
            (passkey::own(view.passkeys))
            @if view.enrolled.is_any() && view.enrolled.code.is_none() { (own_codes(view)) }
            p { a href="/" { (say("Back", "Zurück")) } }
        },
    )
}

fn own_none(view: &Own<'_>) -> Markup {
    let own = view.passkeys;
    if !own.is_first && !own.is_fresh {
        return html! { p { (say("You have no app.", "Sie haben keine App.")) } };
    }
    html! {
        form method="post" action="/account/factors/add" {
            input type="hidden" name="csrf" value=(view.csrf);
            @if own.is_first && own.asks_password {
                label for="password" { (say("Present password", "Bisheriges Passwort")) }
                input #password name="password" type="password" autocomplete="current-password" required
                    maxlength="4096";
            }
            button type="submit" { (say("Set up an authenticator app", "Authenticator-App einrichten")) }
        }
    }
}

fn own_app(view: &Own<'_>, since: &str) -> Markup {
    html! {
        p { (say("An authenticator app, since ", "Eine Authenticator-App, seit ")) time datetime=(since) { (since) } "." }
        p { (say("Recovery codes left: ", "Verbliebene Wiederherstellungscodes: ")) (view.enrolled.recovery_codes) }
        form method="post" action="/account/factors/change" {
            input type="hidden" name="csrf" value=(view.csrf);
            (code_field(Ways { app: true, passkeys: false }))
            button type="submit" name="do" value="recovery-codes" { (say("Make new recovery codes", "Neue Wiederherstellungscodes erzeugen")) }
            button type="submit" name="do" value="remove" { (say("Remove the authenticator app", "Authenticator-App entfernen")) }
        }
    }
}

/// The recovery codes of who has passkeys only.
fn own_codes(view: &Own<'_>) -> Markup {
    html! {
        section {
            h2 { (say("Recovery codes", "Wiederherstellungscodes")) }
            p { (say("Recovery codes left: ", "Verbliebene Wiederherstellungscodes: ")) (view.enrolled.recovery_codes) }
            @if view.passkeys.is_fresh {
                form method="post" action="/account/factors/change" {
                    input type="hidden" name="csrf" value=(view.csrf);
                    button type="submit" name="do" value="recovery-codes" { (say("Make new recovery codes", "Neue Wiederherstellungscodes erzeugen")) }
                }
            }
        }
    }
}

fn problem_of(problem: Option<Words>) -> Markup {
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
        svg.qr role="img" aria-label=(say("The key as a QR code", "Der Schlüssel als QR-Code")) viewBox={ "0 0 " (side) " " (side) }
            shape-rendering="crispEdges" xmlns="http://www.w3.org/2000/svg" {
            (PreEscaped(format!("<rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/>")))
            path d=(path) fill="#000" {}
        }
    }
}
