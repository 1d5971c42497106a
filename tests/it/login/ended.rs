//! What ends a sign-in before its time: a new password, an account that is no longer active or gone, a role that denies.

use cleargate::access::NewGrant;
use cleargate::credential::{Cost, Credentials, Hasher};
use cleargate::directory::SourceRecord;
use cleargate::model::{OrganisationId, Subject, User, UserId};
use cleargate::secret::{IdSource, Secret};
use cleargate::store::{Range, Table};
use http::StatusCode;

use super::provider::{Stage, roles};
use crate::support::gateway::{TestGateway, Visitor, record};

const PASSWORD: &str = "violet anchor under seven bridges";
const OTHER: &str = "seven bridges over a violet anchor";

async fn signed_in(gateway: &TestGateway) -> Visitor {
    let mut browser = gateway.visitor();
    assert_eq!(browser.sign_in("ada@example.org", PASSWORD).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    browser
}

async fn is_signed_in(browser: &mut Visitor) -> bool {
    let home = browser.get("/").await;
    let is_home = home.status == StatusCode::OK;
    assert!(is_home || home.location() == "/login", "{home:?}");
    assert_eq!(browser.get("/api/v1/me").await.status == StatusCode::OK, is_home);
    is_home
}

/// The gateway's passwords, with hashes of this cost.
fn hashed_by(gateway: &TestGateway, seed: u64, cost: Cost) -> Credentials {
    let (ledger, clock) = (gateway.gateway.ledger().clone(), gateway.clock.clock());
    let policy = gateway.gateway.credentials().policy().clone();
    let hasher = Hasher::start(cost, clock.clone()).unwrap();
    Credentials::new(ledger, clock, IdSource::seeded(seed), OrganisationId::DEFAULT, hasher, policy)
}

#[tokio::test]
async fn a_sign_in_that_has_begun_with_the_old_password_does_not_outlive_a_reset() {
    let gateway = TestGateway::new().await;
    let ada = gateway.user("ada@example.org", None).await;
    // The old password takes much longer to check than the new one takes to be set.
    let slow = hashed_by(&gateway, 3, Cost { memory_kib: 64 * 1024, passes: 12, lanes: 1 });
    let quick = hashed_by(&gateway, 4, Cost { memory_kib: 64, passes: 1, lanes: 1 });
    slow.set(&gateway.task(), &ada, &Secret::new(PASSWORD.to_owned()), false).await.unwrap();
    let mut browser = gateway.visitor();
    let csrf = browser.get("/login").await.field("csrf");
    let fields = [("username", "ada@example.org"), ("password", PASSWORD), ("csrf", csrf.as_str())];
    let reset = async {
        let (permit, secret) = (gateway.task(), Secret::new(OTHER.to_owned()));
        quick.set(&permit, &ada, &secret, false).await.unwrap();
        let mut change = gateway.gateway.ledger().change();
        gateway.gateway.sessions().end_all(&mut change, ada.id).await.unwrap();
        let event = permit.event(gateway.clock.clock().now(), cleargate::audit::EventKind::SessionEnded);
        change.commit(event).await.unwrap();
    };
    let (reply, ()) = tokio::join!(browser.post("/login/password", &fields), reset);
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{}", reply.text);
    assert!(!is_signed_in(&mut browser).await);
    assert_eq!(gateway.visitor().sign_in("ada@example.org", OTHER).await.status, StatusCode::SEE_OTHER);
}

async fn set_active(gateway: &TestGateway, ada: &User, is_active: bool) {
    gateway.gateway.directory().set_active(&gateway.task(), ada.id, is_active).await.unwrap();
}

#[tokio::test]
async fn who_was_made_inactive_and_active_again_has_to_sign_in_again() {
    let gateway = TestGateway::new().await;
    let ada = gateway.user("ada@example.org", Some(PASSWORD)).await;
    let mut browser = signed_in(&gateway).await;
    set_active(&gateway, &ada, false).await;
    set_active(&gateway, &ada, true).await;
    assert!(!is_signed_in(&mut browser).await);
    assert_eq!(gateway.gateway.sessions().list(ada.id).await.unwrap(), []);
    signed_in(&gateway).await;
}

#[tokio::test]
async fn a_source_that_makes_somebody_inactive_ends_their_sessions_too() {
    for sync in [false, true] {
        let gateway = TestGateway::with("[[scim]]\nid = \"okta\"").await;
        let source = if sync { gateway.sync_permit("corp") } else { gateway.connection("okta").await };
        let directory = gateway.gateway.directory();
        let ada = directory.create_user(&source, &record("ada@example.org")).await.unwrap();
        let secret = Secret::new(PASSWORD.to_owned());
        gateway.gateway.credentials().set(&gateway.task(), &ada, &secret, false).await.unwrap();
        let mut browser = signed_in(&gateway).await;
        for active in [false, true] {
            let changed = SourceRecord { active: Some(active), ..record("ada@example.org") };
            directory.apply_users(&source, &[(Some(ada.id), changed)]).await.unwrap();
        }
        assert!(!is_signed_in(&mut browser).await, "sync: {sync}");
    }
}

/// How many rows of the user there are in the table with this tag.
async fn rows(gateway: &TestGateway, tag: u8, user: UserId) -> usize {
    let table: Table<UserId, ()> = Table::new(tag, "any");
    let prefix = table.prefix(OrganisationId::DEFAULT, &user);
    gateway.gateway.ledger().store().range(Range::prefix(prefix, 10)).await.unwrap().len()
}

#[tokio::test]
async fn nothing_of_a_deleted_user_is_kept_that_could_sign_in() {
    let gateway = TestGateway::new().await;
    let ada = gateway.user("ada@example.org", Some(PASSWORD)).await;
    let mut browser = signed_in(&gateway).await;
    gateway.visitor().sign_in("ada@example.org", "wrong").await;
    let (passwords, attempts, sessions) = (0x38, 0x30, 0x62);
    for table in [passwords, attempts, sessions] {
        assert_eq!(rows(&gateway, table, ada.id).await, 1, "{table:#x}");
    }
    gateway.gateway.directory().delete_user(&gateway.task(), ada.id, None).await.unwrap();
    for table in [passwords, attempts, sessions] {
        assert_eq!(rows(&gateway, table, ada.id).await, 0, "{table:#x}");
    }
    assert!(!is_signed_in(&mut browser).await);
}

async fn deny(gateway: &TestGateway, user: UserId) {
    let access = gateway.gateway.access();
    let grant = NewGrant::new(Subject::User(user), "no_access".parse().unwrap());
    access.grants().create(&gateway.task(), &access.roles(), grant).await.unwrap();
}

#[tokio::test]
async fn an_open_session_is_no_use_to_who_may_not_sign_in_any_more() {
    let gateway = TestGateway::new().await;
    let ada = gateway.user("ada@example.org", Some(PASSWORD)).await;
    let mut browser = signed_in(&gateway).await;
    deny(&gateway, ada.id).await;
    assert!(!is_signed_in(&mut browser).await);
    assert_eq!(browser.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
}

const BLOCKED: &str = r#"
[[saml]]
id = "entra"
metadata = { file = "entra.xml" }
domains = ["example.org"]
[[mapping]]
from = "entra"
when = 'groups eq "blocked"'
grant = { role = "no_access" }
[[mapping]]
from = "entra"
when = 'groups eq "staff"'
grant = { role = "browser" }
"#;

#[tokio::test]
async fn a_role_that_a_sign_in_brings_counts_for_this_sign_in_and_one_that_it_takes_away_does_not() {
    let stage = Stage::with(BLOCKED, &["entra"]).await;
    let mut browser = stage.gateway.visitor();
    let mut new = stage.gateway.visitor();
    let refused = stage.sign_in_by("entra", &mut new, "new@example.org", &["blocked"]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert!(!is_signed_in(&mut new).await);
    let reply = stage.sign_in_by("entra", &mut new, "new@example.org", &["staff"]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "a new account is not locked out for good: {}", reply.text);

    stage.sign_in_by("entra", &mut browser, "ada@example.org", &["staff"]).await;
    assert_eq!(roles(&mut browser).await, serde_json::json!(["browser"]));
    let mut later = stage.gateway.visitor();
    let refused = stage.sign_in_by("entra", &mut later, "ada@example.org", &["blocked"]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert!(!is_signed_in(&mut browser).await, "nor is the older session any use");
    let reply = stage.sign_in_by("entra", &mut later, "ada@example.org", &["staff"]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "the rule's role went with the group: {}", reply.text);
    assert_eq!(roles(&mut later).await, serde_json::json!(["browser"]));
}
