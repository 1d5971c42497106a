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

#[test]
fn what_one_search_reads_without_an_index_is_bounded() {
    for query in ["filter=title+pr", "sortBy=userName", "filter=title+pr&sortBy=userName"] {
        let mut search = matches(query, &Begin::Index(0));
        search.charge(MAX_READ).unwrap();
        search.has_passed(Place { kind: 0, id: [7; 16] });
        assert!(matches!(search.charge(1), Err(Error::TooMany)), "{query}");
    }
    // Where the next page of a sorted walk begins is not known before all was seen.
    let mut sorted = matches("sortBy=userName&cursor=", &Begin::Walk);
    sorted.has_passed(Place { kind: 0, id: [7; 16] });
    assert!(matches!(sorted.charge(MAX_READ + 1), Err(Error::TooMany)));
}

#[test]
fn a_walk_by_cursor_ends_its_page_there_and_does_not_say_how_many_there_are() {
    let mut walk = matches("filter=title+pr&cursor=", &Begin::Walk);
    walk.charge(MAX_READ).unwrap();
    assert!(!walk.has_passed(Place { kind: 0, id: [7; 16] }));
    walk.charge(1).unwrap();
    assert!(walk.has_passed(Place { kind: 0, id: [7; 16] }), "the page is over");
    let found = walk.finish();
    assert_eq!((found.marks.len(), found.total), (0, None));
    let next = found.next.unwrap();
    assert_eq!((next.after.place.id, next.total), ([7; 16], None));
    // The next request goes on behind it.
    let resumed = matches("filter=title+pr&cursor=x", &Begin::Resume(next));
    assert_eq!(resumed.start_of(0), Some(Some(Place { kind: 0, id: [7; 16] })));
}
