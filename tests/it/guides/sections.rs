//! The further sections of the guides: certificates in the place of secrets, groups that are too many, servers with an issuer of
//! their own, organisations, and a change of keys.

use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::routing::post;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use cleargate::clock::ManualClock;
use cleargate::sandbox::saml::{Idp, IdpKey, KeyKind, Signs};
use cleargate::secret::{IdSource, sha256};
use http::HeaderMap;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::openid::{Habit, SECRET, TENANT, Theirs, any, entra, google, put, value};
use super::saml::{self, Typed, own_files};
use super::*;
use crate::oidc::stage::accept;
use crate::support::gateway::START;

const ENTRA: &str = "/00000000-0000-0000-0000-000000000000/v2.0";
const ENTRA_REDIRECT: &str = "https://sso.example.com/oidc/entra/callback";

/// The one JSON part of a token.
fn part(token: &str, number: usize) -> Value {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(number).unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Entra ID knows us by the certificate that was uploaded there: its thumbprint names it, its key has signed, for this token
/// endpoint, once.
#[tokio::test]
async fn entra_id_with_a_certificate_in_the_place_of_a_secret() {
    let guide = Guide::read("entra-id").section("### A certificate instead of a secret");
    let configuration = guide.configuration("client_key");
    let own = IdpKey::generate(KeyKind::Rsa2048, "sso.example.com").unwrap();
    let [certificate, key] = own_files(&own);
    let description = |document: &mut Value| {
        let ways = json!(["client_secret_post", "private_key_jwt", "client_secret_basic"]);
        document["token_endpoint_auth_methods_supported"] = ways;
    };
    let habit = Habit { has_secret: false, ..entra(ENTRA, description) };
    let forms = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&forms);
    let keep = move |request: Request, next: Next| {
        let kept = Arc::clone(&kept);
        async move {
            let (parts, body) = request.into_parts();
            let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            if parts.uri.path().ends_with("/token") {
                let form = form_urlencoded::parse(&bytes).into_owned().collect::<Vec<(String, String)>>();
                kept.lock().unwrap().push(form);
            }
            next.run(Request::from_parts(parts, Body::from(bytes))).await
        }
    };
    let client_id = value(&configuration, "client_id").to_owned();
    let theirs = Theirs::with(ENTRA_REDIRECT.to_owned(), &client_id, habit, |app| app.layer(from_fn(keep))).await;
    let hosts = [("https://login.microsoftonline.com", theirs.base.as_str())];
    let files = [("entra.pem", certificate.as_str()), ("entra.key", key.as_str())];
    let gateway = gateway(&configuration, &hosts, &files).await;
    theirs.sign_in(&gateway, "entra").await;
    let forms = forms.lock().unwrap().clone();
    assert_eq!(forms.len(), 2, "the test and the sign-in");
    let (_, parsed) = X509Certificate::from_der(own.certificate()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &parsed.public_key().subject_public_key.data);
    let mut ids = Vec::new();
    for form in forms {
        let field = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(field("client_assertion_type"), Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
        assert_eq!(field("client_secret"), None);
        let token = field("client_assertion").unwrap();
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(sha256(own.certificate()));
        assert_eq!(part(token, 0), json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        public.verify(signed.as_bytes(), &BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let claims = part(token, 1);
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!(client_id), &json!(client_id)));
        assert_eq!(claims["aud"], json!(format!("{}{ENTRA}/token", theirs.base)));
        assert_eq!(claims["exp"].as_i64().unwrap() - START.as_seconds(), 120);
        ids.push(claims["jti"].as_str().unwrap().to_owned());
    }
    assert_ne!(ids[0], ids[1], "each is good once");
}

/// A token that says that there are groups, and where; nothing else knows them.
fn overage(claims: &mut Map<String, Value>) {
    (entra(ENTRA, |_| ()).claims)(claims);
    claims.remove("groups");
    let graph = json!({"src1": {"endpoint": "https://graph.windows.net/TENANT/users/x/getMemberObjects"}});
    put(claims, json!({"_claim_names": {"groups": "src1"}, "_claim_sources": graph}));
}

fn with_overage() -> Habit {
    let user_info = |document: &mut Value| drop(document.as_object_mut().unwrap().remove("groups"));
    Habit { claims: overage, user_info, ..entra(ENTRA, |_| ()) }
}

#[tokio::test]
async fn entra_id_with_many_groups() {
    let page = Guide::read("entra-id");
    let plain = page.section("## OpenID Connect instead").configuration("[[oidc]]");
    let section = page.section("### Many groups");
    let lines = format!("{}\n{}\n", section.code("groups_endpoint = "), section.code("scopes = "));
    assert!(section.0.contains("`User.Read`") && lines.contains("\"User.Read\""), "{lines}");
    let theirs = Theirs::new(ENTRA_REDIRECT.to_owned(), value(&plain, "client_id"), with_overage()).await;
    let base = ("https://login.microsoftonline.com", theirs.base.as_str());
    let files = [("entra.secret", SECRET)];
    // Without the endpoint the person would come without their roles.
    let refusing = gateway(&plain, &[base, ("graph.microsoft.com", "localhost")], &files).await;
    let mut browser = refusing.visitor();
    let start = browser.get("/login/entra?return_to=/").await;
    assert_eq!(theirs.answer(&mut browser, &start).await.status, StatusCode::FORBIDDEN);
    assert_eq!(refused_by(&refusing).await, "groups");
    // Microsoft's directory, which gives them to whoever brings the access token of the sign-in.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let graph = format!("http://{}", listener.local_addr().unwrap());
    let answer = |headers: HeaderMap| async move {
        assert!(headers["authorization"].to_str().unwrap().starts_with("Bearer "));
        axum::Json(json!({"value": ["55555555-5555-5555-5555-555555555555", TENANT]}))
    };
    let mut server = JoinSet::new();
    server.spawn(accept(listener, Router::new().route("/v1.0/me/getMemberObjects", post(answer))));
    let configuration = plain.replace("\n[outbound]", &format!("{lines}\n[outbound]"));
    let hosts = [base, ("https://graph.microsoft.com", graph.as_str()), ("graph.microsoft.com", "localhost")];
    let asking = gateway(&configuration, &hosts, &files).await;
    let start = asking.visitor().get("/login/entra?return_to=/").await;
    assert!(start.location().contains("User.Read"), "{}", start.location());
    let mut browser = theirs.sign_in(&asking, "entra").await;
    let me = browser.get("/api/v1/me").await.json();
    assert_eq!(me["groups"], json!(["55555555-5555-5555-5555-555555555555", TENANT]));
}

#[tokio::test]
async fn entra_id_by_openid_connect_signs_people_out_there_too() {
    let guide = Guide::read("entra-id").section("## OpenID Connect instead");
    let (back, line) = (guide.code("https://sso.example.com/oidc/entra/logged-out"), guide.code("logout = "));
    let configuration = guide.configuration("[[oidc]]").replace("\n[outbound]", &format!("{line}\n\n[outbound]"));
    let description = |document: &mut Value| {
        document["end_session_endpoint"] = json!(format!("{}/logout", document["issuer"].as_str().unwrap()));
    };
    let habit = entra(ENTRA, description);
    let theirs = Theirs::new(ENTRA_REDIRECT.to_owned(), value(&configuration, "client_id"), habit).await;
    let hosts = [("https://login.microsoftonline.com", theirs.base.as_str()), ("graph.microsoft.com", "localhost")];
    let gateway = gateway(&configuration, &hosts, &[("entra.secret", SECRET)]).await;
    let mut browser = theirs.sign_in(&gateway, "entra").await;
    let away: url::Url = sign_out(&mut browser).await.location().parse().unwrap();
    assert!(away.as_str().starts_with(&format!("{}{ENTRA}/logout?", theirs.base)), "{away}");
    assert!(away.query_pairs().any(|(name, value)| name == "post_logout_redirect_uri" && value == back), "{away}");
    assert!(!is_in(&mut browser).await);
}

#[tokio::test]
async fn any_other_provider_signs_people_out_by_the_front_channel() {
    let guide = Guide::read("other-providers").section("## OpenID Connect");
    let line = guide.code("frontchannel_logout = ");
    let configuration = format!("{}{line}\n", guide.configuration("[[oidc]]"));
    let theirs = Theirs::new(guide.field("Redirect URI"), value(&configuration, "client_id"), any(true)).await;
    let hosts = [("https://idp.example.com", theirs.base.as_str())];
    let own = gateway(&configuration, &hosts, &[("corp.secret", SECRET)]).await;
    own.user(ADA, None).await;
    let mut browser = theirs.sign_in(&own, "corp").await;
    let framed = form_urlencoded::Serializer::new(String::new())
        .append_pair("iss", &theirs.base)
        .append_pair("sid", "sandbox-subject-1")
        .finish();
    // The frame of the provider's page has no cookie of ours.
    own.visitor().get(&format!("{}?{framed}", guide.path("Front-channel logout URI"))).await;
    assert!(!is_in(&mut browser).await);
}

/// Okta's custom authorization servers have an issuer with a path.
#[tokio::test]
async fn okta_by_openid_connect_at_a_custom_server() {
    let guide = Guide::read("okta").section("## Sign-in by OpenID Connect instead");
    let issuer = guide.code("https://example.okta.com/");
    assert_eq!(issuer, "https://example.okta.com/oauth2/default");
    let line = "issuer = \"https://example.okta.com\"";
    let configuration = guide.configuration("[[oidc]]");
    assert!(configuration.contains(line));
    let configuration = configuration.replace(line, &format!("issuer = \"{issuer}\""));
    let habit = Habit {
        path: "/oauth2/default",
        description: |_| (),
        keys: |_| (),
        claims: |claims| put(claims, json!({"ver": 1, "jti": "ID.1", "amr": ["pwd"], "idp": "00o1"})),
        user_info: |_| (),
        has_secret: true,
        names_itself: false,
    };
    let redirect = guide.code("https://sso.example.com/oidc/okta/callback");
    let theirs = Theirs::new(redirect, value(&configuration, "client_id"), habit).await;
    let hosts = [("https://example.okta.com", theirs.base.as_str())];
    let own = gateway(&configuration, &hosts, &[("okta.secret", SECRET)]).await;
    own.user(ADA, None).await;
    theirs.sign_in(&own, "okta").await;
}

fn of_another_organisation(claims: &mut Map<String, Value>) {
    (google(true).claims)(claims);
    put(claims, json!({"hd": "example.net"}));
}

fn of_no_organisation(claims: &mut Map<String, Value>) {
    (google(true).claims)(claims);
    claims.remove("hd");
}

const GOOGLE: [(&str, &str); 3] = [
    ("oauth2.googleapis.com", "localhost"),
    ("www.googleapis.com", "localhost"),
    ("openidconnect.googleapis.com", "localhost"),
];

#[tokio::test]
async fn google_workspace_lets_people_of_the_hosted_domain_in() {
    let guide = Guide::read("google-workspace");
    assert!(guide.section("## Who may come in").0.contains("`hosted_domain`"));
    let configuration = guide.configuration("[[oidc]]");
    assert_eq!(value(&configuration, "hosted_domain"), "example.com");
    for claims in [of_another_organisation, of_no_organisation] {
        let habit = Habit { claims, ..google(true) };
        let redirect = guide.field("Authorized redirect URIs");
        let theirs = Theirs::new(redirect, value(&configuration, "client_id"), habit).await;
        let [oauth, www, openid] = GOOGLE;
        let hosts = [("https://accounts.google.com", theirs.base.as_str()), oauth, www, openid];
        let own = gateway(&configuration, &hosts, &[("google.secret", SECRET)]).await;
        let mut browser = own.visitor();
        let start = browser.get("/login/google?return_to=/").await;
        assert!(start.location().contains("hd=example.com"), "{}", start.location());
        assert_eq!(theirs.answer(&mut browser, &start).await.status, StatusCode::FORBIDDEN);
        assert_eq!(refused_by(&own).await, "hosted_domain", "an address in the domain alone is not enough");
    }
}

#[tokio::test]
async fn google_workspace_gives_roles_by_the_hosted_domain() {
    let guide = Guide::read("google-workspace");
    let configuration = guide.section("## Roles").configuration("[[mapping]]");
    for (claims, role) in [(google(false).claims, json!(["standard_user"])), (of_another_organisation, json!([]))] {
        let description = |document: &mut Value| (google(false).description)(document);
        let habit = Habit { claims, description, ..google(false) };
        let redirect = guide.field("Authorized redirect URIs");
        let theirs = Theirs::new(redirect, value(&configuration, "client_id"), habit).await;
        // The block shows the rule alone; the hosts are those of the section before.
        let allowed = format!("{configuration}\n[outbound]\nallow = [\"localhost\"]\n");
        let own = gateway(&allowed, &[("https://accounts.google.com", theirs.base.as_str())], &[]).await;
        let mut browser = theirs.sign_in(&own, "google").await;
        assert_eq!(browser.get("/api/v1/me").await.json()["roles"], role);
    }
}

/// A provider with another key, that says it in its metadata.
fn with_another_key(theirs: &saml::Theirs) -> Idp {
    let key = IdpKey::generate(KeyKind::Rsa2048, "idp.example.com").unwrap();
    Idp::new(&theirs.base, Vec::new(), key, ManualClock::new(START).clock(), IdSource::seeded(6))
}

/// Nothing has to be done, and no sign-in fails, where the metadata is read at an address.
#[tokio::test]
async fn any_other_provider_changes_its_keys() {
    let (page, theirs) = (Guide::read("other-providers"), saml::Theirs::new().await);
    assert!(page.section("## When the provider changes its keys").0.starts_with("\nNothing has to be done"));
    let guide = page.section("## SAML");
    let typed = Typed {
        connector: "corp",
        consumer: guide.field("Assertion Consumer Service"),
        audience: guide.field("Entity ID"),
    };
    let hosts = [("https://idp.example.com", theirs.base.as_str())];
    let gateway = gateway(&guide.configuration("[[saml]]"), &hosts, &[]).await;
    saml::sign_in(&gateway, &typed, &theirs.idp, str::to_owned).await;
    let second = with_another_key(&theirs);
    *theirs.document.lock().unwrap() = second.metadata();
    saml::sign_in(&gateway, &typed, &second, str::to_owned).await;
    // The one that was replaced opens nothing any more.
    let mut browser = gateway.visitor();
    let start = browser.get("/login/corp?return_to=/").await;
    let reply = saml::answer(&mut browser, &start, &typed, &theirs.idp, str::to_owned).await;
    assert_eq!((reply.status, refused_by(&gateway).await.as_str()), (StatusCode::FORBIDDEN, "signature"));
}

/// A change of certificates as the page says it: both in the file first, then the new one in use.
#[tokio::test]
async fn google_workspace_changes_its_certificate_by_a_new_file() {
    let (page, theirs) = (Guide::read("google-workspace"), saml::Theirs::new().await);
    let guide = page.section("## SAML instead");
    assert!(guide.0.contains("download the metadata again, put it in place"));
    let typed = Typed { connector: "google", consumer: guide.field("ACS URL"), audience: guide.field("Entity ID") };
    let first = theirs.idp.clone().signing(Signs::Response);
    let second = with_another_key(&theirs).signing(Signs::Response);
    let certificate = |idp: &Idp| BASE64_STANDARD.encode(idp.key().certificate());
    let metadata = first.metadata();
    let (_, keys) = metadata.split_once("<md:KeyDescriptor").unwrap();
    let one = format!("<md:KeyDescriptor{}</md:KeyDescriptor>", keys.split("</md:KeyDescriptor>").next().unwrap());
    let both = metadata.replace(&one, &format!("{one}{}", one.replace(&certificate(&first), &certificate(&second))));
    assert!(both.contains(&certificate(&first)) && both.contains(&certificate(&second)));
    let gateway = gateway(&guide.configuration("[[saml]]"), &[], &[("google.xml", &metadata)]).await;
    saml::sign_in(&gateway, &typed, &first, saml::google).await;
    // Too early: Google signs by what the file does not have.
    let mut browser = gateway.visitor();
    let start = browser.get("/login/google?return_to=/").await;
    let reply = saml::answer(&mut browser, &start, &typed, &second, saml::google).await;
    assert_eq!((reply.status, refused_by(&gateway).await.as_str()), (StatusCode::FORBIDDEN, "signature"));
    assert!(
        page.section("## When something is wrong").0.contains("| rule `signature` | the app uses another certificate")
    );
    gateway.replace("google.xml", &both);
    saml::sign_in(&gateway, &typed, &first, saml::google).await;
    saml::sign_in(&gateway, &typed, &second, saml::google).await;
    gateway.replace("google.xml", &second.metadata());
    saml::sign_in(&gateway, &typed, &second, saml::google).await;
}
