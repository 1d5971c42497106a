//! Sign-in by SAML through the real program, at an identity provider on pysaml2.

use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::http::{Answer, Client};
use crate::support::peer::Peer;
use crate::support::port;

const MAPPINGS: &str = r#"
policy.pack = "clearpoint-systems"
[[mapping]]
from = "corp"
when = 'groups eq "analysts"'
grant = { role = "data_analyst", scope = "department:finance" }
[[mapping]]
from = "corp"
when = 'groups eq "auditors" and email ew "@example.org"'
grant = { role = "compliance_officer" }
"#;

/// The way to the provider's metadata.
#[derive(Clone, Copy)]
enum Metadata {
    File,
    Url,
}

/// A daemon that trusts a provider.
struct Stage {
    daemon: Daemon,
    provider: Client,
    _peer: Peer,
}

/// A page that a browser would send on by itself.
struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

impl Form {
    fn parse(page: &str) -> Self {
        let plain = |text: &str| text.replace("&quot;", "\"").replace("&#x27;", "'").replace("&amp;", "&");
        let attribute = |tag: &str, name: &str| {
            let marker = format!("{name}=\"");
            let start = tag.find(&marker).unwrap_or_else(|| panic!("no {name} in {tag}")) + marker.len();
            plain(tag[start..].split('"').next().unwrap())
        };
        let tags = |name: &str| page.split('<').filter(|tag| tag.starts_with(name)).collect::<Vec<_>>();
        let inputs = tags("input").into_iter();
        Self {
            action: attribute(tags("form ").first().unwrap_or_else(|| panic!("no form in {page}")), "action"),
            fields: inputs.map(|tag| (attribute(tag, "name"), attribute(tag, "value"))).collect(),
        }
    }

    async fn send(&self, browser: &Client) -> Answer {
        let fields: Vec<(&str, &str)> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.post(&self.action).form(&fields).send().await
    }

    fn field(&mut self, name: &str) -> &mut String {
        &mut self.fields.iter_mut().find(|(found, _)| found == name).unwrap().1
    }
}

impl Stage {
    async fn new(sign: &str) -> Self {
        Self::with(Daemon::new(), sign, Metadata::Url).await
    }

    async fn with(daemon: Daemon, sign: &str, metadata: Metadata) -> Self {
        Self::build(daemon, sign, metadata, false).await
    }

    /// At a provider that takes signed requests only, and has single logout.
    async fn signing() -> Self {
        Self::build(Daemon::new(), "both", Metadata::Url, true).await
    }

    async fn build(mut daemon: Daemon, sign: &str, metadata: Metadata, signs_requests: bool) -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let (url, port) = (daemon.url(), port::free().port());
        let mut settings = json!({
            "port": port,
            "key": daemon.secret("idp.key", &key.serialize_pem()),
            "certificate": daemon.secret("idp.pem", &certificate.pem()),
            "sp_entity_id": format!("{url}/saml/corp/metadata"),
            "acs_url": format!("{url}/saml/corp/acs"),
            "sign": sign,
            "person": ada(&["analysts", "staff"]),
        });
        let mut own = String::new();
        if signs_requests {
            let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
            let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
            let certificate = daemon.secret("own.pem", &certificate.pem());
            let key = daemon.secret("own.key", &key.serialize_pem());
            settings["sp_certificate"] = json!(certificate);
            settings["slo_url"] = json!(format!("{url}/saml/corp/slo"));
            own = format!("signing = [{{ certificate = {certificate:?}, key = {{ file = {key:?} }} }}]\n");
        }
        let peer = Peer::python("saml_idp.py", &settings).await;
        let provider = Client::new(&format!("http://127.0.0.1:{port}"));
        let metadata = match metadata {
            Metadata::Url => format!("metadata.url = \"http://127.0.0.1:{port}/metadata\""),
            Metadata::File => {
                let document = provider.get("/metadata").send().await;
                let path = daemon.secret("idp.xml", document.text());
                format!("metadata.file = \"{}\"", path.display())
            }
        };
        let saml = format!("[[saml]]\nid = \"corp\"\ndomains = [\"example.org\"]\n{metadata}\n{own}");
        daemon.configure(&format!("{MAPPINGS}\n{saml}"));
        daemon.start().await;
        Self { daemon, provider, _peer: peer }
    }

    /// Who the provider signs in from now on.
    async fn person(&self, person: &Value) {
        assert_eq!(self.provider.put("/person").json(person).send().await.status, 204);
    }

    /// Begins a sign-in and comes as far as the provider's page.
    async fn form(&self, browser: &Client) -> Form {
        let page = browser.walk("/login/corp?return_to=/").await;
        assert_eq!(page.status, 200, "{}", page.text());
        let form = Form::parse(page.text());
        assert_eq!(form.action, format!("{}/saml/corp/acs", self.daemon.url()));
        form
    }

    async fn sign_in(&self, browser: &Client) -> Answer {
        self.form(browser).await.send(browser).await
    }

    async fn sign_in_well(&self) -> Client {
        let browser = self.daemon.client();
        let answer = self.sign_in(&browser).await;
        assert_eq!((answer.status, answer.location()), (303, Some("/")), "{}\n{}", answer.text(), self.daemon.log());
        browser
    }

    async fn me(&self, browser: &Client) -> Value {
        let answer = browser.get("/api/v1/me").send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// A refusal says nothing but that it is one; its rule is in the ledger.
    async fn assert_refused(&self, answer: &Answer, rule: &str) {
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert!(answer.text().contains("could not be used"), "{}", answer.text());
        let logs = self.daemon.admin().get("/api/v1/audit-logs?outcome=denied&limit=1").send().await.json();
        let newest = logs["logs"][0].to_string();
        assert!(newest.contains(&format!("\"{rule}\"")), "{rule} is not in {newest}");
    }
}

