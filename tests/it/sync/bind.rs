//! Sign-in with the directory's password.

use std::future::ready;

use cleargate::clock::Clock;
use cleargate::ldap::StableId;
use cleargate::sandbox::directory::Fault;
use cleargate::secret::Secret;
use cleargate::upstream::bind::Bind;
use cleargate::upstream::{AssertedIdentity, Error, PasswordConnector};

use futures_util::FutureExt;

use super::bench::{Bench, source, tree};
use crate::ldap::directory::Sandbox;
use crate::peers::slapd::{self, BASE, Slapd};

async fn ask(bind: &Bind, name: &str, password: &str) -> Result<AssertedIdentity, Error> {
    bind.authenticate(name, &Secret::new(password.to_owned()), ready(Ok(())).boxed()).await
}

#[tokio::test]
async fn the_right_password_gives_the_identity_that_the_sync_knows() {
    let slapd = Slapd::start(5);
    let bind = Bind::new(source(), tree(slapd.settings(), BASE), Clock::system());
    let identity = ask(&bind, "USER0003", "password-3").await.unwrap();
    assert_eq!((identity.user_name(), identity.email()), ("user0003", Some("user0003@example.test")));
    assert_eq!((identity.connector(), identity.display_name()), (&source(), Some("Given3 Family3")));
    assert!(!identity.attributes().contains_key("userPassword"));
    let bench = Bench::new(tree(slapd.settings(), BASE), &[]);
    bench.sync.run().await.unwrap();
    let user = bench.directory.find_user_by_subject(&source(), identity.subject()).await.unwrap().unwrap();
    assert_eq!(user.user_name.as_str(), "user0003");
    assert_eq!(StableId::EntryUuid.attribute(), "entryUUID");
}

#[tokio::test]
async fn wrong_names_and_passwords_have_one_answer() {
    let slapd = Slapd::start(5);
    let bind = Bind::new(source(), tree(slapd.settings(), BASE), Clock::system());
    let mut reasons = Vec::new();
    for (name, password) in [
        ("user0003", "password-4"),
        ("user0003", ""),
        ("nobody", "password-3"),
        ("*", "password-3"),
        ("user0003)(uid=*", "password-3"),
        ("user000*", "password-3"),
        ("", "password-3"),
        ("user\u{0}0003", "password-3"),
    ] {
        let error = ask(&bind, name, password).await.unwrap_err();
        assert!(matches!(error, Error::Declined { .. }), "{name}: {error}");
        reasons.push(error.to_string());
    }
    reasons.dedup();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    ask(&bind, "user0003", "password-3").await.unwrap();
}

#[tokio::test]
async fn a_disabled_person_is_declined_with_the_right_password() {
    let slapd = Slapd::start(5);
    slapd.replace(&slapd::person(2), "pwdAccountLockedTime", &["000001010000Z"]).await;
    let bind = Bind::new(source(), tree(slapd.settings(), BASE), Clock::system());
    assert!(matches!(ask(&bind, "user0002", "password-2").await, Err(Error::Declined { .. })));
}

#[tokio::test]
async fn two_people_of_one_name_are_nobody() {
    let sandbox = Sandbox::start(3).await;
    let mut records = sandbox.directory.records().to_vec();
    let twin = records[3].clone().renamed("uid=p0000,dc=example,dc=org").unwrap();
    records.push(twin);
    sandbox.directory.set_records(records.clone());
    let bind = Bind::new(source(), tree(sandbox.settings.clone(), "dc=example,dc=org"), Clock::system());
    assert!(matches!(ask(&bind, "p0000", "password-0").await, Err(Error::Declined { .. })));
    ask(&bind, "p0001", "password-1").await.unwrap();
    // No more is read than tells that there are several.
    for number in 0..3 {
        let dn = format!("uid=p0000,ou=n{number},dc=example,dc=org");
        records.push(records[3].clone().renamed(&dn).unwrap());
    }
    sandbox.directory.set_records(records);
    let error = ask(&bind, "p0000", "password-0").await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { reason } if reason.contains("more than 2 entries")), "{error}");
    ask(&bind, "p0001", "password-1").await.unwrap();
}

