//! Policy tests: what must and what must not be allowed, asked of the decision that is enforced. They are run over what
//! is, and over what a change would make of it before the change is made: one that breaks a test which holds is refused
//! with the test's name. What was broken before does not keep anything from being changed.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::sync::OwnedMutexGuard;

use super::policy::{self, Held, Prepared, Question, Standing};
use super::{Access, Error, GroupPath, NewGrant, Permit, RoleBook, ScopeTree};
use crate::audit::{EventKind, Outcome};
use crate::clock::Timestamp;
use crate::config::{Asked, PolicyTest, TestSubject};
use crate::model::near;
use crate::model::{Actor, Circumstance, Grant, GrantId, GroupId, Id, Origin, RoleId, Scope, Status, Subject, UserId};
use crate::store::{self, Seen};

/// What a change would make different, for tests that are run before it is made. What is not named is as it is stored.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    /// Other roles.
    pub roles: Option<Arc<RoleBook>>,
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
    /// Accounts that would stand otherwise; `None` for one that would be gone.
    pub status: Vec<(UserId, Option<Status>)>,
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
}

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

/// What keeps two changes that are each good by themselves from breaking a test together; kept until the commit.
pub type Turn = Option<OwnedMutexGuard<()>>;

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

    /// Refuses a change that would break a test which holds. What is returned is kept until the change is committed.
    ///
    /// # Errors
    /// `Conflict` with the name of the test, and an event; `Store`.
    pub async fn check_tests(&self, actor: &Actor, from: &Circumstance, overlay: &Overlay) -> Result<Turn, Error> {
        let tests = self.tests();
        if tests.is_empty() {
            return Ok(None);
        }
        let turn = Arc::clone(&self.test_turns).lock_owned().await;
        for test in tests.iter() {
            let after = self.run_test(test, overlay).await?;
            if after.held || !self.run_test(test, &Overlay::default()).await?.held {
                continue;
            }
            let broken = after.failures.first().cloned().unwrap_or_default();
            let permit = Permit::new(actor.clone(), from.clone(), None);
            let event = permit.event(self.clock.now(), EventKind::PolicyRefused).outcome(Outcome::Denied);
            let event = event.on("test", &test.position, &test.name).detail("reason", &broken);
            self.ledger.record(event).await?;
            let detail = format!("this would break the policy test `{}` ({}): {broken}", test.name, test.position);
            return Err(Error::Conflict { field: None, detail });
        }
        Ok(Some(turn))
    }

    async fn run_test(&self, test: &PolicyTest, overlay: &Overlay) -> Result<TestResult, Error> {
        let roles = overlay.roles.clone().unwrap_or_else(|| self.roles());
        let scopes = self.scopes().tree();
        let failures = match &test.subject {
            TestSubject::Role(role) => of_role(test, role, &roles, &scopes, self.clock.now()),
            subject => match &self.subjects {
                None => vec!["nobody can be looked up here".to_owned()],
                Some(subjects) => match subjects.find(subject, overlay).await? {
                    Found::Nobody(why) => vec![why],
                    Found::Group(groups) => {
                        let nobody = Id::from_bytes([0; 16]);
                        let standing = self.standing_over(nobody, Status::Active, &groups, overlay).await?;
                        ask(test, &Prepared::new(standing, roles, scopes), self.clock.now())
                    }
                    Found::User(user, status, groups) => {
                        let standing = self.standing_over(user, status, &groups, overlay).await?;
                        ask(test, &Prepared::new(standing, roles, scopes), self.clock.now())
                    }
                },
            },
        };
        Ok(result(test, failures))
    }

    async fn standing_over(
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

/// Runs the tests that ask for a role, which take nothing but the roles; the others are left out.
pub fn run_role_tests(tests: &[PolicyTest], roles: &RoleBook) -> Vec<TestResult> {
    let (roles, scopes, now) = (Arc::new(roles.clone()), Arc::default(), Timestamp::default());
    let run = |test: &PolicyTest| match &test.subject {
        TestSubject::Role(role) => Some(result(test, of_role(test, role, &roles, &scopes, now))),
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
fn of_role(
    test: &PolicyTest,
    role: &RoleId,
    roles: &Arc<RoleBook>,
    scopes: &Arc<ScopeTree>,
    now: Timestamp,
) -> Vec<String> {
    let Some(entry) = roles.find(role) else {
        return vec![format!("there is no role `{role}`{}", roles.hint(role))];
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
    accepted.chain(test.deny.iter().filter_map(|asked| each(asked, false))).collect()
}

fn ask(test: &PolicyTest, prepared: &Prepared, now: Timestamp) -> Vec<String> {
    let accepted = test.accept.iter().filter_map(|asked| fails(asked, true, prepared, now));
    accepted.chain(test.deny.iter().filter_map(|asked| fails(asked, false, prepared, now))).collect()
}

/// What is wrong when the answer is not what it must be.
fn fails(asked: &Asked, must: bool, prepared: &Prepared, now: Timestamp) -> Option<String> {
    let question = Question::new(&asked.permission).within(asked.scope.as_ref());
    let is_allowed = policy::decide(&question, prepared, now).is_allowed();
    let said = if is_allowed { "is allowed and must not be" } else { "is not allowed and must be" };
    (is_allowed != must).then(|| format!("{asked} {said}"))
}