fn ada(groups: &[&str]) -> Value {
    json!({"email": "ada@example.org", "name": "Ada Lovelace", "groups": groups})
}

async fn ends_with_the_right_roles(stage: &Stage) {
    let browser = stage.sign_in_well().await;
    let me = stage.me(&browser).await;
    assert_eq!(me["user"]["userName"], "ada@example.org");
    assert_eq!(me["user"]["displayName"], "Ada Lovelace");
    assert_eq!(me["roles"], json!(["data_analyst"]));
    assert_eq!(me["permissions"], json!([]), "nothing holds in the whole organisation");
    assert_eq!(me["scopes"]["department:finance"]["roles"], json!(["data_analyst"]));
    let rights = me["scopes"]["department:finance"]["permissions"].as_array().unwrap();
    assert!(rights.contains(&json!("data:export")) && !rights.contains(&json!("audit:read")), "{rights:?}");
    assert_eq!(me["session"]["connector"], "corp");
    // The account was made by this sign-in, and only once.
    stage.sign_in_well().await;
    let users = stage.daemon.admin().get("/api/v1/users").send().await.json();
    assert_eq!(users["items"].as_array().unwrap().len(), 1, "{users}");
}

#[tokio::test]
async fn a_signed_assertion_ends_with_the_right_roles() {
    ends_with_the_right_roles(&Stage::new("assertion").await).await;
}

#[tokio::test]
async fn a_signed_response_ends_with_the_right_roles() {
    ends_with_the_right_roles(&Stage::new("response").await).await;
}

#[tokio::test]
async fn a_signed_response_with_a_signed_assertion_ends_with_the_right_roles() {
    ends_with_the_right_roles(&Stage::new("both").await).await;
}

#[tokio::test]
async fn metadata_from_a_file_serves_over_tls() {
    let stage = Stage::with(Daemon::with_tls(), "assertion", Metadata::File).await;
    let browser = stage.daemon.client();
    let start = browser.get("/login/corp?return_to=/").send().await;
    // The provider's page posts from another site.
    let cookie = start.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-cleargate-login=") && cookie.contains("SameSite=None"), "{cookie}");
    ends_with_the_right_roles(&stage).await;
}

#[tokio::test]
async fn the_roles_follow_the_groups_of_the_last_sign_in() {
    let stage = Stage::new("assertion").await;
    let first = stage.sign_in_well().await;
    stage.person(&ada(&["auditors"])).await;
    let second = stage.sign_in_well().await;
    let me = stage.me(&second).await;
    assert_eq!(me["roles"], json!(["compliance_officer"]));
    assert!(me["permissions"].as_array().unwrap().contains(&json!("audit:read")), "{me}");
    assert_eq!(me["scopes"], json!({}));
    // The roles are the person's, not the session's.
    assert_eq!(stage.me(&first).await["roles"], me["roles"]);
    stage.person(&ada(&[])).await;
    let third = stage.sign_in_well().await;
    assert_eq!(stage.me(&third).await["roles"], json!([]));
}

