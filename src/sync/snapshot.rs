//! What a source holds at one moment: people and groups by their stable ids, members resolved. Never changed once built.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::clock::Timestamp;
use crate::directory::{self, SourceRecord};
use crate::ldap::{Dn, Entry, Schema};
use crate::model::{FoldedName, GroupName, UserName, fold};

use super::Error;

/// Everything that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// People by stable id.
    pub people: BTreeMap<String, Person>,
    /// Groups by stable id.
    pub groups: BTreeMap<String, FoundGroup>,
    /// Members that are no people or groups of the source.
    pub unresolved_members: usize,
}

/// A person: a record, or why there is none. Somebody without a record is there all the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The entry's name.
    pub dn: Dn,
    /// What it says.
    pub record: Result<SourceRecord, String>,
    /// Whether it says that the account is disabled, which counts even where the rest cannot be used.
    pub is_disabled: bool,
}

/// A group, or why its name cannot be used.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundGroup {
    /// The entry's name.
    pub dn: Dn,
    /// Its name; groups of one name are told apart by where they are.
    pub name: Result<GroupName, String>,
    /// Its direct members.
    pub members: BTreeSet<MemberRef>,
}

/// A member by its stable id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberRef {
    /// A nested group.
    Group(String),
    /// A person.
    Person(String),
}

impl Snapshot {
    /// Builds a snapshot from entries as they are to be understood at the moment `now`.
    ///
    /// # Errors
    /// `Untrusted` when an entry has no stable id, or two entries have one: an account that does not see the ids would
    /// make everybody look new.
    pub fn build(schema: &Schema, people: &[Entry], groups: &[Entry], now: Timestamp) -> Result<Self, Error> {
        let mut snapshot = Self::default();
        let mut ids = Names::with_capacity(people.len() + groups.len());
        for entry in people {
            let id = stable_id(schema, entry)?;
            note(&mut ids, entry.dn(), MemberRef::Person(id.clone()));
            let (dn, is_disabled) = (entry.dn().clone(), matches!(schema.is_disabled(entry, now), Ok(true)));
            let record = record(schema, entry, &id, now);
            insert(&mut snapshot.people, id.clone(), Person { dn, record, is_disabled })?;
        }
        for entry in groups {
            let id = stable_id(schema, entry)?;
            if snapshot.people.contains_key(&id) {
                return Err(twice(&id));
            }
            note(&mut ids, entry.dn(), MemberRef::Group(id.clone()));
            let group =
                FoundGroup { dn: entry.dn().clone(), name: group_name(schema, entry), members: BTreeSet::new() };
            insert(&mut snapshot.groups, id, group)?;
        }
        for entry in groups {
            let (members, unresolved) = members(schema, entry, &ids);
            snapshot.unresolved_members += unresolved;
            if let Some(group) = snapshot.groups.get_mut(&stable_id(schema, entry)?) {
                group.members = members;
            }
        }
        snapshot.part_equal_names();
        Ok(snapshot)
    }

    /// Two people of one login name: neither can be told to be the one, so neither has a record. Two groups of one
    /// name: both are named with their place, so that a rule for the plain name gives nothing to either.
    fn part_equal_names(&mut self) {
        let logins = self.people.values().filter_map(|person| Some(person.record.as_ref().ok()?.user_name.folded()));
        let repeated = repeated(logins);
        for person in self.people.values_mut() {
            if let Ok(record) = &person.record
                && repeated.contains(&record.user_name.folded())
            {
                person.record = Err(format!("several people have the login name `{}`", record.user_name));
            }
        }
        let names = self.groups.values().filter_map(|group| Some(group.name.as_ref().ok()?.folded()));
        let repeated = self::repeated(names);
        for group in self.groups.values_mut() {
            if let Ok(name) = &group.name
                && repeated.contains(&name.folded())
            {
                group.name = format!("{name} ({})", group.dn).parse().map_err(|error| format!("the name {error}"));
            }
        }
    }
}

