//! Lockout: attempts are counted before anything is verified, durably, under the id that never changes.

use std::sync::Arc;
use std::time::Duration;

use cleargate::access::{Access, Member, Memberships, Permit, RoleBook};
use cleargate::audit::{EventKind, Ledger, Sealer};
use cleargate::lockout::{Error, Lockout, Locks, Policy, Subject};
use cleargate::model::{Circumstance, Id, OrganisationId, UserId, UserName, fold};
use cleargate::secret::MacKey;
use cleargate::store::{self, Settings};
use futures_util::future::{BoxFuture, join_all};

use crate::support::ledger::{Ground, START};

const ADA: UserId = Id::from_bytes([1; 16]);
const HALF_HOUR: Duration = Duration::from_secs(30 * 60);

fn name() -> UserName {
    "ada@example.org".parse().unwrap()
}

fn lockout(ground: &Ground, policy: Policy) -> Lockout {
    Lockout::new(ground.ledger.clone(), ground.clock.clock(), OrganisationId::DEFAULT, &ground.key, policy)
}

fn from() -> Circumstance {
    Circumstance { address: Some([192, 0, 2, 9].into()), request_id: Some("r-9".to_owned()) }
}

/// One attempt from beginning to end: whether it was admitted.
async fn attempt(lockout: &Lockout, subject: Subject<'_>, is_right: bool) -> bool {
    match lockout.reserve(subject, &from()).await {
        Ok(attempt) if is_right => lockout.succeed(attempt).await.map(|()| true).unwrap(),
        Ok(attempt) => lockout.fail(attempt).await.map(|_| true).unwrap(),
        Err(Error::Locked { .. } | Error::Busy) => false,
        Err(error) => panic!("{error}"),
    }
}

struct Nobody;
impl Memberships for Nobody {
    fn standing(&self, _: UserId) -> BoxFuture<'_, Result<Option<Member>, store::Error>> {
        Box::pin(async { Ok(None) })
    }
}

fn permit(ground: &Ground) -> Permit {
    let (clock, ids) = (ground.clock.clock(), ground.ids.clone());
    Access::new(ground.ledger.clone(), clock, ids, OrganisationId::DEFAULT, RoleBook::default(), Arc::new(Nobody))
        .task_permit("test", None)
}

#[tokio::test]
async fn three_wrong_passwords_lock_for_half_an_hour_and_an_attempt_starts_it_anew() {
    let ground = Ground::new();
    let (lockout, name) = (lockout(&ground, Policy::clearvantage()), name());
    let ada = Subject::User(ADA, &name);
    for _ in 0..3 {
        assert!(attempt(&lockout, ada, false).await);
    }
    let Err(Error::Locked { until }) = lockout.reserve(ada, &from()).await else { panic!("admitted") };
    assert_eq!(until, START.plus(HALF_HOUR));
    assert_eq!(lockout.find(ADA).await.unwrap().unwrap().locked_until, Some(until));
    ground.clock.advance(HALF_HOUR - Duration::from_secs(1));
    assert!(!attempt(&lockout, ada, true).await, "a right password does not open a lock");
    ground.clock.advance(HALF_HOUR - Duration::from_secs(1));
    assert_eq!(
        lockout.find(ADA).await.unwrap().unwrap().locked_until,
        Some(START.plus(HALF_HOUR * 2 - Duration::from_secs(1)))
    );
    ground.clock.advance(Duration::from_secs(1));
    assert!(attempt(&lockout, ada, true).await);
    assert_eq!(lockout.find(ADA).await.unwrap(), None);
}

#[tokio::test]
async fn a_lock_is_recorded_once_with_account_address_and_end() {
    let ground = Ground::new();
    let (lockout, name) = (lockout(&ground, Policy::clearvantage()), name());
    for _ in 0..6 {
        attempt(&lockout, Subject::User(ADA, &name), false).await;
        ground.clock.advance(Duration::from_secs(2));
    }
    let events = ground.events_of(EventKind::LockSet).await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.target.as_str(), event.target_name.as_str()), (&*format!("user:{ADA}"), "ada@example.org"));
    assert_eq!(event.address.as_deref(), Some("192.0.2.9"));
    assert_eq!(event.details[0].0, "until");
    assert!(ground.events_of(EventKind::LockCleared).await.is_empty());
}

#[expect(clippy::disallowed_methods, reason = "what a test starts ends with its runtime")]
fn start<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(future)
}

