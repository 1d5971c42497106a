//! A provider at another site, in a real browser and over TLS: what its page posts to us comes with the cookies that a browser then
//! still sends, and what ours posts to it is taken, with scripts and without.

use serde_json::json;

use super::factors::now;
use super::providers::{LOOKS, is_ours, words};
use crate::peers::providers::key;
use crate::support::authenticator::App;
use crate::support::browser::{Browser, Look, Page};
use crate::support::daemon::Daemon;
use crate::support::http::Client;
use crate::support::peer::Peer;
use crate::support::port;

const WITHOUT_SCRIPT: Look = Look { dark: false, locale: "de-DE", script: false };
/// Keeps the script of our page from sending its form.
const WAITS: &str = "HTMLFormElement.prototype.submit = function () {};";

/// A daemon at a number, a provider at a name: browsers take them for two sites.
struct Stage {
    daemon: Daemon,
    address: String,
    peer: Peer,
}

impl Stage {
    async fn new(binding: &str) -> Self {
        Self::with(binding, "").await
    }

    /// Requests go to it by this binding, and are signed.
    async fn with(binding: &str, lines: &str) -> Self {
        let mut daemon = Daemon::with_tls();
        let (address, port) = (daemon.url(), port::free().port());
        assert!(address.starts_with("https://127.0.0.1:"), "{address}");
        let ([certificate, secret], [own, own_key]) = (key(&daemon, "idp"), key(&daemon, "own"));
        let settings = json!({
            "host": "localhost",
            "port": port,
            "binding": binding,
            "certificate": certificate,
            "key": secret,
            "sp_entity_id": format!("{address}/saml/corp/metadata"),
            "acs_url": format!("{address}/saml/corp/acs"),
            "slo_url": format!("{address}/saml/corp/slo"),
            "sp_certificate": own,
            "sign": "both",
            "person": {"email": "ada@example.org", "name": "Ada Lovelace", "groups": ["staff"]},
        });
        let peer = Peer::python("saml_idp.py", &settings).await;
        let metadata = Client::new(&format!("http://127.0.0.1:{port}")).get("/metadata").send().await;
        assert!(metadata.text().contains(&format!("http://localhost:{port}/sso")), "{}", metadata.text());
        let metadata = daemon.secret("idp.xml", metadata.text());
        daemon.configure(&format!(
            "[[saml]]\nid = \"corp\"\nname = \"Corp\"\nmetadata.file = {metadata:?}\nrequests = \"{binding}\"\n\
             signing = [{{ certificate = {own:?}, key = {{ file = {own_key:?} }} }}]\n{lines}"
        ));
        daemon.start().await;
        Self { daemon, address, peer }
    }

    fn logs(&self) -> String {
        format!("{}\n{}", self.daemon.log(), self.peer.log())
    }

    /// From our page to the provider's, which asks to go on.
    async fn to_the_provider(&self, page: &Page, binding: &str, look: Look) {
        let words = words(look);
        assert_eq!(page.goto(&format!("{}/login", self.address)).await, 200);
        page.follow(words.provider).await;
        if binding == "post" && !look.script {
            is_ours(page, &self.address, look).await;
            page.press(words.go_on).await;
        }
        page.wait_for_button("Go on").await;
        assert!(page.address().await.starts_with("http://localhost:"), "{}\n{}", page.address().await, self.logs());
    }

    async fn comes_and_goes(&self, page: &Page, binding: &str, look: Look) {
        let words = words(look);
        self.to_the_provider(page, binding, look).await;
        let cookie = page.cookie(&self.address, "__Host-cleargate-login").await;
        assert_eq!(
            (&cookie["sameSite"], &cookie["secure"], &cookie["httpOnly"]),
            (&json!("None"), &json!(true), &json!(true))
        );
        page.press("Go on").await;
        page.wait(words.hello).await;
        assert_eq!(page.address().await, format!("{}/", self.address));
        is_ours(page, &self.address, look).await;
        let session = page.cookie(&self.address, "__Host-cleargate").await;
        assert_eq!((&session["sameSite"], &session["secure"]), (&json!("Lax"), &json!(true)));
        page.press(words.sign_out).await;
        if binding == "post" {
            if !look.script {
                page.press(words.go_on).await;
            }
            page.wait_for_button("Go on").await;
            page.press("Go on").await;
        }
        page.wait(words.signed_out).await;
        is_ours(page, &self.address, look).await;
        assert!(!page.text().await.contains(words.unsure), "{}\n{}", page.text().await, self.logs());
    }
}

