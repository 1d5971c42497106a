//! *When something is wrong*: each rule that a guide names is met in the way that it tells, and every rule that there is has its place.

use std::collections::BTreeSet;
use std::path::PathBuf;

use cleargate::sandbox::saml::encrypt::Cipher;
use cleargate::sandbox::saml::{Encryption, IdpKey, KeyKind, Signs};

use super::openid::{self, SECRET, google, value};
use super::saml::{self, Theirs, Typed, own_files};
use super::*;

/// The rows of a page's last section that name a rule.
fn names(page: &Guide, rule: &str) {
    let section = page.section("## When something is wrong");
    let is_named = |line: &&str| line.starts_with('|') && line.contains("rule") && line.contains(&format!("`{rule}`"));
    assert!(section.0.lines().find(is_named).is_some(), "{rule} is not in {}", section.0);
}

/// A sign-in that is refused, and by what.
async fn refusal(
    gateway: &TestGateway,
    typed: &Typed,
    idp: &cleargate::sandbox::saml::Idp,
    habit: impl Fn(&str) -> String,
) -> String {
    let mut browser = gateway.visitor();
    let start = browser.get(&format!("/login/{}?return_to=/", typed.connector)).await;
    let reply = saml::answer(&mut browser, &start, typed, idp, habit).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "{}", reply.text);
    refused_by(gateway).await
}

#[tokio::test]
async fn okta_by_saml_names_what_is_wrong() {
    let (guide, theirs) = (Guide::read("okta"), Theirs::new().await);
    let own = IdpKey::generate(KeyKind::Rsa2048, "sso.example.com").unwrap();
    let typed = Typed {
        connector: "okta",
        consumer: guide.field("Single sign-on URL"),
        audience: guide.field("Audience URI (SP Entity ID)"),
    };
    let configuration = guide.configuration("[[saml]]");
    let hosts = [("https://example.okta.com", theirs.base.as_str())];
    let idp = theirs.idp.clone().signing(Signs::Both);
    let plain = gateway(&configuration, &hosts, &[]).await;
    let encrypting = idp.clone().encrypting(Encryption::to(own.certificate()));
    assert_eq!(refusal(&plain, &typed, &encrypting, saml::okta).await, "encrypted");
    let elsewhere = |draft: &str| saml::okta(draft).replace("/metadata</saml:Audience>", "</saml:Audience>");
    assert_eq!(refusal(&plain, &typed, &idp, elsewhere).await, "audience");
    let elsewhere = |draft: &str| saml::okta(draft).replace("/acs\"/>", "/ac\"/>");
    assert_eq!(refusal(&plain, &typed, &idp, elsewhere).await, "recipient");
    let others = configuration.replace("domains = [\"example.com\"]", "domains = [\"example.net\"]");
    assert_ne!(others, configuration);
    let others = gateway(&others, &hosts, &[]).await;
    provision(&others, "okta-scim").await;
    assert_eq!(refusal(&others, &typed, &idp, saml::okta).await, "link");
    ["encrypted", "audience", "recipient", "link"].iter().for_each(|rule| names(&guide, rule));
}

