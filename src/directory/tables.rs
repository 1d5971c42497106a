//! The directory's tables. Tags 0x01 to 0x1f, 0x40 to 0x4f and 0x8c are its own and never reused.

use crate::model::{
    FoldedName, Group, GroupId, Membership, Object, ObjectId, Person, PersonId, SourceId, User, UserId,
};
use crate::store::Table;

use super::Member;
use super::brake::{Pause, Removals};
use super::dynamic::Filling;
use super::facets::{FacetKey, Filled};
use super::joins::Joined;

/// Users that exist.
pub(super) const USERS: Table<UserId, User> = Table::new(0x01, "users");
/// Unique: folded `userName` to user.
pub(super) const USER_NAMES: Table<FoldedName, UserId> = Table::new(0x02, "user names");
/// A source's external id to users; not unique, since SCIM clients may send one id twice.
pub(super) const USER_LINKS: Table<(SourceId, String, UserId), ()> = Table::new(0x03, "user links");
/// Unique: a directory's or connector's stable id to user.
pub(super) const USER_SUBJECTS: Table<(SourceId, String), UserId> = Table::new(0x04, "user subjects");
/// Folded e-mail address to users.
pub(super) const USER_EMAILS: Table<(FoldedName, UserId), ()> = Table::new(0x05, "user e-mails");
/// Groups that exist.
pub(super) const GROUPS: Table<GroupId, Group> = Table::new(0x06, "groups");
/// Folded `displayName` to groups.
pub(super) const GROUP_NAMES: Table<(FoldedName, GroupId), ()> = Table::new(0x07, "group names");
/// Unique: owner (empty when by hand) and folded `displayName` to group.
pub(super) const OWNED_GROUP_NAMES: Table<(String, FoldedName), GroupId> = Table::new(0x08, "owned group names");
/// A source's external id to groups.
pub(super) const GROUP_LINKS: Table<(SourceId, String, GroupId), ()> = Table::new(0x09, "group links");
/// Group to member.
pub(super) const MEMBERS: Table<(GroupId, Member), Membership> = Table::new(0x0a, "members");
/// Member to group.
pub(super) const MEMBER_OF: Table<(Member, GroupId), Membership> = Table::new(0x0b, "member of");
/// Kept totals: `users`, `groups`, `limited` users, `objects:` and the name of a resource type.
pub(super) const TOTALS: Table<str, i64> = Table::new(0x0c, "totals");
/// Kept number of direct members.
pub(super) const MEMBER_COUNTS: Table<GroupId, i64> = Table::new(0x0d, "member counts");
/// Deleted users, so that their ids stay taken and the ledger can name them.
pub(super) const TOMBSTONES: Table<UserId, User> = Table::new(0x0e, "tombstones");

/// Names of deleted users: a sign-in does not bring them back, a source or an administrator may use them again.
pub(super) const RETIRED_NAMES: Table<FoldedName, UserId> = Table::new(0x0f, "retired names");
/// Names that accounts gave up and that are not given to somebody else, where the policy pack says so.
pub(super) const USED_NAMES: Table<FoldedName, UserId> = Table::new(0x1c, "used names");
/// Stable ids of deleted users, likewise.
pub(super) const RETIRED_SUBJECTS: Table<(SourceId, String), UserId> = Table::new(0x10, "retired subjects");
/// Kept number of groups that a member is directly in.
pub(super) const MEMBER_OF_COUNTS: Table<Member, i64> = Table::new(0x19, "member of counts");

