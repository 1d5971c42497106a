//! What other roles would give and take, before they are in force: role by role, and of everybody who holds one that
//! differs, right by right and place by place, by the decision that is enforced.
//!
//! People with the same roles in the same places are compared once. Who is not active has nothing to lose and is left out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::candidates::Candidates;
use super::escalation::{Word, words};
use super::policy::{Denial, Held, Prepared, Question, Standing, Verdict, decide};
use super::{Access, Error, Overlay, Pack, RoleBook};
use crate::clock::Timestamp;
use crate::model::{Mode, Permission, RoleId, Scope, Status, UserId};

/// Most people who are counted.
const MAX_PEOPLE: u64 = 200_000;
/// Most people who are looked at for one page of who gains and loses what.
const MAX_ON_A_PAGE: usize = 20_000;
/// Most people who are named as gaining, and as losing, the rights of administrators.
const MAX_ADMINISTRATORS: usize = 200;
/// Most different holdings whose comparison is remembered.
const MAX_REMEMBERED: usize = 10_000;
/// Most rights that are remembered with them.
const MAX_REMEMBERED_RIGHTS: usize = 100_000;
/// Most rights that are told of one person.
const MAX_RIGHTS: usize = 2_000;
/// Most scopes in which one person is compared.
const MAX_PLACES: usize = 200;
/// Most rights that the roles which differ are told with.
const MAX_ROLE_RIGHTS: usize = 20_000;
/// Most rights that a page of people is told with; whoever follows is on the next.
const MAX_PAGE_RIGHTS: usize = 20_000;
/// What an administrator of the organisation may do. Whoever gains or loses one of these is named first.
const ADMINISTRATION: [&str; 4] = ["grants:create", "grants:delete", "roles:update", "users:update"];

/// What becomes of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// There is none yet.
    Added,
    /// It says something else.
    Changed,
    /// It is not defined any more: whoever holds it is denied everything.
    Removed,
}

/// A right that is gained or lost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Differing {
    /// Which.
    pub permission: Permission,
    /// Whether it is about what one owns only.
    pub if_owner: bool,
}

/// What becomes of a role, whoever holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleChange {
    /// Which role.
    pub id: RoleId,
    /// Its name, as it will be, or was.
    pub name: String,
    /// What happens to it.
    pub fate: Fate,
    /// What it gives more than before.
    pub gained: Vec<Differing>,
    /// What it gives less.
    pub lost: Vec<Differing>,
    /// What it takes from its holders that it did not take, or is not defined to leave them.
    pub denied: Vec<Permission>,
    /// What it does not take any more.
    pub undenied: Vec<Permission>,
    /// How many grants name it.
    pub grants: u64,
    /// Whether these rights are all; else those that were found first.
    pub is_complete: bool,
}

/// What one person gains and loses in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where; `None` is the organisation. In a scope only what is different there from the organisation.
    pub scope: Option<Scope>,
    /// What they will have and have not.
    pub gained: Vec<Differing>,
    /// What they have and will not.
    pub lost: Vec<Differing>,
}

/// What one person gains and loses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Who.
    pub user: UserId,
    /// Where; never empty where it is complete.
    pub places: Arc<[Place]>,
    /// Whether this is all; of who differs in very much, only what was found first.
    pub is_complete: bool,
}

/// The roles that another pack would make, held against those in force.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The book of the other pack and the roles that administrators made.
    pub book: Arc<RoleBook>,
    /// What is wrong with which of these under it.
    pub problems: BTreeMap<RoleId, String>,
    old: Arc<RoleBook>,
    changes: Vec<RoleChange>,
    rights: BTreeSet<Permission>,
}

/// What other roles would change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyDiff {
    /// The roles that differ, by id.
    pub roles: Vec<RoleChange>,
    /// How many people hold one of these, those who are not active included.
    pub people: u64,
    /// How many of them gain something.
    pub gaining: u64,
    /// How many of them lose something.
    pub losing: u64,
    /// Whether all were looked at; else the first 200,000.
    pub is_complete: bool,
    /// Who gains a right to administer the organisation; at most 200.
    pub new_administrators: Vec<UserId>,
    /// Who loses one; at most 200.
    pub former_administrators: Vec<UserId>,
    /// Whether somebody may give roles in the whole organisation now, and nobody would.
    pub leaves_nobody: bool,
}

