//! What a provider takes back of what it said: the roles that its rules gave are gone at once, wherever the person goes on.

use std::time::Duration;

use cleargate::access::NewGrant;
use cleargate::audit::EventKind;
use cleargate::directory::{GroupDraft, Member, MemberChange};
use cleargate::model::{Attributes, Subject};
use http::StatusCode;
use serde_json::{Value, json};

use super::stage::{ADA, CAEP, GRACE, PUSHED, RISC, Stage, detail, header, is_in, signed};
use super::{GOOD, KEY};
use crate::support::gateway::Visitor;

const RULES: &str = r#"
[policy]
pack = "clearpoint-systems"
[[mapping]]
from = "idp"
when = 'sub eq "sub-ada"'
grant = { role = "viewer" }
[[mapping]]
from = "idp"
when = 'sub eq "sub-ada"'
grant = { role = "data_analyst" }
mode = "additive"
[[mapping]]
from = "idp"
when = 'sub eq "sub-grace"'
grant = { role = "viewer" }
"#;

async fn roles(browser: &mut Visitor) -> Value {
    let me = browser.get("/api/v1/me").await;
    assert_eq!(me.status, StatusCode::OK, "{}", me.text);
    me.json()["roles"].clone()
}

/// A stage on which Ada has a role by hand and is signed in by a password too.
async fn with_ada() -> (Stage, Visitor) {
    let stage = Stage::new(&format!("domains = [\"example.org\"]\n{PUSHED}{RULES}")).await;
    let ada = stage.gateway.user(ADA, Some(GOOD)).await;
    let by_hand = NewGrant::new(Subject::User(ada.id), "compliance_officer".parse().unwrap());
    let access = stage.gateway.gateway.access();
    access.grants().create(&stage.gateway.task(), &access.roles(), by_hand).await.unwrap();
    // The first sign-in by the provider links the account, and ends what was open before.
    stage.signed_in(ADA).await;
    let mut browser = stage.gateway.visitor();
    assert_eq!(browser.sign_in(ADA, GOOD).await.location(), "/");
    (stage, browser)
}

#[tokio::test]
async fn what_a_provider_takes_back_is_gone_at_once_and_comes_back_by_the_next_sign_in() {
    let (everything, for_now) =
        (json!(["compliance_officer", "data_analyst", "viewer"]), json!(["compliance_officer", "data_analyst"]));
    for (event, left) in [
        (format!("{CAEP}/token-claims-change"), for_now.clone()),
        (format!("{RISC}/identifier-recycled"), json!(["compliance_officer"])),
        (format!("{RISC}/account-disabled"), for_now.clone()),
        (format!("{RISC}/account-purged"), json!(["compliance_officer"])),
        (format!("{CAEP}/session-revoked"), everything.clone()),
        (format!("{CAEP}/credential-change"), everything.clone()),
    ] {
        let (stage, mut ada) = with_ada().await;
        let (mut grace, _) = stage.signed_in(GRACE).await;
        assert_eq!(roles(&mut ada).await, everything);
        let device = json!({"format": "complex", "user": stage.person("sub-ada"), "device": {"format": "opaque", "id": "laptop"}});
        stage.tell("0", &event, &device).await;
        assert_eq!(roles(&mut ada).await, everything, "{event} of one device");
        stage.tell("1", &event, &stage.person("sub-ada")).await;
        assert_eq!(roles(&mut ada).await, left, "{event}");
        assert_eq!(roles(&mut grace).await, json!(["viewer"]), "{event}");
        let taken = (left != everything).then(|| (3 - left.as_array().unwrap().len()).to_string());
        let told = stage.events(EventKind::SignalReceived).await;
        assert_eq!(detail(told.last().unwrap(), "roles_taken"), taken, "{event}");
        if !event.starts_with(RISC) {
            stage.advance(Duration::from_secs(1));
            stage.signed_in(ADA).await;
            assert_eq!(roles(&mut ada).await, everything, "{event}: said again");
        }
    }
}

