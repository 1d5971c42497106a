//! Standings that are kept between requests: never older than the last change that was answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use cleargate::access::{Access, Error, Memberships, NewGrant, NewScope, Pack, Permit, RoleBook, RoleKind, ScopeEdit};
use cleargate::audit::{Ledger, Sealer};
use cleargate::clock::ManualClock;
use cleargate::directory::{self, Directory, GroupDraft, Member, MemberChange, Rules};
use cleargate::model::{Attributes, Grant, Group, Mode, OrganisationId, Subject, User};
use cleargate::secret::{IdSource, MacKey};
use cleargate::store::{self, Store, Writer};
use proptest::prelude::*;

use super::{permission, role, scope, signed_in};
use crate::support::gateway::{START, record};

/// A directory and access over one store, with people, groups and departments.
struct House {
    clock: ManualClock,
    ids: IdSource,
    ledger: Ledger,
    directory: Directory,
    access: Access,
    users: Vec<User>,
    groups: Vec<Group>,
    _folder: Option<tempfile::TempDir>,
}

fn books() -> [RoleBook; 2] {
    let pack = Pack::open("clearpoint-systems", &BTreeMap::new()).unwrap();
    let specialist = serde_json::from_value(serde_json::json!({"name": "Helper", "permissions": ["users:update"]}));
    // As one of the pack: a role that administrators make must be stored.
    let mut entries: Vec<_> = pack.with_custom(&specialist.unwrap()).unwrap().iter().cloned().collect();
    entries.iter_mut().for_each(|entry| entry.kind = RoleKind::Role);
    [pack.roles().clone(), RoleBook::new(pack.roles().catalogue().clone(), entries).unwrap()]
}

const DEPARTMENTS: [&str; 3] = ["department:a", "department:b", "department:c"];
const ROLES: [&str; 4] = ["viewer", "data_analyst", "system_administrator", "helper"];

impl House {
    async fn in_memory() -> Self {
        let sealer = Sealer::new(&MacKey::new(&[7; 32]));
        let clock = ManualClock::new(START);
        let opened = store::open_memory(clock.clock(), Arc::new(sealer));
        Self::new(clock, opened, None).await
    }

    async fn in_a_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sealer = Sealer::new(&MacKey::new(&[7; 32]));
        let clock = ManualClock::new(START);
        let settings = store::Settings { path: folder.path().join("store"), cache_bytes: 1 << 24 };
        let opened = store::open(&settings, clock.clock(), Arc::new(sealer)).unwrap();
        Self::new(clock, opened, Some(folder)).await
    }

    async fn new(clock: ManualClock, (store, writer): (Store, Writer), folder: Option<tempfile::TempDir>) -> Self {
        let (ledger, ids) = (Ledger::new(store, writer), IdSource::seeded(1));
        let directory = Directory::new(ledger.clone(), clock.clock(), ids.clone(), Rules::new(Vec::new()));
        let people: Arc<dyn Memberships> = Arc::new(directory.clone());
        let book = books()[1].clone();
        let access =
            Access::new(ledger.clone(), clock.clock(), ids.clone(), OrganisationId::DEFAULT, book, people.clone());
        access.start().await.unwrap();
        // The start puts the roles of pack and store in force; this book has one more.
        access.replace_roles(books()[1].clone());
        let permit = access.task_permit("test", None);
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        for name in ["ada", "grace"] {
            users.push(directory.create_user(&permit, &record(name)).await.unwrap());
        }
        for name in ["g0", "g1", "g2", "g3"] {
            let (attributes, members) = (Attributes::default(), MemberChange::default());
            let draft = GroupDraft { name: name.parse().unwrap(), external_id: None, attributes, members };
            groups.push(directory.create_group(&permit, &draft).await.unwrap());
        }
        let house = Self { clock, ids, ledger, directory, access, users, groups, _folder: folder };
        for department in DEPARTMENTS {
            let new = NewScope { scope: scope(department), name: "x".into(), description: String::new(), parent: None };
            house.access.scopes().create(&house.permit(), new).await.unwrap();
        }
        house
    }

    fn permit(&self) -> Permit {
        self.access.task_permit("test", None)
    }

    async fn set(&self, group: usize, member: Member, is_in: bool) -> Result<(), directory::Error> {
        let edit = |_: &Group, draft: &mut GroupDraft| {
            if is_in {
                draft.members.add(member)
            } else {
                draft.members.remove(member)
            }
            Ok::<(), directory::Error>(())
        };
        self.directory.change_group(&self.permit(), self.groups[group].id, None, edit).await.map(drop)
    }

    async fn give(&self, subject: Subject, name: &str, place: Option<&str>, mode: Mode) -> Result<Grant, Error> {
        let new = NewGrant { scope: place.map(scope), mode, ..NewGrant::new(subject, role(name)) };
        self.access.grants().create(&self.permit(), &self.access.roles(), new).await
    }

    async fn put(&self, place: usize, parent: Option<usize>) -> Result<(), Error> {
        let parent = Some(parent.map(|parent| scope(DEPARTMENTS[parent])));
        let edit = ScopeEdit { parent, ..ScopeEdit::default() };
        self.access.scopes().change(&self.permit(), &scope(DEPARTMENTS[place]), None, edit).await.map(drop)
    }

    async fn may(&self, asked: &str, place: Option<&str>) -> bool {
        let (actor, asked, place) = (signed_in(self.users[0].id), permission(asked), place.map(scope));
        let permit = self.access.permit(&actor, &asked, place.as_ref(), Default::default()).await;
        permit.is_ok()
    }

    /// The same access with nothing kept.
    async fn fresh(&self) -> Access {
        let people: Arc<dyn Memberships> = Arc::new(self.directory.clone());
        let book = (*self.access.roles()).clone();
        let (ledger, clock, ids) = (self.ledger.clone(), self.clock.clock(), self.ids.clone());
        let access = Access::new(ledger, clock, ids, OrganisationId::DEFAULT, book, people);
        access.start().await.unwrap();
        access.replace_roles((*self.access.roles()).clone());
        access
    }
}

