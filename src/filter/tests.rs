use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn check(text: &str, expected: &str) {
    let filter: Filter = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(filter.to_string(), expected, "{text}");
    assert_eq!(expected.parse::<Filter>().as_ref(), Ok(&filter), "{text}");
}

#[test]
fn a_number_stays_the_one_that_was_written() {
    for text in ["18448446744476744473709551615", "0.1", "1e300", "-9007199254740993", "18446744073709551615"] {
        let filter: Filter = format!("y le {text}").parse().unwrap();
        assert_eq!(filter.to_string().parse::<Filter>().unwrap(), filter, "{filter}");
    }
}

#[test]
fn filters_print_in_one_canonical_form() {
    for (text, expected) in [
        (r#"userName Eq "bjensen""#, r#"userName eq "bjensen""#),
        ("title PR", "title pr"),
        (r#"  a   eq"x"and(b eq 1)"#, r#"a eq "x" and b eq 1"#),
        ("a pr and b pr or c pr and d pr", "a pr and b pr or c pr and d pr"),
        ("a pr and (b pr or c pr)", "a pr and (b pr or c pr)"),
        ("((a pr and (b pr and c pr)))", "a pr and b pr and c pr"),
        ("NOT(a pr)", "not (a pr)"),
        ("not (a pr) and not(b pr or c pr)", "not (a pr) and not (b pr or c pr)"),
        ("not eq true", "not eq true"),
        (r#"emails[type eq "work" and not (value co "x")]"#, r#"emails[type eq "work" and not (value co "x")]"#),
        (r#"emails[type eq "work"].value eq "x""#, r#"emails[type eq "work" and value eq "x"]"#),
        ("roles[a pr or b pr].value pr", "roles[(a pr or b pr) and value pr]"),
        ("urn:a:b:2.0:User:name.familyName ne null", "urn:a:b:2.0:User:name.familyName ne null"),
        (r#"members[$ref ew "/1"]"#, r#"members[$ref ew "/1"]"#),
        (r#"a eq "q\"u\\o\u0041\n""#, r#"a eq "q\"u\\oA\n""#),
        ("a gt -1.5e1", "a gt -15.0"),
        (r#"a eq "ä) or (b""#, r#"a eq "ä) or (b""#),
    ] {
        check(text, expected);
    }
}

#[test]
fn errors_name_the_place_and_what_may_stand_there() {
    for (text, expected) in [
        ("", "expected an attribute, \"not\" or \"(\" at position 1, found the end"),
        ("userName", "expected one of co, eq, ew, ge, gt, le, lt, ne, pr, sw at position 9, found the end"),
        (
            "userName eq",
            "expected a string in double quotes, a number, true, false or null at position 12, found the end",
        ),
        (
            "userName eq bob",
            "expected a string in double quotes, a number, true, false or null at position 13, found bob",
        ),
        ("userName is \"x\"", "expected one of co, eq, ew, ge, gt, le, lt, ne, pr, sw at position 10, found is \"x\""),
        ("a pr b pr", "expected \"and\", \"or\" or the end at position 6, found b pr"),
        ("(a pr", "expected \"and\", \"or\" or \")\" at position 6, found the end"),
        ("a pr)", "expected \"and\", \"or\" or the end at position 5, found )"),
        ("a pr and", "expected an attribute, \"not\" or \"(\" at position 9, found the end"),
        ("e[a pr", "expected \"and\", \"or\" or \"]\" at position 7, found the end"),
        ("e[a[b pr]]", "expected no brackets within brackets at position 4, found [b pr]]"),
        ("e[a pr].", "expected a sub-attribute at position 9, found the end"),
        ("a.b.c pr", "expected an attribute, \"not\" or \"(\" at position 1, found a.b.c pr"),
        ("1a pr", "expected an attribute, \"not\" or \"(\" at position 1, found 1a pr"),
        ("ü pr", "expected an attribute, \"not\" or \"(\" at position 1, found ü pr"),
        ("a eq \"x", "expected a closing double quote at position 8, found the end"),
        ("a eq \"\\x\"", "expected a string as JSON writes it at position 6, found \"\\x\""),
        ("a eq 01", "expected a string in double quotes, a number, true, false or null at position 6, found 01"),
        ("a eq {}", "expected a string in double quotes, a number, true, false or null at position 6, found {}"),
        (
            "a eq zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
            "expected a string in double quotes, a number, true, false or null at position 6, found zzzzzzzzzzzzzzzzzzzzzzzz…",
        ),
    ] {
        assert_eq!(text.parse::<Filter>().map_err(|error| error.to_string()), Err(expected.to_owned()), "{text}");
    }
}

/// What clients leave out is read where only one thing can be meant, and nowhere else.
#[test]
fn a_word_may_go_without_quotes_where_clients_write() {
    for (text, expected) in [
        ("userName sw O", r#"userName sw "O""#),
        ("meta.created gt 2015-10-10T14:38:21.8617979-07:00", r#"meta.created gt "2015-10-10T14:38:21.8617979-07:00""#),
        ("a eq b and (c co x.org or c co y@z.org)", r#"a eq "b" and (c co "x.org" or c co "y@z.org")"#),
        ("emails[type eq work].value eq a@x", r#"emails[type eq "work" and value eq "a@x"]"#),
        ("a eq 0042", r#"a eq "0042""#),
        ("a eq Zoë", r#"a eq "Zoë""#),
        ("a eq 42", "a eq 42"),
        ("a eq True", "a eq true"),
        ("a eq null", "a eq null"),
    ] {
        assert_eq!(Filter::lenient(text).map(|filter| filter.to_string()), Ok(expected.to_owned()), "{text}");
        assert_eq!(Filter::lenient(expected).map(|filter| filter.to_string()), Ok(expected.to_owned()), "{text}");
    }
    for text in
        ["a eq", "a eq b c", "a eq and", "a eq OR b pr", "a eq 'b'", "a eq {}", "a eq b\"c\"", "a eq \"b", "a eq [b]"]
    {
        assert!(matches!(Filter::lenient(text), Err(Error::Syntax { .. })), "{text}");
    }
    let path = Path::lenient("emails[type eq work].value").unwrap();
    assert_eq!(path, "emails[type eq \"work\"].value".parse().unwrap());
}

#[test]
fn nesting_stops_at_its_limit_and_length_at_its() {
    let nested = |open: &str, depth: usize| format!("{}a pr{}", open.repeat(depth), ")".repeat(depth));
    for open in ["(", "not ("] {
        assert!(nested(open, MAX_DEPTH).parse::<Filter>().is_ok());
        assert!(matches!(nested(open, MAX_DEPTH + 1).parse::<Filter>(), Err(Error::TooDeep { .. })));
    }
    assert!(matches!("(".repeat(MAX_BYTES).parse::<Filter>(), Err(Error::TooDeep { position: 34 })));
    assert_eq!("(".repeat(MAX_BYTES + 1).parse::<Filter>(), Err(Error::TooLong));
    let wide = vec!["a pr"; 256].join(" or ");
    assert_eq!(wide.len(), MAX_BYTES - 4);
    assert!(matches!(wide.parse::<Filter>(), Ok(Filter::Or(parts)) if parts.len() == 256));
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

fn person() -> Map<String, Value> {
    object(json!({
        "userName": "Ada@Example.org", "nickName": "", "title": null, "active": true, "logins": 7, "note": "True",
        "employeeNumber": "0042",
        "name": {"familyName": "Lovelace", "givenName": "Ada"},
        "emails": [
            {"value": "ada@example.org", "type": "work", "primary": true},
            {"value": "ada@home.example", "type": "home"}
        ],
        "groups": ["CN=Finance Analysts,OU=Groups", "CN=Everyone"],
        "roles": [], "address": {},
        "meta": {"lastModified": "2026-11-22T10:00:00.000Z"},
        "manager": {"value": "26118915"},
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Tour Operations"}
    }))
}

fn holds(filter: &str) -> bool {
    let parsed: Filter = filter.parse().unwrap_or_else(|error| panic!("{filter}: {error}"));
    parsed.matches(&person(), &NoSchema)
}

#[test]
fn what_holds_without_a_schema() {
    for filter in [
        r#"USERNAME eq "ada@example.ORG""#,
        r#"userName sw "ADA""#,
        r#"userName ew ".org""#,
        r#"userName co "@""#,
        r#"userName gt "aaa" and userName lt "b""#,
        r#"name.familyName eq "lovelace""#,
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "a""#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "tour operations""#,
        r#"department eq "Tour Operations""#,
        r#"emails eq "ada@home.example""#,
        r#"emails.value co "home""#,
        r#"emails.type ne "work""#,
        r#"emails[type eq "work" and value ew "example.org"]"#,
        r#"emails[primary eq "True"]"#,
        "emails[primary eq true].value pr",
        r#"groups eq "cn=finance analysts,ou=groups""#,
        r#"groups.value eq "CN=Everyone""#,
        r#"groups[value eq "CN=Everyone"]"#,
        r#"name[givenName eq "Ada"]"#,
        r#"manager eq "26118915""#,
        r#"active eq true and active ne false and active eq "True""#,
        "note eq true",
        "logins gt 6.5 and logins le 7 and logins eq 7",
        r#"logins eq "7""#,
        "employeeNumber lt 100",
        r#"meta.lastModified gt "2026-11-22T10:30:00+01:00""#,
        r#"meta.lastModified eq "2026-11-22T11:00:00+01:00""#,
        "userName pr and name pr and emails pr",
        r#"absent ne "x""#,
        "absent eq null and title eq null and nickName eq null and userName ne null",
        r#"not (userName eq "bob")"#,
        r#"userName eq "bob" or name.givenName eq "ada""#,
    ] {
        assert!(holds(filter), "{filter} should hold");
    }
}

#[test]
fn what_does_not_hold_without_a_schema() {
    for filter in [
        r#"userName eq "ada""#,
        r#"userName ne "ADA@example.org""#,
        r#"emails[type eq "home" and value ew "example.org"]"#,
        r#"emails[primary eq true and type eq "home"]"#,
        "title pr or nickName pr or roles pr or address pr or absent pr",
        r#"absent eq "x" or absent co "" or absent lt "z" or absent gt 1"#,
        r#"urn:other:User:userName eq "ada@example.org""#,
        "active gt false",
        r#"active co "tr""#,
        r#"active eq "yes""#,
        "logins gt 7",
        r#"logins co "7""#,
        r#"userName gt 5"#,
        r#"meta.lastModified lt "2026-11-22T10:30:00+01:00""#,
        "userName eq null",
        "userName gt null",
        r#"name eq "Ada""#,
        r#"groups eq "Finance""#,
        r#"not (groups pr)"#,
    ] {
        assert!(!holds(filter), "{filter} should not hold");
    }
}

struct Exact;

impl Facts for Exact {
    fn fact(&self, _: Option<&str>, name: &str, sub: Option<&str>) -> Fact {
        let kind = if name == "meta" { Kind::DateTime } else { Kind::Text };
        Fact { kind, case_exact: sub != Some("type") }
    }
}

#[test]
fn a_schema_decides_on_case_and_time() {
    for (filter, expected) in [
        (r#"userName eq "ada@example.org""#, false),
        (r#"userName eq "Ada@Example.org""#, true),
        (r#"emails[type eq "WORK"]"#, true),
        (r#"emails[value sw "ADA"]"#, false),
        (r#"meta.lastModified ge "2026""#, false),
        (r#"meta.lastModified ge "2026-11-22T10:00:00Z""#, true),
    ] {
        assert_eq!(filter.parse::<Filter>().unwrap().matches(&person(), &Exact), expected, "{filter}");
    }
}

#[test]
fn equalities_are_those_that_every_match_fulfils() {
    let found = |text: &str| -> Vec<String> {
        let filter: Filter = text.parse().unwrap();
        equalities(&filter).into_iter().map(|(path, value)| format!("{path}={value}")).collect()
    };
    assert_eq!(found(r#"userName eq "x""#), [r#"userName="x""#]);
    assert_eq!(found(r#"title pr and (userName eq "x" and active eq true)"#), [r#"userName="x""#, "active=true"]);
    assert_eq!(found(r#"emails[type eq "work" and value eq "x"]"#), [r#"emails.type="work""#, r#"emails.value="x""#]);
    assert!(found(r#"userName eq "x" or title pr"#).is_empty());
    assert!(found(r#"not (userName eq "x")"#).is_empty());
    assert!(found(r#"emails[value eq "x" or type eq "y"]"#).is_empty());
    assert!(found(r#"userName ne "x""#).is_empty());
}

#[test]
fn visiting_shows_full_paths_and_stops_at_the_first_refusal() {
    let filter: Filter = r#"a pr or not (e[type eq "w" and value co "x"]) or b gt 1"#.parse().unwrap();
    let mut seen = Vec::new();
    let result = filter.visit(&mut |path, comparison| {
        seen.push(format!("{path} {}", comparison.map_or("pr", |(operator, _)| operator.name())));
        if path.name == "b" { Err("b") } else { Ok(()) }
    });
    assert_eq!(result, Err("b"));
    assert_eq!(seen, ["a pr", "e pr", "e.type eq", "e.value co", "b gt"]);
}

#[test]
fn paths_of_patch_have_an_attribute_a_condition_and_a_sub_attribute() {
    for (text, urn, name, filter, sub) in [
        ("members", None, "members", None, None),
        (" name.familyName ", None, "name", None, Some("familyName")),
        (r#"addresses[type eq "work"]"#, None, "addresses", Some(r#"type eq "work""#), None),
        (r#"members[value EQ "2819"].display"#, None, "members", Some(r#"value eq "2819""#), Some("display")),
        ("urn:a:2.0:User:manager.value", Some("urn:a:2.0:User"), "manager", None, Some("value")),
        ("urn:a:2.0:User", Some("urn:a:2.0"), "User", None, None),
        (r#"urn:a:User:x[type pr].y"#, Some("urn:a:User"), "x", Some("type pr"), Some("y")),
    ] {
        let path: Path = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(path.attribute.urn.as_deref(), urn, "{text}");
        assert_eq!(path.attribute.name, name, "{text}");
        assert_eq!(path.filter.as_ref().map(Filter::to_string).as_deref(), filter, "{text}");
        assert_eq!(path.sub.as_deref(), sub, "{text}");
        assert_eq!(path.to_string().parse::<Path>(), Ok(path), "{text}");
    }
    for text in ["", " ", "a b", "a[b pr", "a[b pr]c", "a[b pr].", "a.b[c pr]", "a.b.c", "a[]", "a]", ":a", "a eq 1"] {
        assert!(matches!(text.parse::<Path>(), Err(Error::Syntax { .. })), "{text}");
    }
}

#[test]
fn attribute_paths_compare_without_regard_to_case() {
    let path: AttributePath = "urn:x:Name.familyname".parse().unwrap();
    assert!(path.is("name.familyName") && !path.is("name") && !path.is("name.givenName"));
    assert!(AttributePath::new("USERNAME").is("userName"));
}

fn any_name() -> impl Strategy<Value = String> {
    "[a-zA-Z][a-zA-Z0-9_-]{0,6}|\\$ref"
}

fn any_path() -> impl Strategy<Value = AttributePath> {
    let urn = prop::option::of("urn:[a-z]{1,4}:[0-9]\\.[0-9]:[A-Z][a-z]{0,3}");
    (urn, any_name(), prop::option::of(any_name())).prop_map(|(urn, name, sub)| AttributePath { urn, name, sub })
}

fn any_comparison(path: impl Strategy<Value = AttributePath> + 'static) -> BoxedStrategy<Filter> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        (-1_000_000i32..1_000_000).prop_map(|n| Value::from(f64::from(n) / 64.0)),
        any::<String>().prop_map(Value::String),
    ];
    (path, prop::option::of((prop::sample::select(Operator::ALL.to_vec()), value)))
        .prop_map(|(path, comparison)| match comparison {
            Some((operator, value)) => Filter::Compare { path, operator, value },
            None => Filter::Present(path),
        })
        .boxed()
}

fn nested(leaf: BoxedStrategy<Filter>) -> BoxedStrategy<Filter> {
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| Filter::all(parts).unwrap()),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| Filter::any(parts).unwrap()),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
    .boxed()
}

fn any_filter() -> BoxedStrategy<Filter> {
    let inside = nested(any_comparison(any_name().prop_map(|name| AttributePath::new(&name))));
    let element = (any_path(), inside).prop_map(|(mut path, filter)| {
        path.sub = None;
        Filter::Element { path, filter: Box::new(filter) }
    });
    nested(prop_oneof![3 => any_comparison(any_path()), 1 => element].boxed())
}

proptest! {
    #[test]
    fn what_prints_parses_to_itself(filter in any_filter()) {
        let text = filter.to_string();
        prop_assume!(text.len() <= MAX_BYTES);
        prop_assert_eq!(text.parse::<Filter>(), Ok(filter));
    }

    #[test]
    fn no_text_upsets_the_parsers(text in "(\\PC|[()\\[\\]\"\\\\. :]|and|or|not|pr|eq|a){0,60}") {
        if let Ok(filter) = text.parse::<Filter>() {
            prop_assert_eq!(filter.to_string().parse::<Filter>(), Ok(filter.clone()));
            filter.matches(&person(), &NoSchema);
        }
        if let Ok(filter) = Filter::lenient(&text) {
            prop_assert_eq!(filter.to_string().parse::<Filter>(), Ok(filter));
        }
        if let Ok(path) = text.parse::<Path>() {
            prop_assert_eq!(path.to_string().parse::<Path>(), Ok(path));
        }
    }
}
