//! Roles that follow from groups: whoever a change touches has at once what the rules say of them.

use cleargate::access::Permit;
use cleargate::directory::{Error, GroupDraft, Member, MemberChange};
use cleargate::model::{Group, Subject, User};

use super::draft;
use crate::support::gateway::{TestGateway, record};

const OFFICERS: &str = r#"
policy.pack = "clearpoint-systems"
[[scim]]
id = "okta"
[[scim]]
id = "entra"
[[mapping]]
from = "okta"
when = 'groups eq "Officers"'
grant = { role = "compliance_officer" }
"#;

async fn roles(gateway: &TestGateway, user: &User) -> Vec<String> {
    let held = gateway.gateway.access().grants().list(Subject::User(user.id)).await.unwrap();
    held.into_iter().map(|grant| grant.role.to_string()).collect()
}

async fn change(
    gateway: &TestGateway,
    permit: &Permit,
    group: &Group,
    edit: impl Fn(&mut GroupDraft) + Sync,
) -> Result<Group, Error> {
    let edit = |_: &Group, draft: &mut GroupDraft| {
        edit(draft);
        Ok::<(), Error>(())
    };
    gateway.gateway.directory().change_group(permit, group.id, None, edit).await
}

#[tokio::test]
async fn who_joins_while_the_group_is_renamed_gets_its_role() {
    let gateway = TestGateway::with(OFFICERS).await;
    let (directory, okta) = (gateway.gateway.directory(), gateway.connection("okta").await);
    let (ada, bob) = (record("ada"), record("bob"));
    let ada = directory.create_user(&okta, &ada).await.unwrap();
    let bob = directory.create_user(&okta, &bob).await.unwrap();
    let group = directory.create_group(&okta, &draft("Before", &[Member::User(bob.id)])).await.unwrap();
    let rename = |draft: &mut GroupDraft| {
        draft.name = "Officers".parse().unwrap();
        draft.members.add(Member::User(ada.id));
        draft.members.remove(Member::User(bob.id));
    };
    change(&gateway, &okta, &group, rename).await.unwrap();
    assert_eq!(roles(&gateway, &ada).await, ["compliance_officer"]);
    assert!(roles(&gateway, &bob).await.is_empty(), "who left with the old name never had the new one's role");
    let back = |draft: &mut GroupDraft| {
        draft.name = "After".parse().unwrap();
        draft.members.add(Member::User(bob.id));
    };
    change(&gateway, &okta, &group, back).await.unwrap();
    assert!(roles(&gateway, &ada).await.is_empty() && roles(&gateway, &bob).await.is_empty());
}

#[tokio::test]
async fn a_group_of_somebody_else_inside_a_mapped_one_gives_and_takes_its_role() {
    let gateway = TestGateway::with(OFFICERS).await;
    let (directory, okta) = (gateway.gateway.directory(), gateway.connection("okta").await);
    let ada = directory.create_user(&okta, &record("ada")).await.unwrap();
    let member = Member::User(ada.id);
    for other in [gateway.task(), gateway.connection("entra").await] {
        let inner = directory.create_group(&other, &draft("inner", &[])).await.unwrap();
        let middle = directory.create_group(&other, &draft("middle", &[Member::Group(inner.id)])).await.unwrap();
        let officers = directory.create_group(&okta, &draft("Officers", &[Member::Group(middle.id)])).await.unwrap();
        assert!(roles(&gateway, &ada).await.is_empty());
        change(&gateway, &other, &inner, |draft| draft.members.add(member)).await.unwrap();
        assert_eq!(roles(&gateway, &ada).await, ["compliance_officer"], "as a member of a member");
        change(&gateway, &other, &inner, |draft| draft.members.remove(member)).await.unwrap();
        assert!(roles(&gateway, &ada).await.is_empty(), "who leaves keeps nothing");
        change(&gateway, &other, &inner, |draft| draft.members.add(member)).await.unwrap();
        directory.delete_group(&other, middle.id, None).await.unwrap();
        assert!(roles(&gateway, &ada).await.is_empty(), "nor whoever was below a group that is gone");
        directory.delete_group(&okta, officers.id, None).await.unwrap();
        directory.delete_group(&other, inner.id, None).await.unwrap();
    }
}

#[tokio::test]
async fn a_change_that_leaves_the_members_alone_leaves_their_roles_alone() {
    let gateway = TestGateway::with(OFFICERS).await;
    let (directory, okta) = (gateway.gateway.directory(), gateway.connection("okta").await);
    let ada = directory.create_user(&okta, &record("ada")).await.unwrap();
    let group = directory.create_group(&okta, &draft("Officers", &[Member::User(ada.id)])).await.unwrap();
    let note = |draft: &mut GroupDraft| {
        draft.external_id = Some("x1".to_owned());
        draft.members = MemberChange::default();
    };
    change(&gateway, &okta, &group, note).await.unwrap();
    assert_eq!(roles(&gateway, &ada).await, ["compliance_officer"]);
}
