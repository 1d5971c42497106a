//! Broken and hostile servers: a clear error, never a part of the answer, and the program lives on.

use std::net::Ipv4Addr;
use std::time::Duration;

use cleargate::ldap::{Connection, Error, LdapSettings, Scope};
use cleargate::sandbox::directory::Fault;
use cleargate::secret::Secret;
use tokio::net::TcpListener;

use super::directory::{PEOPLE, Sandbox, everybody, records};

/// What a search for 25 people in pages of ten gives when the server has this fault. Afterwards the same server must
/// serve a new connection.
async fn with_fault(fault: Fault) -> Error {
    let mut sandbox = Sandbox::start(25).await;
    sandbox.settings.operation_timeout = Duration::from_secs(5);
    let mut connection = Connection::open(&sandbox.settings).await.unwrap();
    sandbox.directory.set_fault(Some(fault));
    let error = connection
        .search_all(PEOPLE, Scope::Subtree, &everybody(), &["*"])
        .await
        .expect_err("a fault must not look like an answer");
    sandbox.directory.set_fault(None);
    let mut connection = Connection::open(&sandbox.settings).await.unwrap();
    assert_eq!(connection.search_all(PEOPLE, Scope::Subtree, &everybody(), &["*"]).await.unwrap().len(), 25);
    error
}

#[tokio::test]
async fn a_connection_cut_in_the_second_page_is_no_result() {
    let error = with_fault(Fault::CutInSecondPage).await;
    assert!(matches!(error, Error::Unavailable { .. } | Error::Incomplete { .. }), "{error}");
}

#[tokio::test]
async fn a_result_code_in_the_second_page_is_no_result() {
    for code in [3, 4, 11, 51, 53] {
        let error = with_fault(Fault::CodeInSecondPage(code)).await;
        let expected = u32::try_from(code).unwrap();
        assert!(matches!(error, Error::Answered { code, .. } if code == expected), "{error}");
    }
}

#[tokio::test]
async fn a_page_without_the_paging_control_is_no_result() {
    let error = with_fault(Fault::DropPaging).await;
    assert!(matches!(&error, Error::Incomplete { reason } if reason.contains("paging control")), "{error}");
}

#[tokio::test]
async fn deep_nesting_is_refused_before_it_is_decoded() {
    for levels in [40, 1_000, 20_000] {
        let error = with_fault(Fault::Nested(levels)).await;
        assert!(matches!(&error, Error::Protocol { reason } if reason.contains("32 levels")), "{error}");
    }
}

#[tokio::test]
async fn an_entry_of_the_wrong_shape_is_refused() {
    let error = with_fault(Fault::Nested(5)).await;
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    let error = with_fault(Fault::NotUtf8).await;
    assert!(matches!(&error, Error::Protocol { reason } if reason.contains("UTF-8")), "{error}");
}

#[tokio::test]
async fn a_wrong_message_id_is_refused_at_once() {
    let error = with_fault(Fault::WrongMessageId).await;
    assert!(matches!(&error, Error::Protocol { reason } if reason.contains("asks nothing")), "{error}");
}

#[tokio::test]
async fn lengths_that_cannot_be_are_refused_at_once() {
    let error = with_fault(Fault::LengthPastEnd).await;
    assert!(matches!(&error, Error::Protocol { reason } if reason.contains("past the end")), "{error}");
    let error = with_fault(Fault::HugeLength).await;
    assert!(matches!(&error, Error::Protocol { reason } if reason.contains("over the limit")), "{error}");
}

#[tokio::test]
async fn a_notice_of_disconnection_tells_its_reason() {
    let error = with_fault(Fault::Notice).await;
    assert!(matches!(&error, Error::Unavailable { reason } if reason.contains("down for maintenance")), "{error}");
}

/// A directory with one group of so many members, all of whom a search for groups must find.
async fn with_members(count: usize) -> (Sandbox, Vec<Vec<u8>>) {
    let sandbox = Sandbox::start(1).await;
    let members: Vec<String> = (0..count).map(|number| format!("cn=member {number},{PEOPLE}")).collect();
    let named: Vec<&str> = members.iter().map(String::as_str).collect();
    let mut all = records(1);
    all.push(cleargate::sandbox::directory::Record::group(PEOPLE, "g", &named).unwrap());
    sandbox.directory.set_records(all);
    (sandbox, members.into_iter().map(String::into_bytes).collect())
}

async fn groups(sandbox: &Sandbox) -> Result<Vec<cleargate::ldap::Entry>, Error> {
    let mut connection = Connection::open(&sandbox.settings).await.unwrap();
    let groups = cleargate::ldap::Filter::any_class(&["groupOfNames"]);
    connection.search_all(PEOPLE, Scope::Subtree, &groups, &["member"]).await
}

