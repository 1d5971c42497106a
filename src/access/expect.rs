//! Policy tests: what must and what must not be allowed, asked of the decision that is enforced. They are run over what
//! is, and over what a change would make of it before the change is made: one that breaks a test which holds is refused
//! with the test's name. What was broken before does not keep anything from being changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::policy::{self, Held, Prepared, Question, Standing};
use super::{Access, Error, GroupPath, Member, NewGrant, Permit, RoleBook, ScopeTree};
use crate::audit::{EventKind, Outcome};
use crate::clock::Timestamp;
use crate::config::{Asked, PolicyTest, TestSubject};
use crate::model::near;
use crate::model::{
    Actor, Circumstance, FoldedName, Grant, GrantId, GroupId, Id, Origin, RoleId, Scope, Status, Subject, UserId,
};
use crate::store::{self, Seen};
use futures_util::future::BoxFuture;
use serde::Serialize;

/// Most beginnings and ends of grants that are there already for which one change is asked.
const MAX_MOMENTS: usize = 1_000;
/// Moments that are asked for without giving others their turn.
const TURN: usize = 32;

/// What a change would make different, for tests that are run before it is made. What is not named is as it is stored.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    /// Other roles.
    pub roles: Option<Arc<RoleBook>>,
    /// Other scopes, or the same elsewhere.
    pub scopes: Option<Arc<ScopeTree>>,
    /// Grants that there would be.
    pub given: Vec<Grant>,
    /// Grants that there would not be any more.
    pub ended: Vec<GrantId>,
    /// Who would be in a group.
    pub joined: Vec<(Subject, GroupId)>,
    /// Who would not be in a group any more; what joins wins.
    pub left: Vec<(Subject, GroupId)>,
    /// Groups that there would not be any more.
    pub gone: Vec<GroupId>,
    /// Accounts of which it is said whether they would see all companies.
    pub sight: BTreeMap<UserId, bool>,
    /// Accounts that would stand otherwise; `None` for one that would be gone.
    pub status: Vec<(UserId, Option<Status>)>,
    /// Users and groups that would be called otherwise, and those that there would be.
    pub named: Vec<(Subject, FoldedName)>,
}

impl Overlay {
    /// The user that stands for one who is not made yet.
    pub fn nobody() -> UserId {
        Id::from_bytes([0; 16])
    }

    /// The group that stands for one that is not made yet.
    pub fn no_group() -> GroupId {
        Id::from_bytes([0; 16])
    }
}

impl NewGrant {
    /// The grant that it would become, for [`Overlay::given`].
    pub fn imagined(&self) -> Grant {
        Grant {
            id: Id::from_bytes([0; 16]),
            subject: self.subject,
            role: self.role.clone(),
            scope: self.scope.clone(),
            mode: self.mode,
            origin: Origin::ByHand(String::new()),
            starts: self.starts,
            ends: self.ends,
            made: None,
            maker: None,
        }
    }
}

/// The subject of a policy test, looked up.
pub enum Found {
    /// A group and every group that it is in, as paths from it on.
    Group(Vec<GroupPath>),
    /// There is no such user, or none or several such groups.
    Nobody(String),
    /// A user, its status, and every group that it is in.
    User(UserId, Status, Vec<GroupPath>),
}

/// Looks up the subjects of policy tests. The directory implements it.
pub trait Subjects: Send + Sync {
    /// The user or group that a test names, over what a change would make of memberships.
    fn find<'a>(&'a self, subject: &'a TestSubject, overlay: &'a Overlay)
    -> BoxFuture<'a, Result<Found, store::Error>>;

    /// A user over what a change would make of the account and of memberships; `None` when there would be none.
    fn member<'a>(&'a self, user: UserId, overlay: &'a Overlay) -> BoxFuture<'a, Result<Option<Member>, store::Error>>;

    /// Whether an account is of the staff, who alone administer; one that is not there yet may be.
    fn administers(&self, user: UserId) -> BoxFuture<'_, Result<bool, store::Error>>;

    /// Whether somebody does not see all companies.
    fn has_limited(&self) -> BoxFuture<'_, Result<bool, store::Error>>;

    /// Whether an account sees all companies; one that is not there sees none.
    fn sees_all(&self, user: UserId) -> BoxFuture<'_, Result<bool, store::Error>>;

    /// Active accounts that see all companies, in the order of their ids, after `after`, some hundred at a time; and the last
    /// one that was looked at, `None` at the end.
    fn seeing_all(&self, after: Option<UserId>) -> BoxFuture<'_, Result<Seeing, store::Error>>;
}