/// Whom a name means; `None` when two entries have it in our folded spelling, so that it means neither.
type Names = HashMap<Dn, Option<MemberRef>>;

fn note(names: &mut Names, dn: &Dn, member: MemberRef) {
    names.entry(dn.clone()).and_modify(|known| *known = None).or_insert(Some(member));
}

fn repeated(names: impl Iterator<Item = FoldedName>) -> BTreeSet<FoldedName> {
    let (mut seen, mut repeated) = (BTreeSet::new(), BTreeSet::new());
    for name in names {
        if !seen.insert(name.clone()) {
            repeated.insert(name);
        }
    }
    repeated
}

fn stable_id(schema: &Schema, entry: &Entry) -> Result<String, Error> {
    entry.stable_id(schema.id).ok_or_else(|| Error::Untrusted {
        reason: format!(
            "`{}` has no usable `{}`; the service account must be allowed to read it",
            entry.dn(),
            schema.id.attribute()
        ),
    })
}

fn twice(id: &str) -> Error {
    Error::Untrusted { reason: format!("two entries have the id {id}") }
}

fn insert<T>(map: &mut BTreeMap<String, T>, id: String, value: T) -> Result<(), Error> {
    match map.entry(id) {
        std::collections::btree_map::Entry::Occupied(entry) => Err(twice(entry.key())),
        std::collections::btree_map::Entry::Vacant(entry) => {
            entry.insert(value);
            Ok(())
        }
    }
}

fn record(schema: &Schema, entry: &Entry, id: &str, now: Timestamp) -> Result<SourceRecord, String> {
    let mut logins = entry.texts(schema.login);
    let login = logins.next().ok_or_else(|| format!("no `{}`", schema.login))?;
    if logins.next().is_some() {
        return Err(format!("more than one `{}`", schema.login));
    }
    let user_name: UserName = login.parse().map_err(|error| format!("`{}` {error}", schema.login))?;
    schema.check_sizes(entry)?;
    let active = Some(!schema.is_disabled(entry, now)?);
    Ok(SourceRecord { external_id: Some(id.to_owned()), user_name, active, attributes: schema.attributes(entry) })
}

fn group_name(schema: &Schema, entry: &Entry) -> Result<GroupName, String> {
    let mut names: Vec<&str> = entry.texts(schema.group_name).collect();
    // Of several names the one in the DN is the group's own.
    let own = entry.dn().folded();
    names.sort_unstable_by_key(|name| (!own.starts_with(&format!("cn={},", fold(name).as_str())), *name));
    let name = names.first().ok_or_else(|| format!("no `{}`", schema.group_name))?;
    // Rules name groups by name, id and DN alike: a name must not be able to pass for another group's id or DN.
    if directory::is_like_an_id(name) || name.parse::<Dn>().is_ok_and(|dn| !dn.is_root()) {
        return Err(format!("`{}` looks like the id or DN of a group: {name}", schema.group_name));
    }
    name.parse().map_err(|error| format!("`{}` {error}", schema.group_name))
}

fn members(schema: &Schema, entry: &Entry, ids: &Names) -> (BTreeSet<MemberRef>, usize) {
    let (mut members, mut unresolved) = (BTreeSet::new(), 0);
    for attribute in schema.members {
        for value in entry.texts(attribute) {
            let found = without_unique_id(value).parse::<Dn>().ok().and_then(|dn| ids.get(&dn)?.as_ref());
            match found {
                Some(member) => {
                    members.insert(member.clone());
                }
                None => unresolved += 1,
            }
        }
    }
    (members, unresolved)
}

/// The name in a value of `uniqueMember`, which a bit string may follow (RFC 4517 section 3.3.21).
fn without_unique_id(value: &str) -> &str {
    match value.rsplit_once('#') {
        Some((dn, bits)) if bits.starts_with('\'') && bits.ends_with("'B") => dn,
        _ => value,
    }
}

#[cfg(test)]
mod tests;
