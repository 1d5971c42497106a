use super::*;
use crate::access::Options;

fn pack(text: &str) -> RoleBook {
    Pack::parse("test", text, &Options::new()).unwrap().roles().clone()
}

fn shown(list: &[Differing]) -> Vec<String> {
    let text = |d: &Differing| format!("{}{}", d.permission, if d.if_owner { " of one's own" } else { "" });
    list.iter().map(text).collect()
}

const BEFORE: &str = r#"title = "A"
[catalogue]
pages = ["read", "update", "delete"]
[[role]]
name = "Author"
description = ""
permissions = ["pages:read"]
if_owner = ["pages:update"]
[[role]]
name = "Editor"
description = ""
includes = ["author"]
permissions = ["pages:update"]
[[role]]
name = "Guest"
description = ""
denies = ["pages:delete"]
"#;

#[test]
fn a_role_that_another_includes_changes_both() {
    let after = BEFORE.replace("permissions = [\"pages:read\"]", "permissions = []");
    let (changes, rights) = roles(&pack(BEFORE), &pack(&after));
    let ids: Vec<&str> = changes.iter().map(|change| change.id.as_str()).collect();
    assert_eq!(ids, ["author", "editor"]);
    assert!(changes.iter().all(|change| shown(&change.lost) == ["pages:read"] && change.gained.is_empty()));
    assert_eq!(rights.iter().map(Permission::to_string).collect::<Vec<_>>(), ["pages:read"]);
}

#[test]
fn the_owners_right_that_becomes_everybodys_is_a_gain_and_back_a_loss() {
    let after = BEFORE.replace("if_owner = [\"pages:update\"]", "").replace("[\"pages:read\"]", "[\"pages:*\"]");
    let (there, _) = roles(&pack(BEFORE), &pack(&after));
    let author = &there[0];
    assert_eq!(shown(&author.gained), ["pages:delete", "pages:update"]);
    let (back, _) = roles(&pack(&after), &pack(BEFORE));
    assert_eq!(shown(&back[0].lost), ["pages:delete", "pages:update"]);
    let none = BEFORE.replace("if_owner = [\"pages:update\"]", "");
    assert_eq!(shown(&roles(&pack(BEFORE), &pack(&none)).0[0].lost), ["pages:update of one's own"]);
}

#[test]
fn what_a_role_takes_or_leaves_is_told_though_it_gives_nothing() {
    let after = BEFORE.replace("denies = [\"pages:delete\"]", "denies = [\"pages:read\"]");
    let (changes, _) = roles(&pack(BEFORE), &pack(&after));
    assert_eq!(changes.len(), 1);
    let texts = |list: &[Permission]| list.iter().map(Permission::to_string).collect::<Vec<_>>();
    assert_eq!(
        (texts(&changes[0].denied), texts(&changes[0].undenied)),
        (vec!["pages:read".into()], vec!["pages:delete".into()])
    );
}

#[test]
fn the_same_twice_is_no_difference_and_a_role_that_is_gone_concerns_every_right() {
    assert_eq!(roles(&pack(BEFORE), &pack(BEFORE)), (Vec::new(), BTreeSet::new()));
    let start = BEFORE.find("[[role]]\nname = \"Guest\"").unwrap();
    let (changes, rights) = roles(&pack(BEFORE), &pack(&BEFORE[..start]));
    assert_eq!((changes[0].id.as_str(), changes[0].fate), ("guest", Fate::Removed));
    assert_eq!(rights.len(), pack(BEFORE).catalogue().iter().count());
}
