//! Two changes that each read what the other writes: every way in which their steps can fall between each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use cleargate::access::{Access, Memberships, Pack, Permit};
use cleargate::audit::{Ledger, Sealer};
use cleargate::clock::ManualClock;
use cleargate::directory::{Directory, Error, GroupDraft, Member, MemberChange, Rule, Rules};
use cleargate::model::{Attributes, Group, OrganisationId, Subject, User};
use cleargate::secret::{IdSource, MacKey};
use cleargate::store::engine::Memory;
use cleargate::store::{self, Batch, Committed, Engine, Head, Health, LogRow, Marks, Range, Row, Stored};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::support::gateway::{START, record};

/// Gives way to others before each step, so that two changes on one thread take turns.
struct Polite(Memory);

impl Engine for Polite {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Stored>, store::Error>> {
        tokio::task::yield_now().then(|()| self.0.get(key)).boxed()
    }
    fn multi_get<'a>(&'a self, keys: &'a [Vec<u8>]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, store::Error>> {
        tokio::task::yield_now().then(|()| self.0.multi_get(keys)).boxed()
    }
    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, store::Error>> {
        tokio::task::yield_now().then(|()| self.0.range(range)).boxed()
    }
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, store::Error>> {
        tokio::task::yield_now().then(|()| self.0.commit(batch)).boxed()
    }
    fn log(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<LogRow>, store::Error>> {
        self.0.log(from, limit)
    }
    fn head(&self) -> BoxFuture<'_, Result<Head, store::Error>> {
        self.0.head()
    }
    fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes()
    }
    fn copy(&self, beside: Vec<(Vec<u8>, Vec<u8>)>) -> BoxFuture<'_, Result<store::Copied, store::Error>> {
        self.0.copy(beside)
    }
    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<u64, store::Error>> {
        self.0.sweep(limit)
    }
    fn reopen(&self) -> BoxFuture<'_, Result<(), store::Error>> {
        self.0.reopen()
    }
    fn marks(&self) -> &Marks {
        self.0.marks()
    }
    fn health(&self) -> Health {
        self.0.health()
    }
}

/// A directory with ada, and two rules: chiefs of `outer` are viewers, and so are all of `outer` who are no chiefs.
struct Ground {
    access: Access,
    directory: Directory,
    ada: User,
    inner: Group,
    outer: Group,
}

impl Ground {
    /// With ada in `inner`, and `inner` in `outer`, if so.
    async fn new(ada_is_in: bool, inner_is_in: bool) -> Self {
        let clock = ManualClock::new(START).clock();
        let (master, ids) = (MacKey::new(&[7; 32]), IdSource::seeded(1));
        let memory = Memory::new(clock.clone(), Arc::new(Sealer::new(&master)));
        let (store, writer) = store::split(Arc::new(Polite(memory)));
        let ledger = Ledger::new(store, writer);
        let rule = Rule {
            source: "corp".parse().unwrap(),
            when: "title eq \"Chief\" and groups eq \"outer\"".parse().unwrap(),
            role: "viewer".parse().unwrap(),
            scope: None,
            keeping: cleargate::model::Keeping::Full,
            position: "cleargate.toml:1".to_owned(),
        };
        let directory = Directory::new(ledger.clone(), clock.clone(), ids.clone(), Rules::new(vec![rule]));
        let pack = Pack::open("clearpoint-systems", &BTreeMap::new()).unwrap();
        let memberships: Arc<dyn Memberships> = Arc::new(directory.clone());
        let access = Access::new(ledger, clock, ids, OrganisationId::DEFAULT, pack.roles().clone(), memberships);
        let permit = access.task_permit("test", Some("corp".parse().unwrap()));
        let ada = directory.create_user(&permit, &record("ada")).await.unwrap();
        let in_inner = ada_is_in.then_some(Member::User(ada.id));
        let inner = directory.create_group(&permit, &draft("inner", in_inner)).await.unwrap();
        let in_outer = inner_is_in.then_some(Member::Group(inner.id));
        let outer = directory.create_group(&permit, &draft("outer", in_outer)).await.unwrap();
        Self { access, directory, ada, inner, outer }
    }

    fn permit(&self) -> Permit {
        self.access.task_permit("test", Some("corp".parse().unwrap()))
    }

    async fn entitle(&self, title: Option<&str>) -> Result<(), Error> {
        let edit = |_: &User, record: &mut cleargate::directory::SourceRecord| {
            record.attributes.0.remove("title");
            record.attributes.0.extend(title.map(|title| ("title".to_owned(), title.into())));
            Ok::<(), Error>(())
        };
        self.directory.change_user(&self.permit(), self.ada.id, None, edit).await.map(drop)
    }

