//! SAML through the whole gateway: encrypted answers, sign-ins that the provider begins, requests by a form, and logout at
//! both ends. What is refused looks the same from outside, and nothing that was good before stops to be.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cleargate::access::Bound;
use cleargate::audit::{Event, EventKind};
use cleargate::clock::Timestamp;
use cleargate::sandbox::saml::{Encryption, Idp, IdpKey, KeyKind, Person, Request, sign};
use cleargate::secret::IdSource;
use cleargate::store;
use futures_util::FutureExt;
use http::StatusCode;

use crate::support::authenticator::App;
use crate::support::gateway::{Reply, START, TestGateway, Visitor};

mod hostile;
mod hostile_logout;
mod large;

const BASE: &str = "http://127.0.0.1:7000";
const OWN: &str = "signing = [{ certificate = \"own.pem\", key = { file = \"own.key\" } }]\n\
                   decryption = [{ certificate = \"own.pem\", key = { file = \"own.key\" } }]\n";
const SERVICE: &str = "<md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
                       Location=\"http://127.0.0.1:7000/slo\"/><md:SingleSignOnService";
const ADA: &str = "ada@example.org";

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}

/// A gateway, the provider, and our own key there.
struct Stage {
    gateway: TestGateway,
    idp: Idp,
    own: IdpKey,
}

impl Stage {
    /// With these lines in the provider's section.
    async fn new(lines: &str) -> Self {
        Self::with(lines, |metadata| metadata.replace("<md:SingleSignOnService", SERVICE)).await
    }

    async fn with(lines: &str, alter: impl Fn(&str) -> String) -> Self {
        let own = IdpKey::generate(KeyKind::Rsa2048, "sso.example.org").unwrap();
        let key = IdpKey::generate(KeyKind::EcdsaP256, "idp.example").unwrap();
        let clock = cleargate::clock::ManualClock::new(START);
        let idp = Idp::new(BASE, Vec::new(), key, clock.clock(), IdSource::seeded(5));
        let files = [
            ("own.pem", pem("CERTIFICATE", own.certificate())),
            ("own.key", pem("PRIVATE KEY", own.private_key())),
            ("corp.xml", alter(&idp.metadata())),
        ];
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let section =
            format!("[[saml]]\nid = \"corp\"\nname = \"Corp\"\nmetadata = {{ file = \"corp.xml\" }}\n{lines}\n");
        Self { gateway: TestGateway::with_files(&section, &files).await, idp, own }
    }

    /// Walks to the provider: the request and the handle.
    async fn begin(&self, browser: &mut Visitor) -> (Request, String) {
        let start = browser.get("/login/corp?return_to=/").await;
        if start.status == StatusCode::OK {
            return (Request::parse_form(&start.field("SAMLRequest")).unwrap(), start.field("RelayState"));
        }
        assert_eq!(start.status, StatusCode::SEE_OTHER, "{}", start.text);
        let url = url::Url::parse(start.location()).unwrap();
        let field = |name: &str| url.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned();
        (Request::parse(&field("SAMLRequest")).unwrap(), field("RelayState"))
    }

    /// The answer for somebody, as the form that the provider's page would post.
    async fn answer(&self, browser: &mut Visitor, idp: &Idp, email: &str) -> [String; 2] {
        let (request, handle) = self.begin(browser).await;
        [idp.respond(&request, &person(email)).unwrap(), handle]
    }

    async fn sign_in_of(&self, browser: &mut Visitor, email: &str) -> Reply {
        let [response, handle] = self.answer(browser, &self.idp, email).await;
        post(browser, &response, &handle).await
    }

