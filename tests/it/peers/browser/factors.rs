//! Second factors, the lock and the list of sessions in a real browser. Passkeys come from the browser's own virtual
//! authenticator.

use std::time::SystemTime;

use cleargate::clock::Timestamp;

use super::*;
use crate::support::authenticator::App;
use crate::support::browser::Page;

const ADA: &str = "ada@example.org";

/// Light and dark, with scripts.
const LOOKS: [Look; 2] =
    [Look { dark: false, locale: "en-GB", script: true }, Look { dark: true, locale: "en-GB", script: true }];

/// The virtual authenticator answers at once when a page asks for suggestions: only where the address says `#suggest` then.
const NO_SUGGESTIONS: &str =
    "if (location.hash !== '#suggest') PublicKeyCredential.isConditionalMediationAvailable = undefined";

async fn sign_in(page: &Page, address: &str, name: &str, password: &str) {
    page.goto(&format!("{address}/login")).await;
    page.fill("User name", name).await;
    page.fill("Password", password).await;
    page.press("Sign in").await;
}

async fn says(page: &Page, text: &str) {
    let shown = page.text().await;
    assert!(shown.contains(text), "{}: {shown}", page.address().await);
}

async fn sign_out(page: &Page, address: &str) {
    page.goto(&format!("{address}/")).await;
    page.press("Sign out").await;
}

#[tokio::test]
async fn a_passkey_is_made_signs_in_alone_and_after_a_password_steps_up_and_is_removed() {
    let (daemon, address) = daemon("").await;
    let browser = Browser::start().await;
    for (number, look) in LOOKS.into_iter().enumerate() {
        let name = format!("ada{number}@example.org");
        person(&daemon, &name, false).await;
        let page = browser.page(look).await;
        page.authenticator(true).await;
        page.before(NO_SUGGESTIONS).await;
        sign_in(&page, &address, &name, GIVEN).await;
        page.follow("Your second factors").await;
        page.is_sound().await;
        page.fill("Name of the passkey", "blue key").await;
        page.fill("Present password, to add a passkey", "wrong").await;
        page.try_submit("Add a passkey", "The present password is not right").await;
        page.is_sound().await;
        page.fill("Present password, to add a passkey", GIVEN).await;
        page.submit("Add a passkey").await;
        says(&page, "Your recovery codes").await;
        page.is_sound().await;
        page.follow("I have kept them, go on").await;
        says(&page, "blue key").await;
        page.is_sound().await;
        page.fill("New name of blue key", "red key").await;
        page.press("Rename blue key").await;
        says(&page, "red key").await;

        sign_out(&page, &address).await;
        page.goto(&format!("{address}/login")).await;
        page.is_sound().await;
        page.submit("Sign in with a passkey").await;
        says(&page, "Hello, Ada Lovelace").await;

        sign_out(&page, &address).await;
        page.goto(&format!("{address}/login#suggest")).await;
        page.wait("Hello, Ada Lovelace").await;

        sign_out(&page, &address).await;
        sign_in(&page, &address, &name, GIVEN).await;
        assert_eq!(page.address().await, format!("{address}/login/factor"));
        page.is_sound().await;
        page.submit("Use a passkey").await;
        says(&page, "Hello, Ada Lovelace").await;

        page.goto(&format!("{address}/login/step-up?return_to=/account/factors")).await;
        page.is_sound().await;
        page.submit("Use a passkey").await;
        assert_eq!(page.address().await, format!("{address}/account/factors"));
        page.press("Remove red key").await;
        says(&page, "You have none.").await;
        sign_out(&page, &address).await;
        sign_in(&page, &address, &name, GIVEN).await;
        says(&page, "Hello, Ada Lovelace").await;
    }
}

#[tokio::test]
async fn a_passkey_is_set_up_on_the_way_in_and_one_that_verifies_nobody_signs_in_after_a_password_only() {
    let (daemon, address) = daemon("[factors]\nrequired = true\n").await;
    let browser = Browser::start().await;
    person(&daemon, ADA, false).await;
    let page = browser.page(Look { dark: true, ..Look::default() }).await;
    page.authenticator(false).await;
    page.before(NO_SUGGESTIONS).await;
    sign_in(&page, &address, ADA, GIVEN).await;
    assert_eq!(page.address().await, format!("{address}/login/enrol"));
    page.is_sound().await;
    page.submit("Set up a passkey").await;
    page.follow("I have kept them, go on").await;
    says(&page, "Hello, Ada Lovelace").await;
    sign_out(&page, &address).await;
    page.goto(&format!("{address}/login")).await;
    page.try_submit("Sign in with a passkey", "No passkey was used.").await;
    page.is_sound().await;
    sign_in(&page, &address, ADA, GIVEN).await;
    page.submit("Use a passkey").await;
    says(&page, "Hello, Ada Lovelace").await;
}

#[tokio::test]
async fn a_browser_without_passkeys_or_without_scripts_is_told_and_signs_in_by_password() {
    let (daemon, address) = daemon("").await;
    let browser = Browser::start().await;
    person(&daemon, ADA, false).await;
    let page = browser.page(Look::default()).await;
    page.before("delete window.PublicKeyCredential").await;
    page.goto(&format!("{address}/login")).await;
    says(&page, "This browser cannot use passkeys.").await;
    assert!(!page.text().await.contains("Sign in with a passkey"));
    page.is_sound().await;
    sign_in(&page, &address, ADA, GIVEN).await;
    says(&page, "Hello, Ada Lovelace").await;
    let plain = browser.page(Look { script: false, ..Look::default() }).await;
    plain.goto(&format!("{address}/login")).await;
    says(&plain, "Passkeys need a browser that runs scripts.").await;
    assert!(!plain.text().await.contains("Sign in with a passkey"));
    sign_in(&plain, &address, ADA, GIVEN).await;
    says(&plain, "Hello, Ada Lovelace").await;
}

