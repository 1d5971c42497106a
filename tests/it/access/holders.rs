//! Who holds something in a scope, of groups that hold each other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cleargate::access::{Census, Error, NewGrant, Told};
use cleargate::model::{GroupId, Status, Subject, UserId};
use futures_util::FutureExt;

use super::{Bench, group, role, scope};

/// Each of 200 groups has the one group in it that has all the people.
struct Nest {
    asked: AtomicUsize,
    people: u32,
}

const INNER: u8 = 255;

impl Nest {
    fn people(&self) -> Vec<UserId> {
        (0..self.people).map(person).collect()
    }

    fn told<T: Send + 'static>(&self, answer: T) -> Told<'_, T> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok(answer)).boxed()
    }
}

fn person(number: u32) -> UserId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    UserId::from_bytes(bytes)
}

impl Census for Nest {
    fn nested(&self, of: GroupId) -> Told<'_, Vec<GroupId>> {
        self.told(if of == group(INNER) { Vec::new() } else { vec![group(INNER)] })
    }

    fn above(&self, _: GroupId) -> Told<'_, Vec<GroupId>> {
        self.told(Vec::new())
    }

    fn users_in(&self, of: GroupId, after: Option<UserId>, limit: usize) -> Told<'_, Vec<UserId>> {
        let all = if of == group(INNER) { self.people() } else { Vec::new() };
        let behind = all.into_iter().filter(|user| after.is_none_or(|after| *user > after));
        self.told(behind.take(limit).collect())
    }

    fn groups_of_users<'a>(&'a self, users: &'a [UserId]) -> Told<'a, Vec<Vec<GroupId>>> {
        self.told(vec![Vec::new(); users.len()])
    }

    fn statuses<'a>(&'a self, users: &'a [UserId]) -> Told<'a, Vec<Option<Status>>> {
        self.told(vec![Some(Status::Active); users.len()])
    }
}

/// Two hundred groups hold something in one scope.
async fn crowded(people: u32) -> (Bench, Arc<Nest>) {
    let mut bench = Bench::new("clearpoint-systems");
    let nest = Arc::new(Nest { asked: AtomicUsize::new(0), people });
    bench.access = bench.access.with_census(nest.clone());
    for number in 1..=200 {
        let mut grant = NewGrant::new(Subject::Group(group(number)), role("viewer"));
        grant.scope = Some(scope("department:a"));
        bench.give(grant).await;
    }
    (bench, nest)
}

#[tokio::test]
async fn a_group_that_is_in_many_is_read_once() {
    let (bench, nest) = crowded(2_000).await;
    let holders = bench.access.people_within(&scope("department:a")).await.unwrap();
    assert_eq!((holders.groups.len(), holders.users), (200, nest.people().into_iter().collect::<BTreeSet<_>>()));
    let asked = nest.asked.load(Ordering::SeqCst);
    // Two questions of each group, and the pages of the one that has people.
    assert!(asked <= 2 * 201 + 2_000 / 200 + 1, "{asked}");
}

#[tokio::test]
async fn more_than_a_list_may_show_are_refused_when_that_is_known() {
    let (bench, nest) = crowded(1_000_000).await;
    let told = bench.access.people_within(&scope("department:a")).await;
    assert!(
        matches!(&told, Err(Error::Conflict { detail, .. }) if detail.contains("ask for a scope below it")),
        "{told:?}"
    );
    let asked = nest.asked.load(Ordering::SeqCst);
    assert!(asked <= 2 * 201 + 20_000 / 200 + 1, "not the whole million: {asked}");
}
