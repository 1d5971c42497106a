//! `saml test` and `oidc test`: providers are tried as a configuration has them, before it is in force, without a daemon.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use cleargate::clock::Clock;
use cleargate::sandbox::openid::{Endpoint, KnownClient, Provider, router};
use cleargate::sandbox::saml::{Idp, IdpKey, KeyKind, Person, Request};
use cleargate::secret::{IdSource, Secret};
use cleargate::upstream::RedirectConnector;
use cleargate::upstream::saml::{AttributeNames, DEFAULT_CLOCK_SKEW, IdpMetadata, Options, SamlConnector, Settings};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::ended;
use crate::oidc::stage::{CLIENT_ID, CLIENT_SECRET, KEY, Spoil, accept};

const PUBLIC: &str = "https://sso.example.org";
const RULES: &str = r#"
[[mapping]]
from = "idp"
when = 'groups eq "staff"'
grant = { role = "viewer" }
"#;

fn config(folder: &Path, lines: &str) -> PathBuf {
    let path = folder.join("new.toml");
    let text = format!("public_url = \"{PUBLIC}\"\npolicy.pack = \"clearpoint-systems\"\n{lines}\n{RULES}");
    std::fs::write(&path, text).unwrap();
    path
}

/// Runs a command, as JSON, beside the providers of this process.
async fn tried(arguments: &[&str]) -> (i32, Value, String) {
    let owned: Vec<String> = arguments.iter().chain(&["--json"]).map(|text| (*text).to_owned()).collect();
    let run = move || ended(&owned.iter().map(String::as_str).collect::<Vec<_>>());
    let (code, out, err) = tokio::task::spawn_blocking(run).await.unwrap();
    (code, serde_json::from_str(&out).unwrap_or(Value::Null), err)
}

/// How the check of this name ended, and what it tells.
#[track_caller]
fn check<'a>(object: &'a Value, name: &str) -> (&'a str, &'a str) {
    let all = object["checks"].as_array().unwrap_or_else(|| panic!("no checks in {object}"));
    let found = all.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no {name} in {object}"));
    (found["result"].as_str().unwrap(), found["detail"].as_str().unwrap())
}

/// A provider by the machine's clock, and where it is.
async fn openid(spoil: Spoil) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let secret = Some(Secret::new(CLIENT_SECRET.into()));
    let client = KnownClient { id: CLIENT_ID.into(), secret, redirect_uris: Vec::new() };
    let ids = IdSource::seeded(7);
    let provider = Provider::new(&base, Arc::clone(&KEY), client, Vec::new(), Clock::system(), ids).tampered(spoil);
    let mut server = JoinSet::new();
    server.spawn(accept(listener, router(provider)));
    (base, server)
}

