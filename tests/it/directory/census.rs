//! Membership of many people at once, as the listing of who may do something asks for it.

use cleargate::access::Census;
use cleargate::directory::Member;
use cleargate::model::{Status, UserId};

use super::draft;
use crate::support::gateway::{TestGateway, record};

/// People, and groups of every one, every seventh and every hundredth of them.
async fn crowd(gateway: &TestGateway, people: usize) -> Vec<UserId> {
    let directory = gateway.gateway.directory();
    let mut users = Vec::new();
    for start in (0..people).step_by(300) {
        let records: Vec<_> = (start..people.min(start + 300)).map(|n| (None, record(&format!("u{n}")))).collect();
        users.extend(directory.apply_users(&gateway.task(), &records).await.unwrap().iter().map(|user| user.id));
    }
    users.sort();
    for step in [1, 7, 100] {
        let members: Vec<Member> = users.iter().step_by(step).map(|user| Member::User(*user)).collect();
        directory.create_group(&gateway.task(), &draft(&format!("each {step}"), &members)).await.unwrap();
    }
    users
}

#[tokio::test]
async fn groups_of_many_are_those_of_each_however_far_apart_they_stand() {
    let gateway = TestGateway::new().await;
    let users = crowd(&gateway, 1_500).await;
    let directory = gateway.gateway.directory();
    let stranger = UserId::from_bytes([0xff; 16]);
    for step in [1, 2, 60, 700] {
        let asked: Vec<UserId> = users.iter().step_by(step).copied().chain([stranger]).collect();
        let told = directory.groups_of_users(&asked).await.unwrap();
        for (user, told) in asked.iter().zip(&told) {
            assert_eq!(*told, directory.group_ids_of(Member::User(*user)).await.unwrap(), "every {step}");
        }
        let statuses = directory.statuses(&asked).await.unwrap();
        let (known, unknown) = statuses.split_at(asked.len() - 1);
        assert!(known.iter().all(|status| *status == Some(Status::Active)) && unknown == [None]);
    }
    assert_eq!(directory.groups_of_users(&[]).await.unwrap(), Vec::<Vec<_>>::new());
}

#[tokio::test]
async fn members_of_a_group_come_page_by_page_without_the_groups_in_it() {
    let gateway = TestGateway::new().await;
    let users = crowd(&gateway, 12).await;
    let directory = gateway.gateway.directory();
    let all = directory.find_groups_by_name("each 1").await.unwrap().remove(0);
    let members: Vec<Member> = users.iter().map(|user| Member::User(*user)).chain([Member::Group(all.id)]).collect();
    let outer = directory.create_group(&gateway.task(), &draft("outer", &members)).await.unwrap();
    assert_eq!(directory.nested(outer.id).await.unwrap(), [all.id]);
    assert_eq!(directory.above(all.id).await.unwrap(), [outer.id]);
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = directory.users_in(outer.id, after, 5).await.unwrap();
        paged.extend(page.iter().copied());
        after = page.last().copied();
        if page.len() < 5 {
            break;
        }
    }
    assert_eq!(paged, users);
}
