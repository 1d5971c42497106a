//! Scopes as records: what they refuse, and that writers at the same time leave one tree.

use cleargate::access::{Access, Error, MAX_DEPTH, NewGrant, NewScope, Pack, RuleGrant, ScopeEdit};
use cleargate::audit::{EventKind, Housekeeping};
use cleargate::model::{OrganisationId, Scope, Subject};
use cleargate::store::{self, Table};

use super::{Bench, group, role, scope};

fn new(text: &str, parent: Option<&str>) -> NewScope {
    NewScope { scope: scope(text), name: text.to_owned(), description: String::new(), parent: parent.map(scope) }
}

async fn make(bench: &Bench, text: &str, parent: Option<&str>) {
    bench.access.scopes().create(&bench.task(), new(text, parent)).await.unwrap();
}

async fn put(bench: &Bench, text: &str, parent: Option<&str>) -> Result<(), Error> {
    let edit = ScopeEdit { parent: Some(parent.map(scope)), ..ScopeEdit::default() };
    bench.access.scopes().change(&bench.task(), &scope(text), None, edit).await.map(|_| ())
}

fn field(result: Result<impl std::fmt::Debug, Error>) -> (&'static str, String) {
    match result {
        Err(Error::Invalid { field, reason }) => (field, reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_scope_is_made_renamed_moved_and_deleted_with_its_events() {
    let bench = Bench::new("clearpoint-systems");
    make(&bench, "department:finance", None).await;
    make(&bench, "department:payroll", None).await;
    put(&bench, "department:payroll", Some("department:finance")).await.unwrap();
    let scopes = bench.access.scopes();
    let renamed = ScopeEdit { name: Some(" Pay ".to_owned()), ..ScopeEdit::default() };
    let record = scopes.change(&bench.task(), &scope("department:payroll"), Some(2), renamed.clone()).await.unwrap();
    assert_eq!((record.name.as_str(), record.revision), ("Pay", 3));
    let stale = scopes.change(&bench.task(), &scope("department:payroll"), Some(2), renamed.clone()).await;
    assert!(matches!(stale, Err(Error::Revision { current: 3 })));
    let same = scopes.change(&bench.task(), &scope("department:payroll"), None, renamed).await.unwrap();
    assert_eq!(same.revision, 3, "nothing changed");
    scopes.delete(&bench.task(), &scope("department:payroll"), Some(3)).await.unwrap();
    assert!(scopes.tree().find(&scope("department:payroll")).is_none());
    let again = scopes.delete(&bench.task(), &scope("department:payroll"), None).await;
    assert!(matches!(again, Err(Error::NotFound { what: "scope" })));
    let moved = bench.ground.events_of(EventKind::ScopeChanged).await;
    assert_eq!(moved.len(), 2);
    assert!(moved[0].details.contains(&("parent".to_owned(), "department:finance".to_owned())));
    assert!(moved[0].details.contains(&("parent before".to_owned(), "organisation".to_owned())));
    assert_eq!(bench.ground.events_of(EventKind::ScopeCreated).await.len(), 2);
    assert_eq!(bench.ground.events_of(EventKind::ScopeDeleted).await[0].target, "scope:department:payroll");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_its_field() {
    let bench = Bench::new("clearpoint-systems");
    make(&bench, "department:a", None).await;
    make(&bench, "department:b", Some("department:a")).await;
    let create = |new| async { bench.access.scopes().create(&bench.task(), new).await };
    let (name, reason) = field(create(new("departmnt:x", None)).await);
    assert!(name == "kind" && reason.ends_with("did you mean `department`?"), "{reason}");
    assert_eq!(field(create(NewScope { name: " ".to_owned(), ..new("department:x", None) }).await).0, "name");
    assert_eq!(field(create(NewScope { name: "x".repeat(129), ..new("department:x", None) }).await).0, "name");
    assert_eq!(field(create(new("department:x", Some("company:a"))).await).0, "parent");
    let (_, reason) = field(create(new("department:x", Some("department:bb"))).await);
    assert_eq!(reason, "`department:bb` does not exist; did you mean `department:b`?");
    let taken = create(new("department:a", None)).await;
    assert!(matches!(taken, Err(Error::Conflict { field: Some("slug"), .. })));
    let (_, reason) = field(put(&bench, "department:a", Some("department:b")).await);
    assert_eq!(reason, "would make a circle: department:a below department:b below department:a");
}

#[tokio::test]
async fn a_tree_is_not_deeper_than_it_may_be() {
    let bench = Bench::new("clearpoint-systems");
    make(&bench, "project:p1", None).await;
    for level in 2..=MAX_DEPTH {
        make(&bench, &format!("project:p{level}"), Some(&format!("project:p{}", level - 1))).await;
    }
    let deepest = format!("project:p{MAX_DEPTH}");
    assert_eq!(field(bench.access.scopes().create(&bench.task(), new("project:x", Some(&deepest))).await).0, "parent");
    make(&bench, "project:top", None).await;
    let (_, reason) = field(put(&bench, "project:p1", Some("project:top")).await);
    assert!(reason.contains("33 levels"), "{reason}");
}

#[tokio::test]
async fn what_is_in_use_is_not_deleted() {
    let bench = Bench::new("clearpoint-systems");
    make(&bench, "department:a", None).await;
    make(&bench, "department:b", Some("department:a")).await;
    let grant = bench.give(NewGrant::new(Subject::Group(group(1)), role("viewer")).within(scope("department:b"))).await;
    let delete = |text: &'static str| async {
        match bench.access.scopes().delete(&bench.task(), &scope(text), None).await {
            Err(Error::Conflict { detail, .. }) => detail,
            other => format!("{other:?}"),
        }
    };
    assert!(delete("department:a").await.starts_with("department:b lie below"));
    assert_eq!(delete("department:b").await, "1 grants hold in department:b; end them first");
    bench.access.grants().delete(&bench.task(), grant.id).await.unwrap();
    assert!(delete("department:b").await.starts_with("Ok("));
    let late = NewGrant::new(Subject::Group(group(1)), role("viewer")).within(scope("department:b"));
    let late = bench.access.grants().create(&bench.task(), bench.pack.roles(), late).await;
    assert_eq!(field(late).0, "scope");
}

#[tokio::test]
async fn two_who_change_the_tree_at_the_same_time_make_no_circle() {
    let bench = Bench::new("clearpoint-systems");
    make(&bench, "department:a", None).await;
    make(&bench, "department:b", None).await;
    let (one, two) = tokio::join!(
        put(&bench, "department:a", Some("department:b")),
        put(&bench, "department:b", Some("department:a"))
    );
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    // Another process's view: what is stored is what is in force.
    let other = Access::new(
        bench.ground.ledger.clone(),
        bench.ground.clock.clock(),
        bench.ground.ids.clone(),
        OrganisationId::DEFAULT,
        bench.pack.roles().clone(),
        bench.people.clone(),
    );
    other.start().await.unwrap();
    let (stored, inforce) = (other.scopes().tree(), bench.access.scopes().tree());
    assert_eq!(stored.epoch(), inforce.epoch());
    for name in ["department:a", "department:b"] {
        assert_eq!(stored.find(&scope(name)), inforce.find(&scope(name)));
    }
}

#[tokio::test]
async fn grants_are_found_by_their_role_and_by_their_scope() {
    let bench = Bench::new("clearpoint-systems");
    let (ada, finance) = (bench.user(1, &[]), scope("department:finance"));
    let direct = bench.give_user(ada, "viewer", Some("department:finance")).await;
    let staff = bench.give(NewGrant::new(Subject::Group(group(7)), role("viewer"))).await;
    let source = "corp".parse().unwrap();
    let permit = bench.access.task_permit("sync", Some("corp".parse().unwrap()));
    let rule = |place: &str| RuleGrant { role: role("viewer"), scope: Some(scope(place)), position: "c:1".to_owned() };
    let grants = bench.access.grants();
    let replace = async |wanted: &[RuleGrant]| {
        let mut change = bench.ground.ledger.change();
        grants.replace_rule_grants(&mut change, &permit, ada, &source, wanted).await.unwrap();
        change.commit_quietly(Housekeeping::SourceState).await.unwrap();
    };
    replace(&[rule("department:finance"), rule("department:unmade")]).await;
    let ids = async |scope: &Scope| -> Vec<_> {
        grants.in_scope(scope, 10).await.unwrap().iter().map(|grant| grant.id).collect()
    };
    assert_eq!(grants.of_role(&role("viewer"), 10).await.unwrap().len(), 4);
    assert_eq!(grants.of_role(&role("viewer"), 1).await.unwrap(), [staff], "groups first");
    assert_eq!(ids(&finance).await.len(), 2);
    assert_eq!(ids(&scope("department:unmade")).await.len(), 1);
    replace(&[]).await;
    assert_eq!(ids(&finance).await, [direct.id]);
    let mut change = bench.ground.ledger.change();
    assert_eq!(grants.count_of_role(&mut change, &role("viewer")).await.unwrap(), 2);
    grants.delete(&bench.task(), direct.id).await.unwrap();
    let lost = change.commit_quietly(Housekeeping::SourceState).await;
    assert!(matches!(lost, Err(cleargate::store::Error::Conflict)), "who counted is told that one went: {lost:?}");
}

/// The rest of a key, as it is stored.
struct Raw(Vec<u8>);

impl store::Key for Raw {
    fn write(&self, out: &mut store::KeyWriter) {
        out.fixed(&self.0);
    }
}

/// What is stored under a tag, organisation and tag cut off.
async fn rows(bench: &Bench, tag: u8) -> Vec<Vec<u8>> {
    let prefix = Table::<Raw, ()>::new(tag, "raw").prefix(OrganisationId::DEFAULT, &());
    let rows = bench.ground.ledger.store().range(store::Range::prefix(prefix.clone(), 1000)).await.unwrap();
    rows.into_iter().map(|(key, _)| key[prefix.len()..].to_vec()).collect()
}

/// Removes indexes, counts and epochs, as a release before them would have left the store.
async fn make_old(bench: &Bench) {
    let mut change = bench.ground.ledger.change();
    for tag in [0x25, 0x26, 0x27, 0x28] {
        for row in rows(bench, tag).await {
            change.delete(&Table::<Raw, ()>::new(tag, "raw"), OrganisationId::DEFAULT, &Raw(row));
        }
    }
    change.commit_quietly(Housekeeping::SourceState).await.unwrap();
}

#[tokio::test]
async fn a_store_of_a_release_before_is_indexed_once_at_the_start() {
    let bench = Bench::new("clearpoint-systems");
    let finance = scope("department:finance");
    for number in 1..=5 {
        let user = bench.user(number, &[]);
        bench.give_user(user, "viewer", Some("department:finance")).await;
        bench.give_user(user, "data_analyst", None).await;
    }
    let grants = bench.access.grants();
    let before = (grants.of_role(&role("viewer"), 99).await.unwrap(), grants.in_scope(&finance, 99).await.unwrap());
    make_old(&bench).await;
    assert_eq!(grants.of_role(&role("viewer"), 99).await.unwrap(), []);
    // One that was made since, before the start was done, is not counted twice.
    let late = NewGrant::new(Subject::User(bench.user(9, &[])), role("viewer"));
    let late = bench.access.grants().create(&bench.task(), bench.pack.roles(), late).await.unwrap();
    assert_eq!(grants.fill_indexes().await.unwrap(), 10);
    assert_eq!(grants.fill_indexes().await.unwrap(), 0, "once");
    let mut viewers = grants.of_role(&role("viewer"), 99).await.unwrap();
    viewers.retain(|grant| grant.id != late.id);
    assert_eq!((viewers, grants.in_scope(&finance, 99).await.unwrap()), before);
    let mut change = bench.ground.ledger.change();
    assert_eq!(grants.count_of_role(&mut change, &role("viewer")).await.unwrap(), 6);
    assert_eq!(grants.count_of_role(&mut change, &role("data_analyst")).await.unwrap(), 5);
}

#[tokio::test]
async fn where_a_release_before_left_grants_out_of_an_index_all_are_read_until_they_are_in_it() {
    let bench = Bench::new("clearpoint-systems");
    let finance = scope("department:finance");
    for number in 1..=5 {
        bench.give_user(bench.user(number, &[]), "viewer", Some("department:finance")).await;
    }
    let grants = bench.access.grants();
    assert_eq!(grants.kinds_in_scope(&finance).await.unwrap().len(), 1);
    let mut change = bench.ground.ledger.change();
    for tag in [0x25, 0x28, 0x88, 0x89] {
        let is_newer = |row: &Vec<u8>| tag != 0x28 || row.starts_with(b"grouped ");
        for row in rows(&bench, tag).await.into_iter().filter(is_newer) {
            change.delete(&Table::<Raw, ()>::new(tag, "raw"), OrganisationId::DEFAULT, &Raw(row));
        }
    }
    change.commit_quietly(Housekeeping::SourceState).await.unwrap();
    assert_eq!(grants.kinds_in_scope(&finance).await.unwrap().len(), 5);
    assert_eq!((grants.fill_indexes().await.unwrap(), grants.fill_indexes().await.unwrap()), (5, 0));
    assert_eq!(grants.kinds_in_scope(&finance).await.unwrap().len(), 1);
}

#[test]
fn a_pack_adds_its_kinds() {
    for name in Pack::built_in() {
        let pack = Pack::open(name, &std::collections::BTreeMap::new()).unwrap();
        assert!(pack.scope_kinds().iter().all(|kind| !kind.is_empty()), "{name}");
    }
}
