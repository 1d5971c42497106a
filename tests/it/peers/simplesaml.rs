//! Sign-in, encryption (by AES-CBC, the only one that it knows) and logout at SimpleSAMLphp, through the real program. The Debian packages `php-cli`, `php-xml` and
//! `simplesamlphp` have to be installed.

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::json;

use crate::support::daemon::Daemon;
use crate::support::http::{Answer, Client};
use crate::support::peer::Peer;
use crate::support::port;

/// A daemon and the provider, each of which knows the other.
struct Stage {
    daemon: Daemon,
    base: String,
    peer: Peer,
}

fn key(daemon: &Daemon, name: &str) -> (String, String) {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    let path = |part: &str, text: &str| daemon.secret(&format!("{name}.{part}"), text).display().to_string();
    (path("pem", &certificate.pem()), path("key", &key.serialize_pem()))
}

impl Stage {
    async fn new(encrypt: bool) -> Self {
        let mut daemon = Daemon::new();
        let (url, port) = (daemon.url(), port::free().port());
        let ((certificate, private), (own, own_key)) = (key(&daemon, "idp"), key(&daemon, "own"));
        let settings = json!({
            "port": port,
            "key": private,
            "certificate": certificate,
            "sp_entity_id": format!("{url}/saml/corp/metadata"),
            "acs_url": format!("{url}/saml/corp/acs"),
            "slo_url": format!("{url}/saml/corp/slo"),
            "sp_certificate": own,
            "encrypt": encrypt,
            "person": {"email": "ada@example.org", "name": "Ada Lovelace", "groups": ["staff", "analysts"]},
        });
        let peer = Peer::python("simplesaml_idp.py", &settings).await;
        let base = format!("http://127.0.0.1:{port}");
        let pair = format!("[{{ certificate = {own:?}, key = {{ file = {own_key:?} }} }}]");
        daemon.configure(&format!(
            "[[saml]]\nid = \"corp\"\ndomains = [\"example.org\"]\nmetadata.url = \"{base}/saml2/idp/metadata.php\"\n\
             signing = {pair}\ndecryption = {pair}\nallow_cbc = {encrypt}\n"
        ));
        daemon.start().await;
        Self { daemon, base, peer }
    }

    /// What both have written.
    fn logs(&self) -> String {
        format!("{}\n{}", self.daemon.log(), self.peer.log())
    }

    /// Signs in at the provider's page, and gives the response that it sent.
    async fn sign_in(&self, browser: &Client) -> String {
        let page = browser.walk("/login/corp?return_to=/").await;
        assert_eq!(page.status, 200, "{}\n{}", page.text(), self.logs());
        let state = hidden(&page).1.into_iter().find(|(name, _)| name == "AuthState");
        let state = state.unwrap_or_else(|| panic!("{}\n{}", page.text(), self.logs())).1;
        let fields = [("username", "ada"), ("password", "secret"), ("AuthState", state.as_str())];
        let login = format!("{}/module.php/core/loginuserpass.php?", self.base);
        let answer = browser.post(&login).form(&fields).send().await;
        let (action, fields) = hidden(&answer);
        assert_eq!(action, format!("{}/saml/corp/acs", self.daemon.url()), "{}\n{}", answer.text(), self.logs());
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let opened = browser.post(&action).form(&fields).send().await;
        assert_eq!((opened.status, opened.location()), (303, Some("/")), "{}\n{}", opened.text(), self.logs());
        fields.iter().find(|(name, _)| *name == "SAMLResponse").unwrap().1.to_owned()
    }
}

/// Where the form of a page leads, and its hidden fields.
fn hidden(page: &Answer) -> (String, Vec<(String, String)>) {
    let plain = |text: &str| text.replace("&quot;", "\"").replace("&#x27;", "'").replace("&amp;", "&");
    let attribute = |tag: &str, name: &str| {
        let rest = tag.split_once(&format!("{name}=\""))?.1;
        Some(plain(rest.split('"').next().unwrap()))
    };
    let tags = |name: &'static str| page.text().split('<').filter(move |tag| tag.starts_with(name));
    let action = tags("form ").find_map(|tag| attribute(tag, "action")).unwrap_or_default();
    let inputs = tags("input").filter(|tag| tag.contains("type=\"hidden\""));
    (action, inputs.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?))).collect())
}

async fn is_in(browser: &Client) -> bool {
    browser.get("/api/v1/me").send().await.status == 200
}

#[tokio::test]
async fn simplesamlphp_signs_in_and_out_with_and_without_encryption() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    for encrypt in [false, true] {
        let stage = Stage::new(encrypt).await;
        let browser = stage.daemon.client();
        let response = stage.sign_in(&browser).await;
        let response = String::from_utf8(BASE64_STANDARD.decode(response.replace(['\r', '\n'], "")).unwrap()).unwrap();
        assert_eq!(response.contains("ada@example.org"), !encrypt, "{response}");
        let me = browser.get("/api/v1/me").send().await.json();
        assert_eq!(me["user"]["userName"], "ada@example.org");
        assert_eq!(me["groups"], json!(["staff", "analysts"]));
        // Signing out here signs out there: the provider asks for the password again.
        let page = browser.get("/logout").send().await;
        let csrf = hidden(&page).1.into_iter().find(|(name, _)| name == "csrf").unwrap().1;
        let away = browser.post("/logout").form(&[("csrf", csrf.as_str())]).send().await;
        let back = browser.walk(away.location().unwrap_or_else(|| panic!("{}\n{}", away.text(), stage.logs()))).await;
        assert!(back.text().contains("Signed out"), "{}\n{}", back.text(), stage.logs());
        assert!(!back.text().contains("may still be signed in") && !is_in(&browser).await, "{}", back.text());
        stage.sign_in(&browser).await;
        // Signing out there signs out here.
        assert!(is_in(&browser).await);
        let there = format!("{}/saml2/idp/SingleLogoutService.php?ReturnTo={}/", stage.base, stage.base);
        let over = browser.walk(&there).await;
        assert!(!is_in(&browser).await, "{} {}\n{}", over.status, over.text(), stage.logs());
    }
}