async fn every_change_is_seen_by_the_very_next_decision(house: House) {
    let ada = Subject::User(house.users[0].id);
    assert!(!house.may("reports:read", None).await);
    // A grant, given and taken.
    let grant = house.give(ada, "viewer", None, Mode::Add).await.unwrap();
    assert!(house.may("reports:read", None).await);
    house.access.grants().delete(&house.permit(), grant.id).await.unwrap();
    assert!(!house.may("reports:read", None).await);
    // A grant of a group three levels up, and every step of the way there.
    let top = Subject::Group(house.groups[3].id);
    house.give(top, "viewer", None, Mode::Add).await.unwrap();
    for (group, member) in [(0, Member::User(house.users[0].id)), (1, Member::Group(house.groups[0].id))] {
        house.set(group, member, true).await.unwrap();
        assert!(!house.may("reports:read", None).await);
    }
    house.set(2, Member::Group(house.groups[1].id), true).await.unwrap();
    assert!(!house.may("reports:read", None).await);
    house.set(3, Member::Group(house.groups[2].id), true).await.unwrap();
    assert!(house.may("reports:read", None).await);
    house.set(2, Member::Group(house.groups[1].id), false).await.unwrap();
    assert!(!house.may("reports:read", None).await, "left in the middle of the way");
    house.set(2, Member::Group(house.groups[1].id), true).await.unwrap();
    assert!(house.may("reports:read", None).await);
    // The account.
    house.directory.set_active(&house.permit(), house.users[0].id, false).await.unwrap();
    assert!(!house.may("reports:read", None).await);
    house.directory.set_active(&house.permit(), house.users[0].id, true).await.unwrap();
    assert!(house.may("reports:read", None).await);
    // A role.
    house.give(ada, "helper", None, Mode::Add).await.unwrap();
    assert!(house.may("users:update", None).await);
    house.access.replace_roles(books()[0].clone());
    assert!(!house.may("reports:read", None).await, "a role that is gone may have denied");
    house.access.replace_roles(books()[1].clone());
    assert!(house.may("users:update", None).await);
    // A place in the tree.
    house.give(ada, "data_analyst", Some("department:a"), Mode::Add).await.unwrap();
    assert!(!house.may("data:export", Some("department:b")).await);
    house.put(1, Some(0)).await.unwrap();
    assert!(house.may("data:export", Some("department:b")).await);
    house.put(1, None).await.unwrap();
    assert!(!house.may("data:export", Some("department:b")).await);
    // The group, and the account for good.
    house.directory.delete_group(&house.permit(), house.groups[0].id, None).await.unwrap();
    assert!(!house.may("reports:read", None).await);
    house.directory.delete_user(&house.permit(), house.users[0].id, None).await.unwrap();
    assert!(!house.may("users:update", None).await);
}

#[tokio::test]
async fn every_change_is_seen_by_the_very_next_decision_in_memory() {
    every_change_is_seen_by_the_very_next_decision(House::in_memory().await).await;
}

#[tokio::test]
async fn every_change_is_seen_by_the_very_next_decision_in_a_file() {
    every_change_is_seen_by_the_very_next_decision(House::in_a_file().await).await;
}

#[tokio::test]
async fn what_did_not_change_is_kept() {
    let house = House::in_a_file().await;
    let (ada, grace) = (house.users[0].id, house.users[1].id);
    let first = house.access.prepared(ada).await.unwrap();
    assert!(Arc::ptr_eq(&first, &house.access.prepared(ada).await.unwrap()));
    house.give(Subject::User(grace), "viewer", None, Mode::Add).await.unwrap();
    house.set(1, Member::User(grace), true).await.unwrap();
    assert!(Arc::ptr_eq(&first, &house.access.prepared(ada).await.unwrap()), "changes of others do not matter");
    house.give(Subject::User(ada), "viewer", None, Mode::Add).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &house.access.prepared(ada).await.unwrap()));
}

