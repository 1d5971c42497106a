//! A real browser: Chromium without a screen, driven through `tests/peers/browser.mjs`.
//!
//! ```ignore
//! let browser = Browser::start().await;
//! let page = browser.page(Look::default()).await;
//! page.goto("http://localhost:8080/login").await;
//! page.fill("User name", "ada").await;
//! page.press("Sign in").await;
//! ```
//! Fields, buttons and links go by the names that a screen reader tells.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::http::Client;
use super::peer::Peer;
use super::port;

/// A browser, which ends when this is dropped.
pub struct Browser {
    _peer: Peer,
    client: Client,
    opened: AtomicUsize,
}

/// How somebody looks at pages.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub dark: bool,
    pub locale: &'static str,
    pub script: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { dark: false, locale: "en-GB", script: true }
    }
}

/// One page, with cookies of its own.
pub struct Page {
    client: Client,
    name: String,
}

impl Browser {
    pub async fn start() -> Self {
        let port = port::free().port();
        let peer = Peer::node("browser.mjs", &json!({ "port": port, "program": program() })).await;
        let client = Client::new(&format!("http://127.0.0.1:{port}"));
        Self { _peer: peer, client, opened: AtomicUsize::new(0) }
    }

    /// A page of somebody who has not been here before.
    pub async fn page(&self, look: Look) -> Page {
        let name = format!("page {}", self.opened.fetch_add(1, Ordering::SeqCst));
        let page = Page { client: self.client.clone(), name };
        let scheme = if look.dark { "dark" } else { "light" };
        page.act("open", json!({ "scheme": scheme, "locale": look.locale, "script": look.script })).await;
        page
    }
}

impl Page {
    /// Goes to an address and tells the status of its answer.
    pub async fn goto(&self, address: &str) -> u64 {
        self.act("goto", json!({ "address": address })).await.as_u64().unwrap()
    }

    pub async fn fill(&self, field: &str, text: &str) {
        self.act("fill", json!({ "field": field, "text": text })).await;
    }

    pub async fn press(&self, button: &str) {
        self.act("press", json!({ "button": button })).await;
    }

    pub async fn follow(&self, link: &str) {
        self.act("follow", json!({ "link": link })).await;
    }

    /// Presses a button whose form a script sends after some work, and waits for the page that answers.
    pub async fn submit(&self, button: &str) {
        self.act("submit", json!({ "button": button })).await;
    }

    /// Presses a button whose script stays at the page and tells a text.
    pub async fn try_submit(&self, button: &str, text: &str) {
        self.act("try", json!({ "button": button, "text": text })).await;
    }

    /// Waits until a text is shown.
    pub async fn wait(&self, text: &str) {
        self.act("wait", json!({ "text": text })).await;
    }

    /// Waits until a button is there.
    pub async fn wait_for_button(&self, button: &str) {
        self.act("button", json!({ "button": button })).await;
    }

    /// Runs a script in every page before the page's own.
    pub async fn before(&self, script: &str) {
        self.act("before", json!({ "script": script })).await;
    }

    /// A cookie that the browser keeps for an address.
    pub async fn cookie(&self, address: &str, name: &str) -> Value {
        let kept = self.act("cookies", json!({ "address": address })).await;
        let found = kept.as_array().unwrap().iter().find(|cookie| cookie["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {kept}")).clone()
    }

    /// Keeps a cookie as one that pages of other sites do not send by a form.
    pub async fn keep_at_home(&self, address: &str, name: &str) {
        self.act("change", json!({ "address": address, "name": name, "habits": { "sameSite": "Lax" } })).await;
    }

    /// Speaks to the browser's own debugger.
    async fn debug(&self, method: &str, params: Value) {
        self.act("debug", json!({ "method": method, "params": params })).await;
    }

    /// Gives the browser an authenticator of its own, before which somebody always stands: one of the device, which verifies
    /// them, or a plain key, which does not.
    pub async fn authenticator(&self, verifies: bool) {
        self.debug("WebAuthn.enable", json!({ "enableUI": false })).await;
        let options = json!({
            "protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": if verifies { "internal" } else { "usb" },
            "hasResidentKey": true, "hasUserVerification": verifies, "isUserVerified": verifies, "automaticPresenceSimulation": true,
            "defaultBackupEligibility": true, "defaultBackupState": true,
        });
        self.debug("WebAuthn.addVirtualAuthenticator", json!({ "options": options })).await;
    }

    /// Presses a key: `Tab`, `Enter`.
    pub async fn key(&self, key: &str) {
        self.act("key", json!({ "key": key })).await;
    }

    pub async fn type_in(&self, text: &str) {
        self.act("type", json!({ "text": text })).await;
    }

    /// What has the keyboard, by its name.
    pub async fn focus(&self) -> String {
        self.told("focus").await
    }

    pub async fn text(&self) -> String {
        self.told("text").await
    }

    pub async fn address(&self) -> String {
        self.told("address").await
    }

    /// The page breaks no rule of WCAG 2.2 AA, and tried nothing that its content policy forbids.
    pub async fn is_sound(&self) {
        let (address, found) = (self.address().await, self.act("audit", json!({})).await);
        assert_eq!(found, json!([]), "{address}");
        // Answers of 4xx that a form is meant to get are told as errors, too.
        let errors = self.act("errors", json!({})).await;
        let is_fault = |error: &&Value| !error.as_str().unwrap().contains("Failed to load resource");
        let faults: Vec<&Value> = errors.as_array().unwrap().iter().filter(is_fault).collect();
        assert_eq!(faults, Vec::<&Value>::new(), "{address}");
    }

    async fn told(&self, what: &str) -> String {
        self.act(what, json!({})).await.as_str().unwrap_or_default().to_owned()
    }

    async fn act(&self, what: &str, mut with: Value) -> Value {
        with["page"] = self.name.clone().into();
        with["do"] = what.into();
        let answer = self.client.post("/").json(&with).send().await;
        let told: Value = answer.json();
        assert_eq!(answer.status, 200, "{what} {with}: {told}");
        told["value"].clone()
    }
}

/// Chromium, as `./run` installs it.
fn program() -> PathBuf {
    std::env::var_os("CLEARGATE_TEST_BROWSER").map_or_else(|| "/usr/bin/chromium-headless-shell".into(), PathBuf::from)
}
