//! An organisation as a document: everything that people decided about who may do what, to look at, to compare, to carry
//! to another installation. Export, import, export gives the same bytes.
//!
//! In it are scopes, custom roles, groups, users, employees, memberships, grants, what is demanded of people by name and
//! network rules, ordered by kind and id, with their ids, times and revisions.
//! Not in it are secrets of any kind (passwords, sessions, tokens), the ledger, and what belongs to the machine: a copy of
//! the store has those.
//!
//! A document is read whole and checked whole before the first record is written. A record that is there under its id is
//! made what the document says; what the document does not name is left alone.

mod bounds;
mod document;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::access::{self, Access, Bound, NetworkRule, Overlay, Permit, Restored, RoleBook, ScopeRecord, StoredRole};
use crate::audit::{Change, EventKind, Ledger};
use crate::clock::Clock;
use crate::credential::{Demands, Factors, KeptDemand};
use crate::directory::{self, Directory, MAX_PAGE, Member};
use crate::model::{GroupId, Kept, Network, PersonId, Subject, User, UserId};
use crate::store::{self, Retryable};
use document::{End, FORMAT, Header, Line, Record};

/// Largest document that is imported, in bytes: about 200,000 people.
pub const MAX_BYTES: usize = 128 * 1024 * 1024;
/// Longest line, in bytes.
const MAX_LINE_BYTES: usize = 1024 * 1024;
/// Most problems that are told at once.
const MAX_PROBLEMS: usize = 100;
/// Records of one commit.
const CHUNK: usize = 500;
/// Most members of a group that an event of an import names.
const MAX_LISTED: usize = 20;