/// Accounts that see all companies, and the last one that was looked at, `None` at the end.
pub type Seeing = (Vec<UserId>, Option<UserId>);

/// What one test came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestResult {
    /// Its name.
    pub name: String,
    /// In whose place it asks.
    #[serde(rename = "as")]
    pub subject: String,
    /// Where it is written.
    pub position: String,
    /// Whether everything is as it must be.
    pub held: bool,
    /// What is not, each a sentence.
    pub failures: Vec<String>,
}

impl Access {
    /// The same with these tests of the policy.
    #[must_use]
    pub fn with_tests(mut self, tests: Vec<PolicyTest>, subjects: Arc<dyn Subjects>) -> Self {
        self.replace_tests(tests);
        self.subjects = Some(subjects);
        self
    }

    /// Puts other tests in force.
    pub fn replace_tests(&self, tests: Vec<PolicyTest>) {
        *self.tests.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(tests);
    }

    /// The tests in force.
    pub fn tests(&self) -> Arc<Vec<PolicyTest>> {
        Arc::clone(&self.tests.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Runs every test over what is stored and what `overlay` would make of it.
    ///
    /// # Errors
    /// `Store`.
    pub async fn run_tests(&self, overlay: &Overlay) -> Result<Vec<TestResult>, Error> {
        let mut results = Vec::new();
        for test in self.tests().iter() {
            results.push(self.run_test(test, overlay).await?);
        }
        Ok(results)
    }

    /// Refuses a change that would break a test which holds, or of one that does not an answer that is as it must be.
    pub(super) async fn check_tests(&self, actor: &Actor, from: &Circumstance, overlay: &Overlay) -> Result<(), Error> {
        for test in self.tests().iter() {
            let Some(broken) = self.broken_by(test, overlay).await? else { continue };
            let permit = Permit::new(actor.clone(), from.clone(), None);
            let event = permit.event(self.clock.now(), EventKind::PolicyRefused).outcome(Outcome::Denied);
            let event = event.on("test", &test.position, &test.name).detail("reason", &broken);
            self.ledger.record(event).await?;
            let detail = format!("this would break the policy test `{}` ({}): {broken}", test.name, test.position);
            return Err(Error::Conflict { field: None, detail });
        }
        Ok(())
    }

    /// What a change would break of a test, now or at a moment from which on a grant holds or does not.
    async fn broken_by(&self, test: &PolicyTest, overlay: &Overlay) -> Result<Option<String>, Error> {
        let (after, now) = (self.place(test, overlay).await?, self.now());
        let mut before = None;
        for (number, moment) in after.moments(overlay, now).into_iter().enumerate() {
            if number % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
            let tried = after.try_at(test, moment);
            if tried.is_held() {
                continue;
            }
            let before = match &before {
                Some(before) => before,
                None => before.insert(self.place(test, &Overlay::default()).await?),
            };
            let Some(broken) = tried.worse_than(&before.try_at(test, moment)) else { continue };
            return Ok(Some(if moment > now { format!("{broken}, from {moment} on") } else { broken }));
        }
        Ok(None)
    }

    async fn run_test(&self, test: &PolicyTest, overlay: &Overlay) -> Result<TestResult, Error> {
        Ok(result(test, self.place(test, overlay).await?.try_at(test, self.now()).told()))
    }

    /// Looks up who a test asks for, and what they hold.
    async fn place(&self, test: &PolicyTest, overlay: &Overlay) -> Result<Placed, Error> {
        let (roles, scopes) = self.books_over(overlay);
        let (user, status, groups) = match &test.subject {
            TestSubject::Role(role) => return Ok(Placed::Role(role.clone(), roles, scopes)),
            subject => match &self.subjects {
                None => return Ok(Placed::Nobody("nobody can be looked up here".to_owned())),
                Some(subjects) => match subjects.find(subject, overlay).await? {
                    Found::Nobody(why) => return Ok(Placed::Nobody(why)),
                    Found::Group(groups) => (Overlay::nobody(), Status::Active, groups),
                    Found::User(user, status, groups) => (user, status, groups),
                },
            },
        };
        let standing = self.standing_over(user, status, &groups, overlay).await?;
        Ok(Placed::Somebody(Prepared::new(standing, roles, scopes)))
    }

    pub(super) async fn standing_over(
        &self,
        user: UserId,
        status: Status,
        groups: &[GroupPath],
        overlay: &Overlay,
    ) -> Result<Standing, Error> {
        let mut held = self.grants.held(user, groups, &mut Seen::default()).await?;
        held.retain(|held| !overlay.ended.contains(&held.grant.id));
        for grant in &overlay.given {
            let way = match grant.subject {
                Subject::User(id) => (id == user).then(Vec::new),
                Subject::Group(id) => groups.iter().find(|path| path.0.last() == Some(&id)).map(|path| path.0.clone()),
            };
            held.extend(way.map(|groups| Held { grant: grant.clone(), groups }));
        }
        Ok(Standing { status, held, limit: None })
    }
}

/// When an answer over a change is to be asked: now, at the beginning of each grant that it would give, and where any of
/// these grants begins or ends. Of those that are there already the first that come count.
pub(super) fn moments(standing: &Standing, overlay: &Overlay, now: Timestamp) -> Vec<Timestamp> {
    let given: BTreeSet<Timestamp> = overlay.given.iter().filter_map(|grant| grant.starts).collect();
    let bounds = standing.held.iter().flat_map(|held| [held.grant.starts, held.grant.ends]).flatten();
    let bounds: BTreeSet<Timestamp> = bounds.filter(|bound| *bound > now).collect();
    let (new, old): (Vec<Timestamp>, Vec<Timestamp>) = bounds.into_iter().partition(|bound| given.contains(bound));
    [now].into_iter().chain(new).chain(old.into_iter().take(MAX_MOMENTS)).collect()
}

/// Who a test asks for.
enum Placed {
    /// There is nobody, and why.
    Nobody(String),
    /// Whoever holds a role.
    Role(RoleId, Arc<RoleBook>, Arc<ScopeTree>),
    Somebody(Prepared),
}

impl Placed {
    fn moments(&self, overlay: &Overlay, now: Timestamp) -> Vec<Timestamp> {
        match self {
            Self::Somebody(prepared) => moments(prepared.standing(), overlay, now),
            Self::Nobody(_) | Self::Role(..) => vec![now],
        }
    }

    fn try_at(&self, test: &PolicyTest, moment: Timestamp) -> Tried {
        match self {
            Self::Nobody(why) => Tried::Nobody(why.clone()),
            Self::Role(role, roles, scopes) => of_role(test, role, roles, scopes, moment),
            Self::Somebody(prepared) => Tried::Asked(ask(test, prepared, moment)),
        }
    }
}

/// What trying a test came to.
enum Tried {
    /// What is not as it must be; empty when the test holds.
    Asked(Vec<Failure>),
    /// There is nobody to ask for.
    Nobody(String),
}

/// One answer that is not as it must be.
struct Failure {
    asked: String,
    /// What it must be.
    must: bool,
}

impl Failure {
    fn told(&self) -> String {
        let said = if self.must { "is not allowed and must be" } else { "is allowed and must not be" };
        format!("{} {said}", self.asked)
    }
}

impl Tried {
    fn is_held(&self) -> bool {
        matches!(self, Self::Asked(failures) if failures.is_empty())
    }

    fn told(&self) -> Vec<String> {
        match self {
            Self::Asked(failures) => failures.iter().map(Failure::told).collect(),
            Self::Nobody(why) => vec![why.clone()],
        }
    }

    /// What is wrong and was not before. Nobody is allowed nothing.
    fn worse_than(&self, before: &Self) -> Option<String> {
        if before.is_held() {
            return self.told().into_iter().next();
        }
        let Self::Asked(failures) = self else { return None };
        let was = |failure: &Failure| match before {
            Self::Asked(before) => before.iter().any(|old| old.must == failure.must && old.asked == failure.asked),
            Self::Nobody(_) => failure.must,
        };
        failures.iter().find(|failure| !was(failure)).map(Failure::told)
    }
}

/// Runs the tests that ask for a role, which take nothing but the roles; the others are left out.
pub fn run_role_tests(tests: &[PolicyTest], roles: &RoleBook) -> Vec<TestResult> {
    let (roles, scopes, now) = (Arc::new(roles.clone()), Arc::default(), Timestamp::default());
    let run = |test: &PolicyTest| match &test.subject {
        TestSubject::Role(role) => Some(result(test, of_role(test, role, &roles, &scopes, now).told())),
        TestSubject::Group(_) | TestSubject::User(_) => None,
    };
    tests.iter().filter_map(run).collect()
}

/// What a test names that the pack does not have: unknown permissions and roles, each a sentence.
pub fn unknown_in(test: &PolicyTest, roles: &RoleBook) -> Vec<String> {
    let mut problems = Vec::new();
    if let TestSubject::Role(role) = &test.subject
        && roles.find(role).is_none_or(|entry| entry.is_hidden)
    {
        let problem =
            format!("the test asks for the role `{role}`, which the policy pack does not have{}", roles.hint(role));
        problems.push(problem);
    }
    for asked in test.accept.iter().chain(&test.deny) {
        if !roles.catalogue().contains(&asked.permission) {
            let text = asked.permission.to_string();
            let near = roles.catalogue().nearest(&text).map(|near| near.to_string());
            let hint = near::hint(&text, near.as_deref().into_iter());
            problems.push(format!("the test asks for `{text}`, which the policy pack does not have{hint}"));
        }
    }
    problems
}

fn result(test: &PolicyTest, failures: Vec<String>) -> TestResult {
    TestResult {
        name: test.name.clone(),
        subject: test.subject.to_string(),
        position: test.position.clone(),
        held: failures.is_empty(),
        failures,
    }
}

/// Somebody who holds one role: in the whole organisation, or, of one that is for scopes only, where it is asked for.
fn of_role(test: &PolicyTest, role: &RoleId, roles: &Arc<RoleBook>, scopes: &Arc<ScopeTree>, now: Timestamp) -> Tried {
    let Some(entry) = roles.find(role) else {
        return Tried::Nobody(format!("there is no role `{role}`{}", roles.hint(role)));
    };
    let holder = |scope: Option<&Scope>| {
        let new = NewGrant::new(Subject::User(Id::from_bytes([0; 16])), role.clone());
        let grant = Grant { scope: scope.filter(|_| entry.is_scoped_only).cloned(), ..new.imagined() };
        let is_nowhere = entry.is_scoped_only && grant.scope.is_none();
        let held = if is_nowhere { Vec::new() } else { vec![Held { grant, groups: Vec::new() }] };
        let standing = Standing { status: Status::Active, held, limit: None };
        Prepared::new(standing, Arc::clone(roles), Arc::clone(scopes))
    };
    let each = |asked: &Asked, must: bool| fails(asked, must, &holder(asked.scope.as_ref()), now);
    let accepted = test.accept.iter().filter_map(|asked| each(asked, true));
    Tried::Asked(accepted.chain(test.deny.iter().filter_map(|asked| each(asked, false))).collect())
}

fn ask(test: &PolicyTest, prepared: &Prepared, now: Timestamp) -> Vec<Failure> {
    let accepted = test.accept.iter().filter_map(|asked| fails(asked, true, prepared, now));
    accepted.chain(test.deny.iter().filter_map(|asked| fails(asked, false, prepared, now))).collect()
}

/// What is wrong when the answer is not what it must be.
fn fails(asked: &Asked, must: bool, prepared: &Prepared, now: Timestamp) -> Option<Failure> {
    let question = Question::new(&asked.permission).within(asked.scope.as_ref());
    let is_allowed = policy::decide(&question, prepared, now).is_allowed();
    (is_allowed != must).then(|| Failure { asked: asked.to_string(), must })
}