/// The roles of which two books say something else, by id, and every right on which they differ.
pub fn roles(old: &RoleBook, new: &RoleBook) -> (Vec<RoleChange>, BTreeSet<Permission>) {
    let ids: BTreeSet<&RoleId> = old.iter().chain(new.iter()).map(|entry| &entry.role.id).collect();
    let mut rights = BTreeSet::new();
    let (mut changes, mut left) = (Vec::new(), MAX_ROLE_RIGHTS);
    for id in ids {
        let (before, after) = (old.find(id), new.find(id));
        let fate = match (before, after) {
            (None, _) => Fate::Added,
            (Some(_), None) => Fate::Removed,
            (Some(_), Some(_)) => Fate::Changed,
        };
        let mut change = RoleChange {
            id: id.clone(),
            name: after.or(before).map(|entry| entry.role.name.clone()).unwrap_or_default(),
            fate,
            gained: Vec::new(),
            lost: Vec::new(),
            denied: Vec::new(),
            undenied: Vec::new(),
            grants: 0,
            is_complete: true,
        };
        if change.compare(&words(id, old), &words(id, new)) || fate != Fate::Changed {
            rights.extend(change.gained.iter().chain(&change.lost).map(|differing| differing.permission.clone()));
            rights.extend(change.denied.iter().chain(&change.undenied).cloned());
            if fate != Fate::Changed {
                // Who holds what is not defined is denied everything, and has it back when it is.
                rights.extend(old.catalogue().iter().chain(new.catalogue().iter()));
            }
            left = change.cut(left);
            changes.push(change);
        }
    }
    (changes, rights)
}

impl RoleChange {
    /// Notes what differs; whether anything does.
    fn compare(&mut self, before: &BTreeMap<Permission, Word>, after: &BTreeMap<Permission, Word>) -> bool {
        let permissions: BTreeSet<&Permission> = before.keys().chain(after.keys()).collect();
        for permission in permissions {
            let word = |words: &BTreeMap<Permission, Word>| words.get(permission).copied().unwrap_or_default();
            let (old, new) = (word(before), word(after));
            let level = |word: Word| if word.denies { 0 } else { u8::from(word.gives) + u8::from(word.gives_owners) };
            push(permission, level(old), level(new), &mut self.gained, &mut self.lost);
            match (old.denies, new.denies) {
                (false, true) => self.denied.push(permission.clone()),
                (true, false) => self.undenied.push(permission.clone()),
                _ => {}
            }
        }
        ![self.gained.len(), self.lost.len(), self.denied.len(), self.undenied.len()].iter().all(|count| *count == 0)
    }

    /// Keeps at most so many rights, and tells how many may follow.
    fn cut(&mut self, mut left: usize) -> usize {
        let mut keep = |length: usize| {
            let kept = length.min(left);
            left = left.saturating_sub(kept);
            self.is_complete = self.is_complete && kept == length;
            kept
        };
        self.gained.truncate(keep(self.gained.len()));
        self.lost.truncate(keep(self.lost.len()));
        self.denied.truncate(keep(self.denied.len()));
        self.undenied.truncate(keep(self.undenied.len()));
        left
    }
}

/// Notes a right whose level, 0 none, 1 the owner's, 2 everybody's, is another one.
fn push(permission: &Permission, old: u8, new: u8, gained: &mut Vec<Differing>, lost: &mut Vec<Differing>) {
    let differing = |level: u8| Differing { permission: permission.clone(), if_owner: level == 1 };
    match new.cmp(&old) {
        std::cmp::Ordering::Greater => gained.push(differing(new)),
        std::cmp::Ordering::Less => lost.push(differing(old)),
        std::cmp::Ordering::Equal => {}
    }
}

/// What somebody holds, role, place and whether it overrides: people who hold the same differ in the same.
type Holding = Vec<(RoleId, Option<Scope>, bool)>;

/// Where somebody differs, and whether that is all.
type Found = (Arc<[Place]>, bool);

/// Compares what people may by two books.
struct Comparison<'a> {
    old: &'a Arc<RoleBook>,
    new: &'a Arc<RoleBook>,
    rights: &'a BTreeSet<Permission>,
    now: Timestamp,
    known: HashMap<Holding, Found>,
    /// The rights that are remembered.
    weight: usize,
}

impl<'a> Comparison<'a> {
    fn of(compared: &'a Compared, now: Timestamp) -> Self {
        let Compared { book, old, rights, .. } = compared;
        Self { old, new: book, rights, now, known: HashMap::new(), weight: 0 }
    }

