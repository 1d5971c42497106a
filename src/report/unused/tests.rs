use super::*;

fn of_role(holders: usize, using: Option<usize>, unused: &[&str]) -> OfRole {
    let unused = unused.iter().map(|right| right.parse().unwrap()).collect();
    OfRole { role: "editor".parse().unwrap(), holders, using, unused }
}

#[test]
fn rights_are_held_against_each_other_however_many_there_are() {
    let of = |numbers: &[usize]| {
        let mut rights = Rights::default();
        numbers.iter().for_each(|number| rights.insert(*number));
        rights
    };
    let one = of(&[0, 63, 64, 500]);
    for number in [0, 63, 64, 500] {
        assert!(one.contains(number) && one.meets(&of(&[number])) && of(&[number]).meets(&one), "{number}");
    }
    for number in [1, 62, 65, 128, 499, 501, 9_000] {
        assert!(!one.contains(number) && !one.meets(&of(&[number])) && !of(&[number]).meets(&one), "{number}");
    }
    let mut both = of(&[3]);
    both.extend(&one);
    both.extend(&of(&[7]));
    assert_eq!(both, of(&[0, 3, 7, 63, 64, 500]));
    assert!(!Rights::default().meets(&Rights::default()));
}

#[test]
fn a_role_is_told_of_where_somebody_has_it_and_something_of_it_is_not_used() {
    for (holders, using, unused, is_told) in [
        (0, Some(0), &["users:read"][..], false),
        (2, Some(2), &[], false),
        (2, Some(1), &[], true),
        (2, Some(2), &["users:read"], true),
        // Of too many it is not known how many use it, but of nobody at all that it is nobody.
        (2_000, None, &[], false),
        (2_000, None, &["users:read"], true),
    ] {
        assert_eq!(of_role(holders, using, unused).is_told(), is_told, "{holders} {using:?} {unused:?}");
    }
}

#[test]
fn what_is_told_of_a_role_says_how_many_were_looked_at() {
    let rights = ["users:read", "users:update"];
    assert_eq!(of_role(1, Some(0), &[]).tell(), "editor: 1 holder, 0 of whom used any of it");
    let told = "editor: 2 holders, 1 of whom used any of it; nobody used users:read, users:update";
    assert_eq!(of_role(2, Some(1), &rights).tell(), told);
    let told = "editor: more holders than are looked at; nobody used users:read";
    assert_eq!(of_role(2_000, None, &rights[..1]).tell(), told);
    let many: Vec<String> = (0..MAX_NAMED + 3).map(|number| format!("things{number}:read")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let told = of_role(2_000, None, &many).tell();
    assert!(told.ends_with(&format!("things{}:read and 3 more", MAX_NAMED - 1)), "{told}");
}
