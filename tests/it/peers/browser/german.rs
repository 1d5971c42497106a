//! Every page on the way to a provider and back, in both languages, in light and dark.

use serde_json::json;

use super::choosing::with_provider;
use crate::support::browser::{Browser, Look};

/// What the pages say.
struct Words {
    locale: &'static str,
    name: &'static str,
    next: &'static str,
    choose: &'static str,
    back: &'static str,
    password: &'static str,
    sign_in: &'static str,
    failed: &'static str,
    reference: &'static str,
    away: &'static str,
    hello: &'static str,
    ask: &'static str,
    sign_out: &'static str,
    signed_out: &'static str,
    test: &'static str,
    would_work: &'static str,
    used: &'static str,
}

const GERMAN: Words = Words {
    locale: "de-DE",
    name: "E-Mail-Adresse oder Benutzername",
    next: "Weiter",
    choose: "Wo melden Sie sich an?",
    back: "Zurück",
    password: "Passwort",
    sign_in: "Anmelden",
    failed: "Die Anmeldung hat nicht geklappt",
    reference: "Referenz",
    away: "nicht erreichbar",
    hello: "Hallo, Ada",
    ask: "Abmelden?",
    sign_out: "Abmelden",
    signed_out: "Abgemeldet",
    test: "Test beginnen",
    would_work: "würde gelingen",
    used: "nicht verwendbar",
};
const ENGLISH: Words = Words {
    locale: "en-GB",
    name: "E-mail address or user name",
    next: "Next",
    choose: "Where do you sign in?",
    back: "Back",
    password: "Password",
    sign_in: "Sign in",
    failed: "did not work",
    reference: "Reference",
    away: "not available",
    hello: "Hello, Ada",
    ask: "Sign out?",
    sign_out: "Sign out",
    signed_out: "Signed out",
    test: "Begin the test",
    would_work: "would work",
    used: "cannot be used",
};

#[tokio::test]
async fn every_page_on_the_way_is_sound_in_both_languages_in_light_and_dark() {
    let (daemon, address, _server) = with_provider().await;
    let browser = Browser::start().await;
    for (words, dark) in [(GERMAN, false), (GERMAN, true), (ENGLISH, false), (ENGLISH, true)] {
        let page = browser.page(Look { dark, locale: words.locale, script: true }).await;
        let shows = async |text: &str| {
            let shown = page.text().await;
            assert!(shown.contains(text), "{text} is not in {shown}");
            page.is_sound().await;
        };
        page.goto(&format!("{address}/login")).await;
        shows(words.name).await;
        page.fill(words.name, "ada@shared.example").await;
        page.press(words.next).await;
        shows(words.choose).await;
        page.follow(words.back).await;
        page.fill(words.name, "ada@nowhere.example").await;
        page.press(words.next).await;
        shows(words.password).await;
        page.fill(words.password, "wrong").await;
        page.press(words.sign_in).await;
        shows(words.failed).await;
        shows(words.reference).await;
        // Answers of providers that cannot be used, and a provider that is away.
        assert_eq!(page.goto(&format!("{address}/oidc/corp/callback?state=x")).await, 403);
        shows(words.reference).await;
        assert_eq!(page.goto(&format!("{address}/login/other")).await, 503);
        shows(words.away).await;
        // A test, which leaves nobody signed in, and its link once more.
        let made = daemon.admin().post("/api/v1/connectors/corp:test").json(&json!({})).send().await;
        let link = made.json()["link"].as_str().unwrap().to_owned();
        for is_first in [true, false] {
            page.goto(&link).await;
            shows(words.test).await;
            page.press(words.test).await;
            if is_first {
                page.follow("Ada ada@example.org").await;
            }
            shows(if is_first { words.would_work } else { words.used }).await;
        }
        page.goto(&format!("{address}/login")).await;
        page.fill(words.name, "ada@example.org").await;
        page.press(words.next).await;
        shows(words.hello).await;
        page.goto(&format!("{address}/logout")).await;
        shows(words.ask).await;
        page.press(words.sign_out).await;
        shows(words.signed_out).await;
    }
}
