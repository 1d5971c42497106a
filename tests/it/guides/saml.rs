//! SAML: what each provider signs, where it puts what it says, and how it calls it.

use std::sync::{Arc, Mutex};

use axum::Router;
use base64::{Engine, prelude::BASE64_STANDARD};
use cleargate::clock::ManualClock;
use cleargate::sandbox::saml::encrypt::Cipher;
use cleargate::sandbox::saml::{Encryption, Idp, IdpKey, KeyKind, Person, Request, Signs};
use cleargate::secret::IdSource;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::oidc::stage::accept;
use crate::support::gateway::START;

/// Where the provider wants to be asked for logout, in its metadata.
const LOGOUT: &str = "<md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
                      Location=\"https://idp.example.com/logout\"/><md:SingleSignOnService";

/// A provider that serves its metadata, whatever the path.
pub(super) struct Theirs {
    pub(super) idp: Idp,
    pub(super) base: String,
    /// The metadata that it serves.
    pub(super) document: Arc<Mutex<String>>,
    _server: JoinSet<()>,
}

impl Theirs {
    pub(super) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let key = IdpKey::generate(KeyKind::Rsa2048, "idp.example.com").unwrap();
        let idp = Idp::new(&base, Vec::new(), key, ManualClock::new(START).clock(), IdSource::seeded(5));
        let document = Arc::new(Mutex::new(idp.metadata().replace("<md:SingleSignOnService", LOGOUT)));
        let (served, mut server) = (Arc::clone(&document), JoinSet::new());
        let answer = move || std::future::ready(served.lock().unwrap().clone());
        server.spawn(accept(listener, Router::new().fallback(answer)));
        Self { idp, base, document, _server: server }
    }
}

/// What an administrator typed at the provider.
pub(super) struct Typed {
    pub(super) connector: &'static str,
    pub(super) consumer: String,
    pub(super) audience: String,
}

fn ada(groups: &[&str]) -> Person {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Person { name: "Ada Lovelace".to_owned(), email: ADA.to_owned(), groups }
}

/// The test sign-in, and then one from the button to the start page, at a provider that answers in its own way.
pub(super) async fn sign_in(
    gateway: &TestGateway,
    typed: &Typed,
    idp: &Idp,
    habit: impl Fn(&str) -> String,
) -> Visitor {
    let mut browser = gateway.visitor();
    let start = begin_test(gateway, &mut browser, typed.connector).await;
    let shown = answer(&mut browser, &start, typed, idp, &habit).await;
    has_passed(&mut browser, &shown).await;
    let start = browser.get(&format!("/login/{}?return_to=/", typed.connector)).await;
    let reply = answer(&mut browser, &start, typed, idp, &habit).await;
    is_ada(&mut browser, &reply).await;
    browser
}

/// Signs Ada in at the provider and brings back what it answers.
pub(super) async fn answer(
    browser: &mut Visitor,
    start: &Reply,
    typed: &Typed,
    idp: &Idp,
    habit: impl Fn(&str) -> String,
) -> Reply {
    let (request, handle) = match start.status {
        StatusCode::OK => (Request::parse_form(&start.field("SAMLRequest")).unwrap(), start.field("RelayState")),
        _ => {
            assert_eq!(start.status, StatusCode::SEE_OTHER, "{}", start.text);
            let url = url::Url::parse(start.location()).unwrap();
            let field = |name: &str| url.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned();
            (Request::parse(&field("SAMLRequest")).unwrap(), field("RelayState"))
        }
    };
    // A provider answers to what was typed, and to nobody else.
    assert_eq!((&request.consumer, &request.issuer), (&typed.consumer, &typed.audience));
    let response = idp.finish(&habit(&idp.draft(&request, &ada(&["Finance Analysts", "Staff"])))).unwrap();
    let fields = [("SAMLResponse", BASE64_STANDARD.encode(response)), ("RelayState", handle)];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    browser.post(typed.consumer.strip_prefix(HERE).unwrap(), &fields).await
}

pub(super) async fn groups(browser: &mut Visitor) -> serde_json::Value {
    browser.get("/api/v1/me").await.json()["groups"].clone()
}

/// Leaves attributes out.
fn without(draft: &str, names: &[&str]) -> String {
    names.iter().fold(draft.to_owned(), |draft, name| {
        let (before, rest) = draft.split_once(&format!("<saml:Attribute Name=\"{name}\">")).unwrap();
        format!("{before}{}", rest.split_once("</saml:Attribute>").unwrap().1)
    })
}

pub(super) fn own_files(own: &IdpKey) -> [String; 2] {
    let pem = |label: &str, der: &[u8]| {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
    };
    [pem("CERTIFICATE", own.certificate()), pem("PRIVATE KEY", own.private_key())]
}

