//! Directories are spared: no more wrong passwords are carried to one than it takes, whatever is tried here.

use std::collections::BTreeMap;
use std::time::Duration;

use cleargate::access::{Bound, NewGrant};
use cleargate::ldap::Connection;
use cleargate::lockout::BindBudget;
use cleargate::model::Subject;
use cleargate::sandbox::directory::{Directory, Encryption, Fault};
use cleargate::tasks::Tasks;
use http::StatusCode;

use crate::ldap::directory::{SERVICE, records};
use crate::peers::slapd::{self, BASE, Slapd};
use crate::support::gateway::{TestGateway, Visitor};

/// A gateway over a directory that locks at five wrong passwords, and its first person there.
async fn stage(lines: &str) -> (TestGateway, Slapd) {
    let slapd = Slapd::start(2);
    slapd.replace(&format!("cn=policy,ou=services,{BASE}"), "pwdMaxFailure", &["5"]).await;
    let lines = format!(
        "[limits]\nsign_in = \"9999/1m\"\nsign_in_account = \"9999/1m\"\n[[ldap]]\nid = \"corp\"\n\
         servers = [\"ldap://127.0.0.1:{}\"]\nbase = \"{BASE}\"\nlogin = true\n\
         bind = {{ dn = \"cn=sync,ou=services,{BASE}\", password = {{ file = \"secret\" }} }}\n{lines}\n",
        slapd.port
    );
    let gateway = TestGateway::with_files(&lines, &[("secret", "sync-secret\n")]).await;
    gateway.gateway.sync(&"corp".parse().unwrap()).unwrap().run().await.unwrap();
    (gateway, slapd)
}

async fn wrong(browser: &mut Visitor, times: usize) {
    for _ in 0..times {
        let reply = browser.sign_in(&slapd::user_name(0), "wrong").await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{}", reply.text);
    }
}

async fn gets_in(browser: &mut Visitor) -> bool {
    browser.sign_in(&slapd::user_name(0), &slapd::password(0)).await.location() == "/"
}

/// How many wrong passwords the directory has seen of the person since the last right one.
async fn seen(slapd: &Slapd) -> usize {
    let mut connection = Connection::open(&slapd.settings()).await.unwrap();
    let entry = connection.find(&slapd::person(0), &["pwdFailureTime"]).await.unwrap().unwrap();
    entry.values("pwdFailureTime").len()
}

#[tokio::test]
async fn a_directory_sees_fewer_wrong_passwords_than_lock_an_account_there_however_many_are_tried() {
    let (gateway, slapd) = stage("bind_window = \"1d\"").await;
    let mut known = gateway.visitor();
    assert!(gets_in(&mut known).await, "signs in once");
    wrong(&mut gateway.visitor(), 12).await;
    assert_eq!(seen(&slapd).await, 3, "strangers leave the last one to known browsers");
    wrong(&mut known, 5).await;
    assert_eq!(seen(&slapd).await, 4, "all browsers together");
    // Our own locks come and go; what was carried on stays counted.
    gateway.advance(Duration::from_secs(2 * 3600));
    wrong(&mut gateway.visitor(), 1).await;
    assert!(!gets_in(&mut known).await && !gets_in(&mut gateway.visitor()).await);
    assert_eq!(seen(&slapd).await, 4);
    gateway.advance(Duration::from_secs(23 * 3600));
    assert!(gets_in(&mut gateway.visitor()).await, "a day later, and the directory never locked");
    assert_eq!(seen(&slapd).await, 0);
}

#[tokio::test]
async fn the_limit_is_the_sources_own_and_an_administrator_begins_anew() {
    let (gateway, slapd) = stage("bind_attempts = 2\nbind_window = \"10m\"\n[lockout]\nknown_devices = \"same\"").await;
    wrong(&mut gateway.visitor(), 5).await;
    assert_eq!(seen(&slapd).await, 2);
    let name = slapd::user_name(0);
    let user = gateway.gateway.directory().find_user_by_name(&name).await.unwrap().unwrap();
    assert!(gateway.gateway.lockout().clear(&gateway.task(), user.id, &user.user_name).await.unwrap());
    assert!(gets_in(&mut gateway.visitor()).await);
    wrong(&mut gateway.visitor(), 3).await;
    assert!(!gets_in(&mut gateway.visitor()).await);
    gateway.advance(Duration::from_secs(601));
    assert!(gets_in(&mut gateway.visitor()).await);
}

#[tokio::test]
async fn tries_that_are_spread_out_lock_nobody_in_a_directory_that_counts_from_the_last() {
    let (gateway, slapd) = stage("").await;
    for _ in 0..5 {
        wrong(&mut gateway.visitor(), 1).await;
        gateway.advance(Duration::from_secs(10 * 60));
    }
    assert_eq!(seen(&slapd).await, 3, "each within half an hour of the one before");
    let (gateway, slapd) = stage("bind_window = \"1h\"").await;
    for _ in 0..5 {
        wrong(&mut gateway.visitor(), 1).await;
        gateway.advance(Duration::from_secs(15 * 60));
    }
    assert_eq!(seen(&slapd).await, 3, "each within an hour of the one before");
}

