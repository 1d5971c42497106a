//! What was good once when a copy was made is good no more after the copy was put back, whether it was used or not.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cleargate::audit::{Event, EventKind};
use cleargate::clock::ManualClock;
use cleargate::credential::Factors;
use cleargate::model::{Actor, Circumstance, FactorKind, TokenKind, User};
use cleargate::notify::Recipient;
use cleargate::sandbox::saml::{Idp, IdpKey, KeyKind, Person, Request, sign};
use cleargate::secret::{IdSource, Secret};
use http::{HeaderValue, StatusCode};

use crate::support::authenticator::App;
use crate::support::gateway::{Reply, START, TestGateway, Visitor};
use crate::support::mail::MailServer;

const ADA: &str = "ada@example.org";
const GOOD: &str = "violet anchor under seven bridges";

/// The same gateway after a copy was put into the place of its store.
async fn put_back(gateway: TestGateway, backup: &std::path::Path) -> TestGateway {
    gateway.reopened(|store| assert!(std::fs::copy(backup, store).unwrap() > 0)).await
}

async fn restores(gateway: &TestGateway) -> usize {
    let rows = gateway.gateway.ledger().store().engine().log(0, 1_000).await.unwrap();
    let events = rows.iter().map(|row| cleargate::store::decode::<Event>("log", &row.body).unwrap());
    events.filter(|event| event.kind == EventKind::StoreRestored).count()
}

async fn follow(gateway: &TestGateway, path: &str, link: &str) -> (Reply, Visitor) {
    let mut browser = gateway.visitor();
    let page = browser.get(link).await;
    let (token, csrf) = (page.field("token"), page.field("csrf"));
    let reply = browser.post(path, &[("token", &token), ("csrf", &csrf)]).await;
    (reply, browser)
}

/// Lets somebody have an app, and tells it and the recovery codes that came with it.
async fn enrol(gateway: &TestGateway, user: &User) -> (App, Vec<Secret>) {
    let factors = gateway.gateway.factors();
    let offer = factors.offer(user.id, &Secret::new("place".to_owned())).unwrap();
    let app = App::of(offer.text().expose());
    let code = Secret::new(app.code(gateway));
    let enrolment = factors.confirm(user.id, &offer, &code).unwrap().unwrap();
    let mut change = gateway.gateway.ledger().change();
    factors.enrol_in(&mut change, user.id, &enrolment).await.unwrap();
    let actor = Actor::System { task: "test".to_owned() };
    let event = Event::new(gateway.clock.clock().now(), EventKind::FactorEnrolled, &actor);
    change.commit(event).await.unwrap();
    (app, enrolment.codes().to_vec())
}

async fn check(factors: &Factors, user: &User, code: &str) -> Option<FactorKind> {
    factors.check_code(user, &Secret::new(code.to_owned()), &Circumstance::default()).await.unwrap()
}

async fn provision(gateway: &TestGateway, token: &Secret) -> StatusCode {
    let mut client = gateway.visitor();
    let value = HeaderValue::try_from(format!("Bearer {}", token.expose())).unwrap();
    client.headers.insert("authorization", value);
    client.get("/scim/v2/Users").await.status
}

