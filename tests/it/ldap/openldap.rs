use std::net::{Ipv4Addr, TcpListener};

use cleargate::ldap::{BindError, Connection, Error, Filter, Refusal, Scope, StableId, bind_as};
use cleargate::secret::Secret;

use crate::peers::slapd::{self, BASE, GROUPS, PEOPLE, Slapd};

fn people() -> Filter {
    Filter::any_class(&["inetOrgPerson"])
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

#[tokio::test]
async fn a_thousand_people_come_in_pages_over_ldaps_and_start_tls() {
    let slapd = Slapd::start(1000);
    for mut settings in [slapd.settings(), slapd.start_tls_settings()] {
        settings.page_size = 300;
        let mut connection = Connection::open(&settings).await.unwrap();
        let attributes = ["entryUUID", "uid", "cn", "mail"];
        let found = connection.search_all(PEOPLE, Scope::One, &people(), &attributes).await.unwrap();
        assert_eq!(found.len(), 1000);
        let mut ids: Vec<String> = found.iter().filter_map(|entry| entry.stable_id(StableId::EntryUuid)).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 1000, "every entry has an id of its own");
        assert!(found.iter().any(|entry| entry.text("uid") == Some("user0999")));
        connection.close().await;
    }
}

#[tokio::test]
async fn single_entries_and_the_server_itself_can_be_read() {
    let slapd = Slapd::start(3);
    let mut connection = Connection::open(&slapd.settings()).await.unwrap();
    let root = connection.root().await.unwrap();
    assert!(root.texts("supportedControl").any(|oid| oid == "1.2.840.113556.1.4.319"));
    assert_eq!(root.text("namingContexts"), Some(BASE));
    let found = connection.find(&slapd::person(1), &["uid"]).await.unwrap().unwrap();
    assert_eq!((found.text("uid"), found.text("cn")), (Some("user0001"), None));
    assert!(connection.find(&slapd::person(9), &["uid"]).await.unwrap().is_none());
    let group = connection.find(&format!("cn=Analysts,{GROUPS}"), &["member"]).await.unwrap();
    assert!(group.is_some(), "an error code of one operation does not end the connection");
}

#[tokio::test]
async fn what_people_type_finds_only_itself() {
    let slapd = Slapd::start(3);
    let mut connection = Connection::open(&slapd.settings()).await.unwrap();
    for (typed, count) in [("user0001", 1), ("USER0001", 1), ("*", 0), ("user0001)(uid=*", 0), ("user000\\2a", 0)] {
        let filter = Filter::And(vec![people(), Filter::Equal("uid", typed.to_owned())]);
        let found = connection.search_all(PEOPLE, Scope::Subtree, &filter, &["uid"]).await.unwrap();
        assert_eq!(found.len(), count, "{typed}");
    }
}

#[tokio::test]
async fn a_person_is_bound_with_the_right_password_only() {
    let slapd = Slapd::start(3);
    let settings = slapd.settings();
    bind_as(&settings, &slapd::person(1), &secret("password-1")).await.unwrap();
    for (dn, password) in [
        (slapd::person(1), "password-2"),
        (slapd::person(1), ""),
        (slapd::person(1), " "),
        (slapd::person(1), "password-1\0"),
        (slapd::person(99), "password-99"),
        ("not a name".to_owned(), "password-1"),
        (String::new(), "password-1"),
    ] {
        let outcome = bind_as(&settings, &dn, &secret(password)).await;
        assert!(matches!(outcome, Err(BindError::Refused(Refusal::Wrong))), "{dn}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_disabled_account_cannot_bind() {
    let slapd = Slapd::start(2);
    slapd.replace(&slapd::person(0), "pwdAccountLockedTime", &["000001010000Z"]).await;
    let outcome = bind_as(&slapd.settings(), &slapd::person(0), &secret("password-0")).await;
    assert!(matches!(outcome, Err(BindError::Refused(_))), "{outcome:?}");
    bind_as(&slapd.settings(), &slapd::person(1), &secret("password-1")).await.unwrap();
}

#[tokio::test]
async fn a_wrong_service_password_stops_at_the_first_server() {
    let slapd = Slapd::start(1);
    let mut settings = slapd.settings();
    settings.servers.push(settings.servers[0].clone());
    settings.bind_password = secret("wrong");
    assert!(matches!(Connection::open(&settings).await, Err(Error::Bind(Refusal::Wrong))));
}

#[tokio::test]
async fn a_server_that_is_down_is_passed_over() {
    let slapd = Slapd::start(1);
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let mut settings = slapd.settings();
    let running = settings.servers[0].clone();
    settings.servers.insert(0, format!("ldaps://127.0.0.1:{free}").parse().unwrap());
    let connection = Connection::open(&settings).await.unwrap();
    assert_eq!(*connection.server(), running);
    settings.servers.truncate(1);
    let error = Connection::open(&settings).await.err().unwrap();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_name_or_of_another_authority_is_refused_before_the_bind() {
    let slapd = Slapd::start_with(1, &["other.invalid"]);
    for settings in [slapd.settings(), slapd.start_tls_settings()] {
        let error = Connection::open(&settings).await.err().unwrap().to_string();
        assert!(error.contains("TLS"), "{error}");
    }
    let slapd = Slapd::start(1);
    let mut settings = slapd.settings();
    settings.ca_pem = Some(slapd::Authority::new().pem);
    assert!(Connection::open(&settings).await.err().unwrap().to_string().contains("TLS"));
    settings.ca_pem = Some("nothing".to_owned());
    assert!(matches!(Connection::open(&settings).await, Err(Error::Invalid { field: "ca", .. })));
}

#[tokio::test]
async fn plain_connections_need_an_explicit_setting() {
    let slapd = Slapd::start(1);
    let mut settings = slapd.start_tls_settings();
    settings.start_tls = false;
    assert!(matches!(Connection::open(&settings).await, Err(Error::Invalid { field: "servers", .. })));
    settings.allow_plain = true;
    Connection::open(&settings).await.unwrap().close().await;
}

#[tokio::test]
async fn a_size_limit_of_the_server_is_an_error_and_not_a_short_list() {
    let slapd = Slapd::start(50);
    let mut settings = slapd.settings();
    settings.bind_dn = format!("cn=limited,ou=services,{BASE}");
    settings.bind_password = secret("limited-secret");
    settings.page_size = 5;
    let mut connection = Connection::open(&settings).await.unwrap();
    let outcome = connection.search_all(PEOPLE, Scope::One, &people(), &["uid"]).await;
    assert!(matches!(outcome, Err(Error::Answered { code: 4 | 11, .. })), "{outcome:?}");
}
