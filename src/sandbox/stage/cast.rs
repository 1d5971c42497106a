//! Who plays: the people of the directory and of the providers, and the accounts that the gateway itself keeps.

use crate::ldap::name::NotADn;
use crate::sandbox::directory::Record;
use crate::sandbox::{openid, saml};

/// Where everything in the directory is.
pub const BASE: &str = "dc=corp,dc=example";
const PEOPLE: &str = "ou=people,dc=corp,dc=example";
const GROUPS: &str = "ou=groups,dc=corp,dc=example";
/// The directory's account that the gateway reads with.
pub const READER: &str = "cn=reader,dc=corp,dc=example";
/// The directory's group whose members, however deep, are analysts of the finance department.
pub const FINANCE: &str = "cn=finance,ou=groups,dc=corp,dc=example";
/// The directory's group of compliance officers.
pub const AUDIT: &str = "cn=audit,ou=groups,dc=corp,dc=example";

/// The administrator.
pub const ADMIN: &str = "admin";
/// Somebody with a password that the gateway keeps.
pub const QUINN: &str = "quinn";
/// Somebody with a password, whose account is going to be locked.
pub const LEE: &str = "lee";
/// Pushed by the provisioning client; signs in by SAML.
pub const MAYA: &str = "maya@clearpoint.example";
/// Pushed by the provisioning client, and deactivated by it.
pub const NOOR: &str = "noor@clearpoint.example";
/// Pushed by the provisioning client; a member by a change of the group.
pub const THEO: &str = "theo@clearpoint.example";
/// Known to the SAML provider only.
pub const IRIS: &str = "iris@clearpoint.example";
/// Known to the OpenID provider only.
pub const SAM: &str = "sam@partner.example";
/// In the directory: in a group that is in the finance group.
pub const IDA: &str = "ida";
/// In the directory: hired in the middle of the play, into a group in a group.
pub const UMA: &str = "uma";
/// In the directory until the middle of the play.
pub const VIC: &str = "vic";

/// Who is in the directory when the gateway starts: login name, given name, family name.
const STAFF: [(&str, &str, &str); 12] = [
    ("ida", "Ida", "Moreau"),
    ("jon", "Jon", "Okafor"),
    ("kim", "Kim", "Tanaka"),
    ("lea", "Lea", "Brandt"),
    ("max", "Max", "Silva"),
    ("nia", "Nia", "Roberts"),
    ("oli", "Oli", "Hansen"),
    ("pia", "Pia", "Kowalska"),
    ("ravi", "Ravi", "Menon"),
    ("sara", "Sara", "Lindqvist"),
    ("tom", "Tom", "Adeyemi"),
    ("vic", "Vic", "Larsen"),
];
/// Who is hired in the middle of the play.
const HIRED: [(&str, &str, &str); 3] = [("uma", "Uma", "Castillo"), ("wes", "Wes", "Novak"), ("yan", "Yan", "Petrov")];

fn dn(login: &str) -> String {
    format!("uid={login},{PEOPLE}")
}

fn person((login, given, family): (&str, &str, &str), password: &str) -> Result<Record, NotADn> {
    let mail = format!("{login}@corp.example");
    Ok(Record::person(PEOPLE, login, given, family, password)?.with("mail", &[&mail]))
}

fn group(name: &str, people: &[&str], groups: &[&str]) -> Result<Record, NotADn> {
    let people = people.iter().map(|login| dn(login));
    let members: Vec<String> = people.chain(groups.iter().map(|name| format!("cn={name},{GROUPS}"))).collect();
    Record::group(GROUPS, name, &members.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What the directory holds at the start: twelve people, and payables within finance. `password` is everybody's,
/// `reader` the account's that reads.
pub fn company(password: &str, reader: &str) -> Result<Vec<Record>, NotADn> {
    let mut records = ground(reader)?;
    for one in STAFF {
        records.push(person(one, password)?);
    }
    records.push(group("payables", &["ida", "jon"], &[])?);
    records.push(group("finance", &["kim"], &["payables"])?);
    records.push(group("audit", &["lea", "ravi"], &[])?);
    Ok(records)
}

/// What it holds later: three people more, one of them in treasury within payables, and one person less.
pub fn company_later(password: &str, reader: &str) -> Result<Vec<Record>, NotADn> {
    let mut records = ground(reader)?;
    for one in STAFF.iter().chain(&HIRED).filter(|(login, ..)| *login != VIC) {
        records.push(person(*one, password)?);
    }
    records.push(group("treasury", &["uma"], &[])?);
    records.push(group("payables", &["ida", "jon"], &["treasury"])?);
    records.push(group("finance", &["kim"], &["payables"])?);
    records.push(group("audit", &["lea", "ravi"], &[])?);
    Ok(records)
}

fn ground(reader: &str) -> Result<Vec<Record>, NotADn> {
    let container = |dn: &str| Ok(Record::new(dn)?.with("objectClass", &["top", "organizationalUnit"]));
    let account = Record::new(READER)?.with("objectClass", &["top", "applicationProcess"]);
    Ok(vec![container(BASE)?, container(PEOPLE)?, container(GROUPS)?, account.with("userPassword", &[reader])])
}

/// How many people are in the directory at the start.
pub const fn staff() -> usize {
    STAFF.len()
}

/// Who can sign in at the SAML provider.
pub fn workforce() -> Vec<saml::Person> {
    let person = |name: &str, email: &str, group: &str| saml::Person {
        name: name.to_owned(),
        email: email.to_owned(),
        groups: vec![group.to_owned()],
    };
    vec![
        person("Maya Ortiz", MAYA, "Everyone"),
        person("Iris Novak", IRIS, "Compliance"),
        person("Noor Haddad", NOOR, "Everyone"),
        person("Theo Jansen", THEO, "Everyone"),
    ]
}

/// Who can sign in at the OpenID provider.
pub fn partners() -> Vec<openid::Person> {
    let person = |sub: &str, name: &str, email: &str, group: &str| openid::Person {
        sub: sub.to_owned(),
        name: name.to_owned(),
        email: email.to_owned(),
        groups: vec![group.to_owned()],
    };
    vec![
        person("p-1001", "Sam Whitfield", SAM, "Readers"),
        person("p-1002", "Dana Costa", "dana@partner.example", "Guests"),
    ]
}