    /// Somebody signed in, and the name of their session at the provider.
    async fn signed_in(&self, email: &str) -> (Visitor, String) {
        let mut browser = self.gateway.visitor();
        let [response, handle] = self.answer(&mut browser, &self.idp, email).await;
        let reply = post(&mut browser, &response, &handle).await;
        assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, "/"), "{}", reply.text);
        (browser, index_of(&response))
    }

    /// A signed request for logout, made now by the provider's clock.
    fn logout(&self, id: &str, email: &str, sessions: &[&str], at: Timestamp) -> String {
        let indexes: String =
            sessions.iter().map(|index| format!("<samlp:SessionIndex>{index}</samlp:SessionIndex>")).collect();
        let draft = format!(
            "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{at}\" \
             Destination=\"http://127.0.0.1:8080/saml/corp/slo\"><saml:Issuer>{BASE}/metadata</saml:Issuer>{}\
             <saml:NameID>{email}</saml:NameID>{indexes}</samlp:LogoutRequest>",
            sign::template(id, KeyKind::EcdsaP256),
        );
        sign::fill(&draft, self.idp.key()).unwrap()
    }

    async fn send_logout(&self, document: &str) -> Reply {
        // The message comes in whatever browser; who it is about is in the message.
        let mut browser = self.gateway.visitor();
        let field = BASE64_STANDARD.encode(document);
        browser.post("/saml/corp/slo", &[("SAMLRequest", &field), ("RelayState", "theirs")]).await
    }

    async fn events(&self, kind: EventKind) -> Vec<Event> {
        let rows = self.gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
        let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
        events.filter(|event| event.kind == kind).collect()
    }

    /// The rule of the newest refusal.
    async fn rule(&self, kind: EventKind) -> String {
        let events = self.events(kind).await;
        let details = &events.last().expect("an event").details;
        details.iter().find(|(name, _)| name == "rule").expect("a rule").1.clone()
    }
}

fn person(email: &str) -> Person {
    Person { name: "Somebody".to_owned(), email: email.to_owned(), groups: vec!["staff".to_owned()] }
}