/// Connections that are paused.
pub(super) const PAUSES: Table<SourceId, Pause> = Table::new(0x11, "pauses");
/// What each connection removed within the last hour.
pub(super) const REMOVALS: Table<SourceId, Removals> = Table::new(0x12, "removals");
/// Kept totals of what each source owns, `users` and `groups`.
pub(super) const OWNED: Table<(SourceId, String), i64> = Table::new(0x13, "owned totals");
/// Resources of configured types, by the name of the type.
pub(super) const OBJECTS: Table<(String, ObjectId), Object> = Table::new(0x15, "objects");
/// A source's external id to resources of a configured type.
pub(super) const OBJECT_LINKS: Table<((SourceId, String), String, ObjectId), ()> = Table::new(0x16, "object links");
/// Unique: resource type, attribute and value of an attribute that a configured schema makes unique, to the resource.
pub(super) const UNIQUE_VALUES: Table<(String, String, String), ObjectId> = Table::new(0x17, "unique values");
/// Counts the changes of what a user's rule grants follow from: the record, memberships.
pub(super) const RULE_TURNS: Table<UserId, i64> = Table::new(0x18, "rule turns");
/// A group's slug to groups of such names.
pub(super) const GROUP_SLUGS: Table<(String, GroupId), ()> = Table::new(0x40, "group slugs");
/// Supervisor to the people whose `manager` it is (RFC 7643 section 4.3).
pub(super) const REPORTS: Table<(UserId, UserId), ()> = Table::new(0x41, "reports");
/// People that exist.
pub(super) const PEOPLE: Table<PersonId, Person> = Table::new(0x1a, "people");
/// Unique: folded number to person.
pub(super) const PERSON_NUMBERS: Table<FoldedName, PersonId> = Table::new(0x1b, "person numbers");
/// Unique: account to the person whose it is.
pub(super) const PERSON_OF_USER: Table<UserId, PersonId> = Table::new(0x42, "person of user");
/// The last number that was given to a person.
pub(super) const PERSON_SERIAL: Table<str, u64> = Table::new(0x43, "person serial");

/// What users are listed by (status, times, names, department) to users.
pub(super) const FACETS: Table<FacetKey, ()> = Table::new(0x44, "user facets");
/// How far the rows of users of earlier releases are written.
pub(super) const FACETS_FILLED: Table<str, Filled> = Table::new(0x45, "user facets filled");

/// Dynamic groups: the rule in force and how far their members follow it.
pub(super) const DYNAMICS: Table<GroupId, Filling> = Table::new(0x1f, "dynamic groups");
/// Counts the changes of the rules of dynamic groups; absent before the first.
pub(super) const RULE_EPOCH: Table<str, u64> = Table::new(0x46, "rule epoch");

/// Who is in which group by a connector's mapping rule.
pub(super) const JOINS: Table<(UserId, SourceId, GroupId), Joined> = Table::new(0x8c, "joins by rules");

/// Every tag of this module with its table's name.
pub const ALL: [(u8, &str); 36] = [
    (0x01, USERS.name()),
    (0x02, USER_NAMES.name()),
    (0x03, USER_LINKS.name()),
    (0x04, USER_SUBJECTS.name()),
    (0x05, USER_EMAILS.name()),
    (0x06, GROUPS.name()),
    (0x07, GROUP_NAMES.name()),
    (0x08, OWNED_GROUP_NAMES.name()),
    (0x09, GROUP_LINKS.name()),
    (0x0a, MEMBERS.name()),
    (0x0b, MEMBER_OF.name()),
    (0x0c, TOTALS.name()),
    (0x0d, MEMBER_COUNTS.name()),
    (0x0e, TOMBSTONES.name()),
    (0x0f, RETIRED_NAMES.name()),
    (0x10, RETIRED_SUBJECTS.name()),
    (0x11, PAUSES.name()),
    (0x12, REMOVALS.name()),
    (0x13, OWNED.name()),
    (0x15, OBJECTS.name()),
    (0x16, OBJECT_LINKS.name()),
    (0x17, UNIQUE_VALUES.name()),
    (0x18, RULE_TURNS.name()),
    (0x19, MEMBER_OF_COUNTS.name()),
    (0x1c, USED_NAMES.name()),
    (0x1a, PEOPLE.name()),
    (0x1b, PERSON_NUMBERS.name()),
    (0x40, GROUP_SLUGS.name()),
    (0x41, REPORTS.name()),
    (0x42, PERSON_OF_USER.name()),
    (0x43, PERSON_SERIAL.name()),
    (0x44, FACETS.name()),
    (0x45, FACETS_FILLED.name()),
    (0x1f, DYNAMICS.name()),
    (0x46, RULE_EPOCH.name()),
    (0x8c, JOINS.name()),
];
