//! People, groups and membership through the directory's own interface.

mod census;
mod dynamic;
mod mapped;
mod skew;

use cleargate::directory::{Error, GroupDraft, Member, MemberChange};
use cleargate::model::{Attributes, Group};

use crate::support::gateway::{TestGateway, record};

fn draft(name: &str, members: &[Member]) -> GroupDraft {
    let mut change = MemberChange::default();
    members.iter().for_each(|member| change.add(*member));
    GroupDraft { name: name.parse().unwrap(), external_id: None, attributes: Attributes::default(), members: change }
}

async fn edit(gateway: &TestGateway, group: &Group, change: impl Fn(&mut MemberChange) + Sync) -> Result<Group, Error> {
    let permit = gateway.task();
    let directory = gateway.gateway.directory();
    directory
        .change_group::<Error>(&permit, group.id, None, |_, draft| {
            change(&mut draft.members);
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_name_belongs_to_one_user_in_every_spelling_until_it_is_free_again() {
    let gateway = TestGateway::new().await;
    let directory = gateway.gateway.directory();
    let ada = gateway.user("Ada@example.org", None).await;
    for taken in ["ada@example.org", "ADA@EXAMPLE.ORG", "ａｄａ@example.org"] {
        let refused = directory.create_user(&gateway.task(), &record(taken)).await;
        assert!(matches!(&refused, Err(Error::Conflict { field, .. }) if field == "userName"), "{refused:?}");
    }
    directory.delete_user(&gateway.task(), ada.id, None).await.unwrap();
    assert!(matches!(directory.load_user(ada.id).await, Err(Error::NotFound { .. })));
    let again = gateway.user("ada@example.org", None).await;
    assert_ne!(again.id, ada.id);
    assert_eq!(directory.count_users().await.unwrap(), 1);
}

#[tokio::test]
async fn membership_is_seen_from_both_sides_and_counted() {
    let gateway = TestGateway::new().await;
    let directory = gateway.gateway.directory();
    let (ada, bob) = (gateway.user("ada", None).await, gateway.user("bob", None).await);
    let (ada, bob) = (Member::User(ada.id), Member::User(bob.id));
    let group = directory.create_group(&gateway.task(), &draft("ops", &[ada])).await.unwrap();
    edit(&gateway, &group, |members| {
        members.add(bob);
        members.add(ada);
    })
    .await
    .unwrap();
    assert_eq!(directory.count_members(group.id).await.unwrap(), 2);
    assert_eq!(directory.groups_of(bob).await.unwrap().len(), 1);
    edit(&gateway, &group, |members| members.remove(ada)).await.unwrap();
    assert_eq!(directory.all_members(group.id).await.unwrap(), [bob]);
    edit(&gateway, &group, |members| {
        members.clear();
        members.add(ada);
    })
    .await
    .unwrap();
    assert_eq!(directory.all_members(group.id).await.unwrap(), [ada]);
    assert_eq!(directory.count_members(group.id).await.unwrap(), 1);
    assert!(directory.groups_of(bob).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_change_that_changes_nothing_keeps_the_revision() {
    let gateway = TestGateway::new().await;
    let ada = Member::User(gateway.user("ada", None).await.id);
    let group = gateway.gateway.directory().create_group(&gateway.task(), &draft("ops", &[ada])).await.unwrap();
    assert_eq!(edit(&gateway, &group, |members| members.add(ada)).await.unwrap().revision, 1);
    assert_eq!(edit(&gateway, &group, |members| members.remove(ada)).await.unwrap().revision, 2);
}

/// Whoever renames a member looks before whether it is in: it may have been taken out since.
#[tokio::test]
async fn what_a_member_is_shown_as_puts_nobody_into_the_group() {
    let gateway = TestGateway::new().await;
    let directory = gateway.gateway.directory();
    let (ada, bob) = (gateway.user("ada", None).await, gateway.user("bob", None).await);
    let (ada, bob) = (Member::User(ada.id), Member::User(bob.id));
    let group = directory.create_group(&gateway.task(), &draft("ops", &[ada])).await.unwrap();
    let display = async |member| directory.find_membership(group.id, member).await.unwrap().map(|row| row.display);
    let show = |member, text: &'static str| move |members: &mut MemberChange| members.show(member, text.to_owned());
    assert_eq!(edit(&gateway, &group, show(bob, "Bob")).await.unwrap().revision, 1, "nothing happens");
    assert_eq!((directory.all_members(group.id).await.unwrap(), display(bob).await), (vec![ada], None));
    assert_eq!(edit(&gateway, &group, show(ada, "Ada")).await.unwrap().revision, 2);
    assert_eq!(edit(&gateway, &group, show(ada, "Ada")).await.unwrap().revision, 2, "it is shown so already");
    for unfit in ["", "xxxxxxxxxxxxxxxx".repeat(33).as_str()] {
        let unfit = unfit.to_owned();
        let edited = edit(&gateway, &group, |members| members.show(ada, unfit.clone())).await.unwrap();
        assert_eq!(edited.revision, 2);
    }
    assert_eq!(display(ada).await, Some(Some("Ada".to_owned())));
    // In one change with others it goes by their order.
    edit(&gateway, &group, |members| {
        members.add(bob);
        members.show(bob, "Bob".to_owned());
        members.show(ada, "Countess".to_owned());
        members.add(ada);
    })
    .await
    .unwrap();
    assert_eq!(display(bob).await, Some(Some("Bob".to_owned())));
    assert_eq!(display(ada).await, Some(Some("Countess".to_owned())));
    edit(&gateway, &group, |members| {
        members.remove(ada);
        members.show(ada, "Ada".to_owned());
    })
    .await
    .unwrap();
    edit(&gateway, &group, |members| {
        members.clear();
        members.show(bob, "Robert".to_owned());
    })
    .await
    .unwrap();
    assert!(directory.all_members(group.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_member_must_exist_and_a_group_is_not_its_own() {
    let gateway = TestGateway::new().await;
    let directory = gateway.gateway.directory();
    let ada = gateway.user("ada", None).await;
    let group = directory.create_group(&gateway.task(), &draft("ops", &[])).await.unwrap();
    directory.delete_user(&gateway.task(), ada.id, None).await.unwrap();
    for ghost in [Member::User(ada.id), Member::Group(group.id)] {
        let refused = edit(&gateway, &group, |members| members.add(ghost)).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn nested_groups_are_followed_once_even_in_a_circle() {
    let gateway = TestGateway::new().await;
    let directory = gateway.gateway.directory();
    let ada = gateway.user("ada", None).await;
    let one = directory.create_group(&gateway.task(), &draft("one", &[Member::User(ada.id)])).await.unwrap();
    let two = directory.create_group(&gateway.task(), &draft("two", &[Member::Group(one.id)])).await.unwrap();
    edit(&gateway, &one, |members| members.add(Member::Group(two.id))).await.unwrap();
    let paths = directory.group_paths(ada.id).await.unwrap();
    assert_eq!(paths, [vec![one.id], vec![one.id, two.id]]);
}

#[tokio::test]
async fn deleting_a_user_leaves_no_membership_behind() {
    let gateway = TestGateway::new().await;
    let directory = gateway.gateway.directory();
    let ada = gateway.user("ada", None).await;
    let group = directory.create_group(&gateway.task(), &draft("ops", &[Member::User(ada.id)])).await.unwrap();
    directory.delete_user(&gateway.task(), ada.id, None).await.unwrap();
    assert!(directory.all_members(group.id).await.unwrap().is_empty());
    assert_eq!(directory.count_members(group.id).await.unwrap(), 0);
}

#[tokio::test]
async fn a_source_touches_only_what_it_owns() {
    let gateway = TestGateway::with("[[scim]]\nid = \"okta\"\n[[scim]]\nid = \"entra\"").await;
    let directory = gateway.gateway.directory();
    let (okta, entra) = (gateway.connection("okta").await, gateway.connection("entra").await);
    let ada = directory.create_user(&okta, &record("ada")).await.unwrap();
    let group = directory.create_group(&okta, &draft("ops", &[])).await.unwrap();
    assert!(matches!(directory.set_active(&entra, ada.id, false).await, Err(Error::Owned { .. })));
    assert!(matches!(directory.delete_user(&entra, ada.id, None).await, Err(Error::Owned { .. })));
    assert!(matches!(directory.delete_group(&entra, group.id, None).await, Err(Error::Owned { .. })));
    assert!(matches!(directory.delete_group(&gateway.task(), group.id, None).await, Err(Error::Owned { .. })));
    directory.set_active(&gateway.task(), ada.id, false).await.unwrap();
    for connection in [&okta, &entra] {
        let taken = directory.create_group(connection, &draft("OPS", &[])).await;
        assert!(matches!(taken, Err(Error::Conflict { .. })), "clients look groups up by name, among everybody's");
    }
    let same_name = directory.create_group(&gateway.task(), &draft("ops", &[])).await.unwrap();
    assert_ne!(same_name.id, group.id, "an administrator may use the name of a source's group");
}

#[tokio::test]
async fn a_stale_revision_is_refused_and_nothing_is_written() {
    let gateway = TestGateway::new().await;
    let directory = gateway.gateway.directory();
    let ada = gateway.user("ada", None).await;
    directory.set_active(&gateway.task(), ada.id, false).await.unwrap();
    let refused = directory.delete_user(&gateway.task(), ada.id, Some(1)).await;
    assert!(matches!(refused, Err(Error::Revision { current: 2 })), "{refused:?}");
    assert!(directory.find_user(ada.id).await.unwrap().is_some());
}

#[tokio::test]
async fn every_change_is_in_the_ledger_and_the_ledger_verifies() {
    let gateway = TestGateway::new().await;
    let directory = gateway.gateway.directory();
    let ada = gateway.user("ada", None).await;
    directory.set_active(&gateway.task(), ada.id, false).await.unwrap();
    directory.set_active(&gateway.task(), ada.id, false).await.unwrap();
    directory.delete_user(&gateway.task(), ada.id, None).await.unwrap();
    let page = gateway.gateway.ledger().tail(10).await.unwrap();
    let names: Vec<&str> = page.entries.iter().map(|entry| entry.event.kind.name()).collect();
    assert_eq!(names, ["user.delete", "user.deactivate", "user.create"], "what changes nothing is no event");
    let report = gateway.gateway.verify().await.unwrap();
    assert!(report.is_intact() && report.entries == 3);
}

#[tokio::test]
async fn memberships_beyond_the_first_page_are_read_too() {
    let gateway = TestGateway::new().await;
    let directory = gateway.gateway.directory();
    let ada = Member::User(gateway.user("ada", None).await.id);
    for number in 0..501 {
        directory.create_group(&gateway.task(), &draft(&format!("group {number}"), &[ada])).await.unwrap();
    }
    assert_eq!(directory.groups_of(ada).await.unwrap().len(), 501);
    let ids: Vec<Member> =
        directory.list_groups(None, 1000).await.unwrap().iter().map(|group| Member::Group(group.id)).collect();
    let all = directory.create_group(&gateway.task(), &draft("all", &ids)).await.unwrap();
    assert_eq!(directory.all_members(all.id).await.unwrap(), ids);
}