fn index_of(response: &str) -> String {
    response.split("SessionIndex=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

async fn post(browser: &mut Visitor, response: &str, handle: &str) -> Reply {
    let field = BASE64_STANDARD.encode(response);
    browser.post("/saml/corp/acs", &[("SAMLResponse", &field), ("RelayState", handle)]).await
}

async fn is_in(browser: &mut Visitor) -> bool {
    browser.get("/api/v1/me").await.status == StatusCode::OK
}

#[tokio::test]
async fn an_encrypted_answer_signs_in_and_every_failure_looks_the_same() {
    let stage = Stage::new(OWN).await;
    let encrypting = stage.idp.clone().encrypting(Encryption::to(stage.own.certificate()));
    let mut browser = stage.gateway.visitor();
    let [response, handle] = stage.answer(&mut browser, &encrypting, ADA).await;
    assert!(!response.contains(ADA));
    assert_eq!(post(&mut browser, &response, &handle).await.location(), "/");
    assert!(is_in(&mut browser).await);
    let other = IdpKey::generate(KeyKind::Rsa2048, "other").unwrap();
    let to_others = stage.idp.clone().encrypting(Encryption::to(other.certificate()));
    let forger = IdpKey::generate(KeyKind::EcdsaP256, "forger").unwrap();
    let clock = cleargate::clock::ManualClock::new(START);
    let forger = Idp::new(BASE, Vec::new(), forger, clock.clock(), IdSource::seeded(6));
    let forged = forger.clone().encrypting(Encryption::to(stage.own.certificate()));
    let mut pages = Vec::new();
    for (idp, rule) in [(&to_others, "encrypted"), (&forged, "signature"), (&forger, "signature")] {
        let mut browser = stage.gateway.visitor();
        let [response, handle] = stage.answer(&mut browser, idp, ADA).await;
        let reply = post(&mut browser, &response, &handle).await;
        assert_eq!(
            (reply.status, stage.rule(EventKind::AssertionRefused).await.as_str()),
            (StatusCode::FORBIDDEN, rule)
        );
        pages.push((reply.text, format!("{:?}", reply.headers)));
        let [response, handle] = stage.answer(&mut browser, &encrypting, ADA).await;
        assert_eq!(post(&mut browser, &response, &handle).await.location(), "/", "a good one works after it");
    }
    let mut browser = stage.gateway.visitor();
    let [response, handle] = stage.answer(&mut browser, &encrypting, ADA).await;
    let value = response.rfind("<xenc:CipherValue>").unwrap() + 40;
    let flipped = if response[value..].starts_with('A') { "B" } else { "A" };
    let altered = [&response[..value], flipped, &response[value + 1..]].concat();
    let reply = post(&mut browser, &altered, &handle).await;
    pages.push((reply.text, format!("{:?}", reply.headers)));
    assert!(pages.iter().all(|page| *page == pages[0]), "{pages:#?}");
}

#[tokio::test]
async fn a_refusal_that_takes_a_while_is_recorded_though_its_sender_has_hung_up() {
    let stage = Stage::new(OWN).await;
    let other = IdpKey::generate(KeyKind::Rsa2048, "other").unwrap();
    let to = |key: &IdpKey| stage.idp.clone().encrypting(Encryption::to(key.certificate()));
    let mut browser = stage.gateway.visitor();
    let (request, handle) = stage.begin(&mut browser).await;
    let [bad, good] = [to(&other), to(&stage.own)].map(|idp| idp.respond(&request, &person(ADA)).unwrap());
    let hasty = Box::pin(post(&mut browser, &bad, &handle));
    assert!(hasty.now_or_never().is_none(), "keys of ours work on other threads, and nobody waits for them");
    let tasks = stage.gateway.gateway.tasks();
    tasks.stop();
    tasks.join(Duration::from_secs(10)).await;
    assert_eq!(stage.events(EventKind::AssertionRefused).await.len(), 1);
    assert_eq!(stage.rule(EventKind::AssertionRefused).await, "encrypted");
    assert_eq!(post(&mut browser, &good, &handle).await.status, StatusCode::FORBIDDEN, "the ticket is used up");
}

#[tokio::test]
async fn a_request_by_post_is_a_page_with_a_button_that_needs_no_script() {
    let post = "<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
                Location=\"http://127.0.0.1:7000/post\"/><md:SingleSignOnService";
    let stage = Stage::with(&format!("{OWN}requests = \"post\""), |metadata| {
        metadata.replacen("<md:SingleSignOnService", post, 1)
    })
    .await;
    let mut browser = stage.gateway.visitor();
    let page = browser.get("/login/corp?return_to=/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.text.contains("action=\"http://127.0.0.1:7000/post\"") && page.text.contains("<button type=\"submit\">")
    );
    assert!(page.text.contains("<script src=\"/login/onward.js\" defer>"), "{}", page.text);
    let script = browser.get("/login/onward.js").await;
    assert!(script.headers["content-type"].to_str().unwrap().starts_with("text/javascript"));
    assert_eq!(stage.sign_in_of(&mut browser, ADA).await.location(), "/");
    let document = BASE64_STANDARD.decode(page.field("SAMLRequest")).unwrap();
    assert!(String::from_utf8(document).unwrap().contains("<ds:SignatureValue>"));
}

#[tokio::test]
async fn a_sign_in_that_the_provider_begins_leads_home_and_is_used_once() {
    for (line, taken) in [("idp_initiated = true", true), ("", false)] {
        let stage = Stage::new(line).await;
        let mut other = stage.gateway.visitor();
        let (request, _) = stage.begin(&mut other).await;
        let draft = stage.idp.draft(&request, &person(ADA));
        let draft = draft.replace(&format!(" InResponseTo=\"{}\"", request.id), "");
        let draft = draft.replace(&format!("InResponseTo=\"{}\" ", request.id), "");
        assert!(!draft.contains("InResponseTo"));
        let response = stage.idp.finish(&draft).unwrap();
        let mut browser = stage.gateway.visitor();
        let reply = post(&mut browser, &response, "https://evil.example/").await;
        assert_eq!(reply.location(), if taken { "/" } else { "" }, "what comes along is never an address");
        assert_eq!(is_in(&mut browser).await, taken);
        let again = post(&mut stage.gateway.visitor(), &response, "").await;
        assert_eq!(again.status, StatusCode::FORBIDDEN);
        let rule = stage.rule(EventKind::AssertionRefused).await;
        assert_eq!(rule, if taken { "replay" } else { "browser" });
        // An answer to somebody's request is not taken without it.
        let [response, _] = stage.answer(&mut other, &stage.idp, ADA).await;
        assert_eq!(post(&mut stage.gateway.visitor(), &response, "").await.status, StatusCode::FORBIDDEN);
        // And those that we asked for go on.
        assert_eq!(stage.sign_in_of(&mut stage.gateway.visitor(), ADA).await.location(), "/");
    }
}

#[tokio::test]
async fn whoever_signs_out_here_is_taken_on_to_the_provider_and_comes_back() {
    let stage = Stage::new(OWN).await;
    let (mut browser, index) = stage.signed_in(ADA).await;
    let home = browser.get("/").await;
    let secret = browser.cookies["cleargate"].clone();
    let page = browser.post("/logout", &[("csrf", &home.field("csrf"))]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("action=\"http://127.0.0.1:7000/slo\""), "{}", page.text);
    assert!(!browser.cookies.contains_key("cleargate"));
    let mut thief = stage.gateway.visitor();
    thief.cookies.insert("cleargate".to_owned(), secret);
    assert!(!is_in(&mut thief).await, "it ended here before anybody was asked");
    let request = String::from_utf8(BASE64_STANDARD.decode(page.field("SAMLRequest")).unwrap()).unwrap();
    assert!(request.contains(&format!("{ADA}</saml:NameID><samlp:SessionIndex>{index}<")), "{request}");
    assert!(request.contains("<ds:SignatureValue>"));
    let id = request.split(" ID=\"").nth(1).unwrap().split('"').next().unwrap();
    let answer = |to: &str, status: &str| {
        let draft = format!(
            "<samlp:LogoutResponse xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_a\" Version=\"2.0\" IssueInstant=\"{START}\" \
             InResponseTo=\"{to}\" Destination=\"http://127.0.0.1:8080/saml/corp/slo\"><saml:Issuer>{BASE}/metadata\
             </saml:Issuer>{}<samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:{status}\"/>\
             </samlp:Status></samlp:LogoutResponse>",
            sign::template("_a", KeyKind::EcdsaP256),
        );
        BASE64_STANDARD.encode(sign::fill(&draft, stage.idp.key()).unwrap())
    };
    let handle = page.field("RelayState");
    let send = |field: String| [("SAMLResponse".to_owned(), field), ("RelayState".to_owned(), handle.clone())];
    let fields = send(answer(id, "Success"));
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(thief.post("/saml/corp/slo", &fields).await.status, StatusCode::FORBIDDEN, "another browser");
    // The handle of a logout is none for a sign-in.
    let as_sign_in = [("SAMLResponse", fields[0].1), ("RelayState", fields[1].1)];
    assert_eq!(browser.post("/saml/corp/acs", &as_sign_in).await.status, StatusCode::FORBIDDEN);
    let over = browser.post("/saml/corp/slo", &fields).await;
    assert_eq!(over.status, StatusCode::OK, "{}", over.text);
    assert!(over.text.contains("Signed out") && !over.text.contains("You may still be signed in"), "{}", over.text);
    assert_eq!(browser.post("/saml/corp/slo", &fields).await.status, StatusCode::FORBIDDEN, "once");
}

#[tokio::test]
async fn who_is_signed_out_at_the_provider_is_signed_out_here_at_once() {
    let stage = Stage::new(OWN).await;
    let (mut one, first) = stage.signed_in(ADA).await;
    let (mut two, second) = stage.signed_in(ADA).await;
    let (mut other, foreign) = stage.signed_in("grace@example.org").await;
    // Somebody else's session is not ended by naming it.
    assert_eq!(stage.send_logout(&stage.logout("_0", ADA, &[&foreign], START)).await.status, StatusCode::OK);
    assert!(is_in(&mut one).await && is_in(&mut two).await && is_in(&mut other).await);
    let reply = stage.send_logout(&stage.logout("_1", ADA, &[&first], START)).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    assert!(!is_in(&mut one).await, "at once");
    assert!(is_in(&mut two).await && is_in(&mut other).await);
    assert_eq!(reply.field("RelayState"), "theirs");
    let answer = String::from_utf8(BASE64_STANDARD.decode(reply.field("SAMLResponse")).unwrap()).unwrap();
    assert!(answer.contains("InResponseTo=\"_1\"") && answer.contains("<ds:SignatureValue>"), "{answer}");
    let ended = stage.events(EventKind::SessionEnded).await;
    assert!(ended.iter().any(|event| event.details.iter().any(|(_, value)| value.contains("at the provider `corp`"))));
    assert_eq!(stage.events(EventKind::LogoutReceived).await.len(), 2);
    // Without names all of them end.
    let (mut three, _) = stage.signed_in(ADA).await;
    assert_eq!(stage.send_logout(&stage.logout("_2", ADA, &[], START)).await.status, StatusCode::OK);
    assert!(!is_in(&mut two).await && !is_in(&mut three).await && is_in(&mut other).await);
    assert_ne!(second, foreign);
}

#[tokio::test]
async fn a_forged_or_replayed_logout_ends_nothing_and_looks_like_every_other_failure() {
    let stage = Stage::new(OWN).await;
    let (mut ada, index) = stage.signed_in(ADA).await;
    let good = stage.logout("_1", ADA, &[&index], START);
    let forger = IdpKey::generate(KeyKind::EcdsaP256, "forger").unwrap();
    let signature = good.split("<ds:SignatureValue>").nth(1).unwrap().split('<').next().unwrap();
    let unsigned = good.replace(signature, "");
    let mut pages = Vec::new();
    for (document, rule) in [
        (sign::fill(&unsigned, &forger).unwrap(), "signature"),
        (good.replace("<ds:SignatureValue>", "<ds:SignatureValue>AAAA"), "signature"),
        (good.replace(&index, "_other"), "digest"),
        ("junk".to_owned(), "xml"),
        (stage.logout("_2", ADA, &[&index], START.minus(Duration::from_secs(3600))), "time"),
    ] {
        let reply = stage.send_logout(&document).await;
        assert_eq!((reply.status, stage.rule(EventKind::LogoutRefused).await.as_str()), (StatusCode::FORBIDDEN, rule));
        assert!(is_in(&mut ada).await, "{rule}");
        pages.push((reply.text, format!("{:?}", reply.headers)));
    }
    assert_eq!(stage.send_logout(&good).await.status, StatusCode::OK);
    assert!(!is_in(&mut ada).await);
    let reply = stage.send_logout(&good).await;
    assert_eq!((reply.status, stage.rule(EventKind::LogoutRefused).await.as_str()), (StatusCode::FORBIDDEN, "replay"));
    pages.push((reply.text, format!("{:?}", reply.headers)));
    assert!(pages.iter().all(|page| *page == pages[0]), "{pages:#?}");
}

#[tokio::test]
async fn what_was_vouched_for_before_a_logout_opens_nothing_after_it() {
    let stage = Stage::new(OWN).await;
    let mut late = stage.gateway.visitor();
    let [response, handle] = stage.answer(&mut late, &stage.idp, ADA).await;
    let [other, other_handle] = stage.answer(&mut late, &stage.idp, ADA).await;
    let named = stage.logout("_1", ADA, &[&index_of(&response)], START);
    assert_eq!(stage.send_logout(&named).await.status, StatusCode::OK);
    assert_eq!(post(&mut late, &response, &handle).await.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.rule(EventKind::AssertionRefused).await, "logged-out");
    assert_eq!(post(&mut late, &other, &other_handle).await.location(), "/", "of another session there");
    let [response, handle] = stage.answer(&mut late, &stage.idp, ADA).await;
    assert_eq!(stage.send_logout(&stage.logout("_2", ADA, &[], START)).await.status, StatusCode::OK);
    assert_eq!(post(&mut late, &response, &handle).await.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.rule(EventKind::AssertionRefused).await, "logged-out");
    // What is vouched for later is as good as ever, and so is everybody else.
    assert_eq!(stage.sign_in_of(&mut late, "grace@example.org").await.location(), "/");
    let clock = cleargate::clock::ManualClock::new(START.plus(Duration::from_secs(1)));
    let later = stage.idp.clone().at(clock.clock());
    let [response, handle] = stage.answer(&mut late, &later, ADA).await;
    assert_eq!(post(&mut late, &response, &handle).await.location(), "/");
}

/// Providers have few names for sessions, and give them out again (saml-core-2.0-os section 2.7.2).
#[tokio::test]
async fn a_name_of_a_session_that_is_given_out_again_signs_in_again() {
    let stage = Stage::new(OWN).await;
    let (mut ada, index) = stage.signed_in(ADA).await;
    assert_eq!(stage.send_logout(&stage.logout("_1", ADA, &[&index], START)).await.status, StatusCode::OK);
    assert!(!is_in(&mut ada).await);
    for (seconds, is_good) in [(0, false), (1, true)] {
        let clock = cleargate::clock::ManualClock::new(START.plus(Duration::from_secs(seconds)));
        let idp = stage.idp.clone().at(clock.clock());
        let (request, handle) = stage.begin(&mut ada).await;
        let draft = idp.draft(&request, &person(ADA));
        let draft = draft.replace(&index_of(&draft), &index);
        let reply = post(&mut ada, &idp.finish(&draft).unwrap(), &handle).await;
        assert_eq!(reply.location() == "/", is_good, "{seconds}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_provider_without_an_address_for_logout_signs_out_all_the_same() {
    let stage = Stage::with(OWN, str::to_owned).await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    let document = BASE64_STANDARD.encode(stage.logout("_1", ADA, &[], START));
    let page = ada.post("/saml/corp/slo", &[("SAMLRequest", &document)]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("Signed out") && !page.text.contains("You may still be signed in"), "{}", page.text);
    assert!(!ada.cookies.contains_key("cleargate") && !is_in(&mut ada).await);
}

#[tokio::test]
async fn a_sign_in_that_waits_for_a_second_factor_does_not_outlast_a_logout() {
    let stage = Stage::new(&format!("{OWN}[factors]\nrequired = true")).await;
    for (id, is_logged_out) in [("_1", false), ("_2", true)] {
        let email = if is_logged_out { "grace@example.org" } else { ADA };
        let mut browser = stage.gateway.visitor();
        let [response, handle] = stage.answer(&mut browser, &stage.idp, email).await;
        assert_eq!(post(&mut browser, &response, &handle).await.location(), "/login/enrol");
        let page = browser.get("/login/enrol").await;
        let app = App::scan(&page);
        if is_logged_out {
            let logout = stage.logout(id, email, &[&index_of(&response)], START);
            assert_eq!(stage.send_logout(&logout).await.status, StatusCode::OK);
        }
        let fields = [("code", app.code(&stage.gateway)), ("offer", page.field("offer")), ("csrf", page.field("csrf"))];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        browser.post("/login/enrol", &fields).await;
        assert_eq!(is_in(&mut browser).await, !is_logged_out);
    }
}

#[tokio::test]
async fn without_a_key_of_ours_there_is_no_logout_at_the_provider() {
    let stage = Stage::new("").await;
    let (mut browser, _) = stage.signed_in(ADA).await;
    let logout = stage.logout("_1", ADA, &[], START);
    assert_eq!(stage.send_logout(&logout).await.status, StatusCode::NOT_FOUND);
    let csrf = browser.get("/").await.field("csrf");
    let page = browser.post("/logout", &[("csrf", &csrf)]).await;
    assert!(page.text.contains("Signed out"), "{}", page.text);
    assert!(!is_in(&mut browser).await);
}

/// A certificate of ours that ends on a day, with its key.
fn ending(month: u8, day: u8) -> (String, String) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut parameters = rcgen::CertificateParams::default();
    parameters.not_after = rcgen::date_time_ymd(2026, month, day);
    (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn certificates_are_told_of_30_days_before_they_end() {
    let idp = IdpKey::generate(KeyKind::EcdsaP256, "idp.example").unwrap();
    let clock = cleargate::clock::ManualClock::new(START);
    let metadata = Idp::new(BASE, Vec::new(), idp, clock.clock(), IdSource::seeded(5)).metadata();
    let section = "[[saml]]\nid = \"corp\"\nmetadata = { file = \"corp.xml\" }\n\
                   signing = [{ certificate = \"own.pem\", key = { file = \"own.key\" } }]\n";
    // START is the 22nd of November.
    for ((month, day), is_told) in [((12, 21), true), ((11, 1), true), ((12, 23), false)] {
        let (certificate, key) = ending(month, day);
        let files = [("own.pem", certificate.as_str()), ("own.key", &key), ("corp.xml", &metadata)];
        let gateway = TestGateway::with_files(section, &files).await;
        gateway.gateway.watch_providers();
        let engine = gateway.gateway.ledger().store().engine().clone();
        let mut told = 0;
        for _ in 0..200 {
            tokio::task::yield_now().await;
            let rows = engine.log(0, 100).await.unwrap();
            let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
            told = events.filter(|event| event.kind == EventKind::CertificateEnding).count();
            if told > 0 {
                break;
            }
        }
        assert_eq!(told, usize::from(is_told), "{month}-{day}");
        let health = gateway.gateway.login().redirects()[0].1.health().unwrap();
        assert_eq!(health.certificates.len(), 2, "theirs and ours");
        assert_eq!(health.ending(START).count(), usize::from(is_told));
        // The same without a daemon.
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let path = folder.path().join("cleargate.toml");
        std::fs::write(&path, format!("public_url = \"http://127.0.0.1:8080\"\n{section}")).unwrap();
        let load = || cleargate::config::load(&path, &cleargate::config::Credentials::None).unwrap();
        let doubts = cleargate::gateway::doubts(&load(), START);
        assert_eq!(
            doubts.iter().filter(|(place, text)| place == "saml.corp" && text.contains("our signing")).count(),
            usize::from(is_told)
        );
        assert!(cleargate::gateway::check(&load()).is_empty());
        std::fs::write(folder.path().join("own.key"), ending(12, 1).1).unwrap();
        let problems = cleargate::gateway::check(&load());
        assert!(problems[0].0 == "saml.corp.signing[0]" && problems[0].1.contains("does not belong"), "{problems:?}");
    }
}

impl Stage {
    /// How many commits there were.
    async fn commits(&self) -> u64 {
        *self.gateway.gateway.ledger().store().engine().changes().borrow()
    }
}

#[tokio::test]
async fn one_answer_opens_one_session_however_often_it_comes_at_once() {
    let stage = Stage::new("").await;
    stage.signed_in(ADA).await;
    let mut browser = stage.gateway.visitor();
    let [response, handle] = stage.answer(&mut browser, &stage.idp, ADA).await;
    let (before, mut tabs) = (stage.commits().await, vec![browser; 8]);
    let sent = tabs.iter_mut().map(|tab| post(tab, &response, &handle));
    let replies = futures_util::future::join_all(sent).await;
    let taken: Vec<&Reply> = replies.iter().filter(|reply| reply.status == StatusCode::SEE_OTHER).collect();
    assert_eq!(taken.len(), 1);
    assert!(replies.iter().all(|reply| reply.location() == "/" || reply.status == StatusCode::FORBIDDEN));
    assert_eq!(stage.events(EventKind::SessionCreated).await.len(), 2);
    // The ticket, the claim, the session and the event are one, and each refusal is one.
    assert_eq!(stage.commits().await - before, 8);
}

#[tokio::test]
async fn a_ticket_is_good_for_one_answer_also_a_bad_one() {
    let stage = Stage::new("").await;
    stage.signed_in(ADA).await;
    let mut browser = stage.gateway.visitor();
    let [response, handle] = stage.answer(&mut browser, &stage.idp, ADA).await;
    let forged = response.replace(ADA, "eve@example.org");
    assert_eq!(post(&mut browser, &forged, &handle).await.status, StatusCode::FORBIDDEN);
    assert_eq!(post(&mut browser, &response, &handle).await.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.rule(EventKind::AssertionRefused).await, "ticket");
    assert!(!is_in(&mut browser).await);
}

#[tokio::test]
async fn an_answer_by_which_somebody_may_not_come_in_is_good_for_nothing_later() {
    let stage = Stage::new("idp_initiated = true").await;
    stage.signed_in(ADA).await;
    let (request, _) = stage.begin(&mut stage.gateway.visitor()).await;
    let to = format!("InResponseTo=\"{}\"", request.id);
    let draft = stage.idp.draft(&request, &person(ADA));
    let draft = draft.replace(&format!(" {to}"), "").replace(&format!("{to} "), "");
    let response = stage.idp.finish(&draft).unwrap();
    let access = stage.gateway.gateway.access();
    let elsewhere = BTreeMap::from([(Bound::Organisation, vec!["203.0.113.0/24".parse().unwrap()])]);
    access.set_network_rules(&stage.gateway.task(), None, &elsewhere).await.unwrap();
    for rule in ["network", "replay"] {
        assert_eq!(post(&mut stage.gateway.visitor(), &response, "").await.status, StatusCode::FORBIDDEN);
        assert_eq!(stage.rule(EventKind::AssertionRefused).await, rule);
        let anywhere = BTreeMap::from([(Bound::Organisation, Vec::new())]);
        access.set_network_rules(&stage.gateway.task(), None, &anywhere).await.unwrap();
    }
    assert_eq!(stage.sign_in_of(&mut stage.gateway.visitor(), ADA).await.location(), "/");
}

/// How far clocks may differ is said for each provider; the moment itself is taken, the next second is not.
#[tokio::test]
async fn a_provider_whose_clock_is_wrong_is_taken_as_far_as_the_configuration_says() {
    for (line, allowed) in [("", 60), ("clock_skew = \"0s\"", 0), ("clock_skew = \"5m\"", 300)] {
        let stage = Stage::new(line).await;
        for (seconds, is_early) in [(allowed, false), (allowed + 1, false), (allowed, true), (allowed + 1, true)] {
            let by = Duration::from_secs(seconds);
            let theirs = if is_early { START.minus(by) } else { START.plus(by) };
            let idp = stage.idp.clone().at(cleargate::clock::ManualClock::new(theirs).clock());
            let mut browser = stage.gateway.visitor();
            let [response, handle] = stage.answer(&mut browser, &idp, ADA).await;
            let reply = post(&mut browser, &response, &handle).await;
            assert_eq!(reply.location() == "/", seconds == allowed, "{line} {seconds} {is_early}");
            if seconds > allowed {
                assert_eq!(stage.rule(EventKind::AssertionRefused).await, "time", "{line} {seconds} {is_early}");
            }
        }
    }
}
