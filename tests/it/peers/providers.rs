//! Five providers that other people wrote, and one journey for all of them through the real program: somebody signs in, signs out
//! here, signs in again; the provider comes back with another key that it told nobody of, and no sign-in fails; somebody who
//! signed in before stays signed in.

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::http::{Answer, Client};
use crate::support::peer::Peer;
use crate::support::port;

const ADA: &str = "ada@example.org";

/// Whose provider it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    OidcProvider,
    OauthMockServer,
    Pysaml2,
    Samlify,
    Simplesamlphp,
}

impl Whose {
    fn is_saml(self) -> bool {
        !matches!(self, Self::OidcProvider | Self::OauthMockServer)
    }
}

/// A daemon, and the provider that it sends people to.
pub(super) struct Stage {
    whose: Whose,
    pub(super) daemon: Daemon,
    settings: Value,
    peer: Option<Peer>,
}

/// Paths of a new certificate and its key.
pub(super) fn key(daemon: &Daemon, name: &str) -> [String; 2] {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    let path = |part: &str, text: &str| daemon.secret(&format!("{name}.{part}"), text).display().to_string();
    [path("pem", &certificate.pem()), path("key", &key.serialize_pem())]
}

impl Stage {
    pub(super) async fn new(whose: Whose) -> Self {
        Self::with(whose, false).await
    }

    /// One that encrypts, or not.
    async fn with(whose: Whose, encrypts: bool) -> Self {
        let daemon = Daemon::new();
        let (url, port) = (daemon.url(), port::free().port());
        let base = format!("http://127.0.0.1:{port}");
        let person = json!({"sub": "subject-1", "email": ADA, "name": "Ada Lovelace", "groups": ["staff", "analysts"]});
        let (settings, section) = if whose.is_saml() {
            let [own, own_key] = key(&daemon, "own");
            let settings = json!({
                "port": port,
                "sp_entity_id": format!("{url}/saml/corp/metadata"),
                "acs_url": format!("{url}/saml/corp/acs"),
                "slo_url": format!("{url}/saml/corp/slo"),
                "sp_certificate": own,
                "sign": if encrypts { "assertion" } else { "both" },
                "encrypt": encrypts,
                "person": person,
            });
            let path = if whose == Whose::Simplesamlphp { "saml2/idp/metadata.php" } else { "metadata" };
            let pair = format!("[{{ certificate = {own:?}, key = {{ file = {own_key:?} }} }}]");
            let opens = if encrypts { format!("decryption = {pair}\n") } else { String::new() };
            (settings, format!("[[saml]]\nmetadata.url = \"{base}/{path}\"\nsigning = {pair}\n{opens}"))
        } else {
            let settings = json!({
                "port": port,
                "client_id": "cleargate",
                "client_secret": "a secret",
                "redirect_uri": format!("{url}/oidc/corp/callback"),
                "logged_out_uri": format!("{url}/oidc/corp/logged-out"),
                "backchannel_logout_uri": format!("{url}/oidc/corp/backchannel-logout"),
                "alg": "RS256",
                "has_groups_scope": true,
                "person": person,
            });
            let secret = daemon.secret("client.secret", "a secret");
            let known = format!("client_secret = {{ file = \"{}\" }}\n", secret.display());
            let known = if whose == Whose::OidcProvider { known } else { String::new() };
            (settings, format!("[[oidc]]\nissuer = \"{base}\"\nclient_id = \"cleargate\"\nlogout = true\n{known}"))
        };
        daemon.configure(&format!("{section}id = \"corp\"\nname = \"Corp\"\ndomains = [\"example.org\"]\n"));
        let mut stage = Self { whose, daemon, settings, peer: None };
        stage.start_provider("first").await;
        stage.daemon.start().await;
        stage
    }

    /// Starts the provider with a key of its own; one that runs stops before.
    pub(super) async fn start_provider(&mut self, name: &str) {
        drop(self.peer.take());
        if self.whose.is_saml() {
            let [certificate, key] = key(&self.daemon, name);
            (self.settings["certificate"], self.settings["key"]) = (json!(certificate), json!(key));
        }
        self.peer = Some(match self.whose {
            Whose::OidcProvider => Peer::node("openid_provider.mjs", &self.settings).await,
            Whose::OauthMockServer => Peer::node("mock_openid_provider.mjs", &self.settings).await,
            Whose::Pysaml2 => Peer::python("saml_idp.py", &self.settings).await,
            Whose::Samlify => Peer::node("samlify_idp.mjs", &self.settings).await,
            Whose::Simplesamlphp => Peer::python("simplesaml_idp.py", &self.settings).await,
        });
    }

    /// What all have written.
    pub(super) fn logs(&self) -> String {
        format!("{:?}\n{}\n{}", self.whose, self.daemon.log(), self.peer.as_ref().map(Peer::log).unwrap_or_default())
    }

    /// Walks on as somebody does who follows where they are sent, sends every form that asks nothing, and fills in name and
    /// password; to the first page that asks for nothing.
    async fn travel(&self, browser: &Client, mut answer: Answer) -> Answer {
        for _ in 0..20 {
            if let Some(next) = answer.next() {
                answer = browser.get(&next).send().await;
                continue;
            }
            let is_ours = answer.url.to_string().starts_with(&self.daemon.url());
            let Some(form) = Form::of(&answer).filter(|form| !is_ours || form.is_onward) else { return answer };
            let fields: Vec<(&str, &str)> = form.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            answer = browser.post(&form.action).form(&fields).send().await;
        }
        panic!("it never ends, last at {}\n{}", answer.url, self.logs());
    }