/// Both signed; the address in the name identifier alone, and groups by the one statement of the guide.
pub(super) fn okta(draft: &str) -> String {
    let format = "NameFormat=\"urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified\"";
    without(draft, &["email", "displayName"]).replace("<saml:Attribute Name", &format!("<saml:Attribute {format} Name"))
}

#[tokio::test]
async fn okta_by_saml() {
    let (guide, theirs) = (Guide::read("okta"), Theirs::new().await);
    guide.tries("saml", "okta");
    let idp = theirs.idp.clone().signing(Signs::Both);
    assert_eq!(guide.field("Response, Assertion Signature"), "Signed");
    assert_eq!(guide.field("Name ID format"), "EmailAddress");
    assert_eq!(guide.field("Name, Filter"), "groups");
    let typed = Typed {
        connector: "okta",
        consumer: guide.field("Single sign-on URL"),
        audience: guide.field("Audience URI (SP Entity ID)"),
    };
    let configuration = guide.configuration("[[saml]]");
    let hosts = [("https://example.okta.com", theirs.base.as_str())];
    let gateway = gateway(&configuration, &hosts, &[]).await;
    is_offered(&gateway, "Continue with Okta").await;
    provision(&gateway, "okta-scim").await;
    let mut browser = sign_in(&gateway, &typed, &idp, okta).await;
    assert_eq!(groups(&mut browser).await, json!(["Finance Analysts", "Staff"]));
    // The tile of the dashboard is an answer to no request.
    let page = gateway.visitor().get("/login/okta").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "the bookmark's address");
}

#[tokio::test]
async fn okta_by_saml_with_encryption_and_logout() {
    let (guide, theirs) = (Guide::read("okta"), Theirs::new().await);
    let further = guide.section("### Encryption and single logout");
    let own = IdpKey::generate(KeyKind::Rsa2048, "sso.example.com").unwrap();
    let [certificate, key] = own_files(&own);
    let configuration = format!("{}\n{}", guide.configuration("[[saml]]"), further.configuration("signing"));
    let hosts = [("https://example.okta.com", theirs.base.as_str())];
    let gateway = gateway(&configuration, &hosts, &[("saml.pem", &certificate), ("saml.key", &key)]).await;
    assert!(further.0.contains("| Encryption Algorithm | AES256-GCM"));
    assert_eq!(further.field("Key Transport Algorithm"), "RSA-OAEP");
    assert_eq!(further.field("Encryption Certificate"), "saml.pem");
    let idp = theirs.idp.clone().signing(Signs::Both).encrypting(Encryption::to(own.certificate()));
    let typed =
        Typed { connector: "okta", consumer: guide.field("Single sign-on URL"), audience: further.field("SP Issuer") };
    let mut browser = sign_in(&gateway, &typed, &idp, okta).await;
    let away = sign_out(&mut browser).await;
    assert!(away.location().starts_with("https://idp.example.com/logout?SAMLRequest="), "{}", away.text);
    assert!(away.location().contains("&Signature=") && !is_in(&mut browser).await);
    assert_eq!(further.path("Single Logout URL"), "/saml/okta/slo");
}

/// The assertion signed; names of claims, values without types, and the tenant beside them.
pub(super) fn entra(draft: &str) -> String {
    let claims = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims";
    let tenant = "<saml:Attribute Name=\"http://schemas.microsoft.com/identity/claims/tenantid\">\
                  <saml:AttributeValue>00000000-0000-0000-0000-000000000000</saml:AttributeValue></saml:Attribute>";
    draft
        .replace(" xsi:type=\"xs:string\"", "")
        .replace("Name=\"email\"", &format!("Name=\"{claims}/emailaddress\""))
        .replace("Name=\"displayName\"", "Name=\"http://schemas.microsoft.com/identity/claims/displayname\"")
        .replace("Name=\"groups\"", "Name=\"http://schemas.microsoft.com/ws/2008/06/identity/claims/groups\"")
        .replace("<saml:AttributeStatement>", &format!("<saml:AttributeStatement>{tenant}"))
        .replace("ac:classes:unspecified", "ac:classes:Password")
}

#[tokio::test]
async fn entra_id_by_saml_without_and_with_token_encryption() {
    let (guide, theirs) = (Guide::read("entra-id"), Theirs::new().await);
    guide.tries("saml", "entra");
    let typed = Typed {
        connector: "entra",
        consumer: guide.field("Reply URL (Assertion Consumer Service URL)"),
        audience: guide.field("Identifier (Entity ID)"),
    };
    assert!(guide.field("Signing Option").starts_with("Sign SAML assertion"));
    let own = IdpKey::generate(KeyKind::Rsa2048, "sso.example.com").unwrap();
    let [certificate, key] = own_files(&own);
    let files = [("saml.pem", certificate.as_str()), ("saml.key", key.as_str())];
    let hosts = [("https://login.microsoftonline.com", theirs.base.as_str())];
    let plain = guide.configuration("[[saml]]");
    let encrypted = format!("{plain}\n{}", guide.configuration("allow_cbc"));
    for (configuration, encryption) in
        [(plain, None), (encrypted, Some(Encryption { cipher: Cipher::Cbc256, ..Encryption::to(own.certificate()) }))]
    {
        let gateway = gateway(&configuration, &hosts, &files).await;
        is_offered(&gateway, "Continue with Microsoft").await;
        provision(&gateway, "entra-scim").await;
        let idp = theirs.idp.clone().signing(Signs::Assertion);
        let idp = encryption.into_iter().fold(idp, Idp::encrypting);
        let mut browser = sign_in(&gateway, &typed, &idp, entra).await;
        assert_eq!(groups(&mut browser).await, json!(["Finance Analysts", "Staff"]));
        let start = gateway.visitor().get(&guide.path("Sign on URL")).await;
        assert_eq!(start.status, StatusCode::SEE_OTHER);
    }
}