async fn people_come_and_go(binding: &str) {
    let (stage, browser) = (Stage::new(binding).await, Browser::start().await);
    for look in LOOKS.into_iter().chain([WITHOUT_SCRIPT]) {
        let page = browser.page(look).await;
        stage.comes_and_goes(&page, binding, look).await;
    }
}

#[tokio::test]
async fn people_sign_in_and_out_at_a_provider_of_another_site() {
    people_come_and_go("redirect").await;
}

#[tokio::test]
async fn people_sign_in_and_out_at_a_provider_of_another_site_that_takes_forms() {
    people_come_and_go("post").await;
}

/// The page between ours and theirs, looked at by somebody whose browser does not press its button.
#[tokio::test]
async fn the_page_that_takes_people_on_is_sound_and_has_a_button() {
    let (stage, browser) = (Stage::new("post").await, Browser::start().await);
    for look in LOOKS {
        let page = browser.page(look).await;
        page.before(WAITS).await;
        assert_eq!(page.goto(&format!("{}/login/corp?return_to=/", stage.address)).await, 200);
        is_ours(&page, &stage.address, look).await;
        page.press(words(look).go_on).await;
        page.press("Go on").await;
        page.wait(words(look).hello).await;
    }
}

/// Where the cookie stays at home the answer is refused, so that what the other tests show is the cookie's doing.
#[tokio::test]
async fn an_answer_from_another_site_without_the_cookie_is_refused() {
    let (stage, browser) = (Stage::new("redirect").await, Browser::start().await);
    for look in LOOKS {
        let page = browser.page(look).await;
        stage.to_the_provider(&page, "redirect", look).await;
        page.keep_at_home(&stage.address, "__Host-cleargate-login").await;
        page.press("Go on").await;
        page.wait(words(look).unusable).await;
        is_ours(&page, &stage.address, look).await;
        let logs = stage.daemon.admin().get("/api/v1/audit-logs?outcome=denied&limit=1").send().await.json();
        assert!(logs["logs"][0].to_string().contains("\"browser\""), "{logs}");
        page.follow(words(look).again).await;
        is_ours(&page, &stage.address, look).await;
    }
}

/// The sign-in goes on at a further step, whose cookie was set by the answer to the other site's form.
#[tokio::test]
async fn a_second_factor_is_set_up_after_an_answer_from_another_site() {
    let (stage, browser) = (Stage::with("redirect", "[factors]\nrequired = true\n").await, Browser::start().await);
    for (number, look) in [Look::default(), Look { script: false, ..Look::default() }].into_iter().enumerate() {
        let page = browser.page(look).await;
        stage.to_the_provider(&page, "redirect", look).await;
        page.press("Go on").await;
        let is_first = number == 0;
        let step = if is_first { "/login/enrol" } else { "/login/factor" };
        page.wait(if is_first { "Set up a second factor" } else { "Confirm that it is you" }).await;
        assert_eq!(page.address().await, format!("{}{step}", stage.address));
        is_ours(&page, &stage.address, look).await;
        if !is_first {
            continue;
        }
        let shown = page.text().await;
        let (_, key) = shown.split_once("type this key into the app:").unwrap_or_else(|| panic!("{shown}"));
        page.fill("Code of the app", &App::of(key.split_whitespace().next().unwrap()).code_at(now())).await;
        page.press("Confirm").await;
        page.follow("I have kept them, go on").await;
        page.wait(words(look).hello).await;
    }
}
