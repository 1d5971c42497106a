//! Whatever is wrong with what a server shows: a clear refusal, an event, and nobody loses anything.

use cleargate::ldap;
use cleargate::model::Status;
use cleargate::sandbox::directory::{Fault, Record};
use cleargate::sync::Error;

use super::bench::Bench;
use super::sandbox::{BASE, company, group, start};
use crate::ldap::directory::{SERVICE, Sandbox, records};

/// Runs a sync that must be refused after one that was not, and gives the reason. Nothing may have changed.
async fn refused(sandbox: &Sandbox, bench: &Bench, spoil: impl FnOnce(&Sandbox)) -> Error {
    bench.sync.run().await.unwrap();
    let (events, user) = (bench.events().await, bench.user("p0000").await);
    spoil(sandbox);
    let error = bench.sync.run().await.unwrap_err();
    assert_eq!(bench.user("p0000").await, user);
    assert_eq!(bench.status("p0019").await, Status::Active);
    assert_eq!(bench.roles("p0000").await, ["data_analyst"]);
    assert_eq!((bench.events().await - events, bench.refusals().await), (1, 1), "the refusal, and nothing else");
    sandbox.directory.set_fault(None);
    sandbox.directory.set_records(company());
    assert_eq!(bench.sync.run().await.unwrap().counts.changes(), 0, "the next good run finds everything as it was");
    error
}

#[tokio::test]
async fn every_fault_of_a_server_is_refused() {
    let faults = [
        Fault::CodeInSecondPage(4),
        Fault::CodeInSecondPage(51),
        Fault::CutInSecondPage,
        Fault::DropPaging,
        Fault::HugeLength,
        Fault::LengthPastEnd,
        Fault::Nested(20_000),
        Fault::Notice,
        Fault::NotUtf8,
        Fault::WrongMessageId,
    ];
    for fault in faults {
        let (sandbox, bench) = start().await;
        let error = refused(&sandbox, &bench, |sandbox| sandbox.directory.set_fault(Some(fault))).await;
        assert!(matches!(error, Error::Ldap(_)), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn an_empty_success_is_refused() {
    let (sandbox, bench) = start().await;
    let error = refused(&sandbox, &bench, |sandbox| sandbox.directory.set_fault(Some(Fault::Empty))).await;
    assert!(matches!(&error, Error::Untrusted { reason } if reason.contains(BASE)), "the base is hidden: {error}");
    let (sandbox, bench) = start().await;
    let error = refused(&sandbox, &bench, |sandbox| sandbox.directory.set_records(records(0))).await;
    let Error::Refused { reasons, .. } = &error else { panic!("{error}") };
    assert!(reasons[0].contains("no people"), "{reasons:?}");
    assert!(error.to_string().contains("permissions of the service account"), "it says what to do: {error}");
}

#[tokio::test]
async fn an_empty_directory_is_refused_at_the_first_run_too() {
    let (sandbox, bench) = start().await;
    sandbox.directory.set_records(records(0));
    assert!(matches!(bench.sync.run().await, Err(Error::Refused { .. })));
    assert_eq!((bench.directory.count_users().await.unwrap(), bench.refusals().await), (0, 1));
}

#[tokio::test]
async fn a_halved_directory_is_refused() {
    let (sandbox, bench) = start().await;
    let error = refused(&sandbox, &bench, |sandbox| sandbox.directory.set_records(records(9))).await;
    let Error::Refused { reasons, .. } = &error else { panic!("{error}") };
    assert!(reasons[0].contains("11 of 20 people"), "{reasons:?}");
}

#[tokio::test]
async fn a_mapped_role_that_loses_its_people_is_refused() {
    let (sandbox, bench) = start().await;
    let dns: Vec<String> = (0..20).map(|index| format!("uid=p{index:04},ou=people,{BASE}")).collect();
    let members: Vec<&str> = dns.iter().map(String::as_str).collect();
    let full = || {
        let mut all = records(20);
        all.push(group("outer", &members));
        all
    };
    sandbox.directory.set_records(full());
    bench.sync.run().await.unwrap();
    let mut emptied = records(20);
    emptied.push(group("outer", &members[..1]));
    sandbox.directory.set_records(emptied);
    let error = bench.sync.run().await.unwrap_err();
    assert!(error.to_string().contains("19 of 20 people would lose the role `data_analyst`"), "{error}");
    assert_eq!(bench.roles("p0019").await, ["data_analyst"]);
}

#[tokio::test]
async fn an_account_that_does_not_see_the_ids_is_refused() {
    let (sandbox, bench) = start().await;
    let blind = company().into_iter().map(|record| record.with("entryUUID", &[])).collect();
    let error = refused(&sandbox, &bench, |sandbox| sandbox.directory.set_records(blind)).await;
    assert!(matches!(&error, Error::Untrusted { reason } if reason.contains("entryUUID")), "{error}");
}

#[tokio::test]
async fn a_missing_base_or_wrong_service_password_is_refused() {
    let (sandbox, bench) = start().await;
    let other_base = vec![Record::new("dc=other").unwrap(), company().remove(2)];
    let error = refused(&sandbox, &bench, |sandbox| sandbox.directory.set_records(other_base)).await;
    assert!(matches!(error, Error::Untrusted { .. }), "{error}");
    let (sandbox, bench) = start().await;
    let changed = company().into_iter().map(|record| match record.dn().as_str() == SERVICE {
        true => record.with("userPassword", &["other"]),
        false => record,
    });
    let changed = changed.collect();
    let error = refused(&sandbox, &bench, |sandbox| sandbox.directory.set_records(changed)).await;
    assert!(matches!(error, Error::Ldap(ldap::Error::Bind(_))), "{error}");
}

#[tokio::test]
async fn a_spoiled_entry_keeps_its_account_and_is_reported() {
    let (sandbox, bench) = start().await;
    bench.sync.run().await.unwrap();
    let before = bench.user("p0000").await;
    let spoiled = company().into_iter().map(|record| match record.dn().as_str().starts_with("uid=p0000") {
        true => record.with("uid", &["two", "names"]),
        false => record,
    });
    sandbox.directory.set_records(spoiled.collect());
    let outcome = bench.sync.run().await.unwrap();
    assert_eq!((outcome.counts.changes(), outcome.skipped.len()), (0, 1));
    assert!(outcome.skipped[0].reason.contains("more than one `uid`"));
    assert_eq!(bench.user("p0000").await, before);
    assert_eq!(bench.roles("p0000").await, ["data_analyst"]);
}