#[tokio::test]
async fn what_a_provider_takes_back_ends_places_in_groups_at_once() {
    let joins = "[[mapping]]\nfrom = \"idp\"\nwhen = 'sub eq \"sub-ada\"'\njoin = \"Analysts\"\n";
    for (event, is_left) in [
        (format!("{CAEP}/token-claims-change"), true),
        (format!("{RISC}/account-disabled"), true),
        (format!("{CAEP}/session-revoked"), false),
    ] {
        let stage = Stage::new(&format!("domains = [\"example.org\"]\n{PUSHED}{joins}")).await;
        let directory = stage.gateway.gateway.directory();
        let members = MemberChange::default();
        let draft = GroupDraft {
            name: "Analysts".parse().unwrap(),
            external_id: None,
            attributes: Attributes::default(),
            members,
        };
        let group = directory.create_group(&stage.gateway.task(), &draft).await.unwrap();
        stage.signed_in(ADA).await;
        let ada = Member::User(directory.find_user_by_name(ADA).await.unwrap().unwrap().id);
        assert!(directory.find_membership(group.id, ada).await.unwrap().is_some());
        stage.tell("1", &event, &stage.person("sub-ada")).await;
        assert_eq!(directory.find_membership(group.id, ada).await.unwrap().is_none(), is_left, "{event}");
        let told = stage.events(EventKind::SignalReceived).await;
        assert_eq!(detail(told.last().unwrap(), "groups_left"), is_left.then(|| "1".to_owned()), "{event}");
    }
}

#[tokio::test]
async fn a_signal_that_comes_late_takes_nothing_that_was_said_since() {
    let (stage, mut ada) = with_ada().await;
    let (mut before, _) = stage.signed_in(ADA).await;
    let mut late = stage.claims("1", &format!("{CAEP}/token-claims-change"), &stage.person("sub-ada"));
    stage.advance(Duration::from_secs(60));
    let (mut since, _) = stage.signed_in(ADA).await;
    late.insert("iat".into(), json!(stage.now() - 30));
    assert_eq!(stage.push(&signed(&KEY, &header(), &late)).await.status, StatusCode::ACCEPTED);
    assert!(!is_in(&mut before).await && is_in(&mut since).await);
    assert_eq!(roles(&mut ada).await, json!(["compliance_officer", "data_analyst", "viewer"]));
}

#[tokio::test]
async fn whoever_has_the_name_now_keeps_nothing_of_who_had_it_before() {
    let (stage, mut ada) = with_ada().await;
    let mut late = stage.claims("1", &format!("{RISC}/identifier-recycled"), &stage.person("sub-ada"));
    stage.advance(Duration::from_secs(60));
    let (mut since, _) = stage.signed_in(ADA).await;
    late.insert("iat".into(), json!(stage.now() - 30));
    assert_eq!(stage.push(&signed(&KEY, &header(), &late)).await.status, StatusCode::ACCEPTED);
    assert!(is_in(&mut since).await);
    // What the last sign-in has settled stays; what it left alone was somebody else's.
    assert_eq!(roles(&mut ada).await, json!(["compliance_officer", "viewer"]));
}

#[tokio::test]
async fn a_provider_whose_clock_goes_wrong_is_believed_within_its_bound() {
    for (lines, ahead, is_good) in
        [("", 59, true), ("", 61, false), ("clock_skew = \"4m\"\n", 200, true), ("clock_skew = \"4m\"\n", 241, false)]
    {
        let stage = Stage::new(&format!("{lines}{PUSHED}")).await;
        stage.clock.advance(Duration::from_secs(ahead));
        let reply = stage.try_sign_in(&mut stage.gateway.visitor(), ADA).await;
        assert_eq!(reply.status == StatusCode::SEE_OTHER, is_good, "{lines}{ahead}");
        let token = stage.token("1", &format!("{CAEP}/session-revoked"), &stage.person("sub-ada"));
        assert_eq!(stage.push(&token).await.status == StatusCode::ACCEPTED, is_good, "{lines}{ahead}");
        if !is_good {
            assert_eq!(stage.rule(EventKind::AssertionRefused).await, "issue_time");
            assert_eq!(stage.rule(EventKind::SignalRefused).await, "issue_time");
        }
    }
}