/// First and last name, and groups, as they are mapped.
pub(super) fn google(draft: &str) -> String {
    let name = |attribute: &str, value: &str| {
        format!(
            "<saml:Attribute Name=\"{attribute}\"><saml:AttributeValue xsi:type=\"xs:anyType\">{value}</saml:AttributeValue></saml:Attribute>"
        )
    };
    let names = [name("firstName", "Ada"), name("lastName", "Lovelace")].concat();
    without(draft, &["email", "displayName"])
        .replace("<saml:AttributeStatement>", &format!("<saml:AttributeStatement>{names}"))
}

#[tokio::test]
async fn google_workspace_by_saml_with_either_signature() {
    let (page, theirs) = (Guide::read("google-workspace"), Theirs::new().await);
    let guide = page.section("## SAML instead");
    guide.tries("saml", "google");
    let typed = Typed { connector: "google", consumer: guide.field("ACS URL"), audience: guide.field("Entity ID") };
    assert_eq!(guide.field("Name ID format"), "EMAIL");
    assert_eq!(guide.field("First name, Last name"), "firstName");
    let configuration = guide.configuration("[[saml]]");
    // Google has no address for logout, and no way to encrypt.
    let metadata = theirs.idp.metadata();
    for signs in [Signs::Response, Signs::Assertion] {
        let gateway = gateway(&configuration, &[], &[("google.xml", &metadata)]).await;
        is_offered(&gateway, "Continue with Google").await;
        let mut browser = sign_in(&gateway, &typed, &theirs.idp.clone().signing(signs), google).await;
        is_greeted(&mut browser).await;
        assert_eq!(groups(&mut browser).await, json!(["Finance Analysts", "Staff"]));
        let over = sign_out(&mut browser).await;
        assert!(over.text.contains("Signed out") && !is_in(&mut browser).await, "{}", over.text);
    }
}

#[tokio::test]
async fn any_other_provider_by_saml() {
    let (page, theirs) = (Guide::read("other-providers"), Theirs::new().await);
    let guide = page.section("## SAML");
    guide.tries("saml", "corp");
    let typed = Typed {
        connector: "corp",
        consumer: guide.field("Assertion Consumer Service"),
        audience: guide.field("Entity ID"),
    };
    for (field, name) in [
        ("Attribute for the e-mail address", "email"),
        ("Attribute for the name", "displayName"),
        ("Attribute for groups", "groups"),
    ] {
        assert_eq!(guide.field(field), name);
    }
    let own = IdpKey::generate(KeyKind::Rsa2048, "sso.example.com").unwrap();
    let [certificate, key] = own_files(&own);
    let files = [("saml.pem", certificate.as_str()), ("saml.key", key.as_str())];
    let plain = guide.configuration("[[saml]]");
    let further =
        format!("{plain}\n{}", guide.section("### Encryption, signed requests, and logout").configuration("signing"));
    for (configuration, has_key) in [(plain, false), (further, true)] {
        for signs in [Signs::Assertion, Signs::Response, Signs::Both] {
            let hosts = [("https://idp.example.com", theirs.base.as_str())];
            let gateway = gateway(&configuration, &hosts, &files).await;
            is_offered(&gateway, "Continue with Example Corp").await;
            let metadata = gateway.visitor().get("/saml/corp/metadata").await;
            assert!(metadata.text.contains(&typed.consumer) && metadata.text.contains(&typed.audience));
            let mut idp = theirs.idp.clone().signing(signs);
            if has_key {
                idp = idp.encrypting(Encryption::to(own.certificate()));
            }
            let mut browser = sign_in(&gateway, &typed, &idp, str::to_owned).await;
            is_greeted(&mut browser).await;
            assert_eq!(groups(&mut browser).await, json!(["Finance Analysts", "Staff"]));
            let over = sign_out(&mut browser).await;
            assert_eq!(
                over.location().starts_with("https://idp.example.com/logout?SAMLRequest="),
                has_key,
                "{}",
                over.text
            );
            assert!(!is_in(&mut browser).await);
        }
    }
}