/// Why a document was not imported, or an organisation not exported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Who holds what could not be read or written.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// The directory did not do as asked.
    #[error(transparent)]
    Directory(#[from] directory::Error),
    /// The document cannot be used; nothing of it was written.
    #[error("the document cannot be imported: {}", problems.join("; "))]
    Document {
        /// What is wrong, each with its line; at most a hundred.
        problems: Vec<String>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Retryable for Error {
    fn is_lost_race(&self) -> bool {
        match self {
            Self::Access(error) => error.is_lost_race(),
            Self::Directory(error) => error.is_lost_race(),
            Self::Store(error) => error.is_lost_race(),
            Self::Document { .. } => false,
        }
    }
}

/// What an import did, or would do, by kind of record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary(BTreeMap<&'static str, [usize; 3]>);

impl Summary {
    fn count(&mut self, kind: &'static str, restored: Restored) {
        let [created, changed, same] = self.0.entry(kind).or_default();
        *match restored {
            Restored::Created => created,
            Restored::Changed => changed,
            Restored::Same => same,
        } += 1;
    }

    fn join(&mut self, other: &Self) {
        for (kind, counts) in &other.0 {
            let sum = self.0.entry(kind).or_default();
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }

    /// Kind, created, changed, same; by kind.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, [usize; 3])> {
        self.0.iter().map(|(kind, counts)| (*kind, *counts))
    }

    /// Whether nothing is or was to be done.
    pub fn is_nothing(&self) -> bool {
        self.0.values().all(|[created, changed, _]| created + changed == 0)
    }
}

/// The networks of each rule.
pub type Networks = BTreeMap<Bound, Vec<Network>>;

/// What an import would do, and that it can be done.
#[derive(Debug, Default)]
pub struct Planned {
    /// How much of what.
    pub summary: Summary,
    /// What it would make different, to weigh before it is done.
    pub overlay: Overlay,
    /// The networks of every rule that there would be then, where the document has rules.
    pub networks: Option<Networks>,
}

/// A document that was read and is well-formed.
#[derive(Debug)]
pub struct Document(Vec<(usize, Record)>);

impl Document {
    fn scopes(&self) -> Vec<ScopeRecord> {
        let scope = |(_, record): &(usize, Record)| match record {
            Record::Scope(scope) => Some(scope.clone()),
            _ => None,
        };
        self.0.iter().filter_map(scope).collect()
    }

    /// The accounts in it.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.0.iter().filter_map(|(_, record)| if let Record::User(user, _) = record { Some(user) } else { None })
    }

    fn networks(&self) -> Vec<(Bound, NetworkRule)> {
        let rule = |(_, record): &(usize, Record)| match record {
            Record::Network(bound, rule) => Some((bound.clone(), rule.clone())),
            _ => None,
        };
        self.0.iter().filter_map(rule).collect()
    }

    fn roles(&self) -> Vec<StoredRole> {
        let role = |(_, record): &(usize, Record)| match record {
            Record::Role(role) => Some(role.clone()),
            _ => None,
        };
        self.0.iter().filter_map(role).collect()
    }
}

/// Where an export goes on.
#[derive(Clone, Copy, Debug)]
enum Position {
    Scopes,
    Groups(Option<GroupId>),
    Users(Option<UserId>),
    People(Option<PersonId>),
    Members(Option<GroupId>, Option<Member>),
    GroupGrants(Option<GroupId>),
    UserGrants(Option<UserId>),
    Demands(Option<UserId>),
    Networks,
    End,
}

/// An export under way.
#[derive(Debug)]
pub struct Export {
    at: Position,
    records: usize,
    has_begun: bool,
    has_ended: bool,
}

impl Default for Export {
    fn default() -> Self {
        Self { at: Position::Scopes, records: 0, has_begun: false, has_ended: false }
    }
}

/// Exports and imports the organisation. Cloning shares everything.
#[derive(Clone)]
pub struct Transfer {
    ledger: Ledger,
    clock: Clock,
    access: Access,
    directory: Directory,
    factors: Factors,
}

impl Transfer {
    /// Of this organisation.
    pub fn new(ledger: Ledger, clock: Clock, access: Access, directory: Directory, factors: Factors) -> Self {
        Self { ledger, clock, access, directory, factors }
    }

    /// The next lines of an export; none when it is done. Each call reads one page; what changes meanwhile may be in it
    /// or not.
    ///
    /// # Errors
    /// `Directory`, `Access`, `Store`.
    pub async fn next(&self, export: &mut Export) -> Result<Option<Vec<u8>>, Error> {
        if export.has_ended {
            return Ok(None);
        }
        let mut out = Vec::new();
        if !export.has_begun {
            export.has_begun = true;
            write(&mut out, &Line::Export(Header { format: FORMAT }))?;
        }
        loop {
            if let Position::End = export.at {
                write(&mut out, &Line::End(End { records: export.records }))?;
                export.has_ended = true;
                return Ok(Some(out));
            }
            let (records, next) = self.page(export.at).await?;
            export.at = next;
            export.records += records.len();
            for record in &records {
                write(&mut out, &record.to_line())?;
            }
            if !out.is_empty() {
                return Ok(Some(out));
            }
        }
    }

    async fn page(&self, at: Position) -> Result<(Vec<Record>, Position), Error> {
        let directory = &self.directory;
        Ok(match at {
            Position::Scopes => {
                let tree = self.access.scopes().tree();
                let roles = self.access.stored_roles();
                let roles = roles.values().map(|role| Record::Role(role.as_ref().clone()));
                (tree.iter().cloned().map(Record::Scope).chain(roles).collect(), Position::Groups(None))
            }
            Position::Groups(after) => {
                let groups = directory.list_groups(after, MAX_PAGE).await?;
                let next = following(groups.len(), groups.last().map(|group| Position::Groups(Some(group.id))));
                (groups.into_iter().map(Record::Group).collect(), next.unwrap_or(Position::Users(None)))
            }
            Position::Users(after) => {
                let users = directory.list_users(after, MAX_PAGE).await?;
                let next = following(users.len(), users.last().map(|user: &User| Position::Users(Some(user.id))));
                let mut records = Vec::with_capacity(users.len());
                for user in users {
                    let exclusive = directory.exclusive_links(&user).await?;
                    records.push(Record::User(user, exclusive));
                }
                (records, next.unwrap_or(Position::People(None)))
            }
            Position::People(after) => {
                let people = directory.list_people(after, MAX_PAGE).await?;
                let next = following(people.len(), people.last().map(|person| Position::People(Some(person.id))));
                (people.into_iter().map(Record::Person).collect(), next.unwrap_or(Position::Members(None, None)))
            }
            Position::Members(after, member) => self.members(after, member).await?,
            Position::GroupGrants(after) => {
                let groups = directory.list_groups(after, MAX_PAGE).await?;
                let next = following(groups.len(), groups.last().map(|group| Position::GroupGrants(Some(group.id))));
                let holders = groups.iter().map(|group| Subject::Group(group.id));
                (self.grants(holders).await?, next.unwrap_or(Position::UserGrants(None)))
            }
            Position::UserGrants(after) => {
                let users = directory.list_users::<Kept>(after, MAX_PAGE).await?;
                let next = following(users.len(), users.last().map(|user| Position::UserGrants(Some(user.id))));
                let holders = users.iter().map(|user| Subject::User(user.id));
                (self.grants(holders).await?, next.unwrap_or(Position::Demands(None)))
            }
            Position::Demands(after) => {
                let demands = self.factors.list_demands(after, MAX_PAGE).await?;
                let next = following(demands.len(), demands.last().map(|(user, _)| Position::Demands(Some(*user))));
                let records = demands.into_iter().map(|(user, kept)| Record::Demand(user, kept)).collect();
                (records, next.unwrap_or(Position::Networks))
            }
            Position::Networks => (self.network_rules().await?, Position::End),
            Position::End => (Vec::new(), Position::End),
        })
    }

    /// One page of the members of one group: of the one behind `done`, or the next of `of`.
    async fn members(&self, of: Option<GroupId>, after: Option<Member>) -> Result<(Vec<Record>, Position), Error> {
        let (group, after) = match (of, after) {
            (Some(group), Some(after)) => (group, Some(after)),
            (done, _) => match self.directory.list_groups(done, 1).await?.first() {
                Some(group) => (group.id, None),
                None => return Ok((Vec::new(), Position::GroupGrants(None))),
            },
        };
        let rows = self.directory.membership_page(group, after, MAX_PAGE).await?;
        let next = following(rows.len(), rows.last().map(|(member, _)| Position::Members(Some(group), Some(*member))));
        let records = rows.into_iter().map(|(member, row)| Record::Member(group, member, row)).collect();
        Ok((records, next.unwrap_or(Position::Members(Some(group), None))))
    }

    /// The network rules of whom there is: a rule for who is gone binds nobody, and could not be put back.
    async fn network_rules(&self) -> Result<Vec<Record>, Error> {
        let (rules, book, mut change) = (self.access.network_rules().await?, self.access.roles(), self.ledger.change());
        let mut records = Vec::new();
        for (bound, rule) in rules.iter() {
            if self.is_there(&mut change, &book, bound).await? {
                records.push(Record::Network(bound.clone(), rule.clone()));
            }
        }
        Ok(records)
    }

    /// Whether there is whom a network rule binds.
    async fn is_there(&self, change: &mut Change, book: &RoleBook, bound: &Bound) -> Result<bool, Error> {
        Ok(match bound {
            Bound::Organisation => true,
            Bound::Role(role) => book.find(role).is_some(),
            Bound::User(user) => self.directory.has_subject(change, Subject::User(*user)).await?,
        })
    }

    async fn grants(&self, holders: impl Iterator<Item = Subject>) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        for holder in holders {
            records.extend(self.access.grants().list(holder).await?.into_iter().map(Record::Grant));
        }
        Ok(records)
    }

    /// Reads and checks a document.
    ///
    /// # Errors
    /// `Document` with everything that is wrong with it.
    pub fn read(text: &str) -> Result<Document, Error> {
        let (mut records, mut problems) = (Vec::new(), Vec::new());
        let (mut has_header, mut end) = (false, None);
        for (number, line) in (1..).zip(text.lines()) {
            if problems.len() >= MAX_PROBLEMS {
                break;
            }
            let mut problem = |what: String| problems.push(format!("line {number}: {what}"));
            if line.len() > MAX_LINE_BYTES {
                problem(format!("has more than {MAX_LINE_BYTES} bytes"));
                continue;
            }
            match serde_json::from_str::<Line>(line) {
                Err(error) => problem(error.to_string()),
                Ok(_) if end.is_some() => problem("stands behind the end".to_owned()),
                Ok(Line::Export(header)) if number == 1 && header.format == FORMAT => has_header = true,
                Ok(Line::Export(header)) if number == 1 => {
                    problem(format!("format {} is of another release, this one reads {FORMAT}", header.format));
                }
                Ok(Line::Export(_)) => problem("is a second beginning".to_owned()),
                Ok(Line::End(last)) => end = Some(last.records),
                Ok(line) => records.extend(Record::of_line(line).map(|record| (number, record))),
            }
        }
        if problems.is_empty() && !has_header {
            problems.push("line 1: is not the beginning of an export".to_owned());
        }
        if problems.is_empty() && end != Some(records.len()) {
            let told = end.map_or_else(|| "no end".to_owned(), |told| format!("{told} records at its end"));
            problems.push(format!("the document has {} records and {told}: it was cut off or edited", records.len()));
        }
        if problems.is_empty() { Ok(Document(records)) } else { Err(Error::Document { problems }) }
    }

    /// What an import would do. Nothing is written.
    ///
    /// # Errors
    /// `Document` with the records that cannot be put here, `Store`.
    pub async fn plan(&self, document: &Document) -> Result<Planned, Error> {
        let mut change = self.ledger.change();
        let (mut summary, mut overlay, mut problems) = (Summary::default(), Overlay::default(), Vec::new());
        match self.access.scopes().plan_restore(&document.scopes()) {
            Ok((restored, tree)) => {
                overlay.scopes = restored.iter().any(|one| *one != Restored::Same).then(|| Arc::new(tree));
                restored.into_iter().for_each(|restored| summary.count("scope", restored));
            }
            Err(error) => problems.push(error.to_string()),
        }
        let book = match self.access.plan_roles(&document.roles()) {
            Ok((restored, book)) => {
                overlay.roles = restored.iter().any(|one| *one != Restored::Same).then(|| Arc::clone(&book));
                restored.into_iter().for_each(|restored| summary.count("role", restored));
                book
            }
            Err(error) => {
                problems.push(error.to_string());
                self.access.roles()
            }
        };
        for (number, record) in document.0.iter().filter(|(_, record)| !record.is_whole()) {
            match self.stage(&mut change, &book, record).await {
                Ok(restored) => {
                    summary.count(record.kind(), restored);
                    imagine(&mut overlay, record, restored);
                }
                Err(error) if is_of_the_record(&error) => problems.push(format!("line {number}: {error}")),
                Err(error) => return Err(error),
            }
            if problems.len() >= MAX_PROBLEMS {
                break;
            }
        }
        let networks = match self.plan_networks(&mut change, &book, document, &mut problems).await? {
            Some((restored, lists)) => {
                restored.into_iter().for_each(|restored| summary.count("network", restored));
                Some(lists)
            }
            None => None,
        };
        if problems.is_empty() {
            problems.extend(bounds::problems(&self.access, &self.directory, document).await?);
        }
        match problems.is_empty() {
            true => Ok(Planned { summary, overlay, networks }),
            false => Err(Error::Document { problems }),
        }
    }

    /// What the network rules of a document would come to; `None` where it has none or something is wrong.
    async fn plan_networks(
        &self,
        change: &mut Change,
        book: &RoleBook,
        document: &Document,
        problems: &mut Vec<String>,
    ) -> Result<Option<(Vec<Restored>, Networks)>, Error> {
        let mut has_any = false;
        for (number, record) in &document.0 {
            let Record::Network(bound, _) = record else { continue };
            has_any = true;
            if problems.len() < MAX_PROBLEMS && !self.is_there(change, book, bound).await? {
                problems.push(format!("line {number}: `{bound}` does not exist"));
            }
        }
        if !has_any || !problems.is_empty() {
            return Ok(None);
        }
        match self.access.plan_network_rules(&document.networks()) {
            Ok(planned) => Ok(Some(planned)),
            Err(error) => {
                problems.push(error.to_string());
                Ok(None)
            }
        }
    }

    /// Imports a document that was planned, and weighed by [`Access::weigh`], some hundred records in each commit. Running
    /// it again after it was interrupted does the rest.
    ///
    /// # Errors
    /// `Access` with `Unweighed`, before anything is written; `Store`; what a plan tells where something has changed since.
    pub async fn import(&self, permit: &Permit, document: &Document, _planned: &Planned) -> Result<Summary, Error> {
        permit.demand_weighed().map_err(access::Error::from)?;
        let mut summary = Summary::default();
        let scopes = self.access.scopes().restore(permit, &document.scopes()).await?;
        scopes.into_iter().for_each(|restored| summary.count("scope", restored));
        let roles = self.access.restore_roles(permit, &document.roles()).await?;
        roles.into_iter().for_each(|restored| summary.count("role", restored));
        let book = &self.access.roles();
        let others: Vec<&Record> =
            document.0.iter().map(|(_, record)| record).filter(|record| !record.is_whole()).collect();
        for chunk in others.chunks(CHUNK) {
            let counted = self
                .ledger
                .retry(|mut change| async move {
                    let mut counted = Summary::default();
                    let mut joined: BTreeMap<GroupId, Vec<String>> = BTreeMap::new();
                    for record in chunk {
                        let restored = self.stage(&mut change, book, record).await?;
                        counted.count(record.kind(), restored);
                        match record {
                            Record::Grant(grant) if restored != Restored::Same => {
                                change.also(self.access.grants().restored(permit, grant));
                            }
                            Record::Member(group, member, _) if restored == Restored::Created => {
                                joined.entry(*group).or_default().push(told(*member));
                            }
                            _ => {}
                        }
                    }
                    for (group, members) in joined {
                        let event = permit.event(self.clock.now(), EventKind::MembershipChanged);
                        let event = event.on("group", group, "").detail("by", "import");
                        let listed = members.iter().take(MAX_LISTED).map(String::as_str).collect::<Vec<_>>();
                        change.also(event.detail("added", listed.join(" ")).detail("added_count", members.len()));
                    }
                    if !counted.is_nothing() {
                        self.directory.stage_refill(&mut change).await?;
                        let mut event = permit.event(self.clock.now(), EventKind::ImportApplied);
                        for (kind, [created, changed, _]) in counted.iter() {
                            event = event.detail(kind, format!("{created} created, {changed} changed"));
                        }
                        change.commit(event).await?;
                    }
                    Ok::<_, Error>(counted)
                })
                .await?;
            summary.join(&counted);
        }
        // Those whom they bind are there by now.
        let networks = self.access.restore_network_rules(permit, &document.networks()).await?;
        networks.into_iter().for_each(|restored| summary.count("network", restored));
        self.directory.fill_groups(&self.access.task_permit("group-rules", None)).await?;
        Ok(summary)
    }

    async fn stage(&self, change: &mut Change, book: &RoleBook, record: &Record) -> Result<Restored, Error> {
        Ok(match record {
            // All at once, before everything else or behind it.
            Record::Scope(_) | Record::Role(_) | Record::Network(..) => Restored::Same,
            Record::Group(group) => self.directory.restore_group(change, group).await?,
            Record::User(user, exclusive) => self.directory.restore_user(change, user, exclusive).await?,
            Record::Person(person) => self.directory.restore_person(change, person).await?,
            Record::Demand(user, kept) => self.demand(change, *user, kept).await?,
            Record::Member(group, member, row) => self.directory.restore_member(change, *group, *member, row).await?,
            Record::Grant(grant) => {
                if !self.directory.has_subject(change, grant.subject).await? {
                    let (what, id) = match grant.subject {
                        Subject::Group(id) => ("group", id.to_string()),
                        Subject::User(id) => ("user", id.to_string()),
                    };
                    return Err(directory::Error::NotFound { what, id }.into());
                }
                self.access.grants().restore(change, book, grant).await?
            }
        })
    }

    /// Puts back what is demanded of somebody. A document lifts nothing that is demanded here: nobody lifts their own, and who
    /// writes documents could.
    async fn demand(&self, change: &mut Change, user: UserId, kept: &KeptDemand) -> Result<Restored, Error> {
        if !self.directory.has_subject(change, Subject::User(user)).await? {
            return Err(directory::Error::NotFound { what: "user", id: user.to_string() }.into());
        }
        let invalid = |reason: &str| access::Error::Invalid { field: "demand", reason: reason.to_owned() }.into();
        let (before, after) = (self.factors.demands_in(change, user).await?, kept.demands);
        if after == Demands::default() {
            return Err(invalid("demands nothing"));
        }
        if (before.factor && !after.factor) || (before.sso && !after.sso) {
            return Err(invalid("is less than what is demanded here, which a document does not lift"));
        }
        Ok(self.factors.restore_demand(change, user, kept).await?)
    }
}

