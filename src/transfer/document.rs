//! The document: one JSON object on each line, first a header, last the number of records between. Whatever is in it is
//! checked when it is read; an unknown member or kind is refused, because what is passed over would be lost.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use crate::access::{Bound, NetworkRule, ScopeRecord, StoredRole};
use crate::clock::Timestamp;
use crate::credential::{Demands, KeptDemand};
use crate::directory::Member;
use crate::model::{
    Attributes, Companies, FactorRule, Grant, GrantId, Group, GroupId, GroupName, Link, Membership, Mode, Network,
    OrganisationId, Origin, Permission, Person, PersonId, Realm, Role, RoleId, Scope, SourceId, Status, Subject, User,
    UserId, UserName,
};

/// The version of the document that this release writes; it reads no other.
pub(super) const FORMAT: u32 = 1;

/// A value that is written as its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text<T>(pub(super) T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|error| de::Error::custom(format!("`{text}`: {error}")))
    }
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Line {
    Export(Header),
    Scope(ScopeLine),
    Role(RoleLine),
    Group(GroupLine),
    User(UserLine),
    Person(PersonLine),
    Member(MemberLine),
    Grant(GrantLine),
    Demand(DemandLine),
    Network(NetworkLine),
    End(End),
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) format: u32,
}

/// The last line: a document that was cut off has none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub(super) records: usize,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ScopeLine {
    scope: Text<Scope>,
    name: String,
    description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<Text<Scope>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Text<SourceId>>,
    created: Text<Timestamp>,
    changed: Text<Timestamp>,
    revision: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RoleLine {
    id: Text<RoleId>,
    name: String,
    description: String,
    permissions: Vec<Text<Permission>>,
    denies: Vec<Text<Permission>>,
    includes: Vec<Text<RoleId>>,
    if_owner: Vec<Text<Permission>>,
    ui_profile: BTreeMap<String, String>,
    scoped_only: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    factor: Option<FactorLine>,
    created: Text<Timestamp>,
    changed: Text<Timestamp>,
    revision: u64,
    maker: String,
}

/// What a role asks of second factors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FactorLine {
    required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    within_s: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sso: Option<bool>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct GroupLine {
    id: Text<GroupId>,
    display_name: Text<GroupName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<Text<SourceId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    attributes: Map<String, Value>,
    created: Text<Timestamp>,
    changed: Text<Timestamp>,
    revision: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    companies: Option<Vec<Text<Scope>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct LinkLine {
    source: Text<SourceId>,
    external_id: String,
    /// Whether nobody else may have it.
    exclusive: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StatusWord {
    Active,
    Inactive,
    Invited,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct UserLine {
    id: Text<UserId>,
    user_name: Text<UserName>,
    status: StatusWord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<Text<SourceId>>,
    links: Vec<LinkLine>,
    attributes: Map<String, Value>,
    created: Text<Timestamp>,
    changed: Text<Timestamp>,
    revision: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by_hand: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disabled_by_hand: Option<bool>,
    /// Absent: it belongs to none and sees all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    companies: Option<CompaniesLine>,
    /// Absent: staff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    realm: Option<Text<Realm>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CompaniesLine {
    named: Vec<Text<Scope>>,
    sees_all: bool,
}

/// An employee, with an account or without.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PersonLine {
    id: Text<PersonId>,
    employee_number: String,
    first_name: String,
    last_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<Text<UserId>>,
    companies: Vec<Text<Scope>>,
    created: Text<Timestamp>,
    changed: Text<Timestamp>,
    revision: u64,
}

/// What is demanded of somebody by name for signing in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct DemandLine {
    user: Text<UserId>,
    factor: bool,
    sso: bool,
    by: String,
    at: Text<Timestamp>,
}

/// A network rule.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct NetworkLine {
    r#for: ForWhom,
    networks: Vec<Text<Network>>,
    changed: Text<Timestamp>,
    by: String,
}

/// Whom a network rule binds, as it prints.
#[derive(Clone, Debug)]
struct ForWhom(Bound);

impl Serialize for ForWhom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ForWhom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = |()| de::Error::custom(format!("`{text}`: must be organization, role:ID or user:ID"));
        text.parse().map(Self).map_err(wrong)
    }
}