#[tokio::test]
async fn readers_beside_a_writer_never_see_what_was_before_an_answer() {
    let house = Arc::new(House::in_a_file().await);
    let reader = {
        let house = Arc::clone(&house);
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flag = Arc::clone(&done);
        let task = tokio::task::spawn(async move {
            while !flag.load(std::sync::atomic::Ordering::SeqCst) {
                house.may("reports:read", None).await;
                tokio::task::yield_now().await;
            }
        });
        (task, done)
    };
    for _ in 0..40 {
        let grant = house.give(Subject::User(house.users[0].id), "viewer", None, Mode::Add).await.unwrap();
        assert!(house.may("reports:read", None).await);
        house.access.grants().delete(&house.permit(), grant.id).await.unwrap();
        assert!(!house.may("reports:read", None).await);
    }
    reader.1.store(true, std::sync::atomic::Ordering::SeqCst);
    reader.0.await.unwrap();
}

/// One thing that an administrator does.
#[derive(Clone, Debug)]
enum Step {
    Activate(usize, bool),
    Join(usize, usize, bool),
    Nest(usize, usize, bool),
    Give { user: bool, holder: usize, role: usize, place: Option<usize>, overrides: bool },
    Take(usize),
    Put(usize, Option<usize>),
    Roles(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let give = (any::<bool>(), 0usize..4, 0usize..4, proptest::option::of(0usize..3), any::<bool>());
    prop_oneof![
        (0usize..2, any::<bool>()).prop_map(|(user, is)| Step::Activate(user, is)),
        (0usize..2, 0usize..4, any::<bool>()).prop_map(|(user, group, is)| Step::Join(user, group, is)),
        (0usize..4, 0usize..4, any::<bool>()).prop_map(|(inner, outer, is)| Step::Nest(inner, outer, is)),
        give.prop_map(|(user, holder, role, place, overrides)| Step::Give { user, holder, role, place, overrides }),
        (0usize..8).prop_map(Step::Take),
        (0usize..3, proptest::option::of(0usize..3)).prop_map(|(place, parent)| Step::Put(place, parent)),
        (0usize..2).prop_map(Step::Roles),
    ]
}

/// Does it, or is refused.
async fn apply(house: &House, step: &Step, given: &mut Vec<Grant>) {
    match step {
        Step::Activate(user, is) => {
            drop(house.directory.set_active(&house.permit(), house.users[*user].id, *is).await);
        }
        Step::Join(user, group, is) => drop(house.set(*group, Member::User(house.users[*user].id), *is).await),
        Step::Nest(inner, outer, is) => drop(house.set(*outer, Member::Group(house.groups[*inner].id), *is).await),
        Step::Give { user, holder, role, place, overrides } => {
            let subject = match user {
                true => Subject::User(house.users[holder % 2].id),
                false => Subject::Group(house.groups[*holder].id),
            };
            let mode = if *overrides { Mode::Override } else { Mode::Add };
            given.extend(house.give(subject, ROLES[*role], place.map(|place| DEPARTMENTS[place]), mode).await);
        }
        Step::Take(number) if !given.is_empty() => {
            let grant = given.remove(number % given.len());
            drop(house.access.grants().delete(&house.permit(), grant.id).await);
        }
        Step::Take(_) => {}
        Step::Put(place, parent) => drop(house.put(*place, *parent).await),
        Step::Roles(book) => house.access.replace_roles(books()[*book].clone()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_is_what_would_be_read(steps in proptest::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (house, mut given) = (House::in_memory().await, Vec::new());
            for step in &steps {
                apply(&house, step, &mut given).await;
                let fresh = house.fresh().await;
                for user in &house.users {
                    let kept = house.access.prepared(user.id).await.unwrap();
                    let read = fresh.prepared(user.id).await.unwrap();
                    prop_assert_eq!(kept.standing(), read.standing(), "after {:?} of {:?}", step, steps);
                    let (told, expected) = (house.access.effective(user.id).await, fresh.effective(user.id).await);
                    prop_assert_eq!(told.unwrap(), expected.unwrap(), "after {:?} of {:?}", step, steps);
                    for department in DEPARTMENTS {
                        let (asked, place) = (permission("data:export"), scope(department));
                        let question = cleargate::access::Question::new(&asked).within(Some(&place));
                        let kept = house.access.explain(user.id, &question, None).await.unwrap();
                        let read = fresh.explain(user.id, &question, None).await.unwrap();
                        prop_assert_eq!(kept, read, "after {:?} of {:?}", step, steps);
                    }
                }
            }
            Ok(())
        })?;
    }
}
