//! OpenLDAP from the system's package `slapd`, in a directory of its own, on free ports of loopback.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cleargate::ldap::LdapSettings;
use cleargate::secret::Secret;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

pub const BASE: &str = "dc=example,dc=test";
pub const PEOPLE: &str = "ou=people,dc=example,dc=test";
pub const GROUPS: &str = "ou=groups,dc=example,dc=test";
const ADMIN: &str = "cn=admin,dc=example,dc=test";
const ADMIN_PASSWORD: &str = "admin-secret";
const SYNC: &str = "cn=sync,ou=services,dc=example,dc=test";
const SYNC_PASSWORD: &str = "sync-secret";

/// A certificate authority of one test.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Test authority");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Certificate and key in PEM for these names or addresses.
    pub fn issue(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).unwrap();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A running server; it stops when this is dropped.
pub struct Slapd {
    server: Child,
    home: TempDir,
    pub port: u16,
    tls_port: u16,
    pub ca_pem: String,
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.server.kill().expect("slapd runs until it is told to stop");
        self.server.wait().expect("slapd ends");
    }
}

impl Slapd {
    /// A server with `people` people and the groups of [`groups`].
    pub fn start(people: usize) -> Self {
        Self::start_with(people, &["localhost", "127.0.0.1"])
    }

    /// The same with a certificate for other names.
    pub fn start_with(people: usize, names: &[&str]) -> Self {
        assert!(Path::new("/usr/sbin/slapd").exists(), "these tests need OpenLDAP: install the package `slapd`");
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        let authority = Authority::new();
        let (certificate, key) = authority.issue(names);
        fs::create_dir(path("db")).unwrap();
        fs::write(path("ca.pem"), &authority.pem).unwrap();
        fs::write(path("server.pem"), certificate).unwrap();
        fs::write(path("server.key"), key).unwrap();
        fs::write(path("slapd.conf"), config(home.path())).unwrap();
        fs::write(path("data.ldif"), skeleton() + &self::people(people) + &groups(people)).unwrap();
        let load = Command::new("/usr/sbin/slapadd")
            .args(["-q", "-w", "-f"])
            .arg(path("slapd.conf"))
            .arg("-l")
            .arg(path("data.ldif"))
            .output()
            .unwrap();
        assert!(load.status.success(), "slapadd: {}", String::from_utf8_lossy(&load.stderr));
        let (server, port, tls_port) = listen(home.path());
        Self { server, home, port, tls_port, ca_pem: authority.pem }
    }

    /// Settings that reach the server by LDAPS as the service account.
    pub fn settings(&self) -> LdapSettings {
        let server = format!("ldaps://127.0.0.1:{}", self.tls_port).parse().unwrap();
        let mut settings = LdapSettings::new(vec![server], SYNC.into(), Secret::new(SYNC_PASSWORD.into()));
        settings.ca_pem = Some(self.ca_pem.clone());
        settings
    }

    /// Settings that reach the server by StartTLS as the service account.
    pub fn start_tls_settings(&self) -> LdapSettings {
        let mut settings = self.settings();
        settings.servers = vec![format!("ldap://localhost:{}", self.port).parse().unwrap()];
        settings
    }

    /// Deletes an entry.
    pub async fn delete(&self, dn: &str) {
        self.write(async |ldap| ldap.delete(dn).await.unwrap().success().map(|_| ()).unwrap()).await;
    }

    /// Adds an entry.
    pub async fn add(&self, dn: &str, attributes: &[(&str, &[&str])]) {
        let attributes: Vec<(&str, HashSet<&str>)> =
            attributes.iter().map(|(name, values)| (*name, values.iter().copied().collect())).collect();
        self.write(async |ldap| ldap.add(dn, attributes).await.unwrap().success().map(|_| ()).unwrap()).await;
    }

    /// Replaces the values of an attribute; none removes it.
    pub async fn replace(&self, dn: &str, attribute: &str, values: &[&str]) {
        let change = vec![ldap3::Mod::Replace(attribute, values.iter().copied().collect())];
        self.write(async |ldap| ldap.modify(dn, change).await.unwrap().success().map(|_| ()).unwrap()).await;
    }

    /// Gives an entry another relative name.
    pub async fn rename(&self, dn: &str, relative: &str) {
        self.write(async |ldap| ldap.modifydn(dn, relative, true, None).await.unwrap().success().map(|_| ()).unwrap())
            .await;
    }

    async fn write(&self, change: impl AsyncFnOnce(&mut ldap3::Ldap)) {
        let address = format!("ldap://127.0.0.1:{}", self.port);
        let (driver, mut ldap) = ldap3::LdapConnAsync::new(&address).await.unwrap();
        let work = async move {
            ldap.simple_bind(ADMIN, ADMIN_PASSWORD).await.unwrap().success().unwrap();
            change(&mut ldap).await;
            ldap.unbind().await.unwrap();
        };
        let (driven, ()) = tokio::join!(driver.drive(), work);
        driven.unwrap();
    }