pub(super) fn now() -> Timestamp {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    Timestamp::from_seconds(seconds.try_into().unwrap())
}

#[tokio::test]
async fn an_authenticator_app_is_set_up_and_signs_in_with_and_without_scripts() {
    let (daemon, address) = daemon("").await;
    let browser = Browser::start().await;
    let plain = Look { script: false, ..Look::default() };
    for (number, look) in LOOKS.into_iter().chain([plain]).enumerate() {
        let name = format!("ada{number}@example.org");
        person(&daemon, &name, false).await;
        let page = browser.page(look).await;
        let check = async || {
            if look.script {
                page.is_sound().await;
            }
        };
        sign_in(&page, &address, &name, GIVEN).await;
        page.follow("Your second factors").await;
        page.fill("Present password", GIVEN).await;
        page.press("Set up an authenticator app").await;
        check().await;
        let shown = page.text().await;
        let (_, key) = shown.split_once("type this key into the app:").unwrap_or_else(|| panic!("{shown}"));
        let app = App::of(key.split_whitespace().next().unwrap());
        page.fill("Code of the app", "000000").await;
        page.press("Confirm").await;
        says(&page, "That is not the code of this moment.").await;
        check().await;
        // One step early is taken, and leaves the code of this moment for the sign-in.
        page.fill("Code of the app", &app.code_at(Timestamp::from_seconds(now().as_seconds() - 30))).await;
        page.press("Confirm").await;
        says(&page, "Your recovery codes").await;
        check().await;
        let shown = page.text().await;
        let code = shown.split_whitespace().find(|word| word.len() == 19 && word.matches('-').count() == 3);
        let recovery = code.unwrap_or_else(|| panic!("{shown}")).to_owned();
        page.follow("I have kept them, go on").await;
        says(&page, "Recovery codes left: 10").await;
        check().await;
        sign_out(&page, &address).await;
        sign_in(&page, &address, &name, GIVEN).await;
        says(&page, "Confirm that it is you").await;
        check().await;
        page.fill("Code of your authenticator app", "no code").await;
        page.press("Go on").await;
        says(&page, "That code did not work.").await;
        check().await;
        page.fill("Code of your authenticator app", &app.code_at(now())).await;
        page.press("Go on").await;
        says(&page, "Hello, Ada Lovelace").await;
        sign_out(&page, &address).await;
        sign_in(&page, &address, &name, GIVEN).await;
        page.fill("Code of your authenticator app", &recovery).await;
        page.press("Go on").await;
        says(&page, "Hello, Ada Lovelace").await;
    }
}

#[tokio::test]
async fn an_account_that_is_locked_looks_like_a_wrong_password_to_people_too() {
    let (daemon, address) = daemon("[lockout]\npreset = \"clearvantage\"\n").await;
    let browser = Browser::start().await;
    for (number, look) in LOOKS.into_iter().enumerate() {
        let name = format!("ada{number}@example.org");
        person(&daemon, &name, false).await;
        let page = browser.page(look).await;
        let without_reference = async || {
            let text = page.text().await;
            text.lines().filter(|line| !line.starts_with("Reference")).collect::<Vec<_>>().join("\n")
        };
        sign_in(&page, &address, &name, "wrong").await;
        let wrong = without_reference().await;
        assert!(wrong.contains("The sign-in did not work."), "{wrong}");
        for _ in 0..2 {
            sign_in(&page, &address, &name, "wrong").await;
        }
        sign_in(&page, &address, &name, GIVEN).await;
        assert_eq!(without_reference().await, wrong, "the right password of a locked account");
        page.is_sound().await;
        let unlocked = daemon.admin().delete(&format!("/api/v1/locks/{name}")).send().await;
        assert!(unlocked.status < 300, "{}", unlocked.text());
        sign_in(&page, &address, &name, GIVEN).await;
        says(&page, "Hello, Ada Lovelace").await;
    }
}

#[tokio::test]
async fn people_see_where_they_are_signed_in_and_end_it_with_and_without_scripts() {
    let (daemon, address) = daemon("").await;
    let browser = Browser::start().await;
    let plain = Look { script: false, ..Look::default() };
    for (number, look) in LOOKS.into_iter().chain([plain]).enumerate() {
        let name = format!("ada{number}@example.org");
        person(&daemon, &name, false).await;
        let (here, there) = (browser.page(look).await, browser.page(look).await);
        for page in [&here, &there] {
            sign_in(page, &address, &name, GIVEN).await;
        }
        here.follow("Where you are signed in").await;
        says(&here, "This browser").await;
        if look.script {
            here.is_sound().await;
        }
        here.press("Sign out everywhere else").await;
        assert!(!here.text().await.contains("everywhere else"), "{}", here.text().await);
        there.goto(&format!("{address}/account/sessions")).await;
        assert!(there.address().await.starts_with(&format!("{address}/login")), "{}", there.address().await);
        here.goto(&format!("{address}/")).await;
        says(&here, "Hello, Ada Lovelace").await;
    }
}