#[tokio::test]
async fn entra_id_by_saml_names_what_is_wrong() {
    let (guide, theirs) = (Guide::read("entra-id"), Theirs::new().await);
    let own = IdpKey::generate(KeyKind::Rsa2048, "sso.example.com").unwrap();
    let [certificate, key] = own_files(&own);
    let files = [("saml.pem", certificate.as_str()), ("saml.key", key.as_str())];
    let typed = Typed {
        connector: "entra",
        consumer: guide.field("Reply URL (Assertion Consumer Service URL)"),
        audience: guide.field("Identifier (Entity ID)"),
    };
    let hosts = [("https://login.microsoftonline.com", theirs.base.as_str())];
    let configuration = guide.configuration("[[saml]]");
    let idp = theirs.idp.clone().signing(Signs::Assertion);
    let plain = gateway(&configuration, &hosts, &[]).await;
    // More than 150 groups: a link in their place.
    let many = |draft: &str| {
        let claim = "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups";
        saml::entra(draft).replace(claim, "http://schemas.microsoft.com/claims/groups.link")
    };
    assert_eq!(refusal(&plain, &typed, &idp, many).await, "groups");
    let cbc = idp.clone().encrypting(Encryption { cipher: Cipher::Cbc256, ..Encryption::to(own.certificate()) });
    assert_eq!(refusal(&plain, &typed, &cbc, saml::entra).await, "encrypted", "without `decryption`");
    let further = guide.configuration("allow_cbc");
    let without = format!("{configuration}\n{}", further.replace("allow_cbc = true", ""));
    let without = gateway(&without, &hosts, &files).await;
    assert_eq!(refusal(&without, &typed, &cbc, saml::entra).await, "encrypted", "without `allow_cbc = true`");
    provision(&plain, "entra-scim").await;
    let nobody = |draft: &str| {
        saml::entra(draft).replace("ada@example.com</saml:AttributeValue>", "ada@example.net</saml:AttributeValue>")
    };
    assert_eq!(refusal(&plain, &typed, &idp, nobody).await, "link", "the address is not in `domains`");
    ["groups", "encrypted", "link"].iter().for_each(|rule| names(&guide, rule));
}

#[tokio::test]
async fn google_workspace_names_what_is_wrong() {
    let guide = Guide::read("google-workspace");
    let configuration = guide.configuration("[[oidc]]");
    let redirect = guide.field("Authorized redirect URIs");
    let theirs = openid::Theirs::new(redirect, value(&configuration, "client_id"), google(true)).await;
    let hosts = [
        ("https://accounts.google.com", theirs.base.as_str()),
        ("oauth2.googleapis.com", "localhost"),
        ("www.googleapis.com", "localhost"),
        ("openidconnect.googleapis.com", "localhost"),
    ];
    // An address of `outbound.allow` is missing.
    let without = configuration.split("[outbound]").next().unwrap();
    let own = gateway(without, &hosts[..1], &[("google.secret", SECRET)]).await;
    assert_eq!(own.visitor().get("/login/google").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused_by(&own).await, "host");
    // The secret was not copied well.
    let own = gateway(&configuration, &hosts, &[("google.secret", "another")]).await;
    let mut browser = own.visitor();
    let start = browser.get("/login/google?return_to=/").await;
    assert_eq!(theirs.answer(&mut browser, &start).await.status, StatusCode::FORBIDDEN);
    assert_eq!(refused_by(&own).await, "declined");
    // An account of the name exists, and the address is in none of `domains`.
    let others = configuration.replace("\ndomains = [\"example.com\"]", "\ndomains = [\"example.net\"]");
    assert_ne!(others, configuration);
    let own = gateway(&others, &hosts, &[("google.secret", SECRET)]).await;
    own.user(ADA, None).await;
    let mut browser = own.visitor();
    let start = browser.get("/login/google?return_to=/").await;
    assert_eq!(theirs.answer(&mut browser, &start).await.status, StatusCode::FORBIDDEN);
    assert_eq!(refused_by(&own).await, "link");
    ["host", "declined", "link", "hosted_domain", "signature"].iter().for_each(|rule| names(&guide, rule));
}

/// The rules by which what a provider says is refused, as the code names them.
fn rules() -> BTreeSet<String> {
    let root = format!("{}/src/upstream", env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> =
        ["saml.rs", "saml", "oidc.rs", "oidc"].map(|name| format!("{root}/{name}").into()).into();
    let mut rules = BTreeSet::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        for call in fs::read_to_string(&path).unwrap().split("refused(").skip(1) {
            let name = call.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            rules.extend(name.map(str::to_owned));
        }
    }
    assert!(rules.len() > 45 && rules.contains("digest") && rules.contains("nonce"), "{rules:?}");
    rules
}

#[test]
fn every_rule_by_which_a_provider_is_refused_is_in_the_table() {
    let section = Guide::read("other-providers").section("## When something is wrong");
    let first = section.0.lines().filter(|line| line.starts_with("| `")).map(|line| line.split(" | ").next().unwrap());
    let named: BTreeSet<String> =
        first.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect();
    let missing: Vec<String> = rules().difference(&named).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
}