    async fn places(&mut self, held: Vec<Held>, access: &Access) -> Found {
        let now = self.now;
        let holds = |held: &&Held| {
            held.grant.starts.is_none_or(|starts| starts <= now) && held.grant.ends.is_none_or(|ends| ends > now)
        };
        let grants = held.iter().filter(holds).map(|held| &held.grant);
        let mut holding: Holding =
            grants.map(|grant| (grant.role.clone(), grant.scope.clone(), grant.mode == Mode::Override)).collect();
        holding.sort_unstable();
        holding.dedup();
        if let Some((places, is_complete)) = self.known.get(&holding) {
            return (Arc::clone(places), *is_complete);
        }
        let scopes = access.scopes().tree();
        let standing = Standing { status: Status::Active, held, limit: None };
        let by = |book: &Arc<RoleBook>| Prepared::new(standing.clone(), Arc::clone(book), Arc::clone(&scopes));
        let (before, after) = (by(self.old), by(self.new));
        let mut places = vec![self.place(None, &before, &after)];
        let scopes: BTreeSet<&Scope> = holding.iter().filter_map(|(_, scope, _)| scope.as_ref()).collect();
        let mut is_complete = scopes.len() <= MAX_PLACES;
        let mut weight = places.first().map_or(0, Place::weight);
        for scope in scopes.into_iter().take(MAX_PLACES) {
            // Many rights in many places are much work for one turn.
            tokio::task::yield_now().await;
            let mut place = self.place(Some(scope), &before, &after);
            if let Some(whole) = places.first() {
                place.gained.retain(|differing| !whole.gained.contains(differing));
                place.lost.retain(|differing| !whole.lost.contains(differing));
            }
            weight = weight.saturating_add(place.weight());
            if weight > MAX_RIGHTS {
                is_complete = false;
                break;
            }
            places.push(place);
        }
        places.retain(|place| !(place.gained.is_empty() && place.lost.is_empty()));
        let places: Arc<[Place]> = places.into();
        self.weight = self.weight.saturating_add(weight);
        if self.known.len() >= MAX_REMEMBERED || self.weight > MAX_REMEMBERED_RIGHTS {
            self.known.clear();
            self.weight = weight;
        }
        self.known.insert(holding, (Arc::clone(&places), is_complete));
        (places, is_complete)
    }

    fn place(&self, scope: Option<&Scope>, before: &Prepared, after: &Prepared) -> Place {
        let (mut gained, mut lost) = (Vec::new(), Vec::new());
        for permission in self.rights {
            let level = |prepared: &Prepared| {
                let question = Question::new(permission).within(scope);
                match decide(&question, prepared, self.now).verdict {
                    Verdict::Allowed(_) => 2,
                    Verdict::Denied(Denial::NotOwner(_)) => 1,
                    Verdict::Denied(_) => u8::from(decide(&question.owned(true), prepared, self.now).is_allowed()),
                }
            };
            push(permission, level(before), level(after), &mut gained, &mut lost);
        }
        Place { scope: scope.cloned(), gained, lost }
    }
}

impl Place {
    /// How many rights it tells of.
    fn weight(&self) -> usize {
        self.gained.len().saturating_add(self.lost.len())
    }
}

/// Whether one of these is a right to administer the organisation.
fn administers(differing: &[Differing]) -> bool {
    let is_one = |differing: &Differing| ADMINISTRATION.contains(&&*differing.permission.to_string());
    differing.iter().any(is_one)
}

impl Access {
    /// Holds the roles that another pack would make against those in force. With large packs it takes some seconds of a
    /// processor: not for a thread that serves others.
    pub fn compare(&self, pack: &Pack) -> Compared {
        let (book, problems) = self.join_under(pack);
        let old = self.roles();
        let (changes, rights) = roles(&old, &book);
        Compared { book: Arc::new(book), problems, old, changes, rights }
    }

