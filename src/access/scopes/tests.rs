use super::*;

fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

fn record(text: &str, parent: Option<&str>) -> Arc<ScopeRecord> {
    Arc::new(ScopeRecord {
        scope: scope(text),
        name: text.to_owned(),
        description: String::new(),
        parent: parent.map(scope),
        source: None,
        created: Timestamp::default(),
        changed: Timestamp::default(),
        revision: 1,
    })
}

fn tree(places: &[(&str, Option<&str>)]) -> ScopeTree {
    ScopeTree::new(1, places.iter().map(|(text, parent)| record(text, *parent)))
}

#[test]
fn what_is_above_covers_what_is_below_and_nothing_else() {
    let tree = tree(&[
        ("department:a", None),
        ("department:b", Some("department:a")),
        ("department:c", Some("department:b")),
        ("department:x", None),
        ("company:a", None),
    ]);
    let covers = |wide: &str, narrow: &str| tree.covers(Some(&scope(wide)), Some(&scope(narrow)));
    assert!(covers("department:a", "department:c"));
    assert!(covers("department:b", "department:c"));
    assert!(covers("department:c", "department:c"));
    assert!(!covers("department:c", "department:a"));
    assert!(!covers("department:x", "department:c"));
    assert!(!covers("company:a", "department:c"));
    assert!(covers("department:unknown", "department:unknown"), "a scope without record covers itself");
    assert!(!tree.covers(Some(&scope("department:a")), None));
    assert!(tree.covers(None, Some(&scope("department:c"))));
    let above: Vec<String> = tree.above(&scope("department:c")).map(Scope::to_string).collect();
    assert_eq!(above, ["department:b", "department:a"]);
    assert_eq!((tree.level(&scope("department:c")), tree.height(&scope("department:a"))), (3, 2));
    let listed: Vec<&str> = tree.list("department", Some("a"), 2).map(|record| record.scope.slug()).collect();
    assert_eq!(listed, ["b", "c"]);
}

#[test]
fn a_damaged_record_widens_nothing() {
    let tree = tree(&[
        ("department:a", Some("department:b")),
        ("department:b", Some("department:a")),
        ("department:c", Some("department:gone")),
    ]);
    for (wide, narrow) in [("department:a", "department:b"), ("department:gone", "department:c")] {
        assert!(!tree.covers(Some(&scope(wide)), Some(&scope(narrow))), "{wide} {narrow}");
    }
}

#[test]
fn the_chain_of_numbers_says_what_the_tree_says() {
    let places: Vec<(String, Option<String>)> = (0..MAX_DEPTH)
        .map(|depth| (format!("department:d{depth}"), depth.checked_sub(1).map(|above| format!("department:d{above}"))))
        .chain([("department:other".to_owned(), Some("department:d3".to_owned()))])
        .collect();
    let borrowed: Vec<(&str, Option<&str>)> =
        places.iter().map(|(text, parent)| (text.as_str(), parent.as_deref())).collect();
    let tree = tree(&borrowed);
    for (wide, _) in &borrowed {
        for (narrow, _) in &borrowed {
            let (wide, narrow) = (scope(wide), scope(narrow));
            let number = tree.number(&wide).unwrap();
            let chain = tree.chain(tree.number(&narrow).unwrap());
            let covered = chain.is_covered_by(number, tree.level_of(number));
            assert_eq!(covered, tree.covers(Some(&wide), Some(&narrow)), "{wide} {narrow}");
        }
    }
}

#[test]
fn a_place_that_makes_a_circle_is_refused_with_the_circle() {
    let tree =
        tree(&[("department:a", None), ("department:b", Some("department:a")), ("department:c", Some("department:b"))]);
    let refused =
        |place: &str, parent: &str| match check_parent(&tree, &scope(place), Some(&scope(parent)), "department") {
            Err(Error::Invalid { field: "parent", reason }) => reason,
            other => panic!("{other:?}"),
        };
    assert_eq!(
        refused("department:a", "department:c"),
        "would make a circle: department:a below department:c below department:b below department:a"
    );
    assert_eq!(refused("department:a", "department:a"), "would make a circle: department:a below department:a");
    assert_eq!(refused("department:a", "company:a"), "`company:a` is of another kind than `department:a`");
    assert_eq!(
        refused("department:x", "department:bb"),
        "`department:bb` does not exist; did you mean `department:b`?"
    );
    assert!(check_parent(&tree, &scope("department:c"), Some(&scope("department:a")), "department").is_ok());
}