    async fn sign_in(&self, browser: &Client) {
        let start = browser.get("/login/corp?return_to=/").send().await;
        let page = self.travel(browser, start).await;
        assert!(page.status == 200 && page.text().contains("Hello"), "{} {}\n{}", page.url, page.text(), self.logs());
        let me = browser.get("/api/v1/me").send().await.json();
        assert_eq!((&me["user"]["userName"], &me["user"]["displayName"]), (&json!(ADA), &json!("Ada Lovelace")));
        assert_eq!((&me["groups"], &me["session"]["connector"]), (&json!(["staff", "analysts"]), &json!("corp")));
    }

    async fn sign_out(&self, browser: &Client) {
        let page = browser.get("/logout").send().await;
        let form = Form::of(&page).unwrap_or_else(|| panic!("{}", page.text()));
        let csrf = form.fields.iter().find(|(name, _)| name == "csrf").unwrap().1.as_str();
        let away = browser.post("/logout").form(&[("csrf", csrf)]).send().await;
        assert_eq!(browser.get("/api/v1/me").send().await.status, 401, "at once, whatever the provider says");
        assert_eq!(away.status, 303, "{}\n{}", away.text(), self.logs());
        let over = self.travel(browser, away).await;
        assert!(over.url.to_string().starts_with(&self.daemon.url()), "{}\n{}", over.text(), self.logs());
        assert!(over.text().contains("Signed out"), "{}\n{}", over.text(), self.logs());
        assert!(!over.text().contains("may still be signed in"), "{}\n{}", over.text(), self.logs());
    }

    /// How often a provider's word was refused.
    pub(super) async fn refusals(&self) -> usize {
        let logs = self.daemon.admin().get("/api/v1/audit-logs?outcome=denied&limit=100").send().await.json();
        logs["logs"].as_array().unwrap().len()
    }
}

/// A page's form, filled in.
struct Form {
    action: String,
    fields: Vec<(String, String)>,
    /// Whether it has nothing to fill in: a message for the next one.
    is_onward: bool,
}

impl Form {
    fn of(page: &Answer) -> Option<Self> {
        let plain = |text: &str| text.replace("&quot;", "\"").replace("&#x27;", "'").replace("&amp;", "&");
        let attribute = |tag: &str, name: &str| {
            let rest = tag.split_once(&format!(" {name}=\""))?.1;
            Some(plain(rest.split('"').next().unwrap()))
        };
        let (_, body) = page.text().split_once("<form")?;
        let form = body.split("</form>").next().unwrap();
        let base = url::Url::parse(&page.url.to_string()).unwrap();
        let action = attribute(form.split('>').next().unwrap(), "action").unwrap_or_default();
        let mut fields = Vec::new();
        for tag in form.split('<').filter(|tag| tag.starts_with("input") || tag.starts_with("button")) {
            let tag = tag.split_once('>').map_or(tag, |(tag, _)| tag);
            let Some(name) = attribute(tag, "name") else { continue };
            let value = match name.as_str() {
                "username" => "ada".to_owned(),
                "password" => "secret".to_owned(),
                _ => attribute(tag, "value").unwrap_or_default(),
            };
            fields.push((name, value));
        }
        let is_message = |(name, _): &(String, String)| name.starts_with("SAML");
        let is_onward = fields.iter().any(is_message);
        Some(Self { action: base.join(&action).unwrap().into(), fields, is_onward })
    }
}

async fn completes_everything(whose: Whose) {
    let mut stage = Stage::new(whose).await;
    let first = stage.daemon.client();
    stage.sign_in(&first).await;
    stage.sign_out(&first).await;
    stage.sign_in(&first).await;
    for name in ["second", "third"] {
        // The provider may be read again at once for the first unknown key; for the next one half a minute or a minute has to
        // pass, or the daemon is new.
        stage.start_provider(name).await;
        let browser = stage.daemon.client();
        stage.sign_in(&browser).await;
        stage.sign_out(&browser).await;
        stage.sign_in(&browser).await;
        assert_eq!(first.get("/api/v1/me").send().await.status, 200, "another browser's session goes on");
        stage.daemon.restart().await;
    }
    assert_eq!(stage.refusals().await, 0, "{}", stage.logs());
}

#[tokio::test]
async fn oidc_provider_completes_sign_in_logout_and_a_change_of_keys() {
    completes_everything(Whose::OidcProvider).await;
}

#[tokio::test]
async fn oauth2_mock_server_completes_sign_in_logout_and_a_change_of_keys() {
    completes_everything(Whose::OauthMockServer).await;
}

#[tokio::test]
async fn pysaml2_completes_sign_in_logout_and_a_change_of_keys() {
    completes_everything(Whose::Pysaml2).await;
}

#[tokio::test]
async fn samlify_completes_sign_in_logout_and_a_change_of_keys() {
    completes_everything(Whose::Samlify).await;
}

#[tokio::test]
async fn simplesamlphp_completes_sign_in_logout_and_a_change_of_keys() {
    completes_everything(Whose::Simplesamlphp).await;
}

#[tokio::test]
async fn samlify_encrypts_and_signs_people_out_here() {
    let stage = Stage::with(Whose::Samlify, true).await;
    let (browser, other) = (stage.daemon.client(), stage.daemon.client());
    stage.sign_in(&other).await;
    stage.sign_in(&browser).await;
    // In whatever browser: who it is about is in the message, and the provider takes our signed answer.
    let base = format!("http://127.0.0.1:{}", stage.settings["port"]);
    let answered = stage.daemon.client().walk(&format!("{base}/logout")).await;
    assert_eq!((answered.status, answered.text()), (200, "signed out"), "{}", stage.logs());
    assert_eq!(browser.get("/api/v1/me").send().await.status, 401);
    assert_eq!(other.get("/api/v1/me").send().await.status, 200, "another session of the person goes on");
}
