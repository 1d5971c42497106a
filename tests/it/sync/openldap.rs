use cleargate::model::Status;
use cleargate::secret::Secret;
use cleargate::sync::{Counts, Error};

use super::bench::{Bench, tree};
use crate::peers::slapd::{self, BASE, Slapd};

const RULES: [(&str, &str); 2] = [
    ("groups eq \"CN=Finance, OU=Groups ,DC=Ex\\\\61mple,DC=Test\"", "data_analyst"),
    ("groups eq \"Loop A\"", "viewer"),
];

fn bench(slapd: &Slapd) -> Bench {
    Bench::new(tree(slapd.settings(), BASE), &RULES)
}

#[tokio::test]
async fn a_thousand_people_and_nested_groups_become_users_and_roles() {
    let slapd = Slapd::start(1000);
    for settings in [slapd.settings(), slapd.start_tls_settings()] {
        let bench = Bench::new(tree(settings, BASE), &RULES);
        let outcome = bench.sync.run().await.unwrap();
        let expected =
            Counts { created: 1000, groups_created: 5, memberships_added: 100 + 1 + 1 + 2 + 1000, ..Counts::default() };
        assert_eq!((outcome.counts, outcome.skipped, outcome.unresolved_members), (expected, Vec::new(), 0));
        assert_eq!(bench.directory.count_users().await.unwrap(), 1000);
        assert_eq!(bench.groups("user0042").await, ["Analysts", "Everyone", "Finance"]);
        assert_eq!(bench.roles("user0042").await, ["data_analyst"], "through the nested group");
        assert_eq!(bench.groups("user0999").await, ["Everyone", "Loop A", "Loop B"], "a cycle ends");
        assert_eq!(bench.roles("user0999").await, ["viewer"]);
        assert!(bench.roles("user0500").await.is_empty());
        let user = bench.user("user0042").await;
        assert_eq!(user.attributes.0["name"]["familyName"], "Family42");
        assert_eq!(user.attributes.0["phoneNumbers"][0]["value"], "+49 30 42");
        let events = bench.events().await;
        assert_eq!(bench.sync.run().await.unwrap().counts, Counts { unchanged: 1000, ..Counts::default() });
        assert_eq!(bench.events().await, events, "nothing to do is nothing written");
    }
}

#[tokio::test]
async fn changes_in_the_directory_follow() {
    let slapd = Slapd::start(40);
    let bench = bench(&slapd);
    bench.sync.run().await.unwrap();
    let renamed = bench.user("user0007").await.id;
    slapd.delete(&slapd::person(5)).await;
    slapd.replace(&slapd::person(6), "pwdAccountLockedTime", &["000001010000Z"]).await;
    slapd.rename(&slapd::person(7), "uid=renamed").await;
    slapd.replace(&slapd::group("Analysts"), "member", &[&slapd::person(8), "cn=nobody,dc=elsewhere"]).await;
    let joiner = "uid=joiner,ou=people,dc=example,dc=test";
    slapd
        .add(joiner, &[("objectClass", &["inetOrgPerson"]), ("uid", &["joiner"]), ("cn", &["J"]), ("sn", &["J"])])
        .await;
    let outcome = bench.sync.run().await.unwrap();
    let counts = outcome.counts;
    assert_eq!((counts.created, counts.updated, counts.deactivated), (1, 1, 2), "{counts}");
    assert_eq!(bench.status("user0005").await, Status::Inactive);
    assert_eq!(bench.status("user0006").await, Status::Inactive);
    assert_eq!(bench.user("renamed").await.id, renamed);
    assert_eq!(
        (bench.roles("user0008").await, bench.roles("user0000").await),
        (vec!["data_analyst".to_owned()], vec![])
    );
    assert!(bench.user("joiner").await.display_name() == "J");
    assert!(outcome.unresolved_members >= 1, "members that are not there are counted, not invented");
}

#[tokio::test]
async fn an_account_without_read_rights_empties_nothing() {
    let slapd = Slapd::start(30);
    bench(&slapd).sync.run().await.unwrap();
    let mut settings = slapd.settings();
    settings.bind_dn = format!("cn=blind,ou=services,{BASE}");
    settings.bind_password = Secret::new("blind-secret".to_owned());
    let blind = Bench::new(tree(settings, BASE), &RULES);
    let error = blind.sync.run().await.unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }), "{error}");
}

#[tokio::test]
async fn a_size_limit_of_the_server_empties_nothing() {
    let slapd = Slapd::start(30);
    let mut settings = slapd.settings();
    settings.bind_dn = format!("cn=limited,ou=services,{BASE}");
    settings.bind_password = Secret::new("limited-secret".to_owned());
    let limited = Bench::new(tree(settings, BASE), &RULES);
    assert!(matches!(limited.sync.run().await, Err(Error::Ldap(_))));
    assert_eq!(limited.directory.count_users().await.unwrap(), 0);
}
