//! A real browser at real providers: from our page to theirs and back, signed in and signed out, in light and dark. Our pages keep the
//! rules of WCAG 2.2 AA; theirs are their own.

use crate::peers::providers::{Stage, Whose};
use crate::support::browser::{Browser, Look, Page};

pub(super) const LOOKS: [Look; 4] = [
    Look { dark: false, locale: "en-GB", script: true },
    Look { dark: true, locale: "en-GB", script: true },
    Look { dark: true, locale: "de-DE", script: true },
    Look { dark: false, locale: "de-DE", script: true },
];

/// What our pages say in the browser's language.
pub(super) struct Words {
    pub(super) provider: &'static str,
    pub(super) go_on: &'static str,
    pub(super) hello: &'static str,
    pub(super) sign_out: &'static str,
    pub(super) signed_out: &'static str,
    pub(super) unsure: &'static str,
    pub(super) unusable: &'static str,
    pub(super) again: &'static str,
}

pub(super) fn words(look: Look) -> Words {
    if look.locale == "de-DE" {
        Words {
            provider: "Weiter mit Corp",
            go_on: "Weiter",
            hello: "Hallo, Ada Lovelace",
            sign_out: "Abmelden",
            signed_out: "Abgemeldet",
            unsure: "noch angemeldet",
            unusable: "war nicht brauchbar",
            again: "Noch einmal versuchen",
        }
    } else {
        Words {
            provider: "Continue with Corp",
            go_on: "Continue",
            hello: "Hello, Ada Lovelace",
            sign_out: "Sign out",
            signed_out: "Signed out",
            unsure: "still be signed in",
            unusable: "could not be used",
            again: "Try again",
        }
    }
}

/// A page that is ours and breaks no rule. Without scripts nobody can look for more than the address.
pub(super) async fn is_ours(page: &Page, address: &str, look: Look) {
    assert!(page.address().await.starts_with(address), "{}", page.address().await);
    if look.script {
        page.is_sound().await;
    }
}

/// An answer that the provider never gave: the error, with its reference and the way back.
async fn is_refused_well(page: &Page, address: &str, path: &str, look: Look) {
    let words = words(look);
    assert_eq!(page.goto(&format!("{address}{path}")).await, 403);
    assert!(page.text().await.contains(words.unusable), "{}", page.text().await);
    is_ours(page, address, look).await;
    page.follow(words.again).await;
    assert!(page.address().await.starts_with(&format!("{address}/login")), "{}", page.address().await);
    is_ours(page, address, look).await;
}

/// From our page to theirs and back to the start page.
async fn signs_in(page: &Page, whose: Whose, address: &str, look: Look) {
    let words = words(look);
    assert_eq!(page.goto(&format!("{address}/login")).await, 200);
    is_ours(page, address, look).await;
    page.follow(words.provider).await;
    match whose {
        Whose::Simplesamlphp => {
            page.fill("Username", "ada").await;
            page.fill("Password", "secret").await;
            page.press("Login").await;
        }
        Whose::Pysaml2 | Whose::Samlify => page.press("Go on").await,
        Whose::OidcProvider | Whose::OauthMockServer => {}
    }
    page.wait(words.hello).await;
    is_ours(page, address, look).await;
}

/// From our start page to theirs and back, signed out at both.
async fn signs_out(page: &Page, whose: Whose, address: &str, look: Look) {
    let words = words(look);
    page.press(words.sign_out).await;
    if whose == Whose::OidcProvider {
        page.press("Sign out there").await;
    }
    page.wait(words.signed_out).await;
    is_ours(page, address, look).await;
}

/// In every look: in and out, and in again after the provider has changed its key.
async fn people_come_and_go(whose: Whose) {
    let mut stage = Stage::new(whose).await;
    let (address, browser) = (stage.daemon.url(), Browser::start().await);
    for (number, look) in LOOKS.into_iter().take(3).enumerate() {
        let page = browser.page(look).await;
        signs_in(&page, whose, &address, look).await;
        signs_out(&page, whose, &address, look).await;
        if number == 0 {
            stage.start_provider("second").await;
        }
        signs_in(&page, whose, &address, look).await;
        signs_out(&page, whose, &address, look).await;
    }
    assert_eq!(stage.refusals().await, 0, "{}", stage.logs());
}

#[tokio::test]
async fn people_sign_in_and_out_at_simplesamlphp() {
    people_come_and_go(Whose::Simplesamlphp).await;
}

#[tokio::test]
async fn people_sign_in_and_out_at_pysaml2() {
    people_come_and_go(Whose::Pysaml2).await;
}

#[tokio::test]
async fn people_sign_in_and_out_at_samlify() {
    people_come_and_go(Whose::Samlify).await;
}

#[tokio::test]
async fn people_sign_in_and_out_at_oidc_provider() {
    people_come_and_go(Whose::OidcProvider).await;
}

#[tokio::test]
async fn people_sign_in_and_out_at_oauth2_mock_server() {
    people_come_and_go(Whose::OauthMockServer).await;
}

#[tokio::test]
async fn people_sign_in_and_out_without_scripts_and_see_what_went_wrong() {
    let stage = Stage::new(Whose::OidcProvider).await;
    let (address, browser) = (stage.daemon.url(), Browser::start().await);
    let without_script = Look { script: false, ..Look::default() };
    for look in LOOKS.into_iter().chain([without_script]) {
        let page = browser.page(look).await;
        is_refused_well(&page, &address, "/oidc/corp/callback?state=x", look).await;
        signs_in(&page, Whose::OidcProvider, &address, look).await;
        signs_out(&page, Whose::OidcProvider, &address, look).await;
    }
}
