use super::*;

fn matches(query: &str, begin: &Begin) -> Matches {
    Matches::new(&Query::of_url(Some(query)).unwrap(), begin)
}

#[test]
fn memberships_that_a_search_looks_at_are_counted() {
    let mut search = matches("filter=members+pr", &Begin::Index(0));
    assert!(search.charge_rows(MAX_ROWS).unwrap());
    assert!(matches!(search.charge_rows(1), Err(Error::TooMany)));
}

#[test]
fn a_walk_by_cursor_goes_on_behind_what_one_request_may_look_at() {
    let mut walk = matches("filter=members+pr&cursor=", &Begin::Walk);
    assert!(walk.charge_rows(MAX_ROWS).unwrap());
    walk.has_passed(Place { kind: 0, id: [7; 16] });
    assert!(!walk.charge_rows(1).unwrap());
    let next = walk.finish().next.map(|next| next.after.place.id);
    assert_eq!(next, Some([7; 16]));
    let mut alone = matches("filter=members+pr&cursor=", &Begin::Walk);
    assert!(matches!(alone.charge_rows(MAX_ROWS + 1), Err(Error::TooMany)), "nothing was passed to go on behind");
}