#[tokio::test]
async fn an_attribute_that_is_given_by_ranges_is_read_to_its_end() {
    for (count, at_once, searches) in [(9, 10, 1), (10, 10, 1), (11, 10, 3), (20, 10, 3), (21, 10, 4), (3, 1, 4)] {
        let (sandbox, members) = with_members(count).await;
        sandbox.directory.set_values_at_once(at_once);
        let before = sandbox.directory.searches();
        let found = groups(&sandbox).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].values("member"), members, "{count} by {at_once}");
        assert_eq!(sandbox.directory.searches() - before, searches, "{count} by {at_once}");
    }
}

#[tokio::test]
async fn a_cut_attribute_is_no_result() {
    let (mut sandbox, _) = with_members(20).await;
    sandbox.directory.set_fault(Some(Fault::Range));
    let error = groups(&sandbox).await.unwrap_err();
    assert!(matches!(&error, Error::Incomplete { reason } if reason.contains("range")), "{error}");
    // Nobody knows whether a member moved past what was read.
    sandbox.directory.set_values_at_once(10);
    sandbox.directory.set_fault(Some(Fault::Restless));
    let error = groups(&sandbox).await.unwrap_err();
    assert!(matches!(&error, Error::Incomplete { reason } if reason.contains("changes each time")), "{error}");
    sandbox.directory.set_fault(None);
    assert_eq!(groups(&sandbox).await.unwrap()[0].values("member").len(), 20);
    // What is read by ranges counts as all else does.
    sandbox.settings.max_result_bytes = 2_000;
    let error = groups(&sandbox).await.unwrap_err();
    assert!(matches!(&error, Error::Incomplete { reason } if reason.contains("2000 bytes")), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_left() {
    let mut sandbox = Sandbox::start(1).await;
    sandbox.settings.operation_timeout = Duration::from_millis(300);
    let mut connection = Connection::open(&sandbox.settings).await.unwrap();
    sandbox.directory.set_fault(Some(Fault::Silent));
    let late = connection.search_all(PEOPLE, Scope::Subtree, &everybody(), &["*"]).await;
    assert!(matches!(late, Err(Error::Late { .. })), "{late:?}");
    sandbox.directory.set_fault(None);
    let after = connection.search_all(PEOPLE, Scope::Subtree, &everybody(), &["*"]).await;
    assert!(matches!(after, Err(Error::Unavailable { .. })), "a late connection is not used again");
}

#[tokio::test]
async fn an_answer_injected_before_tls_is_refused() {
    let sandbox = Sandbox::start(1).await;
    sandbox.directory.set_fault(Some(Fault::InjectInStartTls));
    let error = Connection::open(&sandbox.settings).await.err().unwrap();
    assert!(matches!(&error, Error::Protocol { reason } if reason.contains("in the clear")), "{error}");
    assert_eq!(sandbox.directory.binds(), 0);
}

#[tokio::test]
async fn limits_of_the_settings_end_a_search() {
    let mut sandbox = Sandbox::start(25).await;
    sandbox.settings.max_entries = 24;
    let mut connection = Connection::open(&sandbox.settings).await.unwrap();
    let error = connection.search_all(PEOPLE, Scope::Subtree, &everybody(), &["*"]).await.unwrap_err();
    assert!(matches!(&error, Error::Incomplete { reason } if reason.contains("24 entries")), "{error}");
    (sandbox.settings.max_entries, sandbox.settings.max_result_bytes) = (100, 500);
    let mut connection = Connection::open(&sandbox.settings).await.unwrap();
    let error = connection.search_all(PEOPLE, Scope::Subtree, &everybody(), &["*"]).await.unwrap_err();
    assert!(matches!(&error, Error::Incomplete { reason } if reason.contains("500 bytes")), "{error}");
    // Each value costs more than its bytes: what is empty is not free.
    let hollow: Vec<String> = (0..1_000).map(|number| format!("{number}")).collect();
    let values: Vec<&str> = hollow.iter().map(String::as_str).collect();
    let mut records = sandbox.directory.records().to_vec();
    records = records.into_iter().map(|record| record.with("description", &values)).collect();
    sandbox.directory.set_records(records);
    sandbox.settings.max_result_bytes = 500_000;
    let mut connection = Connection::open(&sandbox.settings).await.unwrap();
    let error = connection.search_all(PEOPLE, Scope::Subtree, &everybody(), &["description"]).await.unwrap_err();
    assert!(matches!(&error, Error::Incomplete { reason } if reason.contains("500000 bytes")), "{error}");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_left() {
    // Connections to it wait in its queue, where nobody attends to them.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    for scheme in ["ldap", "ldaps"] {
        let server = format!("{scheme}://{address}").parse().unwrap();
        let mut settings = LdapSettings::new(vec![server], "cn=a".into(), Secret::new("x".into()));
        settings.ca_pem = Some(crate::peers::slapd::Authority::new().pem);
        settings.operation_timeout = Duration::from_millis(200);
        let error = Connection::open(&settings).await.err().unwrap();
        assert!(matches!(error, Error::Late { operation: "the TLS handshake", .. }), "{error}");
    }
    drop(listener);
}