#[tokio::test]
async fn a_directory_that_is_away_is_not_a_wrong_password_and_a_kept_connection_heals() {
    let sandbox = Sandbox::start(3).await;
    let bind = Bind::new(source(), tree(sandbox.settings.clone(), "dc=example,dc=org"), Clock::system());
    ask(&bind, "p0000", "password-0").await.unwrap();
    sandbox.directory.set_fault(Some(Fault::Notice));
    assert!(matches!(ask(&bind, "p0000", "password-0").await, Err(Error::Unavailable { .. })));
    sandbox.directory.set_fault(None);
    ask(&bind, "p0000", "password-0").await.unwrap();
}

#[tokio::test]
async fn a_password_that_is_only_good_for_being_changed_is_declined() {
    let sandbox = Sandbox::start(1).await;
    let bind = Bind::new(source(), tree(sandbox.settings.clone(), "dc=example,dc=org"), Clock::system());
    ask(&bind, "p0000", "password-0").await.unwrap();
    sandbox.directory.set_fault(Some(Fault::ChangeInBind));
    let error = ask(&bind, "p0000", "password-0").await.unwrap_err();
    assert!(matches!(&error, Error::Declined { reason } if reason.contains("must be changed")), "{error}");
    sandbox.directory.set_fault(None);
    ask(&bind, "p0000", "password-0").await.unwrap();
}

#[tokio::test]
async fn openldap_says_in_a_control_that_a_password_was_reset() {
    let slapd = Slapd::start(3);
    slapd.replace(&format!("cn=policy,ou=services,{BASE}"), "pwdMustChange", &["TRUE"]).await;
    slapd.replace(&slapd::person(1), "pwdReset", &["TRUE"]).await;
    let bind = Bind::new(source(), tree(slapd.settings(), BASE), Clock::system());
    let error = ask(&bind, "user0001", "password-1").await.unwrap_err();
    assert!(matches!(&error, Error::Declined { reason } if reason.contains("must be changed")), "{error}");
    ask(&bind, "user0002", "password-2").await.unwrap();
    slapd.replace(&slapd::person(1), "pwdReset", &["FALSE"]).await;
    ask(&bind, "user0001", "password-1").await.unwrap();
}

#[tokio::test]
async fn nobody_makes_a_sign_in_read_more_than_an_entry() {
    let sandbox = Sandbox::start(2).await;
    let all = sandbox.directory.records();
    let grown = all.iter().cloned().map(|record| match record.values("uid") == [b"p0000"] {
        true => record.with("displayName", &[&"x".repeat(2 << 20)]),
        false => record,
    });
    let grown = grown.collect();
    sandbox.directory.set_records(grown);
    let bind = Bind::new(source(), tree(sandbox.settings.clone(), "dc=example,dc=org"), Clock::system());
    let error = ask(&bind, "p0000", "password-0").await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { reason } if reason.contains("over the limit")), "{error}");
    ask(&bind, "p0001", "password-1").await.unwrap();
}

#[tokio::test]
async fn nothing_is_sent_that_is_stopped_just_before() {
    let sandbox = Sandbox::start(2).await;
    let bind = Bind::new(source(), tree(sandbox.settings.clone(), "dc=example,dc=org"), Clock::system());
    let password = Secret::new("password-0".to_owned());
    let binds = || sandbox.directory.binds();
    let stopped = bind.authenticate("p0000", &password, ready(Err(Error::Busy)).boxed()).await;
    assert!(matches!(stopped, Err(Error::Busy)));
    assert_eq!(binds(), 1, "the service account's");
    let unknown = bind.authenticate("nobody", &password, async { panic!("asked for nobody") }.boxed()).await;
    assert!(matches!(unknown, Err(Error::Declined { .. })));
}
