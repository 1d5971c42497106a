//! The sandbox directory behaves like a directory: the same questions as to the real one.

use std::sync::Arc;

use cleargate::ldap::{BindError, Connection, Error, Filter, LdapSettings, Refusal, Scope, StableId, bind_as};
use cleargate::sandbox::directory::{Directory, Encryption, Record};
use cleargate::secret::Secret;
use cleargate::tasks::Tasks;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::peers::slapd::Authority;

pub const PEOPLE: &str = "ou=people,dc=example,dc=org";
pub const SERVICE: &str = "cn=sync,dc=example,dc=org";

/// A sandbox directory with a service account and `people` people, and settings that reach it by StartTLS.
pub struct Sandbox {
    pub directory: Directory,
    pub settings: LdapSettings,
    pub tasks: Tasks,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

pub fn records(people: usize) -> Vec<Record> {
    let mut records = vec![
        Record::new("dc=example,dc=org").unwrap().with("objectClass", &["domain"]),
        Record::new(PEOPLE).unwrap().with("objectClass", &["organizationalUnit"]),
        Record::new(SERVICE).unwrap().with("objectClass", &["organizationalRole"]).with("userPassword", &["s3cret"]),
    ];
    for index in 0..people {
        let password = format!("password-{index}");
        records.push(Record::person(PEOPLE, &format!("p{index:04}"), "Given", "Family", &password).unwrap());
    }
    records
}

pub fn server_config(authority: &Authority) -> Arc<ServerConfig> {
    let (certificate, key) = authority.issue(&["127.0.0.1"]);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
}

impl Sandbox {
    pub async fn start(people: usize) -> Self {
        Self::start_with(people, "ldap", Encryption::StartTls).await
    }

    pub async fn start_with(people: usize, scheme: &str, encryption: fn(Arc<ServerConfig>) -> Encryption) -> Self {
        let (authority, directory, tasks) = (Authority::new(), Directory::new(records(people)), Tasks::new());
        let address = directory.start(&tasks, encryption(server_config(&authority))).await.unwrap();
        let server = format!("{scheme}://{address}").parse().unwrap();
        let mut settings = LdapSettings::new(vec![server], SERVICE.into(), Secret::new("s3cret".into()));
        settings.ca_pem = Some(authority.pem);
        settings.page_size = 10;
        Self { directory, settings, tasks }
    }
}

pub fn everybody() -> Filter {
    Filter::any_class(&["inetOrgPerson"])
}

#[tokio::test]
async fn pages_add_up_over_start_tls_and_ldaps() {
    for (scheme, encryption) in
        [("ldap", Encryption::StartTls as fn(Arc<ServerConfig>) -> Encryption), ("ldaps", Encryption::Ldaps)]
    {
        let sandbox = Sandbox::start_with(25, scheme, encryption).await;
        let mut connection = Connection::open(&sandbox.settings).await.unwrap();
        let found = connection.search_all(PEOPLE, Scope::Subtree, &everybody(), &["*", "entryUUID"]).await.unwrap();
        assert_eq!(found.len(), 25);
        assert_eq!(sandbox.directory.searches(), 3);
        assert!(found.iter().all(|entry| entry.stable_id(StableId::EntryUuid).is_some()));
        assert!(found.iter().all(|entry| entry.values("userPassword").is_empty()), "passwords never go out");
    }
}

#[tokio::test]
async fn scopes_and_filters_select() {
    let sandbox = Sandbox::start(12).await;
    let mut connection = Connection::open(&sandbox.settings).await.unwrap();
    let any = Filter::Present("objectClass");
    let uid = |text: &str| Filter::Equal("uid", text.to_owned());
    let below = "dc=example,dc=org";
    for (base, scope, filter, count) in [
        (below, Scope::Base, any.clone(), 1),
        (below, Scope::One, any.clone(), 2),
        (below, Scope::Subtree, any.clone(), 15),
        (below, Scope::Subtree, Filter::Or(vec![uid("P0001"), uid("p0002"), uid("p9999")]), 2),
        (below, Scope::Subtree, Filter::And(vec![uid("p0001"), Filter::Not(Box::new(any.clone()))]), 0),
        ("DC=Example, DC=org", Scope::Subtree, Filter::Present("mail"), 12),
    ] {
        let found = connection.search_all(base, scope, &filter, &["uid"]).await.unwrap();
        assert_eq!(found.len(), count, "{base} {scope:?} {filter}");
    }
    let missing = connection.search_all("dc=nowhere", Scope::Subtree, &any, &[]).await;
    assert!(matches!(missing, Err(Error::Answered { code: 32, .. })));
    assert!(connection.find(below, &["1.1"]).await.unwrap().is_some());
}

#[tokio::test]
async fn passwords_are_checked_and_only_under_tls() {
    let sandbox = Sandbox::start(2).await;
    let dn = format!("uid=p0001,{PEOPLE}");
    let bind =
        async |settings: &LdapSettings, password: &str| bind_as(settings, &dn, &Secret::new(password.into())).await;
    bind(&sandbox.settings, "password-1").await.unwrap();
    let wrong = bind(&sandbox.settings, "password-0").await;
    assert!(matches!(wrong, Err(BindError::Refused(Refusal::Wrong))));
    let asked = sandbox.directory.binds();
    assert!(matches!(bind(&sandbox.settings, "").await, Err(BindError::Refused(Refusal::Wrong))));
    assert_eq!(sandbox.directory.binds(), asked, "an empty password is never sent");
    let mut plain = sandbox.settings.clone();
    (plain.start_tls, plain.allow_plain) = (false, true);
    let refused = bind(&plain, "password-1").await;
    assert!(matches!(refused, Err(BindError::Unanswered(Error::Answered { code: 13, .. }))), "{refused:?}");
}
