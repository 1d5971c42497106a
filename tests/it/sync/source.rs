//! From a section of the configuration to a source that can be read.

use std::path::Path;
use std::time::Duration;

use cleargate::config::{Guard, Ldap, LdapBind, LdapPreset, LdapQuery, Percent};
use cleargate::ldap::Connection;
use cleargate::secret::Secret;
use cleargate::sync::{Error, Source};

use crate::peers::slapd::{BASE, Slapd};

fn section(server: &str, ca: Option<&Path>) -> Ldap {
    Ldap {
        id: "corp".parse().unwrap(),
        name: "Corp".to_owned(),
        servers: vec![server.parse().unwrap()],
        ca: ca.map(Path::to_path_buf),
        start_tls: false,
        bind: Some(LdapBind {
            dn: format!("cn=sync,ou=services,{BASE}"),
            password: Secret::new("sync-secret".to_owned()),
        }),
        base: BASE.to_owned(),
        preset: LdapPreset::OpenLdap,
        every: Duration::from_secs(300),
        guard: Guard { removals: Percent::whole(5), at_least: 10 },
        login: false,
        bind_attempts: None,
        bind_window: Duration::from_secs(86_400),
        realm: cleargate::model::Realm::Staff,
        people: LdapQuery::default(),
        groups: LdapQuery::default(),
    }
}

#[tokio::test]
async fn a_section_of_the_configuration_reaches_the_server() {
    let slapd = Slapd::start(3);
    let ca = slapd.home().join("ca.pem");
    let server = slapd.settings().servers[0].to_string();
    let mut section = section(&server, Some(&ca));
    section.people = LdapQuery {
        base: Some(format!("ou=people,{BASE}")),
        filter: Some("(&(objectClass=inetOrgPerson)(!(uid=user0001)))".to_owned()),
    };
    let source = Source::open(&section).await.unwrap();
    let mut connection = Connection::open(&source.tree.settings).await.unwrap();
    let people = &source.tree.people;
    let found = connection
        .search_all(people.base.as_str(), cleargate::ldap::Scope::Subtree, &people.filter, &["uid"])
        .await
        .unwrap();
    assert_eq!(found.len(), 2);
}

#[tokio::test]
async fn sections_that_cannot_work_say_why() {
    let open = async |spoil: fn(&mut Ldap)| {
        let mut section = section("ldaps://dc1.corp.example", None);
        spoil(&mut section);
        Source::open(&section).await.unwrap_err()
    };
    let error = open(|section| section.bind = None).await;
    assert!(matches!(&error, Error::Invalid { reason } if reason.contains("service account")), "{error}");
    let error = open(|section| section.base = "no name".to_owned()).await;
    assert!(error.to_string().contains("no name"), "{error}");
    let error = open(|section| section.groups.filter = Some("(a=b)(c=d)".to_owned())).await;
    assert!(matches!(error, Error::Ldap(_)), "{error}");
    let error = open(|section| section.ca = Some("/nowhere/ca.pem".into())).await;
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}
