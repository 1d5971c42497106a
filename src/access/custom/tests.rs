use super::*;
use crate::access::Options;
use crate::model::Permission;

fn pack(text: &str) -> RoleBook {
    let text = format!("title = \"x\"\n[catalogue]\nboats = [\"sail\", \"paint\"]\n{text}");
    Pack::parse("x", &text, &Options::new()).unwrap().roles().clone()
}

fn stored(id: &str, permissions: &[&str], includes: &[&str]) -> (RoleId, Arc<StoredRole>) {
    let role = Role {
        id: id.parse().unwrap(),
        name: id.to_owned(),
        description: String::new(),
        permissions: permissions.iter().map(|text| text.parse().unwrap()).collect(),
        denies: Vec::new(),
        includes: includes.iter().map(|text| text.parse().unwrap()).collect(),
        if_owner: Vec::new(),
        factor: None,
    };
    let at = Timestamp::from_seconds(0);
    let role = StoredRole {
        role,
        ui_profile: BTreeMap::from([("columns".to_owned(), "name".to_owned())]),
        is_scoped_only: false,
        created: at,
        changed: at,
        revision: 1,
        maker: "local:0".to_owned(),
    };
    (role.role.id.clone(), Arc::new(role))
}

/// Which stored roles are in force over a pack, and what is told of which.
#[track_caller]
fn check(pack: &RoleBook, roles: Vec<(RoleId, Arc<StoredRole>)>, in_force: &[&str], told: &[(&str, &str)]) {
    let (book, problems) = join(pack, &roles.into_iter().collect());
    let found = book.iter().filter(|entry| entry.kind == RoleKind::Custom).map(|entry| entry.role.id.to_string());
    assert_eq!(found.collect::<Vec<_>>(), in_force);
    let found: Vec<(&str, &str)> = problems.iter().map(|(id, problem)| (id.as_str(), problem.as_str())).collect();
    assert_eq!(found, told);
}

#[test]
fn what_another_pack_leaves_of_stored_roles_is_in_force_and_the_rest_is_told() {
    let pack = pack("[[role]]\nname = \"Sailor\"\ndescription = \"\"\npermissions = [\"boats:sail\"]\n");
    check(&pack, vec![stored("painter", &["boats:paint"], &["sailor"])], &["painter"], &[]);
    // What gives more than the pack knows gives the rest.
    let part = vec![stored("part", &["boats:paint", "boats:sink"], &[])];
    check(&pack, part, &["part"], &[("part", "the policy pack does not have `boats:sink`, which count for nothing")]);
    // A role of the pack holds, whatever was stored under its id.
    let own = vec![stored("sailor", &["*:*"], &[])];
    check(&pack, own.clone(), &[], &[("sailor", "the policy pack has a role of the same id, which holds")]);
    let (book, _) = join(&pack, &own.into_iter().collect());
    let all: Permission = "users:delete".parse().unwrap();
    assert!(!book.gives(&"sailor".parse().unwrap(), &all));
    // What includes what is not there is not defined, and so denies everything to whoever holds it.
    let roles = vec![stored("a", &[], &["gone"]), stored("b", &[], &["a"]), stored("c", &[], &[])];
    check(&pack, roles, &["c"], &[("a", "there is no role `gone`"), ("b", "there is no role `a`")]);
    let ring = vec![stored("a", &[], &["b"]), stored("b", &[], &["a"]), stored("c", &[], &["a"])];
    let circle = "go in a circle: a → b → a";
    check(&pack, ring, &[], &[("a", circle), ("b", circle), ("c", "there is no role `a`")]);
}

#[test]
fn a_role_is_made_of_a_bounded_number_of_roles() {
    let names: Vec<String> = (0..70).map(|i| format!("r{i:02}")).collect();
    let role = |i: usize| {
        let includes: Vec<&str> = names.get(i + 1).map(String::as_str).into_iter().collect();
        stored(&names[i], &[], &includes)
    };
    let (book, problems) = join(&pack(""), &(0..70).map(role).collect());
    assert_eq!((book.iter().count(), problems.len()), (64, 6));
    assert!(problems.values().all(|problem| problem.contains("more than 64")), "{problems:?}");
}

#[test]
fn a_stored_role_is_read_as_it_was_written() {
    let (_, role) = stored("a", &["boats:*"], &["b"]);
    let bytes = crate::store::encode("roles", role.as_ref()).unwrap();
    let read: StoredRole = decode("roles", &bytes).unwrap();
    assert_eq!(read, *role);
}
