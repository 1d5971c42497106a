//! Whatever ends somebody's access, against a passkey and a link on which a password is chosen. The other ways in are in
//! `login::matrix`.

use super::*;

const NEW: &str = "nine lanterns along a quiet harbour";

/// What ends access, and whether it ends these two.
#[derive(Clone, Copy, Debug)]
enum End {
    Inactive,
    Deleted,
    RoleDenies,
    NetworkOfOrganisation,
    NetworkOfUser,
    SingleSignOn,
    /// Ends what is open, and no way in.
    EverybodysSessions,
}

const ENDS: [(End, bool); 7] = [
    (End::Inactive, true),
    (End::Deleted, true),
    (End::RoleDenies, true),
    (End::NetworkOfOrganisation, true),
    (End::NetworkOfUser, true),
    (End::SingleSignOn, true),
    (End::EverybodysSessions, false),
];

async fn apply(gateway: &TestGateway, end: End) {
    let (task, services) = (gateway.task(), &gateway.gateway);
    let ada = services.directory().find_user_by_name(ADA).await.unwrap().unwrap();
    match end {
        End::Inactive => drop(services.directory().set_active(&task, ada.id, false).await.unwrap()),
        End::Deleted => services.directory().delete_user(&task, ada.id, None).await.unwrap(),
        End::RoleDenies => {
            let grant = NewGrant::new(Subject::User(ada.id), "no_access".parse().unwrap());
            services.access().grants().create(&task, &services.access().roles(), grant).await.unwrap();
        }
        End::NetworkOfOrganisation | End::NetworkOfUser => {
            let bound = if matches!(end, End::NetworkOfUser) { Bound::User(ada.id) } else { Bound::Organisation };
            let lists = BTreeMap::from([(bound, vec!["203.0.113.0/24".parse().unwrap()])]);
            services.access().set_network_rules(&task, None, &lists).await.unwrap();
        }
        End::SingleSignOn => drop(services.factors().demand(&task, &ada, None, Some(true)).await.unwrap()),
        End::EverybodysSessions => {
            services.sessions().end_everybody(|now| task.event(now, EventKind::SessionsEnded)).await.unwrap();
        }
    }
}

/// Whether somebody gets in by choosing a password on a link.
async fn chooses(browser: &mut Visitor, link: &str) -> bool {
    let page = browser.get(link).await;
    if page.status != StatusCode::OK {
        return false;
    }
    let (token, csrf) = (page.field("token"), page.field("csrf"));
    let followed = browser.post("/login/reset", &[("token", &token), ("csrf", &csrf)]).await;
    if followed.location() != "/login/change-password" {
        return false;
    }
    let csrf = browser.get("/login/change-password").await.field("csrf");
    browser.post("/login/change-password", &[("new", NEW), ("again", NEW), ("csrf", &csrf)]).await.location() == "/"
}

#[tokio::test]
async fn whatever_ends_access_ends_it_for_a_passkey_and_for_a_link_to_choose_a_password() {
    let mut wrong = Vec::new();
    for (end, ends) in ENDS {
        let (with_key, key) = with_passkey("").await;
        assert_eq!(sign_in_by(&mut visitor(&with_key), &key).await.location(), "/", "it works before");
        // Who has a passkey is asked for it after choosing: the link is of somebody who has none.
        let plain = gateway("").await;
        let ada = plain.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
        let link = plain.gateway.login().reset_link(&plain.task(), &ada, None).await.unwrap();
        for gateway in [&with_key, &plain] {
            apply(gateway, end).await;
            gateway.advance(Duration::from_secs(1));
        }
        let by_passkey = sign_in_by(&mut visitor(&with_key), &key).await.location() == "/";
        let by_link = chooses(&mut visitor(&plain), link.path.expose()).await;
        for (way, works) in [("passkey", by_passkey), ("link", by_link)] {
            if works == ends {
                wrong.push(format!("{end:?} x {way}: {}", if works { "goes on" } else { "is refused" }));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
