//! The pages of test sign-ins: before one, and what came of it.

use maud::{Markup, html};

use super::{ask as contact_line, page};
use crate::login::cut;
use crate::login::finish::{Preview, Standing};
use crate::model::{Words, say};
use crate::upstream::{Check, Trial, Verdict};

/// What the page of a result needs.
pub struct View<'a> {
    /// The connector's id.
    pub connector: &'a str,
    /// What came.
    pub trial: &'a Trial,
    /// What a sign-in would have done, where it was read who it is.
    pub(in crate::login) preview: Option<&'a Preview>,
    /// Whether a sign-in would have worked.
    pub is_good: bool,
    /// Whether which account it is, why it is refused and which roles there are may be told.
    pub shows_accounts: bool,
}

const TITLE: Words = say("Test sign-in", "Testanmeldung");

/// Asks before a test begins, so that a preview of its link does not use it up.
pub fn ask(token: &str, csrf: &str) -> Markup {
    page(
        TITLE,
        &html! {
            h1 { (TITLE) }
            p { (say("This leads once to the identity provider and back to a page that shows what came. Nobody is signed in here.", "Das führt einmal zum Identitätsanbieter und zurück zu einer Seite, die zeigt, was ankam. Hier wird niemand angemeldet.")) }
            form method="post" action="/login/trial" {
                input type="hidden" name="token" value=(token);
                input type="hidden" name="csrf" value=(csrf);
                button type="submit" { (say("Begin the test", "Test beginnen")) }
            }
        },
    )
}

/// A link that leads nowhere any more.
pub fn gone(reference: &str, contact: Option<&str>) -> Markup {
    page(
        TITLE,
        &html! {
            h1 { (TITLE) }
            div.problem role="alert" {
                p { (say("This link cannot be used. It works once and for ten minutes; ask for another one.", "Dieser Link ist nicht verwendbar. Er gilt einmal und zehn Minuten lang; lassen Sie sich einen neuen geben.")) }
                p.reference { (say("Reference ", "Referenz ")) code { (reference) } }
                (contact_line(contact))
            }
        },
    )
}

/// What came of a test.
pub fn result(view: &View<'_>) -> Markup {
    page(
        TITLE,
        &html! {
            h1 { (TITLE) ": " (view.connector) }
            @if view.is_good {
                p role="status" { strong.good { (say("A sign-in like this one would work.", "Eine Anmeldung wie diese würde gelingen.")) } }
            } @else {
                p role="alert" { strong.bad { (say("A sign-in like this one would be refused.", "Eine Anmeldung wie diese würde abgelehnt.")) } }
            }
            p { (say("Nobody was signed in, and nothing was changed.", "Niemand wurde angemeldet, und nichts wurde geändert.")) }
            h2 { (say("Checks", "Prüfungen")) }
            ul.checks { @for check in view.trial.checks.iter() { (line(check)) } }
            @if let Some(preview) = view.preview { (account(preview, view.shows_accounts)) }
            @if let Some(identity) = &view.trial.identity {
                (received(identity))
            }
        },
    )
}

fn line(check: &Check) -> Markup {
    html! {
        li {
            @match check.verdict {
                Verdict::Passed => { span.good { (say("✓ good: ", "✓ gut: ")) } }
                Verdict::Doubtful => { span { (say("! look: ", "! ansehen: ")) } }
                Verdict::Failed => { strong.bad { (say("✗ failed: ", "✗ fehlgeschlagen: ")) } }
                Verdict::Open => { span { (say("– not reached: ", "– nicht erreicht: ")) } }
            }
            (name(check.what))
            @if !check.told.is_empty() { br; code lang="en" { (cut(&check.told)) } }
        }
    }
}

/// What a check is about.
fn name(what: &str) -> Words {
    match what {
        "answer" => say("the answer can be read", "die Antwort ist lesbar"),
        "audience" => say("it is meant for us", "sie ist für uns bestimmt"),
        "authentication" => say("how the person was authenticated", "wie die Person sich ausgewiesen hat"),
        "begin" => say("a sign-in can begin", "eine Anmeldung kann beginnen"),
        "destination" => say("it was sent to our address", "sie ging an unsere Adresse"),
        "encryption" => say("what is encrypted can be opened", "Verschlüsseltes lässt sich öffnen"),
        "exchange" => say("the code was exchanged for a token", "der Code wurde gegen ein Token getauscht"),
        "issuer" => say("it is of this provider", "sie stammt von diesem Anbieter"),
        "mapping" => say("it says who the person is", "sie sagt, wer die Person ist"),
        "organisation" => say("the person is of the organisation", "die Person gehört zur Organisation"),
        "provider" => say("the provider answers and is the right one", "der Anbieter antwortet und ist der richtige"),
        "recipient" => say("it confirms the person to us", "sie bestätigt die Person uns gegenüber"),
        "request" => say("it answers our request", "sie beantwortet unsere Anfrage"),
        "signature" => {
            say("it is signed by a key of the provider", "sie ist mit einem Schlüssel des Anbieters signiert")
        }
        "status" => say("the provider says that it worked", "der Anbieter meldet Erfolg"),
        "time" => say("it is neither too old nor too new", "sie ist weder zu alt noch zu neu"),
        _ => say("the provider can be used", "der Anbieter ist verwendbar"),
    }
}