/// Who is in a group or holds a grant: one of the two.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Who {
    Group(Text<GroupId>),
    User(Text<UserId>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct MemberLine {
    of: Text<GroupId>,
    member: Who,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Text<SourceId>>,
    since: Text<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    display: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ModeWord {
    Add,
    Override,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum OriginLine {
    ByHand { reason: String },
    Rule { source: Text<SourceId>, position: String },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct GrantLine {
    id: Text<GrantId>,
    holder: Who,
    role: Text<RoleId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Text<Scope>>,
    mode: ModeWord,
    origin: OriginLine,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts: Option<Text<Timestamp>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends: Option<Text<Timestamp>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<Text<Timestamp>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maker: Option<String>,
}

/// One record of an organisation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Record {
    Scope(ScopeRecord),
    /// One that an administrator made.
    Role(StoredRole),
    Group(Group),
    /// And which of its links nobody else may have.
    User(User, Vec<bool>),
    /// An employee.
    Person(Person),
    Member(GroupId, Member, Membership),
    Grant(Grant),
    /// What is demanded of somebody by name.
    Demand(UserId, KeptDemand),
    Network(Bound, NetworkRule),
}

impl Record {
    /// The kind for counts, as the line has it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Scope(_) => "scope",
            Self::Role(_) => "role",
            Self::Group(_) => "group",
            Self::User(..) => "user",
            Self::Person(_) => "person",
            Self::Member(..) => "member",
            Self::Grant(_) => "grant",
            Self::Demand(..) => "demand",
            Self::Network(..) => "network",
        }
    }

    /// Whether records of its kind are put back all at once.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Scope(_) | Self::Role(_) | Self::Network(..))
    }

    /// The record as a line.
    pub(super) fn to_line(&self) -> Line {
        match self {
            Self::Scope(record) => Line::Scope(record.into()),
            Self::Role(role) => Line::Role(role.into()),
            Self::Group(group) => Line::Group(group.into()),
            Self::User(user, exclusive) => Line::User(user_line(user, exclusive)),
            Self::Person(person) => Line::Person(person.into()),
            Self::Member(group, member, row) => Line::Member(MemberLine {
                of: Text(*group),
                member: match member {
                    Member::Group(id) => Who::Group(Text(*id)),
                    Member::User(id) => Who::User(Text(*id)),
                },
                source: row.source.clone().map(Text),
                since: Text(row.since),
                display: row.display.clone(),
            }),
            Self::Grant(grant) => Line::Grant(grant.into()),
            Self::Demand(user, kept) => Line::Demand(DemandLine {
                user: Text(*user),
                factor: kept.demands.factor,
                sso: kept.demands.sso,
                by: kept.by.clone(),
                at: Text(kept.at),
            }),
            Self::Network(bound, rule) => Line::Network(NetworkLine {
                r#for: ForWhom(bound.clone()),
                networks: texts(&rule.networks),
                changed: Text(rule.changed),
                by: rule.by.clone(),
            }),
        }
    }

    /// The record of a line; `None` for the first and the last.
    pub(super) fn of_line(line: Line) -> Option<Self> {
        Some(match line {
            Line::Export(_) | Line::End(_) => return None,
            Line::Scope(line) => Self::Scope(line.into()),
            Line::Role(line) => Self::Role(line.into()),
            Line::Group(line) => Self::Group(line.into()),
            Line::User(line) => {
                let exclusive = line.links.iter().map(|link| link.exclusive).collect();
                Self::User(line.into(), exclusive)
            }
            Line::Person(line) => Self::Person(line.into()),
            Line::Member(line) => {
                let member = match line.member {
                    Who::Group(Text(id)) => Member::Group(id),
                    Who::User(Text(id)) => Member::User(id),
                };
                let source = line.source.map(|source| source.0);
                Self::Member(line.of.0, member, Membership { source, since: line.since.0, display: line.display })
            }
            Line::Grant(line) => Self::Grant(line.into()),
            Line::Demand(line) => {
                let demands = Demands { factor: line.factor, sso: line.sso };
                Self::Demand(line.user.0, KeptDemand { demands, by: line.by, at: line.at.0 })
            }
            Line::Network(line) => {
                let (networks, changed) = (values(line.networks), line.changed.0);
                Self::Network(line.r#for.0, NetworkRule { networks, changed, by: line.by })
            }
        })
    }
}

impl From<&ScopeRecord> for ScopeLine {
    fn from(record: &ScopeRecord) -> Self {
        Self {
            scope: Text(record.scope.clone()),
            name: record.name.clone(),
            description: record.description.clone(),
            parent: record.parent.clone().map(Text),
            source: record.source.clone().map(Text),
            created: Text(record.created),
            changed: Text(record.changed),
            revision: record.revision,
        }
    }
}

impl From<ScopeLine> for ScopeRecord {
    fn from(line: ScopeLine) -> Self {
        Self {
            scope: line.scope.0,
            name: line.name,
            description: line.description,
            parent: line.parent.map(|parent| parent.0),
            source: line.source.map(|source| source.0),
            created: line.created.0,
            changed: line.changed.0,
            revision: line.revision,
        }
    }
}

fn texts<T: Clone>(values: &[T]) -> Vec<Text<T>> {
    values.iter().cloned().map(Text).collect()
}

fn values<T>(texts: Vec<Text<T>>) -> Vec<T> {
    texts.into_iter().map(|text| text.0).collect()
}

impl From<&StoredRole> for RoleLine {
    fn from(stored: &StoredRole) -> Self {
        let role = &stored.role;
        Self {
            id: Text(role.id.clone()),
            name: role.name.clone(),
            description: role.description.clone(),
            permissions: texts(&role.permissions),
            denies: texts(&role.denies),
            includes: texts(&role.includes),
            if_owner: texts(&role.if_owner),
            ui_profile: stored.ui_profile.clone(),
            scoped_only: stored.is_scoped_only,
            factor: role.factor.map(|rule| FactorLine {
                required: rule.required,
                within_s: rule.within_s,
                sso: rule.sso,
            }),
            created: Text(stored.created),
            changed: Text(stored.changed),
            revision: stored.revision,
            maker: stored.maker.clone(),
        }
    }
}

impl From<RoleLine> for StoredRole {
    fn from(line: RoleLine) -> Self {
        let role = Role {
            id: line.id.0,
            name: line.name,
            description: line.description,
            permissions: values(line.permissions),
            denies: values(line.denies),
            includes: values(line.includes),
            if_owner: values(line.if_owner),
            factor: line.factor.map(|line| FactorRule {
                required: line.required,
                within_s: line.within_s,
                sso: line.sso.filter(|sso| *sso),
            }),
        };
        Self {
            role,
            ui_profile: line.ui_profile,
            is_scoped_only: line.scoped_only,
            created: line.created.0,
            changed: line.changed.0,
            revision: line.revision,
            maker: line.maker,
        }
    }
}

impl From<&Group> for GroupLine {
    fn from(group: &Group) -> Self {
        Self {
            id: Text(group.id),
            display_name: Text(group.name.clone()),
            owner: group.owner.clone().map(Text),
            external_id: group.external_id.clone(),
            attributes: group.attributes.0.clone(),
            created: Text(group.created),
            changed: Text(group.changed),
            revision: group.revision,
            companies: group.companies.as_deref().map(texts),
            rule: group.rule.clone(),
        }
    }
}

impl From<GroupLine> for Group {
    fn from(line: GroupLine) -> Self {
        Self {
            id: line.id.0,
            organisation: OrganisationId::DEFAULT,
            name: line.display_name.0,
            owner: line.owner.map(|owner| owner.0),
            external_id: line.external_id,
            attributes: Attributes(line.attributes),
            created: line.created.0,
            changed: line.changed.0,
            revision: line.revision,
            companies: line.companies.map(values),
            rule: line.rule,
        }
    }
}

fn user_line(user: &User, exclusive: &[bool]) -> UserLine {
    let links = user.links.iter().zip(exclusive);
    UserLine {
        id: Text(user.id),
        user_name: Text(user.user_name.clone()),
        status: match user.status {
            Status::Active => StatusWord::Active,
            Status::Inactive | Status::Tombstone => StatusWord::Inactive,
            Status::Invited => StatusWord::Invited,
        },
        owner: user.owner.clone().map(Text),
        links: links
            .map(|(link, exclusive)| LinkLine {
                source: Text(link.source.clone()),
                external_id: link.external_id.clone(),
                exclusive: *exclusive,
            })
            .collect(),
        attributes: user.attributes.0.clone(),
        created: Text(user.created),
        changed: Text(user.changed),
        revision: user.revision,
        by_hand: user.by_hand,
        disabled_by_hand: user.disabled_by_hand,
        companies: user
            .companies
            .as_ref()
            .map(|companies| CompaniesLine { named: texts(&companies.named), sees_all: companies.sees_all }),
        realm: user.realm.map(Text),
    }
}

impl From<UserLine> for User {
    fn from(line: UserLine) -> Self {
        let link = |link: LinkLine| Link { source: link.source.0, external_id: link.external_id };
        Self {
            id: line.id.0,
            organisation: OrganisationId::DEFAULT,
            user_name: line.user_name.0,
            status: match line.status {
                StatusWord::Active => Status::Active,
                StatusWord::Inactive => Status::Inactive,
                StatusWord::Invited => Status::Invited,
            },
            owner: line.owner.map(|owner| owner.0),
            links: line.links.into_iter().map(link).collect(),
            attributes: Attributes(line.attributes),
            created: line.created.0,
            changed: line.changed.0,
            revision: line.revision,
            by_hand: line.by_hand,
            disabled_by_hand: line.disabled_by_hand,
            companies: line.companies.map(|line| Companies { named: values(line.named), sees_all: line.sees_all }),
            realm: line.realm.map(|realm| realm.0),
        }
    }
}

impl From<&Person> for PersonLine {
    fn from(person: &Person) -> Self {
        Self {
            id: Text(person.id),
            employee_number: person.number.clone(),
            first_name: person.first_name.clone(),
            last_name: person.last_name.clone(),
            email: person.email.clone(),
            user: person.user.map(Text),
            companies: texts(&person.companies),
            created: Text(person.created),
            changed: Text(person.changed),
            revision: person.revision,
        }
    }
}

impl From<PersonLine> for Person {
    fn from(line: PersonLine) -> Self {
        Self {
            id: line.id.0,
            number: line.employee_number,
            first_name: line.first_name,
            last_name: line.last_name,
            email: line.email,
            user: line.user.map(|user| user.0),
            companies: values(line.companies),
            created: line.created.0,
            changed: line.changed.0,
            revision: line.revision,
        }
    }
}

impl From<&Grant> for GrantLine {
    fn from(grant: &Grant) -> Self {
        Self {
            id: Text(grant.id),
            holder: match grant.subject {
                Subject::Group(id) => Who::Group(Text(id)),
                Subject::User(id) => Who::User(Text(id)),
            },
            role: Text(grant.role.clone()),
            scope: grant.scope.clone().map(Text),
            mode: match grant.mode {
                Mode::Add => ModeWord::Add,
                Mode::Override => ModeWord::Override,
            },
            origin: match &grant.origin {
                Origin::ByHand(reason) => OriginLine::ByHand { reason: reason.clone() },
                Origin::Rule(source, position) => {
                    OriginLine::Rule { source: Text(source.clone()), position: position.clone() }
                }
            },
            starts: grant.starts.map(Text),
            ends: grant.ends.map(Text),
            made: grant.made.map(Text),
            maker: grant.maker.clone(),
        }
    }
}

impl From<GrantLine> for Grant {
    fn from(line: GrantLine) -> Self {
        Self {
            id: line.id.0,
            subject: match line.holder {
                Who::Group(Text(id)) => Subject::Group(id),
                Who::User(Text(id)) => Subject::User(id),
            },
            role: line.role.0,
            scope: line.scope.map(|scope| scope.0),
            mode: match line.mode {
                ModeWord::Add => Mode::Add,
                ModeWord::Override => Mode::Override,
            },
            origin: match line.origin {
                OriginLine::ByHand { reason } => Origin::ByHand(reason),
                OriginLine::Rule { source, position } => Origin::Rule(source.0, position),
            },
            starts: line.starts.map(|starts| starts.0),
            ends: line.ends.map(|ends| ends.0),
            made: line.made.map(|made| made.0),
            maker: line.maker,
        }
    }
}