fn oidc_lines(issuer: &str) -> String {
    format!("[[oidc]]\nid = \"idp\"\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT_ID}\"\ndomains = [\"example.org\"]\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_openid_provider_is_tried_before_its_configuration_is_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let (base, _server) = openid(Spoil::default()).await;
    let path = config(folder.path(), &oidc_lines(&base));
    let arguments = ["oidc", "test", "idp", "--config", path.to_str().unwrap()];
    let (code, object, err) = tried(&arguments).await;
    assert_eq!((code, &object["passed"]), (0, &Value::Bool(true)), "{object} {err}");
    for name in ["reachable", "clock", "issuer", "client", "algorithms", "keys", "request", "domains", "rules"] {
        assert_eq!(check(&object, name).0, "ok", "{name}: {object}");
    }
    assert!(check(&object, "register").1.contains("https://sso.example.org/oidc/idp/callback"));
    assert_eq!(check(&object, "tls").0, "warning", "plain HTTP on loopback");

    let plain = tokio::task::spawn_blocking({
        let path = path.clone();
        move || ended(&["oidc", "test", "idp", "--config", path.to_str().unwrap()])
    });
    let (code, out, _) = plain.await.unwrap();
    assert!(code == 0 && out.lines().any(|line| line.starts_with("ok    issuer")), "{out}");
    assert_eq!(tried(&["oidc", "test", "nobody", "--config", path.to_str().unwrap()]).await.0, 5);
    assert_eq!(
        tried(&["saml", "test", "idp", "--config", path.to_str().unwrap()]).await.0,
        5,
        "it is no SAML provider"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_people_out_at_an_openid_provider_fails_its_check() {
    let folder = tempfile::tempdir().unwrap();
    type Wrong = (&'static str, Spoil, &'static str);
    let wrongs: [Wrong; 4] = [
        ("discovery", Spoil::document(Endpoint::Discovery, |d| d["issuer"] = "https://evil.example".into()), "issuer"),
        (
            "algorithms",
            Spoil::document(Endpoint::Discovery, |d| {
                d["id_token_signing_alg_values_supported"] = serde_json::json!(["HS256", "none"])
            }),
            "HS256",
        ),
        ("keys", Spoil::document(Endpoint::Keys, |d| d["keys"] = serde_json::json!([])), "no key"),
        (
            "discovery",
            Spoil::document(Endpoint::Discovery, |d| d["token_endpoint"] = "file:///etc/passwd".into()),
            "https",
        ),
    ];
    for (name, spoil, told) in wrongs {
        let (base, _server) = openid(spoil).await;
        let path = config(folder.path(), &oidc_lines(&base));
        let (code, object, err) = tried(&["oidc", "test", "idp", "--config", path.to_str().unwrap()]).await;
        assert_eq!((code, &object["passed"]), (1, &Value::Bool(false)), "{name}: {object}");
        let (result, detail) = check(&object, name);
        assert!(result == "failed" && detail.contains(told), "{name}: {object} {err}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let path = config(folder.path(), &oidc_lines(&format!("http://{nobody}")));
    let (code, object, _) = tried(&["oidc", "test", "idp", "--config", path.to_str().unwrap()]).await;
    assert_eq!((code, check(&object, "reachable").0, check(&object, "keys").0), (1, "failed", "open"), "{object}");
}

struct Saml {
    folder: tempfile::TempDir,
    idp: Idp,
    config: PathBuf,
}

impl Saml {
    fn new(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = IdpKey::generate(KeyKind::EcdsaP256, "idp.example").unwrap();
        let idp = Idp::new("https://idp.example.org", Vec::new(), key, Clock::system(), IdSource::system());
        std::fs::write(folder.path().join("idp.xml"), idp.metadata()).unwrap();
        let section = format!(
            "[[saml]]\nid = \"idp\"\nmetadata = {{ file = \"idp.xml\" }}\ndomains = [\"example.org\"]\n{lines}"
        );
        let config = config(folder.path(), &section);
        Self { folder, idp, config }
    }

    /// A response as a browser carried it, in a file.
    async fn captured(&self, audience: &str, alter: impl Fn(String) -> String, encode: bool) -> PathBuf {
        let settings = Settings {
            id: "idp".parse().unwrap(),
            public_url: audience.to_owned(),
            idp: IdpMetadata::parse(self.idp.metadata().as_bytes()).unwrap(),
            clock_skew: DEFAULT_CLOCK_SKEW,
            attributes: AttributeNames::default(),
            domains: Vec::new(),
            options: Options::default(),
        };
        let start = SamlConnector::new(settings, Clock::system(), IdSource::system()).start().await.unwrap();
        let url: url::Url = start.location.parse().unwrap();
        let request = url.query_pairs().find(|(name, _)| name == "SAMLRequest").unwrap().1.into_owned();
        let person = Person {
            name: "Ada Lovelace".to_owned(),
            email: "ada@example.org".to_owned(),
            groups: vec!["staff".to_owned()],
        };
        let response = alter(self.idp.respond(&Request::parse(&request).unwrap(), &person).unwrap());
        let file = self.folder.path().join("response");
        std::fs::write(&file, if encode { BASE64_STANDARD.encode(response) } else { response }).unwrap();
        file
    }

    async fn respond(&self, file: &Path, more: &[&str]) -> (i32, Value, String) {
        let fixed =
            ["saml", "test", "idp", "--config", self.config.to_str().unwrap(), "--response", file.to_str().unwrap()];
        tried(&[&fixed[..], more].concat()).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saml_provider_is_tried_by_its_configuration_and_by_bare_metadata() {
    let saml = Saml::new("");
    let path = saml.config.to_str().unwrap();
    let (code, object, err) = tried(&["saml", "test", "idp", "--config", path]).await;
    assert_eq!((code, &object["passed"]), (0, &Value::Bool(true)), "{object} {err}");
    for name in ["entity", "certificates", "address", "signing", "request", "domains", "rules"] {
        assert!(matches!(check(&object, name).0, "ok" | "warning"), "{name}: {object}");
    }
    assert!(check(&object, "register").1.contains("https://sso.example.org/saml/idp/acs"), "{object}");
    let metadata = saml.folder.path().join("idp.xml");
    let (code, object, err) =
        tried(&["saml", "test", "--config", path, "--metadata", metadata.to_str().unwrap()]).await;
    assert_eq!((code, check(&object, "entity").0), (0, "ok"), "{object} {err}");

    // What is served at an address, and what is not.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let document = saml.idp.metadata();
    let signed = document.replace("WantAuthnRequestsSigned=\"false\"", "WantAuthnRequestsSigned=\"true\"");
    assert_ne!(signed, document);
    let serve = |text: String| axum::routing::get(move || std::future::ready(text.clone()));
    let app = axum::Router::new()
        .route("/good", serve(document))
        .route("/signed", serve(signed))
        .route("/bad", serve("<html></html>".to_owned()));
    let mut server = JoinSet::new();
    server.spawn(accept(listener, app));
    for (place, exit, name, result) in [
        ("good", 0, "clock", "ok"),
        ("signed", 1, "signing", "failed"),
        ("bad", 1, "metadata", "failed"),
        ("nothing", 1, "reachable", "failed"),
    ] {
        let (code, object, err) =
            tried(&["saml", "test", "--config", path, "--metadata", &format!("{base}/{place}")]).await;
        assert_eq!((code, check(&object, name).0), (exit, result), "{place}: {object} {err}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_captured_response_shows_every_check_who_it_is_and_the_roles() {
    let saml = Saml::new("");
    for encode in [true, false] {
        let file = saml.captured(PUBLIC, |response| response, encode).await;
        let (code, object, err) = saml.respond(&file, &[]).await;
        assert_eq!((code, &object["passed"]), (0, &Value::Bool(true)), "{object} {err}");
        assert_eq!(check(&object, "signature").0, "ok");
        assert_eq!(object["identity"]["email"], "ad…@example.org", "shortened");
        assert!(object["roles"][0].as_str().unwrap().starts_with("viewer, by "), "{object}");
        assert!(object["account"].as_str().unwrap().starts_with("not looked up"), "no daemon runs: {object}");
        let again = saml.respond(&file, &["--show"]).await;
        assert_eq!(
            (again.0, &again.1["identity"]["email"]),
            (0, &"ada@example.org".into()),
            "it is used up by nothing"
        );
    }
    let file = saml.captured(PUBLIC, |response| response.replace("ada@example.org", "eve@example.org"), true).await;
    let (code, object, _) = saml.respond(&file, &[]).await;
    assert_eq!((code, check(&object, "signature").0, check(&object, "audience").0), (1, "failed", "open"), "{object}");
    assert!(object.get("identity").is_none() && object.get("roles").is_none(), "who it is was not read: {object}");
    let file = saml.captured("https://other.example.org", |response| response, true).await;
    let (code, object, _) = saml.respond(&file, &[]).await;
    assert_eq!((code, check(&object, "signature").0, check(&object, "destination").0), (1, "ok", "failed"), "{object}");
    let file = saml.captured(PUBLIC, |_| "<!DOCTYPE x [<!ENTITY a \"b\">]><x>&a;</x>".to_owned(), false).await;
    assert_eq!(check(&saml.respond(&file, &[]).await.1, "answer").0, "failed");
    let none = saml.folder.path().join("none");
    assert_eq!(saml.respond(&none, &[]).await.0, 1);
}