    /// What changes with the roles, and what everybody may who holds one that differs.
    ///
    /// # Errors
    /// `Store`.
    pub async fn policy_diff(&self, compared: &Compared) -> Result<PolicyDiff, Error> {
        let mut changes = compared.changes.clone();
        for change in &mut changes {
            change.grants = self.grants().uses_of_role(&change.id).await?;
        }
        let mut diff = PolicyDiff { is_complete: true, ..PolicyDiff::default() };
        let mut comparison = Comparison::of(compared, self.now());
        let mut candidates = Candidates::of(self, changed(&changes), None).await?;
        loop {
            let batch = candidates.next().await?;
            if batch.is_empty() {
                break;
            }
            diff.people += u64::try_from(batch.len()).unwrap_or(u64::MAX);
            for difference in self.differences(&mut candidates, &batch, &mut comparison).await? {
                diff.count(&difference);
            }
            if diff.people >= MAX_PEOPLE {
                diff.is_complete = false;
                break;
            }
        }
        diff.leaves_nobody =
            self.is_administered(&compared.old).await? && !self.is_administered(&compared.book).await?;
        diff.roles = changes;
        Ok(diff)
    }

    /// What each person gains and loses, in the order of their ids, after `after`, at most `limit`, and where it goes on:
    /// `None` at the end. A page may hold fewer, even nobody, where many hold what differs and few differ.
    ///
    /// # Errors
    /// `Store`.
    pub async fn policy_differences(
        &self,
        compared: &Compared,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<(Vec<Difference>, Option<UserId>), Error> {
        let mut comparison = Comparison::of(compared, self.now());
        let mut candidates = Candidates::of(self, changed(&compared.changes), after).await?;
        let (mut found, mut looked_at, mut weight) = (Vec::new(), 0_usize, 0_usize);
        loop {
            let batch = candidates.next().await?;
            let Some(last) = batch.last().copied() else { return Ok((found, None)) };
            for difference in self.differences(&mut candidates, &batch, &mut comparison).await? {
                let user = difference.user;
                weight = difference.places.iter().fold(weight, |sum, place| sum.saturating_add(place.weight()));
                found.push(difference);
                if found.len() == limit || weight > MAX_PAGE_RIGHTS {
                    return Ok((found, Some(user)));
                }
            }
            looked_at = looked_at.saturating_add(batch.len());
            if looked_at >= MAX_ON_A_PAGE {
                return Ok((found, Some(last)));
            }
        }
    }

    async fn differences(
        &self,
        candidates: &mut Candidates<'_>,
        users: &[UserId],
        comparison: &mut Comparison<'_>,
    ) -> Result<Vec<Difference>, Error> {
        let statuses = candidates.census().statuses(users).await?;
        let own = candidates.own(users).await?;
        let mut found = Vec::new();
        for ((user, status), (own, direct)) in users.iter().zip(statuses).zip(own) {
            if status == Some(Status::Active) {
                let held = candidates.held(own.unwrap_or_default(), &direct).await?;
                let (places, is_complete) = comparison.places(held, self).await;
                if !places.is_empty() || !is_complete {
                    found.push(Difference { user: *user, places, is_complete });
                }
            }
        }
        Ok(found)
    }

    /// The tests of the policy that hold and would not by other roles: each with why.
    ///
    /// # Errors
    /// `Store`.
    pub async fn tests_broken_by(&self, new: &Arc<RoleBook>) -> Result<Vec<super::TestResult>, Error> {
        let overlay = Overlay { roles: Some(Arc::clone(new)), ..Overlay::default() };
        let before = self.run_tests(&Overlay::default()).await?;
        let after = self.run_tests(&overlay).await?;
        let pairs = before.into_iter().zip(after);
        Ok(pairs.filter(|(before, after)| before.held && !after.held).map(|(_, after)| after).collect())
    }
}

fn changed(changes: &[RoleChange]) -> Vec<RoleId> {
    changes.iter().map(|change| change.id.clone()).collect()
}

impl PolicyDiff {
    fn count(&mut self, difference: &Difference) {
        let gains = difference.places.iter().any(|place| !place.gained.is_empty());
        let loses = difference.places.iter().any(|place| !place.lost.is_empty());
        self.gaining += u64::from(gains);
        self.losing += u64::from(loses);
        let whole = difference.places.iter().find(|place| place.scope.is_none());
        if whole.is_some_and(|whole| administers(&whole.gained)) && self.new_administrators.len() < MAX_ADMINISTRATORS {
            self.new_administrators.push(difference.user);
        }
        if whole.is_some_and(|whole| administers(&whole.lost)) && self.former_administrators.len() < MAX_ADMINISTRATORS
        {
            self.former_administrators.push(difference.user);
        }
    }
}

#[cfg(test)]
mod tests;
