//! Sign-in by OpenID Connect through the real program, at the certified provider `oidc-provider` for Node.js.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cleargate::sandbox::saml::{IdpKey, KeyKind};
use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::http::{Answer, Client};
use crate::support::peer::Peer;
use crate::support::port;

const MAPPINGS: &str = r#"
policy.pack = "clearpoint-systems"
[[mapping]]
from = "certified"
when = 'groups eq "analysts"'
grant = { role = "data_analyst", scope = "department:finance" }
[[mapping]]
from = "certified"
when = 'groups eq "auditors" and email ew "@example.org"'
grant = { role = "compliance_officer" }
"#;
const SECRET: &str = "a secret, with spaces: and a colon";

/// A daemon and the provider that it sends people to.
struct Stage {
    daemon: Daemon,
    settings: Value,
    provider: Client,
    peer: Option<Peer>,
}

impl Stage {
    async fn new(algorithm: &str, change: impl FnOnce(&mut Value)) -> Self {
        let mut stage = Self::without_provider(algorithm, change);
        stage.start_provider().await;
        stage.daemon.start().await;
        stage
    }

    fn without_provider(algorithm: &str, change: impl FnOnce(&mut Value)) -> Self {
        let daemon = Daemon::new();
        let port = port::free().port();
        let mut settings = json!({
            "port": port,
            "issuer": format!("http://127.0.0.1:{port}"),
            "client_id": "cleargate",
            "client_secret": SECRET,
            "redirect_uri": format!("{}/oidc/certified/callback", daemon.url()),
            "logged_out_uri": format!("{}/oidc/certified/logged-out", daemon.url()),
            "backchannel_logout_uri": format!("{}/oidc/certified/backchannel-logout", daemon.url()),
            "names_sessions": true,
            "alg": algorithm,
            "claims_in_userinfo": false,
            "has_groups_scope": true,
            "person": ada(&["analysts", "staff"]),
        });
        change(&mut settings);
        let known = match settings["client_certificate"].as_str() {
            None => {
                let secret = daemon.secret("client.secret", SECRET);
                format!("client_secret = {{ file = \"{}\" }}", secret.display())
            }
            Some(certificate) => {
                let key = daemon.secret("client.key", settings["client_key"].as_str().unwrap());
                let certificate = daemon.secret("client.pem", certificate);
                format!(
                    "client_key = {{ key = {{ file = \"{}\" }}, id = \"ours\", certificate = \"{}\", algorithm = {} }}",
                    key.display(),
                    certificate.display(),
                    settings["client_alg"]
                )
            }
        };
        daemon.configure(&format!(
            "{MAPPINGS}\n[[oidc]]\nid = \"certified\"\nissuer = \"http://127.0.0.1:{port}\"\nclient_id = \"cleargate\"\n\
             {known}\ndomains = [\"example.org\"]\nlogout = true\n",
        ));
        let provider = Client::new(&format!("http://127.0.0.1:{port}"));
        Self { daemon, settings, provider, peer: None }
    }

    async fn start_provider(&mut self) {
        self.peer = Some(Peer::node("openid_provider.mjs", &self.settings).await);
    }

    async fn person(&self, person: &Value) {
        assert_eq!(self.provider.put("/person").json(person).send().await.status, 204);
    }

    /// Begins a sign-in and walks to the redirect that leads back.
    async fn answer(&self, browser: &Client) -> String {
        let back = format!("{}/oidc/certified/callback?", self.daemon.url());
        let mut answer = browser.get("/login/certified?return_to=/").send().await;
        for _ in 0..10 {
            let log = || self.peer.as_ref().map(Peer::log).unwrap_or_default();
            let next = answer
                .next()
                .unwrap_or_else(|| panic!("{} at {}: {}\n{}", answer.status, answer.url, answer.text(), log()));
            if next.starts_with(&back) {
                return next;
            }
            answer = browser.get(&next).send().await;
        }
        panic!("the provider never leads back, last to {:?}", answer.location());
    }

    async fn sign_in(&self, browser: &Client) -> Answer {
        let back = self.answer(browser).await;
        browser.get(&back).send().await
    }

    async fn sign_in_well(&self) -> Client {
        let browser = self.daemon.client();
        let answer = self.sign_in(&browser).await;
        assert_eq!((answer.status, answer.location()), (303, Some("/")), "{}\n{}", answer.text(), self.daemon.log());
        browser
    }

    /// Answers the provider's question whether to sign out, which `page` asks, with yes.
    async fn sign_out_there(&self, browser: &Client, page: &Answer) -> Answer {
        assert_eq!(page.status, 200, "{}", page.text());
        let part = |before: &str| page.text().split(before).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let fields = [("xsrf", part("name=\"xsrf\" value=\"")), ("logout", "yes".to_owned())];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        browser.post(&part("action=\"")).form(&fields).send().await
    }