/// 201 attempts, of which one is right, at once or `apart` from each other, yet faster than one is verified: how many
/// were verified, how many of them were wrong.
async fn storm(lockout: &Lockout, right_one: usize, apart: usize) -> (usize, usize) {
    let gate = Arc::new(tokio::sync::Barrier::new(201));
    let tasks = (0..201).map(|number| {
        let (lockout, gate) = (lockout.clone(), Arc::clone(&gate));
        start(async move {
            gate.wait().await;
            for _ in 0..number * apart {
                tokio::task::yield_now().await;
            }
            let name = name();
            let attempt = lockout.reserve(Subject::User(ADA, &name), &from()).await.ok()?;
            // The hash takes a while, in which the others come.
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            if number == right_one {
                lockout.succeed(attempt).await.unwrap();
            } else {
                lockout.fail(attempt).await.unwrap();
            }
            Some(number == right_one)
        })
    });
    let verified: Vec<bool> = join_all(tasks).await.into_iter().filter_map(Result::unwrap).collect();
    (verified.len(), verified.iter().filter(|is_right| !**is_right).count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_wrong_and_one_right_at_once_are_no_more_tries_than_allowed() {
    let folder = tempfile::tempdir().unwrap();
    for (round, (right_one, apart)) in [(0, 0), (1, 0), (2, 5), (1, 5), (200, 0)].into_iter().enumerate() {
        for policy in [Policy::clearvantage(), Policy::balanced()] {
            let most = usize::try_from(policy.attempts).unwrap();
            let ground = Ground::new();
            let path = folder.path().join(format!("{round}-{most}.redb"));
            let settings = Settings { path, cache_bytes: 8 << 20 };
            let seal = Arc::new(Sealer::new(&ground.key));
            let (store, writer) = store::open(&settings, ground.clock.clock(), seal).unwrap();
            for ledger in [ground.ledger.clone(), Ledger::new(store, writer)] {
                let (clock, policy) = (ground.clock.clock(), policy.clone());
                let lockout = Lockout::new(ledger, clock, OrganisationId::DEFAULT, &ground.key, policy);
                let (verified, wrong) = storm(&lockout, right_one, apart).await;
                assert!(wrong <= most, "{wrong} wrong passwords were looked at, {most} are allowed");
                // A right one that was over before the next came has given its place back.
                assert!((1..=most + 1).contains(&verified), "{verified} were looked at, {most} are allowed");
            }
        }
    }
}

#[tokio::test]
async fn an_attempt_of_which_nothing_is_told_counts() {
    let ground = Ground::new();
    let (lockout, name) = (lockout(&ground, Policy::clearvantage()), name());
    let ada = Subject::User(ADA, &name);
    for _ in 0..3 {
        drop(lockout.reserve(ada, &from()).await.unwrap());
    }
    assert!(!attempt(&lockout, ada, true).await);
    assert!(ground.events_of(EventKind::LockSet).await.is_empty(), "they may still be right");
    ground.clock.advance(Duration::from_secs(61));
    assert!(!attempt(&lockout, ada, true).await);
    assert_eq!(ground.events_of(EventKind::LockSet).await.len(), 1);
}

#[tokio::test]
async fn an_administrator_ends_a_lock_at_once_and_it_is_recorded() {
    let ground = Ground::new();
    let (lockout, name) = (lockout(&ground, Policy::clearvantage()), name());
    let ada = Subject::User(ADA, &name);
    let before = lockout.reserve(ada, &from()).await.unwrap();
    for _ in 0..2 {
        attempt(&lockout, ada, false).await;
    }
    assert_eq!(lockout.list(None, 10).await.unwrap().iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ADA]);
    assert!(lockout.clear(&permit(&ground), ADA, &name).await.unwrap());
    assert!(!lockout.clear(&permit(&ground), ADA, &name).await.unwrap(), "there is nothing left to clear");
    assert_eq!(ground.events_of(EventKind::LockCleared).await.len(), 1);
    assert_eq!(lockout.list(None, 10).await.unwrap(), []);
    // What was admitted before and fails afterwards is not counted against the fresh start.
    assert_eq!(lockout.fail(before).await.unwrap(), None);
    for _ in 0..3 {
        assert!(attempt(&lockout, ada, false).await);
    }
}

#[tokio::test]
async fn the_factors_of_an_account_are_counted_apart_from_its_password_and_cleared_with_it() {
    let ground = Ground::new();
    let (lockout, name) = (lockout(&ground, Policy::clearvantage()), name());
    let (password, factor) = (Subject::User(ADA, &name), Subject::Factor(ADA, &name));
    for _ in 0..3 {
        assert!(attempt(&lockout, factor, false).await);
    }
    assert!(!attempt(&lockout, factor, true).await);
    assert!(attempt(&lockout, password, true).await, "the password is not locked, and its success forgives nothing");
    assert!(!attempt(&lockout, factor, true).await);
    let listed = lockout.list(None, 10).await.unwrap();
    assert!(listed[0].1.password.is_none() && listed[0].1.factor.unwrap().locked_until.is_some());
    assert!(lockout.find(ADA).await.unwrap().is_none() && lockout.find_factor(ADA).await.unwrap().is_some());
    assert!(lockout.clear(&permit(&ground), ADA, &name).await.unwrap());
    assert!(attempt(&lockout, factor, true).await);
    let set = ground.events_of(EventKind::LockSet).await;
    assert!(set.len() == 1 && set[0].details.contains(&("of".to_owned(), "factor".to_owned())), "{set:?}");
}

#[tokio::test]
async fn a_name_of_nobody_locks_as_an_account_does_in_every_spelling_and_leaves_no_event() {
    let ground = Ground::new();
    let lockout = lockout(&ground, Policy::clearvantage());
    let spellings = ["Ghost@example.org", " ghost@EXAMPLE.org", "ｇｈｏｓｔ@example.org", "ghost@example.org"];
    let mut admitted = 0;
    for spelling in spellings {
        admitted += usize::from(attempt(&lockout, Subject::Nobody(&fold(spelling)), false).await);
    }
    assert_eq!(admitted, 3);
    assert!(attempt(&lockout, Subject::Nobody(&fold("another@example.org")), false).await);
    assert_eq!(ground.events().await, []);
    ground.clock.advance(HALF_HOUR);
    assert!(attempt(&lockout, Subject::Nobody(&fold(spellings[0])), false).await);
    assert_eq!(lockout.list(None, 10).await.unwrap(), [], "only accounts are listed");
}

#[tokio::test]
async fn accounts_are_counted_apart_and_listed_page_by_page() {
    let ground = Ground::new();
    let (lockout, name) = (lockout(&ground, Policy::clearvantage()), name());
    let users: Vec<UserId> = (1..=5).map(|number| Id::from_bytes([number; 16])).collect();
    for user in &users {
        assert!(attempt(&lockout, Subject::User(*user, &name), false).await);
    }
    let first = lockout.list(None, 2).await.unwrap();
    let rest = lockout.list(Some(first[1].0), 10).await.unwrap();
    let ids: Vec<UserId> = first.iter().chain(&rest).map(|(id, _)| *id).collect();
    assert_eq!(ids, users);
    let state = |locks: &Locks| locks.password.unwrap();
    assert!(rest.iter().all(|(_, locks)| state(locks).failures == 1 && state(locks).locked_until.is_none()));
    assert!(rest.iter().all(|(_, locks)| locks.factor.is_none()));
}

#[tokio::test]
async fn counts_survive_the_end_of_the_program() {
    let ground = Ground::new();
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { path: folder.path().join("store.redb"), cache_bytes: 8 << 20 };
    let name = name();
    for round in 0..4 {
        let seal = Arc::new(Sealer::new(&MacKey::new(&[7; 32])));
        let (store, writer) = store::open(&settings, ground.clock.clock(), seal).unwrap();
        let ledger = Ledger::new(store, writer);
        let lockout =
            Lockout::new(ledger, ground.clock.clock(), OrganisationId::DEFAULT, &ground.key, Policy::clearvantage());
        // The program ends between the attempt and its answer.
        let admitted = lockout.reserve(Subject::User(ADA, &name), &from()).await.is_ok();
        assert_eq!(admitted, round < 3, "round {round}");
    }
}

#[tokio::test]
async fn a_flood_during_a_lock_is_no_flood_of_writes() {
    let ground = Ground::new();
    let (lockout, name) = (lockout(&ground, Policy::clearvantage()), name());
    for _ in 0..4 {
        attempt(&lockout, Subject::User(ADA, &name), false).await;
    }
    let before = *ground.ledger.store().engine().changes().borrow();
    for _ in 0..100 {
        assert!(!attempt(&lockout, Subject::User(ADA, &name), false).await);
    }
    assert_eq!(*ground.ledger.store().engine().changes().borrow(), before);
}