    async fn set(&self, group: &Group, member: Member, is_in: bool) -> Result<(), Error> {
        let edit = |_: &Group, draft: &mut GroupDraft| {
            if is_in {
                draft.members.add(member)
            } else {
                draft.members.remove(member)
            }
            Ok::<(), Error>(())
        };
        self.directory.change_group(&self.permit(), group.id, None, edit).await.map(drop)
    }

    async fn ada_in_inner(&self, is_in: bool) -> Result<(), Error> {
        self.set(&self.inner, Member::User(self.ada.id), is_in).await
    }

    async fn inner_in_outer(&self, is_in: bool) -> Result<(), Error> {
        self.set(&self.outer, Member::Group(self.inner.id), is_in).await
    }

    /// Whether ada has the rule's role, and whether she should.
    async fn check(&self, place: &str) {
        let held = self.access.grants().list(Subject::User(self.ada.id)).await.unwrap();
        let Some(ada) = self.directory.find_user(self.ada.id).await.unwrap() else {
            assert_eq!(held, [], "{place}: somebody who is gone holds nothing");
            return;
        };
        let paths = self.directory.group_paths(ada.id).await.unwrap();
        let is_in = paths.iter().any(|path| path.last() == Some(&self.outer.id));
        let should = is_in && ada.attributes.0.get("title").is_some_and(|title| title == "Chief");
        assert_eq!(!held.is_empty(), should, "{place}");
    }
}

fn draft(name: &str, member: Option<Member>) -> GroupDraft {
    let mut members = MemberChange::default();
    member.into_iter().for_each(|member| members.add(member));
    GroupDraft { name: name.parse().unwrap(), external_id: None, attributes: Attributes::default(), members }
}

/// More steps than any of the changes here has.
const STEPS: usize = 60;

async fn late<T>(steps: usize, change: impl Future<Output = T>) -> T {
    for _ in 0..steps {
        tokio::task::yield_now().await;
    }
    change.await
}

/// Runs both changes beside each other, one of them later by each number of steps.
async fn sweep(
    name: &str,
    (ada_is_in, inner_is_in, title): (bool, bool, Option<&str>),
    one: impl AsyncFn(&Ground) -> Result<(), Error>,
    two: impl AsyncFn(&Ground) -> Result<(), Error>,
) {
    for steps in 0..STEPS {
        for one_is_late in [false, true] {
            let ground = Ground::new(ada_is_in, inner_is_in).await;
            ground.entitle(title).await.unwrap();
            let delays = if one_is_late { (steps, 0) } else { (0, steps) };
            let (one, two) = tokio::join!(late(delays.0, one(&ground)), late(delays.1, two(&ground)));
            one.unwrap();
            two.unwrap();
            ground.check(&format!("{name}, {delays:?}")).await;
        }
    }
}

#[tokio::test]
async fn a_role_follows_a_title_and_a_membership_that_change_at_once() {
    let chief = Some("Chief");
    sweep(
        "leave and rise",
        (true, true, None),
        async |g| g.ada_in_inner(false).await,
        async |g| g.entitle(chief).await,
    )
    .await;
    sweep("join and rise", (false, true, None), async |g| g.ada_in_inner(true).await, async |g| g.entitle(chief).await)
        .await;
    sweep("join and fall", (false, true, chief), async |g| g.ada_in_inner(true).await, async |g| g.entitle(None).await)
        .await;
}

#[tokio::test]
async fn a_role_follows_two_groups_that_change_at_once() {
    let chief = Some("Chief");
    for (ada, inner) in [(true, true), (true, false), (false, true), (false, false)] {
        let name = format!("ada {ada}, inner {inner}");
        let (one, two) = (
            async move |g: &Ground| g.ada_in_inner(!ada).await,
            async move |g: &Ground| g.inner_in_outer(!inner).await,
        );
        sweep(&name, (ada, inner, chief), one, two).await;
    }
    sweep(
        "inner and rise",
        (true, true, None),
        async |g| g.inner_in_outer(false).await,
        async |g| g.entitle(chief).await,
    )
    .await;
    sweep(
        "inner and rise",
        (true, false, None),
        async |g| g.inner_in_outer(true).await,
        async |g| g.entitle(chief).await,
    )
    .await;
}

#[tokio::test]
async fn who_is_deleted_while_a_group_gives_a_role_holds_nothing() {
    let gone = |result: Result<(), Error>| match result {
        // A member that is gone is no member.
        Err(Error::Invalid { .. }) => Ok(()),
        other => other,
    };
    sweep(
        "join and go",
        (false, true, Some("Chief")),
        async |g| gone(g.ada_in_inner(true).await),
        async |g| g.directory.delete_user(&g.permit(), g.ada.id, None).await,
    )
    .await;
    sweep(
        "nest and go",
        (true, false, Some("Chief")),
        async |g| g.inner_in_outer(true).await,
        async |g| g.directory.delete_user(&g.permit(), g.ada.id, None).await,
    )
    .await;
}
