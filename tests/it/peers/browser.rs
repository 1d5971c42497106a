//! The pages in a real browser: by keyboard, in light and dark, with and without scripts, by the rules of WCAG 2.2 AA.

mod across;
mod choosing;
mod factors;
mod german;
mod providers;

use serde_json::json;

use crate::support::browser::{Browser, Look, Page};
use crate::support::daemon::Daemon;
use crate::support::mail::MailServer;

const GIVEN: &str = "violet anchor under seven bridges";
const CHOSEN: &str = "nine lanterns along a quiet harbour";
const LOOKS: [Look; 3] = [
    Look { dark: false, locale: "en-GB", script: true },
    Look { dark: true, locale: "en-GB", script: true },
    Look { dark: false, locale: "en-GB", script: false },
];

/// A daemon as people know it, by a name: passkeys and browsers make a difference between names and addresses.
async fn daemon(lines: &str) -> (Daemon, String) {
    let mut daemon = Daemon::new();
    let address = daemon.url().replace("127.0.0.1", "localhost");
    daemon.configure(&format!("public_url = \"{address}\"\n{lines}"));
    daemon.start().await;
    (daemon, address)
}

async fn person(daemon: &Daemon, name: &str, must_change: bool) {
    let body = json!({
        "userName": name, "name": "Ada Lovelace", "password": GIVEN, "must_change_password": must_change
    });
    let answer = daemon.admin().post("/api/v1/users").json(&body).send().await;
    assert_eq!(answer.status, 201, "{}", answer.text());
}

#[tokio::test]
async fn people_sign_in_change_their_password_and_sign_out() {
    let (daemon, address) = daemon("[lockout]\npreset = \"clearvantage\"\n").await;
    let browser = Browser::start().await;
    for (number, look) in LOOKS.into_iter().enumerate() {
        let name = format!("ada{number}@example.org");
        person(&daemon, &name, true).await;
        let page = browser.page(look).await;
        assert_eq!(page.goto(&format!("{address}/login")).await, 200);
        let check = async || {
            if look.script {
                page.is_sound().await;
            }
        };
        check().await;
        page.fill("User name", &name).await;
        page.fill("Password", "wrong").await;
        page.press("Sign in").await;
        assert!(page.text().await.contains("did not work"), "{}", page.text().await);
        check().await;
        page.fill("User name", &name).await;
        page.fill("Password", GIVEN).await;
        page.press("Sign in").await;
        assert_eq!(page.address().await, format!("{address}/login/change-password"));
        check().await;
        page.fill("New password", "short").await;
        page.fill("New password, once more", "short").await;
        page.press("Save and sign in").await;
        assert!(page.text().await.contains("at least 15 characters"));
        check().await;
        page.fill("New password", CHOSEN).await;
        page.fill("New password, once more", CHOSEN).await;
        page.press("Save and sign in").await;
        assert!(page.text().await.contains("Hello, Ada Lovelace"), "{}", page.text().await);
        check().await;
        page.follow("Change your password").await;
        check().await;
        page.fill("Present password", CHOSEN).await;
        page.fill("New password", GIVEN).await;
        page.fill("New password, once more", GIVEN).await;
        page.press("Save").await;
        assert!(page.text().await.contains("Password changed"));
        check().await;
        page.follow("Go on").await;
        page.press("Sign out").await;
        assert!(page.text().await.contains("Signed out"));
        check().await;
    }
}

#[tokio::test]
async fn signing_in_needs_nothing_but_a_keyboard() {
    let (daemon, address) = daemon("").await;
    person(&daemon, "ada@example.org", false).await;
    let browser = Browser::start().await;
    let page = browser.page(Look::default()).await;
    page.goto(&format!("{address}/login")).await;
    assert_eq!(page.focus().await, "User name");
    page.type_in("ada@example.org").await;
    page.key("Tab").await;
    assert_eq!(page.focus().await, "Password");
    page.type_in(GIVEN).await;
    page.key("Tab").await;
    assert_eq!(page.focus().await, "Sign in");
    page.key("Enter").await;
    assert!(page.text().await.contains("Hello, Ada Lovelace"), "{}", page.text().await);
}

#[tokio::test]
async fn people_read_the_pages_in_german_and_change_the_language() {
    let (daemon, address) = daemon("").await;
    person(&daemon, "ada@example.org", false).await;
    let browser = Browser::start().await;
    let page = browser.page(Look { dark: true, locale: "de-DE", script: true }).await;
    page.goto(&format!("{address}/login")).await;
    page.is_sound().await;
    page.fill("Benutzername", "ada@example.org").await;
    page.fill("Passwort", GIVEN).await;
    page.press("Anmelden").await;
    assert!(page.text().await.contains("Hallo, Ada Lovelace"), "{}", page.text().await);
    page.is_sound().await;
    page.follow("Passwort ändern").await;
    page.is_sound().await;
    page.follow("English").await;
    assert_eq!(page.address().await, format!("{address}/account/password"));
    assert!(page.text().await.contains("Change your password"), "{}", page.text().await);
}

#[tokio::test]
async fn people_choose_a_password_they_forgot_and_accept_an_invitation() {
    let server = MailServer::plain().await;
    let (daemon, address) = daemon(&server.lines()).await;
    let browser = Browser::start().await;
    for (number, look) in LOOKS.into_iter().enumerate() {
        let (name, invited) = (format!("ada{number}@example.org"), format!("grace{number}@example.org"));
        person(&daemon, &name, false).await;
        let page = browser.page(look).await;
        let check = async |page: &Page| {
            if look.script {
                page.is_sound().await;
            }
        };
        page.goto(&format!("{address}/login")).await;
        page.follow("Forgot your password?").await;
        check(&page).await;
        page.fill("User name or e-mail address", &name).await;
        page.press("Send the link").await;
        assert!(page.text().await.contains("Look into your mail"), "{}", page.text().await);
        check(&page).await;
        let link = format!("{address}{}", server.mail_to(&name).await.path());
        page.goto(&link).await;
        check(&page).await;
        page.press("Go on").await;
        page.fill("New password", CHOSEN).await;
        page.fill("New password, once more", CHOSEN).await;
        page.press("Save and sign in").await;
        assert!(page.text().await.contains("Hello, Ada Lovelace"), "{}", page.text().await);
        page.goto(&link).await;
        page.press("Go on").await;
        assert!(page.text().await.contains("This link does not work"), "{}", page.text().await);
        check(&page).await;
        let body = json!({"email": invited, "role": "editor"});
        let answer = daemon.admin().post("/api/v1/invitations").json(&body).send().await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let page = browser.page(look).await;
        let link = format!("{address}{}", server.mail_to(&invited).await.path());
        assert_eq!(page.goto(&link).await, 200);
        check(&page).await;
        page.fill("Your name", "Grace Hopper").await;
        page.fill("New password", "short").await;
        page.fill("New password, once more", "short").await;
        page.press("Accept and sign in").await;
        assert!(page.text().await.contains("at least 15 characters"), "{}", page.text().await);
        check(&page).await;
        page.fill("New password", CHOSEN).await;
        page.fill("New password, once more", CHOSEN).await;
        page.press("Accept and sign in").await;
        assert!(page.text().await.contains("Hello, Grace Hopper"), "{}", page.text().await);
        assert_eq!(page.goto(&link).await, 403);
        assert!(page.text().await.contains("This link does not work"), "{}", page.text().await);
        check(&page).await;
    }
}