    /// Where the server keeps its files, for messages.
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

/// The DN of person number `index`.
pub fn person(index: usize) -> String {
    format!("uid={},{PEOPLE}", user_name(index))
}

pub fn user_name(index: usize) -> String {
    format!("user{index:04}")
}

pub fn password(index: usize) -> String {
    format!("password-{index}")
}

/// The DN of a group.
pub fn group(name: &str) -> String {
    format!("cn={name},{GROUPS}")
}

/// Starts the server on two free ports; another program may take one in between, then others are tried.
fn listen(home: &Path) -> (Child, u16, u16) {
    for _ in 0..5 {
        let sockets: Vec<TcpListener> = (0..2).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
        let ports: Vec<u16> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        drop(sockets);
        let mut server = Command::new("/usr/sbin/slapd")
            .args(["-d", "0", "-f"])
            .arg(home.join("slapd.conf"))
            .args(["-h", &format!("ldap://127.0.0.1:{}/ ldaps://127.0.0.1:{}/", ports[0], ports[1])])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while server.try_wait().unwrap().is_none() && Instant::now() < deadline {
            if ports.iter().all(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok()) {
                return (server, ports[0], ports[1]);
            }
            std::thread::yield_now();
        }
        server.kill().ok();
        server.wait().unwrap();
    }
    panic!("slapd does not start in {}", home.display());
}

fn config(home: &Path) -> String {
    let home = home.display();
    format!(
        "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb.so
moduleload ppolicy.so
pidfile {home}/slapd.pid
TLSCACertificateFile {home}/ca.pem
TLSCertificateFile {home}/server.pem
TLSCertificateKeyFile {home}/server.key
threads 2
database mdb
suffix {BASE}
rootdn {ADMIN}
rootpw {ADMIN_PASSWORD}
directory {home}/db
maxsize 268435456
dbnosync
limits dn.exact=\"cn=limited,ou=services,{BASE}\" size.soft=10 size.hard=10 size.prtotal=10
limits * size=unlimited time=unlimited
index objectClass,entryUUID,uid eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=\"cn=blind,ou=services,{BASE}\" none by * read
overlay ppolicy
ppolicy_default cn=policy,ou=services,{BASE}
"
    )
}

fn skeleton() -> String {
    let mut ldif = format!("dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n");
    for unit in ["people", "groups", "services"] {
        let _ = write!(ldif, "dn: ou={unit},{BASE}\nobjectClass: organizationalUnit\nou: {unit}\n\n");
    }
    for account in ["sync", "limited", "blind"] {
        let _ = write!(
            ldif,
            "dn: cn={account},ou=services,{BASE}\nobjectClass: simpleSecurityObject\nobjectClass: organizationalRole\n\
             cn: {account}\nuserPassword: {account}-secret\n\n"
        );
    }
    let _ = write!(
        ldif,
        "dn: cn=policy,ou=services,{BASE}\nobjectClass: device\nobjectClass: pwdPolicy\ncn: policy\n\
         pwdAttribute: userPassword\npwdLockout: TRUE\n\n"
    );
    ldif
}

fn people(count: usize) -> String {
    let mut ldif = String::new();
    for index in 0..count {
        let (dn, uid, password) = (person(index), user_name(index), password(index));
        let _ = write!(
            ldif,
            "dn: {dn}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: Given{index} Family{index}\ngivenName: Given{index}\n\
             sn: Family{index}\nmail: {uid}@example.test\ntelephoneNumber: +49 30 {index}\nemployeeNumber: {index}\n\
             title: Analyst\nuserPassword: {password}\n\n"
        );
    }
    ldif
}

/// Finance contains Analysts, which contains the first tenth of the people, at least one; Loop A and Loop B contain each other and
/// the last person; Everyone is a `groupOfUniqueNames`.
fn groups(people: usize) -> String {
    let everyone: Vec<String> = (0..people).map(person).collect();
    let analysts = &everyone[..(people / 10).max(1)];
    let last = everyone.last().cloned().into_iter();
    let mut ldif = String::new();
    let mut add = |name: &str, members: Vec<String>| {
        let _ = write!(ldif, "dn: {}\nobjectClass: groupOfNames\ncn: {name}\n", group(name));
        for member in members {
            let _ = writeln!(ldif, "member: {member}");
        }
        ldif.push('\n');
    };
    add("Analysts", analysts.to_vec());
    add("Finance", vec![group("Analysts")]);
    add("Loop A", vec![group("Loop B")]);
    add("Loop B", last.chain([group("Loop A")]).collect());
    let _ = write!(ldif, "dn: {}\nobjectClass: groupOfUniqueNames\ncn: Everyone\n", group("Everyone"));
    for member in everyone {
        let _ = writeln!(ldif, "uniqueMember: {member}");
    }
    ldif + "\n"
}
