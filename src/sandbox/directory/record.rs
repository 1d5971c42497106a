//! What the sandbox directory holds.

use crate::ldap::Dn;
use crate::model::fold;
use crate::secret::sha256;

/// Attributes that are given only when asked for by name or by `+` (RFC 3673).
const OPERATIONAL: [&str; 4] = ["entryUUID", "createTimestamp", "modifyTimestamp", "pwdAccountLockedTime"];

/// One entry: a name and attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    dn: Dn,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Record {
    /// An entry without attributes but `entryUUID`, which follows from the name.
    ///
    /// # Errors
    /// When `dn` is no distinguished name.
    pub fn new(dn: &str) -> Result<Self, crate::ldap::name::NotADn> {
        let dn: Dn = dn.parse()?;
        let record = Self { attributes: Vec::new(), dn };
        let id = uuid_of(&record.dn.folded());
        Ok(record.with("entryUUID", &[&id]))
    }

    /// A person `uid=…` below `base` who may bind with `password`; `entryUUID` follows from the login name.
    ///
    /// # Errors
    /// When the name that results is no distinguished name.
    pub fn person(
        base: &str,
        uid: &str,
        given_name: &str,
        family_name: &str,
        password: &str,
    ) -> Result<Self, crate::ldap::name::NotADn> {
        let mail = format!("{uid}@example.org");
        let display_name = format!("{given_name} {family_name}");
        Ok(Self::new(&format!("uid={uid},{base}"))?
            .with("objectClass", &["top", "person", "organizationalPerson", "inetOrgPerson"])
            .with("uid", &[uid])
            .with("cn", &[&display_name])
            .with("displayName", &[&display_name])
            .with("givenName", &[given_name])
            .with("sn", &[family_name])
            .with("mail", &[&mail])
            .with("userPassword", &[password])
            .with("entryUUID", &[&uuid_of(uid)]))
    }

    /// A group `cn=…` below `base` with these members by name.
    ///
    /// # Errors
    /// When the name that results is no distinguished name.
    pub fn group(base: &str, cn: &str, members: &[&str]) -> Result<Self, crate::ldap::name::NotADn> {
        let group = Self::new(&format!("cn={cn},{base}"))?;
        Ok(group.with("objectClass", &["top", "groupOfNames"]).with("cn", &[cn]).with("member", members))
    }

    /// With these values of an attribute, instead of those that it had. No values: without the attribute.
    #[must_use]
    pub fn with(mut self, name: &str, values: &[&str]) -> Self {
        self.attributes.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        if !values.is_empty() {
            let values = values.iter().map(|value| value.as_bytes().to_vec()).collect();
            self.attributes.push((name.to_owned(), values));
        }
        self
    }

    /// Under another name, `entryUUID` and the rest unchanged.
    ///
    /// # Errors
    /// When `dn` is no distinguished name.
    pub fn renamed(mut self, dn: &str) -> Result<Self, crate::ldap::name::NotADn> {
        self.dn = dn.parse()?;
        Ok(self)
    }

    /// The entry's name.
    pub fn dn(&self) -> &Dn {
        &self.dn
    }

    /// Every attribute with its values.
    pub(super) fn attributes(&self) -> &[(String, Vec<Vec<u8>>)] {
        &self.attributes
    }

    /// The values of one attribute.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        let found = self.attributes.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, values)| values.as_slice()).unwrap_or_default()
    }

    /// Whether an attribute has this value: names as names, everything else as folded text.
    pub(super) fn holds(&self, name: &str, asserted: &str) -> bool {
        let values = self.values(name).iter().filter_map(|value| std::str::from_utf8(value).ok());
        let (wanted_dn, wanted) = (asserted.parse::<Dn>().ok().filter(|dn| !dn.is_root()), fold(asserted));
        values
            .into_iter()
            .any(|value| fold(value) == wanted || wanted_dn.as_ref().is_some_and(|dn| value.parse().as_ref() == Ok(dn)))
    }

    /// Whether an attribute goes out to somebody who asked for `asked`. Passwords never do.
    pub(super) fn shows(name: &str, asked: &[&str]) -> bool {
        if name.eq_ignore_ascii_case("userPassword") {
            return false;
        }
        let is_operational = OPERATIONAL.iter().any(|known| known.eq_ignore_ascii_case(name));
        let all = if is_operational { "+" } else { "*" };
        (asked.is_empty() && !is_operational)
            || asked
                .iter()
                .map(|wanted| wanted.split_once(';').map_or(*wanted, |(wanted, _)| wanted))
                .any(|wanted| wanted == all || wanted.eq_ignore_ascii_case(name))
    }
}

/// A UUID that follows from a text.
fn uuid_of(text: &str) -> String {
    let digest = sha256(text.as_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