    async fn me(&self, browser: &Client) -> Value {
        let answer = browser.get("/api/v1/me").send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn assert_refused(&self, answer: &Answer, rule: &str) {
        assert_eq!(answer.status, 403, "{}", answer.text());
        let logs = self.daemon.admin().get("/api/v1/audit-logs?outcome=denied&limit=1").send().await.json();
        let newest = logs["logs"][0].to_string();
        assert!(newest.contains(&format!("\"{rule}\"")), "{rule} is not in {newest}");
    }
}

fn ada(groups: &[&str]) -> Value {
    json!({"sub": "subject-1", "email": "ada@example.org", "name": "Ada Lovelace", "groups": groups})
}

async fn ends_with_the_right_roles(stage: &Stage) {
    let browser = stage.sign_in_well().await;
    let me = stage.me(&browser).await;
    assert_eq!(me["user"]["userName"], "ada@example.org");
    assert_eq!(me["user"]["displayName"], "Ada Lovelace");
    assert_eq!(me["roles"], json!(["data_analyst"]));
    assert_eq!(me["permissions"], json!([]), "nothing holds in the whole organisation");
    assert_eq!(me["scopes"]["department:finance"]["roles"], json!(["data_analyst"]));
    assert_eq!(me["session"]["connector"], "certified");
    stage.person(&ada(&["auditors"])).await;
    let second = stage.sign_in_well().await;
    let me = stage.me(&second).await;
    assert_eq!((&me["roles"], &me["scopes"]), (&json!(["compliance_officer"]), &json!({})));
    assert!(me["permissions"].as_array().unwrap().contains(&json!("audit:read")), "{me}");
    // The account was made by the first sign-in, and only once.
    let users = stage.daemon.admin().get("/api/v1/users").send().await.json();
    assert_eq!(users["items"].as_array().unwrap().len(), 1, "{users}");
}

#[tokio::test]
async fn claims_in_a_token_signed_by_rsa_end_with_the_right_roles() {
    ends_with_the_right_roles(&Stage::new("RS256", |_| ()).await).await;
}

#[tokio::test]
async fn claims_of_userinfo_beside_a_token_signed_by_ecdsa_end_with_the_right_roles() {
    ends_with_the_right_roles(&Stage::new("ES256", |settings| settings["claims_in_userinfo"] = json!(true)).await)
        .await;
}

#[tokio::test]
async fn a_scope_that_the_provider_does_not_have_is_not_asked_for() {
    let stage = Stage::new("ES256", |settings| settings["has_groups_scope"] = json!(false)).await;
    let start = stage.daemon.client().get("/login/certified").send().await;
    assert!(start.location().unwrap().contains("scope=openid+profile+email&"), "{start:?}");
    let browser = stage.sign_in_well().await;
    let me = stage.me(&browser).await;
    assert_eq!((&me["user"]["userName"], &me["roles"]), (&json!("ada@example.org"), &json!([])));
}

#[tokio::test]
async fn somebody_made_inactive_is_refused_and_signed_out() {
    let stage = Stage::new("ES256", |_| ()).await;
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
async fn an_answer_is_taken_once_and_in_its_own_browser_only() {
    let stage = Stage::new("ES256", |_| ()).await;
    let browser = stage.daemon.client();
    let back = stage.answer(&browser).await;
    let without = stage.daemon.client();
    stage.assert_refused(&without.get(&back).send().await, "browser").await;
    let other = stage.daemon.client();
    let theirs = stage.answer(&other).await;
    stage.assert_refused(&other.get(&back).send().await, "ticket").await;
    assert_eq!(other.get("/api/v1/me").send().await.status, 401);
    // The refused attempts have not used up the sign-in of either.
    assert_eq!(browser.get(&back).send().await.status, 303);
    stage.assert_refused(&browser.get(&back).send().await, "ticket").await;
    assert_eq!(other.get(&theirs).send().await.status, 303);
}

#[tokio::test]
async fn a_code_moved_to_another_sign_in_is_refused() {
    let stage = Stage::new("ES256", |_| ()).await;
    let value = |address: &str, name: &str| {
        let address = url::Url::parse(address).unwrap();
        address.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned()
    };
    let (browser, other) = (stage.daemon.client(), stage.daemon.client());
    let (back, theirs) = (stage.answer(&browser).await, stage.answer(&other).await);
    let moved = back.replace(&value(&back, "code"), &value(&theirs, "code"));
    // The provider refuses the code, whose PKCE challenge is of the other sign-in.
    let answer = browser.get(&moved).send().await;
    stage.assert_refused(&answer, "declined").await;
    assert_eq!(browser.get("/api/v1/me").send().await.status, 401);
}

#[tokio::test]
async fn a_provider_that_is_down_stops_its_sign_in_only_until_it_is_up() {
    let mut stage = Stage::without_provider("ES256", |_| ());
    stage.daemon.start().await;
    let browser = stage.daemon.client();
    let refused = browser.get("/login/certified?return_to=/").send().await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("30")), "{}", refused.text());
    assert!(refused.text().contains("not available"), "{}", refused.text());
    assert_eq!(browser.get("/login").send().await.status, 200);
    stage.start_provider().await;
    let began = Instant::now();
    while browser.get("/login/certified?return_to=/").send().await.status == 503 {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", stage.daemon.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    ends_with_the_right_roles(&stage).await;
}

#[tokio::test]
async fn whoever_signs_out_at_the_provider_is_signed_out_here_by_the_back_channel() {
    for (algorithm, names_sessions) in [("ES256", true), ("RS256", false)] {
        let stage = Stage::new(algorithm, |settings| settings["names_sessions"] = json!(names_sessions)).await;
        let (browser, other) = (stage.sign_in_well().await, stage.sign_in_well().await);
        let page = browser.get(&format!("{}/session/end", stage.settings["issuer"].as_str().unwrap())).send().await;
        assert_eq!(stage.me(&browser).await["session"]["connector"], "certified");
        stage.sign_out_there(&browser, &page).await;
        let is_in = browser.get("/api/v1/me").send().await.status;
        assert_eq!(is_in, 401, "{}\n{}", stage.daemon.log(), stage.peer.as_ref().unwrap().log());
        // By the name of the session that browser only, by the person's name all of them.
        let expected = if names_sessions { 200 } else { 401 };
        assert_eq!(other.get("/api/v1/me").send().await.status, expected);
        // The provider tells moments by the second, and what it vouched for in the second of the logout is refused.
        let began = Instant::now();
        while stage.sign_in(&browser).await.location() != Some("/") {
            assert!(began.elapsed() < Duration::from_secs(30), "{}", stage.daemon.log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(stage.me(&browser).await["session"]["connector"], "certified");
    }
}

#[tokio::test]
async fn whoever_signs_out_here_is_signed_out_at_the_provider_and_comes_back() {
    let stage = Stage::new("ES256", |_| ()).await;
    let browser = stage.sign_in_well().await;
    let home = browser.get("/").send().await;
    let csrf = home.text().split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let there = browser.post("/logout").form(&[("csrf", &csrf)]).send().await;
    assert_eq!(there.status, 303, "{}", there.text());
    let page = browser.get(&there.next().unwrap()).send().await;
    let back = stage.sign_out_there(&browser, &page).await;
    let back = back.next().unwrap_or_else(|| panic!("{}", back.text()));
    assert!(back.starts_with(&format!("{}/oidc/certified/logged-out?state=", stage.daemon.url())), "{back}");
    let over = browser.get(&back).send().await;
    assert_eq!(over.status, 200, "{}", over.text());
    assert!(over.text().contains("Signed out"), "{}", over.text());
    // The provider asks who it is again.
    let end = format!("{}/session/end", stage.settings["issuer"].as_str().unwrap());
    assert!(browser.get(&end).send().await.text().contains("logout"), "nobody is signed in there");
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}

#[tokio::test]
async fn a_key_of_ours_takes_the_place_of_the_secret() {
    for (algorithm, kind) in [("ES256", KeyKind::EcdsaP256), ("PS256", KeyKind::Rsa2048), ("RS256", KeyKind::Rsa2048)] {
        let stage = Stage::new("ES256", |settings| {
            let key = IdpKey::generate(kind, "sso.example.org").unwrap();
            settings["client_certificate"] = json!(pem("CERTIFICATE", key.certificate()));
            settings["client_key"] = json!(pem("PRIVATE KEY", key.private_key()));
            settings["client_alg"] = json!(algorithm);
        })
        .await;
        stage.sign_in_well().await;
        stage.sign_in_well().await;
    }
}

#[tokio::test]
async fn a_key_that_the_provider_does_not_know_lets_nobody_in() {
    let mut stage = Stage::without_provider("ES256", |settings| {
        let key = IdpKey::generate(KeyKind::EcdsaP256, "sso.example.org").unwrap();
        settings["client_certificate"] = json!(pem("CERTIFICATE", key.certificate()));
        settings["client_key"] = json!(pem("PRIVATE KEY", key.private_key()));
        settings["client_alg"] = json!("ES256");
    });
    let other = IdpKey::generate(KeyKind::EcdsaP256, "sso.example.org").unwrap();
    stage.settings["client_certificate"] = json!(pem("CERTIFICATE", other.certificate()));
    stage.start_provider().await;
    stage.daemon.start().await;
    let browser = stage.daemon.client();
    let answer = stage.sign_in(&browser).await;
    stage.assert_refused(&answer, "declined").await;
}