#[tokio::test]
async fn somebody_made_inactive_is_refused_and_signed_out() {
    let stage = Stage::new("assertion").await;
    let browser = stage.sign_in_well().await;
    let admin = stage.daemon.admin();
    let changed = admin.patch("/api/v1/users/ada@example.org").json(&json!({"active": false})).send().await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(browser.get("/api/v1/me").send().await.status, 401);
    let visitor = stage.daemon.client();
    let answer = stage.sign_in(&visitor).await;
    stage.assert_refused(&answer, "inactive").await;
    assert_eq!(visitor.get("/api/v1/me").send().await.status, 401);
}

#[tokio::test]
async fn an_answer_is_taken_once_and_for_its_own_sign_in_only() {
    let stage = Stage::new("assertion").await;
    let browser = stage.daemon.client();
    let mut form = stage.form(&browser).await;
    assert_eq!(form.send(&browser).await.status, 303);
    let again = form.send(&browser).await;
    stage.assert_refused(&again, "ticket").await;
    // With the handle of a new sign-in it answers a request that was not asked.
    let mut fresh = stage.form(&browser).await;
    form.field("RelayState").clone_from(fresh.field("RelayState"));
    let moved = form.send(&browser).await;
    stage.assert_refused(&moved, "in-response-to").await;
}

#[tokio::test]
async fn an_answer_in_another_browser_is_refused() {
    let stage = Stage::new("assertion").await;
    let browser = stage.daemon.client();
    let form = stage.form(&browser).await;
    let without = stage.daemon.client();
    stage.assert_refused(&form.send(&without).await, "browser").await;
    // With a pre-login cookie of its own, from a sign-in of its own.
    let other = stage.daemon.client();
    stage.form(&other).await;
    stage.assert_refused(&form.send(&other).await, "ticket").await;
    assert_eq!(other.get("/api/v1/me").send().await.status, 401);
}

#[tokio::test]
async fn an_altered_answer_is_refused() {
    let stage = Stage::new("assertion").await;
    let browser = stage.daemon.client();
    let mut form = stage.form(&browser).await;
    let response = String::from_utf8(BASE64_STANDARD.decode(form.field("SAMLResponse").as_bytes()).unwrap()).unwrap();
    assert!(response.contains(">staff<"));
    *form.field("SAMLResponse") = BASE64_STANDARD.encode(response.replace(">staff<", ">auditors<"));
    let answer = form.send(&browser).await;
    stage.assert_refused(&answer, "digest").await;
}

#[tokio::test]
async fn signed_requests_and_logout_at_both_ends() {
    let stage = Stage::signing().await;
    let browser = stage.sign_in_well().await;
    // Signing out here leads to the provider, which verifies the request and sends the browser back with its answer.
    let csrf = |page: &Answer| {
        page.text().split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let token = csrf(&browser.get("/logout").send().await);
    let to_provider = browser.post("/logout").form(&[("csrf", token.as_str())]).send().await;
    assert_eq!(to_provider.status, 303, "{}\n{}", to_provider.text(), stage.daemon.log());
    let back = browser.walk(to_provider.location().unwrap()).await;
    assert_eq!(back.status, 200, "{}\n{}", back.text(), stage.daemon.log());
    assert!(back.text().contains("Signed out") && !back.text().contains("may still be signed in"), "{}", back.text());
    assert_eq!(browser.get("/api/v1/me").send().await.status, 401);
    // Signing out there ends the session here, and the provider takes our answer.
    let browser = stage.daemon.client();
    let mut form = stage.form(&browser).await;
    let response = String::from_utf8(BASE64_STANDARD.decode(form.field("SAMLResponse").as_bytes()).unwrap()).unwrap();
    let session = response.split("SessionIndex=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(form.send(&browser).await.status, 303);
    assert_eq!(browser.get("/api/v1/me").send().await.status, 200);
    let other = stage.sign_in_well().await;
    let asked = stage.provider.get(&format!("/logout?session={session}")).send().await;
    assert_eq!(asked.status, 303, "{}", asked.text());
    let answered = stage.daemon.client().walk(asked.location().unwrap()).await;
    assert_eq!((answered.status, answered.text()), (200, "signed out"), "{}", stage.daemon.log());
    assert_eq!(browser.get("/api/v1/me").send().await.status, 401);
    assert_eq!(other.get("/api/v1/me").send().await.status, 200, "another session of the person goes on");
}