/// What a test does not find out.
const NOT_LOOKED_AT: Words = say(
    "Not looked at: whether the answer was used before, a second factor or a new password that would be asked for next, whether somebody may sign in otherwise, and what the roles below change about who may sign in.",
    "Nicht geprüft: ob die Antwort schon verwendet wurde, ein zweiter Faktor oder ein neues Passwort, die als Nächstes verlangt würden, ob jemand auf anderem Weg hereindarf, und was die Rollen unten daran ändern, wer sich anmelden darf.",
);
/// What is left out for whoever made the link.
const NOT_SHOWN: Words = say(
    "Not shown: whoever made this link may not read accounts and roles.",
    "Nicht gezeigt: Wer diesen Link gemacht hat, darf Konten und Rollen nicht lesen.",
);

fn account(preview: &Preview, shows_accounts: bool) -> Markup {
    html! {
        h2 { (say("Account", "Konto")) }
        p { (NOT_LOOKED_AT) }
        @match &preview.standing {
            Some(Standing::Linked(_) | Standing::WouldLink(_)) if !shows_accounts => { p { (say("Leads to an account that exists.", "Führt zu einem Konto, das es gibt.")) } }
            Some(Standing::Linked(user)) => { p { (say("Leads to the account ", "Führt zum Konto ")) strong { (user.user_name.as_str()) } (say(", which is linked already.", ", das schon verknüpft ist.")) } }
            Some(Standing::WouldLink(user)) => { p { (say("Would link the account ", "Würde das Konto verknüpfen: ")) strong { (user.user_name.as_str()) } } }
            Some(Standing::WouldMake) => { p { (say("Would make a new account.", "Würde ein neues Konto anlegen.")) } }
            None => {}
        }
        @if let Some((rule, reason)) = &preview.refusal {
            p { strong.bad { (say("✗ Would be refused: ", "✗ Würde abgelehnt: ")) } code lang="en" { (rule) @if shows_accounts { ": " (cut(reason)) } } }
        }
        h2 { (say("Roles by mapping rules", "Rollen aus Zuordnungsregeln")) }
        @if !shows_accounts {
            p { (NOT_SHOWN) }
        } @else if preview.roles.is_empty() {
            p { (say("None.", "Keine.")) }
        } @else {
            ul { @for role in &preview.roles { li { (role) } } }
        }
        @if shows_accounts && !preview.groups.is_empty() {
            h2 { (say("Groups by mapping rules", "Gruppen aus Zuordnungsregeln")) }
            ul { @for group in &preview.groups { li { (group) } } }
        }
    }
}

fn received(identity: &crate::upstream::TriedIdentity) -> Markup {
    let crate::upstream::Rows { known, attributes } = identity.rows(false);
    html! {
        h2 { (say("What is used of it", "Was davon verwendet wird")) }
        dl { @for (name, value) in &known { dt { (label(name)) } dd { (or_none(value)) } } }
        h2 { (say("What was received, shortened", "Was ankam, gekürzt")) }
        dl { @for (name, value) in &attributes { dt { (name) } dd { (or_none(value)) } } }
    }
}

fn or_none(value: &str) -> Markup {
    match value.is_empty() {
        true => html! { (say("nothing", "nichts")) },
        false => html! { (value) },
    }
}

/// What a part of an identity is.
fn label(name: &str) -> Words {
    match name {
        "display_name" => say("Name to show", "Angezeigter Name"),
        "email" => say("E-mail address", "E-Mail-Adresse"),
        "email_verified" => say("E-mail address is verified", "E-Mail-Adresse ist geprüft"),
        "groups" => say("Groups", "Gruppen"),
        "subject" => say("The provider's id for the person", "Kennung der Person beim Anbieter"),
        "user_name" => say("Login name", "Anmeldename"),
        _ => say("Other", "Sonstiges"),
    }
}