#[tokio::test]
async fn of_tries_at_the_same_time_no_more_are_carried_on() {
    let (gateway, slapd) = stage("").await;
    let tries = (0..20).map(|_| async { wrong(&mut gateway.visitor(), 1).await });
    futures_util::future::join_all(tries).await;
    assert_eq!(seen(&slapd).await, 3);
    assert_eq!(BindBudget::default().attempts, 4);
}

#[tokio::test]
async fn whatever_ends_access_ends_it_for_who_signs_in_by_a_directory() {
    let (gateway, _slapd) = stage("").await;
    let (task, services, name) = (gateway.task(), &gateway.gateway, slapd::user_name(0));
    let user = services.directory().find_user_by_name(&name).await.unwrap().unwrap();
    assert!(gets_in(&mut gateway.visitor()).await);
    services.directory().set_active(&task, user.id, false).await.unwrap();
    assert!(!gets_in(&mut gateway.visitor()).await, "inactive");
    services.directory().set_active(&task, user.id, true).await.unwrap();
    assert!(gets_in(&mut gateway.visitor()).await);
    for bound in [Bound::Organisation, Bound::User(user.id)] {
        let elsewhere = BTreeMap::from([(bound.clone(), vec!["203.0.113.0/24".parse().unwrap()])]);
        services.access().set_network_rules(&task, None, &elsewhere).await.unwrap();
        assert!(!gets_in(&mut gateway.visitor()).await, "the networks of {bound:?}");
        services.access().set_network_rules(&task, None, &BTreeMap::from([(bound, Vec::new())])).await.unwrap();
        assert!(gets_in(&mut gateway.visitor()).await);
    }
    services.factors().demand(&task, &user, None, Some(true)).await.unwrap();
    assert!(!gets_in(&mut gateway.visitor()).await, "a bind is no single sign-on");
    services.factors().demand(&task, &user, None, Some(false)).await.unwrap();
    assert!(gets_in(&mut gateway.visitor()).await);
    let grant = NewGrant::new(Subject::User(user.id), "no_access".parse().unwrap());
    services.access().grants().create(&task, &services.access().roles(), grant).await.unwrap();
    assert!(!gets_in(&mut gateway.visitor()).await, "a role denies");
}

/// A gateway whose people are those of the sandbox's directory, the first of whom has signed in.
async fn behind(directory: &Directory, tasks: &Tasks) -> TestGateway {
    let address = directory.start(tasks, Encryption::None).await.unwrap();
    let lines = format!(
        "[limits]\nsign_in = \"9999/1m\"\nsign_in_account = \"9999/1m\"\n[[ldap]]\nid = \"corp\"\n\
         servers = [\"ldap://{address}\"]\nbase = \"dc=example,dc=org\"\nlogin = true\n\
         bind = {{ dn = \"{SERVICE}\", password = {{ file = \"secret\" }} }}\n"
    );
    let gateway = TestGateway::with_files(&lines, &[("secret", "s3cret\n")]).await;
    gateway.gateway.sync(&"corp".parse().unwrap()).unwrap().run().await.unwrap();
    let reply = gateway.visitor().sign_in("p0000", "password-0").await;
    assert_eq!(reply.location(), "/", "{}", reply.text);
    gateway
}

#[tokio::test]
async fn a_password_that_a_directory_took_and_did_not_answer_counts_as_carried() {
    // 51 is busy: what the directory did with the password before, it does not say.
    for fault in [Fault::CutInBind, Fault::CodeInBind(51)] {
        let (directory, tasks) = (Directory::new(records(2)), Tasks::new());
        let gateway = behind(&directory, &tasks).await;
        directory.set_fault(Some(fault));
        let before = directory.binds();
        for _ in 0..8 {
            let reply = gateway.visitor().sign_in("p0000", "wrong").await;
            assert!(!reply.status.is_redirection(), "{}", reply.text);
        }
        assert_eq!(directory.binds() - before, 3, "strangers leave the last one to known browsers: {fault:?}");
        tasks.stop();
    }
}

#[tokio::test]
async fn an_account_that_its_directory_has_locked_looks_like_a_wrong_password() {
    let (directory, tasks) = (Directory::new(records(2)), Tasks::new());
    let gateway = behind(&directory, &tasks).await;
    directory.set_fault(Some(Fault::CodeInBind(19)));
    let before = directory.binds();
    let mut texts = Vec::new();
    for name in ["p0000", "p0000", "p0000", "p0000", "nobody"] {
        let reply = gateway.visitor().sign_in(name, "wrong").await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{}", reply.text);
        texts.push(reply.text.contains("not available"));
    }
    assert_eq!((texts.contains(&true), directory.binds() - before), (false, 3));
    tasks.stop();
}

#[tokio::test]
async fn a_directory_that_hangs_costs_nobody_an_attempt_there() {
    let (directory, tasks) = (Directory::new(records(2)), Tasks::new());
    let gateway = behind(&directory, &tasks).await;
    directory.set_fault(Some(Fault::Silent));
    for _ in 0..5 {
        // The person closes the page, or the edge ends the request.
        let mut visitor = gateway.visitor();
        let gone = tokio::time::timeout(Duration::from_millis(500), visitor.sign_in("p0000", "password-0")).await;
        assert!(gone.is_err(), "nobody answers");
    }
    directory.set_fault(None);
    let reply = gateway.visitor().sign_in("p0000", "password-0").await;
    assert_eq!(reply.location(), "/", "{}", reply.text);
    tasks.stop();
}