fn told(member: Member) -> String {
    match member {
        Member::Group(id) => format!("group:{id}"),
        Member::User(id) => format!("user:{id}"),
    }
}

/// Adds to what an import would make different.
fn imagine(overlay: &mut Overlay, record: &Record, restored: Restored) {
    if restored == Restored::Same {
        return;
    }
    match record {
        Record::Scope(_) | Record::Role(_) | Record::Person(_) | Record::Demand(..) | Record::Network(..) => {}
        Record::Group(group) => overlay.named.push((Subject::Group(group.id), group.name.folded())),
        Record::User(user, _) => {
            overlay.named.push((Subject::User(user.id), user.user_name.folded()));
            overlay.status.push((user.id, Some(user.status)));
            overlay.sight.insert(user.id, user.sees_all());
        }
        Record::Member(group, member, _) if restored == Restored::Created => {
            overlay.joined.push(((*member).into(), *group));
        }
        Record::Member(..) => {}
        Record::Grant(grant) => {
            if restored == Restored::Changed {
                overlay.ended.push(grant.id);
            }
            overlay.given.push(grant.clone());
        }
    }
}

/// Where to go on after a page of this many: behind its last, or nowhere when it was not full.
fn following(count: usize, last: Option<Position>) -> Option<Position> {
    last.filter(|_| count >= MAX_PAGE)
}

fn write(out: &mut Vec<u8>, line: &Line) -> Result<(), Error> {
    let text = serde_json::to_vec(line).map_err(|error| store::Error::Unavailable { reason: error.to_string() })?;
    out.extend_from_slice(&text);
    out.push(b'\n');
    Ok(())
}

/// Whether it is the record that is wrong, and not the store.
fn is_of_the_record(error: &Error) -> bool {
    !matches!(
        error,
        Error::Store(_) | Error::Access(access::Error::Store(_)) | Error::Directory(directory::Error::Store(_))
    )
}

#[cfg(test)]
mod tests;