#[tokio::test]
async fn sessions_links_sign_ins_under_way_and_access_tokens_end() {
    let gateway = TestGateway::on_disk("[[scim]]\nid = \"okta\"", &[]).await;
    let ada = gateway.user(ADA, Some(GOOD)).await;
    let mut browser = gateway.visitor();
    assert_eq!(browser.sign_in(ADA, GOOD).await.location(), "/");
    let session = browser.cookies.clone();
    let login = gateway.gateway.login();
    let reset = login.reset_link(&gateway.task(), &ada, None).await.unwrap().path.expose().to_owned();
    let begun = login.reset_link(&gateway.task(), &ada, None).await.unwrap().path.expose().to_owned();
    let link = login.one_time_link(&gateway.task(), &ada).await.unwrap().expose().to_owned();
    let kind = TokenKind::Client("okta".parse().unwrap());
    let (secret, client) = gateway.gateway.tokens().create(&gateway.task(), "okta", kind, None).await.unwrap();
    let issued = gateway.gateway.tokens().issue(&client.id.to_string(), &secret).await.unwrap();
    let under_way = {
        let (reply, browser) = follow(&gateway, "/login/reset", &begun).await;
        assert_eq!(reply.location(), "/login/change-password");
        browser.cookies.clone()
    };

    let backup = gateway.back_up().await;
    gateway.advance(Duration::from_secs(10));
    assert_eq!(follow(&gateway, "/login/link", &link).await.0.status, StatusCode::SEE_OTHER);
    assert_eq!(follow(&gateway, "/login/reset", &reset).await.0.status, StatusCode::SEE_OTHER);
    assert_eq!(provision(&gateway, &issued.token).await, StatusCode::OK);
    drop(browser);

    // A start without a copy ends nothing.
    let gateway = gateway.reopened(|_| {}).await;
    assert_eq!(provision(&gateway, &issued.token).await, StatusCode::OK);
    assert_eq!(with(&gateway, &session).get("/api/v1/me").await.status, StatusCode::OK);
    assert_eq!(with(&gateway, &under_way).get("/login/change-password").await.status, StatusCode::OK);
    assert_eq!(restores(&gateway).await, 0);

    let gateway = put_back(gateway, &backup).await;
    assert_eq!(restores(&gateway).await, 1);
    assert_eq!(with(&gateway, &session).get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(follow(&gateway, "/login/link", &link).await.0.status, StatusCode::FORBIDDEN);
    assert_eq!(follow(&gateway, "/login/reset", &reset).await.0.status, StatusCode::FORBIDDEN);
    assert_ne!(with(&gateway, &under_way).get("/login/change-password").await.status, StatusCode::OK);
    assert_eq!(provision(&gateway, &issued.token).await, StatusCode::UNAUTHORIZED);
    // Whoever has the secret gets a new one, and whoever has the password signs in.
    let issued = gateway.gateway.tokens().issue(&client.id.to_string(), &secret).await.unwrap();
    assert_eq!(provision(&gateway, &issued.token).await, StatusCode::OK);
    assert_eq!(gateway.visitor().sign_in(ADA, GOOD).await.location(), "/");
    let login = gateway.gateway.login();
    let link = login.one_time_link(&gateway.task(), &ada).await.unwrap().expose().to_owned();
    assert_eq!(follow(&gateway, "/login/link", &link).await.0.status, StatusCode::SEE_OTHER);
    // The same copy once more is another life, in which none of the last one's links works.
    let left = gateway.gateway.login().one_time_link(&gateway.task(), &ada).await.unwrap().expose().to_owned();
    let gateway = put_back(gateway, &backup).await;
    assert_eq!(follow(&gateway, "/login/link", &left).await.0.status, StatusCode::FORBIDDEN);
    assert_eq!(restores(&gateway).await, 1, "of what happened before, a copy knows nothing");
}

fn with(gateway: &TestGateway, cookies: &BTreeMap<String, String>) -> Visitor {
    let mut visitor = gateway.visitor();
    visitor.cookies.clone_from(cookies);
    visitor
}

/// What a kill leaves is the file and its journal. Without the journal the store lacks what was committed last: who was shut
/// out then would be in again.
#[tokio::test]
async fn a_store_whose_journal_is_gone_or_cut_off_is_one_that_was_put_back() {
    let mut gateway = TestGateway::on_disk("", &[]).await;
    gateway.user(ADA, Some(GOOD)).await;
    let mut count = 0;
    for (left, is_whole) in [(Some(1), true), (Some(2), false), (None, false), (Some(1), true)] {
        let mut path = std::path::PathBuf::new();
        gateway = gateway.reopened(|store| path = store.to_owned()).await;
        let mut browser = gateway.visitor();
        assert_eq!(browser.sign_in(ADA, GOOD).await.location(), "/");
        let session = browser.cookies.clone();
        drop(browser);
        let place = cleargate::store::journal(&path);
        let (file, journal) = (std::fs::read(&path).unwrap(), std::fs::read(&place).unwrap());
        let killed = |store: &std::path::Path| {
            assert!(!place.exists());
            std::fs::write(store, &file).unwrap();
            if let Some(part) = left {
                std::fs::write(&place, &journal[..journal.len() / part]).unwrap();
            }
        };
        gateway = gateway.reopened(killed).await;
        count += usize::from(!is_whole);
        assert_eq!(restores(&gateway).await, count, "{left:?}");
        let expected = if is_whole { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(with(&gateway, &session).get("/api/v1/me").await.status, expected, "{left:?}");
    }
}

#[tokio::test]
async fn a_code_that_was_taken_is_not_taken_again_and_recovery_codes_end() {
    let gateway = TestGateway::on_disk("", &[]).await;
    let ada = gateway.user(ADA, Some(GOOD)).await;
    let (app, codes) = enrol(&gateway, &ada).await;
    gateway.advance(Duration::from_secs(120));
    let backup = gateway.back_up().await;
    gateway.advance(Duration::from_secs(40));
    let code = app.code(&gateway);
    let factors = gateway.gateway.factors().clone();
    assert_eq!(check(&factors, &ada, &code).await, Some(FactorKind::Code));
    assert_eq!(check(&factors, &ada, codes[0].expose()).await, Some(FactorKind::Recovery));
    drop(factors);

    let gateway = put_back(gateway, &backup).await;
    let factors = gateway.gateway.factors();
    for (code, which) in [(code.as_str(), "taken"), (codes[0].expose(), "used"), (codes[1].expose(), "perhaps used")] {
        assert_eq!(check(factors, &ada, code).await, None, "{which}");
    }
    let enrolled = factors.enrolled(ada.id).await.unwrap();
    assert_eq!((enrolled.code.is_some(), enrolled.recovery_codes), (true, 0));
    gateway.advance(Duration::from_secs(60));
    assert_eq!(check(factors, &ada, &app.code(&gateway)).await, Some(FactorKind::Code), "the app goes on");
    let fresh = factors.new_codes(ada.id);
    let mut change = gateway.gateway.ledger().change();
    factors.put_codes_in(&mut change, ada.id, &fresh).unwrap();
    let actor = Actor::System { task: "test".to_owned() };
    let event = Event::new(gateway.clock.clock().now(), EventKind::RecoveryCodesCreated, &actor);
    change.commit(event).await.unwrap();
    assert_eq!(check(factors, &ada, fresh.codes()[0].expose()).await, Some(FactorKind::Recovery));
}

#[tokio::test]
async fn a_clock_that_is_behind_the_backup_brings_no_code_back() {
    let gateway = TestGateway::on_disk("", &[]).await;
    let ada = gateway.user(ADA, Some(GOOD)).await;
    let (_, codes) = enrol(&gateway, &ada).await;
    gateway.advance(Duration::from_secs(120));
    let backup = gateway.back_up().await;
    // The machine on which it is put back does not know the time yet.
    let mut gateway = gateway;
    gateway.clock = ManualClock::new(START.minus(Duration::from_secs(86_400)));
    let gateway = put_back(gateway, &backup).await;
    assert_eq!(restores(&gateway).await, 1);
    assert_eq!(check(gateway.gateway.factors(), &ada, codes[0].expose()).await, None);
}

#[tokio::test]
async fn mails_that_waited_went_out_before_and_are_not_sent_again() {
    let server = MailServer::plain().await;
    let gateway = TestGateway::on_disk(&server.lines(), &[]).await;
    let ada = gateway.user(ADA, Some(GOOD)).await;
    let to = Recipient::of(&ada).unwrap();
    assert!(gateway.gateway.login().reset_link(&gateway.task(), &ada, Some(&to)).await.unwrap().is_posted);
    let backup = gateway.back_up().await;
    assert_eq!(gateway.gateway.outbox().round(None).await.unwrap().sent, 1);
    let gateway = put_back(gateway, &backup).await;
    let round = gateway.gateway.outbox().round(None).await.unwrap();
    assert_eq!((round.sent, round.given_up, server.mails().len()), (0, 1, 1));
    assert!(gateway.gateway.login().reset_link(&gateway.task(), &ada, Some(&to)).await.unwrap().is_posted);
    assert_eq!(gateway.gateway.outbox().round(None).await.unwrap().sent, 1, "and what is posted now goes");
}

/// A provider whose clock goes with ours.
struct Provider {
    idp: Idp,
    clock: ManualClock,
}

impl Provider {
    const BASE: &str = "http://127.0.0.1:7000";

    fn new() -> Self {
        let key = IdpKey::generate(KeyKind::EcdsaP256, "idp.example").unwrap();
        let clock = ManualClock::new(START);
        Self { idp: Idp::new(Self::BASE, Vec::new(), key, clock.clock(), IdSource::seeded(5)), clock }
    }

    fn advance(&self, gateway: &TestGateway, seconds: u64) {
        gateway.advance(Duration::from_secs(seconds));
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Walks to the provider: the request and the handle.
    async fn begin(&self, browser: &mut Visitor) -> (Request, String) {
        let start = browser.get("/login/corp?return_to=/").await;
        let url = url::Url::parse(start.location()).unwrap();
        let field = |name: &str| url.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned();
        (Request::parse(&field("SAMLRequest")).unwrap(), field("RelayState"))
    }

    /// An answer that nobody asked for.
    async fn unasked(&self, gateway: &TestGateway) -> String {
        let (request, _) = self.begin(&mut gateway.visitor()).await;
        let draft = self.idp.draft(&request, &person());
        let draft = draft.replace(&format!(" InResponseTo=\"{}\"", request.id), "");
        self.idp.finish(&draft.replace(&format!("InResponseTo=\"{}\" ", request.id), "")).unwrap()
    }

    fn logout(&self, id: &str) -> String {
        let draft = format!(
            "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{}\" \
             Destination=\"http://127.0.0.1:8080/saml/corp/slo\"><saml:Issuer>{}/metadata</saml:Issuer>{}\
             <saml:NameID>{ADA}</saml:NameID></samlp:LogoutRequest>",
            self.clock.clock().now(),
            Self::BASE,
            sign::template(id, KeyKind::EcdsaP256),
        );
        sign::fill(&draft, self.idp.key()).unwrap()
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}

fn person() -> Person {
    Person { name: "Ada".to_owned(), email: ADA.to_owned(), groups: Vec::new() }
}

async fn post(browser: &mut Visitor, response: &str, handle: &str) -> Reply {
    let field = BASE64_STANDARD.encode(response);
    browser.post("/saml/corp/acs", &[("SAMLResponse", &field), ("RelayState", handle)]).await
}

async fn log_out(gateway: &TestGateway, document: &str) -> Reply {
    let field = BASE64_STANDARD.encode(document);
    gateway.visitor().post("/saml/corp/slo", &[("SAMLRequest", &field), ("RelayState", "theirs")]).await
}

#[tokio::test]
async fn what_a_provider_vouched_for_before_opens_nothing_and_a_logout_of_before_ends_nothing() {
    let provider = Provider::new();
    let metadata = provider.idp.metadata().replace(
        "<md:SingleSignOnService",
        "<md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
         Location=\"http://127.0.0.1:7000/slo\"/><md:SingleSignOnService",
    );
    let own = IdpKey::generate(KeyKind::Rsa2048, "sso.example.org").unwrap();
    let lines = "[[saml]]\nid = \"corp\"\nname = \"Corp\"\nmetadata = { file = \"corp.xml\" }\nidp_initiated = true\n\
                 signing = [{ certificate = \"own.pem\", key = { file = \"own.key\" } }]\n";
    let (certificate, key) = (pem("CERTIFICATE", own.certificate()), pem("PRIVATE KEY", own.private_key()));
    let files = [("corp.xml", metadata.as_str()), ("own.pem", &certificate), ("own.key", &key)];
    let gateway = TestGateway::on_disk(lines, &files).await;
    let backup = gateway.back_up().await;
    provider.advance(&gateway, 10);
    let used = provider.unasked(&gateway).await;
    let unused = provider.unasked(&gateway).await;
    let mut browser = gateway.visitor();
    let (request, handle) = provider.begin(&mut browser).await;
    let asked = provider.idp.respond(&request, &person()).unwrap();
    let begun = browser.cookies.clone();
    drop(browser);
    assert_eq!(post(&mut gateway.visitor(), &used, "").await.location(), "/");
    let logout = provider.logout("_before");
    assert_eq!(log_out(&gateway, &logout).await.status, StatusCode::OK);

    let gateway = put_back(gateway, &backup).await;
    for (response, which) in [(&used, "used"), (&unused, "not used")] {
        let reply = post(&mut gateway.visitor(), response, "").await;
        assert_eq!((reply.status, reply.location()), (StatusCode::FORBIDDEN, ""), "{which}");
    }
    let reply = post(&mut with(&gateway, &begun), &asked, &handle).await;
    assert_eq!((reply.status, reply.location()), (StatusCode::FORBIDDEN, ""), "what we asked for before");

    // What we ask for from now on is good at once, and what we do not ask for once no clock can be so far ahead.
    let mut browser = gateway.visitor();
    let (request, handle) = provider.begin(&mut browser).await;
    let response = provider.idp.respond(&request, &person()).unwrap();
    assert_eq!(post(&mut browser, &response, &handle).await.location(), "/");
    assert_eq!(log_out(&gateway, &logout).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.get("/api/v1/me").await.status, StatusCode::OK, "a logout of before");
    provider.advance(&gateway, 60);
    let early = provider.unasked(&gateway).await;
    assert_eq!(post(&mut gateway.visitor(), &early, "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(log_out(&gateway, &provider.logout("_after")).await.status, StatusCode::OK);
    assert_eq!(browser.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED, "a logout of now");
    provider.advance(&gateway, 300);
    let late = provider.unasked(&gateway).await;
    assert_eq!(post(&mut gateway.visitor(), &late, "").await.location(), "/");
}
