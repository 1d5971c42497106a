//! Passwords: set by policy, checked on own threads, never readable.

use std::sync::Arc;
use std::time::Duration;

use cleargate::access::{Access, Member, Memberships, Permit, RoleBook};
use cleargate::audit::EventKind;
use cleargate::credential::{Cost, Credentials, Error, Hasher, Lane, PasswordPolicy, Unmet, Verdict};
use cleargate::model::{Attributes, Id, OrganisationId, Status, User, UserId};
use cleargate::secret::Secret;
use cleargate::store::{self, Range};
use futures_util::future::BoxFuture;

use crate::support::ledger::{Ground, START};

/// Small enough for many tests.
const SMALL: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
const GOOD: &str = "lantern over meadow";
const VERIFIED: Seen = Seen::Verified { must_change: false };

/// A verdict without its proof, which nobody but the check can make.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    NoPassword,
    Verified { must_change: bool },
    Wrong,
}

fn seen(verdict: Verdict) -> Seen {
    match verdict {
        Verdict::NoPassword => Seen::NoPassword,
        Verdict::Verified(verified) => Seen::Verified { must_change: verified.must_change() },
        Verdict::Wrong => Seen::Wrong,
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

fn credentials(ground: &Ground, cost: Cost, policy: PasswordPolicy) -> Credentials {
    let clock = ground.clock.clock();
    let hasher = Hasher::start(cost, clock.clone()).unwrap();
    Credentials::new(ground.ledger.clone(), clock, ground.ids.clone(), OrganisationId::DEFAULT, hasher, policy)
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn user(number: u8, name: &str) -> User {
    User {
        id: Id::from_bytes([number; 16]),
        organisation: OrganisationId::DEFAULT,
        user_name: name.parse().unwrap(),
        status: Status::Active,
        owner: None,
        links: Vec::new(),
        attributes: Attributes::default(),
        created: START,
        changed: START,
        revision: 1,
        by_hand: None,
        disabled_by_hand: None,
        companies: None,
        realm: None,
    }
}

async fn check(credentials: &Credentials, user: &User, password: &str) -> Seen {
    seen(credentials.verify(Some(user.id), &secret(password), Lane::Interactive).await.unwrap())
}

#[tokio::test]
async fn a_password_that_was_set_is_the_only_one_that_is_right() {
    let ground = Ground::new();
    let credentials = credentials(&ground, SMALL, PasswordPolicy::nist_63b_4());
    let (ada, bob) = (user(1, "ada"), user(2, "bob"));
    assert_eq!(check(&credentials, &ada, GOOD).await, Seen::NoPassword);
    credentials.set(&permit(&ground), &ada, &secret(GOOD), false).await.unwrap();
    assert_eq!(check(&credentials, &ada, GOOD).await, VERIFIED);
    for wrong in ["", "lantern over meado", "lantern over meadow ", "Lantern over meadow", "lantern over meadow\0"] {
        assert_eq!(check(&credentials, &ada, wrong).await, Seen::Wrong, "{wrong:?}");
    }
    assert_eq!(check(&credentials, &bob, GOOD).await, Seen::NoPassword);
    let nobody = credentials.verify(None, &secret(GOOD), Lane::Interactive).await.unwrap();
    assert_eq!(seen(nobody), Seen::Wrong);
    credentials.set(&permit(&ground), &ada, &secret("meadow under lantern"), false).await.unwrap();
    assert_eq!(check(&credentials, &ada, GOOD).await, Seen::Wrong);
}

#[tokio::test]
async fn two_ways_to_type_one_text_are_one_password_and_look_alikes_are_not() {
    let ground = Ground::new();
    let credentials = credentials(&ground, SMALL, PasswordPolicy::nist_63b_4());
    let ada = user(1, "ada");
    credentials.set(&permit(&ground), &ada, &secret("Caf\u{e9} an der Br\u{fc}cke"), false).await.unwrap();
    assert_eq!(check(&credentials, &ada, "Cafe\u{301} an der Bru\u{308}cke").await, VERIFIED);
    assert_eq!(check(&credentials, &ada, "Cafe an der Brucke").await, Seen::Wrong);
    assert_eq!(check(&credentials, &ada, "Ｃafé an der Brücke").await, Seen::Wrong);
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_it_is_hashed() {
    let ground = Ground::new();
    let credentials = credentials(&ground, SMALL, PasswordPolicy::nist_63b_4());
    let ada = user(1, "ada");
    let long = "lantern over meadow ".repeat(205);
    assert!(long.len() > 4096);
    let refused = credentials.set(&permit(&ground), &ada, &secret(&long), false).await;
    let Err(Error::Invalid { unmet }) = refused else { panic!("{refused:?}") };
    assert_eq!(unmet, [Unmet::TooLong { max_chars: 256 }]);
    assert_eq!(check(&credentials, &ada, &"x".repeat(1_000_000)).await, Seen::Wrong);
}

#[tokio::test]
async fn each_unmet_part_is_named_and_nothing_is_changed() {
    let ground = Ground::new();
    let credentials = credentials(&ground, SMALL, PasswordPolicy::clearvantage());
    let ada = user(1, "lovelace");
    let refused = credentials.set(&permit(&ground), &ada, &secret("lovelace"), false).await;
    let Err(error) = refused else { panic!("accepted") };
    assert_eq!(
        error.to_string(),
        "the password must have at least 12 characters, must contain an upper-case letter, must contain a digit, \
         must contain a character that is neither letter nor digit, must not be one that everybody tries, \
         must not contain a name or address of the user or the name of this service"
    );
    assert_eq!(credentials.find(ada.id).await.unwrap(), None);
    assert_eq!(ground.events().await, []);
}

#[tokio::test]
async fn the_event_and_the_store_tell_that_it_was_set_and_not_what_it_is() {
    let ground = Ground::new();
    let credentials = credentials(&ground, SMALL, PasswordPolicy::nist_63b_4());
    let ada = user(1, "ada");
    credentials.set(&permit(&ground), &ada, &secret(GOOD), true).await.unwrap();
    let events = ground.events().await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.kind, event.target_name.as_str()), (EventKind::PasswordSet, "ada"));
    let all = Range { start: vec![], end: vec![0xff; 40], skip: 0, limit: 100, direction: store::Direction::Ascending };
    let rows = ground.ledger.store().range(all).await.unwrap();
    assert_eq!(rows.len(), 1);
    let told = format!("{events:?} {:?}", secret(GOOD));
    assert!(!told.contains("lantern"));
    for (key, stored) in rows {
        let holds = |bytes: &[u8]| bytes.windows(7).any(|window| window == b"lantern");
        assert!(!holds(&key) && !holds(&stored.value));
    }
}

#[tokio::test]
async fn one_that_must_be_changed_says_so_until_it_is() {
    let ground = Ground::new();
    let credentials = credentials(&ground, SMALL, PasswordPolicy::pci());
    let ada = user(1, "ada");
    let (first, second) = ("lantern4meadow", "meadow4lantern");
    credentials.set(&permit(&ground), &ada, &secret(first), true).await.unwrap();
    assert!(credentials.find(ada.id).await.unwrap().unwrap().must_change);
    assert_eq!(check(&credentials, &ada, first).await, Seen::Verified { must_change: true });
    credentials.set(&permit(&ground), &ada, &secret(second), false).await.unwrap();
    assert_eq!(check(&credentials, &ada, second).await, VERIFIED);
    // This preset's passwords age.
    ground.clock.advance(Duration::from_secs(90 * 24 * 60 * 60 - 1));
    assert_eq!(check(&credentials, &ada, second).await, VERIFIED);
    ground.clock.advance(Duration::from_secs(1));
    assert_eq!(check(&credentials, &ada, second).await, Seen::Verified { must_change: true });
}

#[tokio::test]
async fn a_hash_of_other_costs_is_made_anew_by_the_next_right_password_only() {
    let ground = Ground::new();
    let (old, new) = (
        credentials(&ground, SMALL, PasswordPolicy::nist_63b_4()),
        credentials(&ground, Cost { passes: 3, ..SMALL }, PasswordPolicy::nist_63b_4()),
    );
    let ada = user(1, "ada");
    old.set(&permit(&ground), &ada, &secret(GOOD), true).await.unwrap();
    let stored = async || {
        let all =
            Range { start: vec![], end: vec![0xff; 40], skip: 0, limit: 10, direction: store::Direction::Ascending };
        let rows = ground.ledger.store().range(all).await.unwrap();
        String::from_utf8_lossy(&rows[0].1.value).into_owned()
    };
    assert_eq!(check(&new, &ada, "another one altogether").await, Seen::Wrong);
    assert!(stored().await.contains("m=64,t=1,p=1"));
    assert_eq!(check(&new, &ada, GOOD).await, Seen::Verified { must_change: true });
    assert!(stored().await.contains("m=64,t=3,p=1"));
    assert_eq!(check(&old, &ada, GOOD).await, Seen::Verified { must_change: true });
    assert_eq!(ground.events().await.len(), 1, "it is still the same password");
}

#[tokio::test]
async fn two_users_with_one_password_have_two_hashes() {
    let ground = Ground::new();
    let credentials = credentials(&ground, SMALL, PasswordPolicy::nist_63b_4());
    for number in [1, 2] {
        let user = user(number, "somebody");
        credentials.set(&permit(&ground), &user, &secret(GOOD), false).await.unwrap();
    }
    let all = Range { start: vec![], end: vec![0xff; 40], skip: 0, limit: 10, direction: store::Direction::Ascending };
    let rows = ground.ledger.store().range(all).await.unwrap();
    assert_ne!(rows[0].1.value, rows[1].1.value);
}

#[tokio::test]
async fn forgotten_with_its_user() {
    let ground = Ground::new();
    let credentials = credentials(&ground, SMALL, PasswordPolicy::nist_63b_4());
    let ada = user(1, "ada");
    credentials.set(&permit(&ground), &ada, &secret(GOOD), false).await.unwrap();
    let mut change = ground.ledger.change();
    credentials.forget_in(&mut change, ada.id);
    change.commit_quietly(cleargate::audit::Housekeeping::Expiry).await.unwrap();
    assert_eq!(check(&credentials, &ada, GOOD).await, Seen::NoPassword);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_a_seconds_work_is_refused_and_the_rest_is_done() {
    let ground = Ground::new();
    let clock = ground.clock.clock();
    // One thread and hashes that are a fifth of a second each by the book: five may wait.
    let cost = Cost { memory_kib: 19 * 1024, passes: 22, lanes: 1 };
    let hasher = Hasher::with_threads(cost, clock.clone(), 1).unwrap();
    assert_eq!(hasher.capacity(), 5);
    let policy = PasswordPolicy::nist_63b_4();
    let ids = ground.ids.clone();
    let all = Credentials::new(ground.ledger.clone(), clock, ids, OrganisationId::DEFAULT, hasher, policy);
    let password = secret(GOOD);
    let many = (0..30).map(|_| all.verify(None, &password, Lane::Interactive));
    let results = futures_util::future::join_all(many).await;
    let done = results.iter().filter(|result| matches!(result, Ok(Verdict::Wrong))).count();
    let busy = results.iter().filter(|result| matches!(result, Err(Error::Busy { .. }))).count();
    assert_eq!(done + busy, 30);
    assert!((5..=7).contains(&done), "{done}");
}
