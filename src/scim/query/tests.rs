use serde_json::json;

use super::*;
use crate::scim::schema::{PERSON, TEAM};

#[test]
fn paging_numbers_are_brought_into_range() {
    for (query, start, count) in [
        ("", 1, DEFAULT_COUNT),
        ("startIndex=&count=", 1, DEFAULT_COUNT),
        ("startIndex=0&count=0", 1, 0),
        ("startIndex=-5&count=-1", 1, 0),
        ("startIndex=11&count=10", 11, 10),
        ("STARTINDEX=2&Count=3&count=9", 2, 3),
        ("count=999999999", 1, MAX_COUNT),
        ("startIndex=9223372036854775807", usize::MAX / 2, DEFAULT_COUNT),
        ("unknown=1&filter", 1, DEFAULT_COUNT),
    ] {
        let result = Query::of_url(Some(query));
        if query.contains("filter") {
            assert!(matches!(result, Err(Error::InvalidFilter(_))), "{query}");
            continue;
        }
        let found = result.unwrap();
        assert_eq!((found.page, found.count), (Page::Index(start), count), "{query}");
    }
}

#[test]
fn wrong_parameters_are_refused_by_kind() {
    for (query, scim_type) in [
        ("count=ten", "invalidValue"),
        ("startIndex=1.5", "invalidValue"),
        ("startIndex=99999999999999999999", "invalidValue"),
        ("sortBy=userName&sortOrder=up", "invalidValue"),
        ("sortBy=a%20b", "invalidPath"),
        ("filter=userName+eq", "invalidFilter"),
    ] {
        let error = Query::of_url(Some(query)).expect_err(query);
        assert_eq!(error.answer().scim_type, Some(scim_type), "{query}");
    }
}

#[test]
fn a_search_body_says_the_same_as_an_address() {
    let body = json!({"schemas": [SEARCH_SCHEMA], "filter": "userName eq \"a\"", "startIndex": 3, "count": 5,
        "sortBy": "name.familyName", "sortOrder": "descending", "attributes": ["userName"], "excludedAttributes": null});
    let query = Query::of_body(body.as_object().unwrap()).unwrap();
    assert_eq!(query.filter.unwrap().to_string(), "userName eq \"a\"");
    assert!(query.sort.is_some_and(|sort| sort.descending && sort.by.is("name.familyName")));
    assert_eq!((query.page, query.count), (Page::Index(3), 5));
    assert_eq!(query.attributes, Some(vec!["userName".to_owned()]));
    for (body, scim_type) in [
        (json!({}), "invalidSyntax"),
        (json!({"schemas": ["x"]}), "invalidSyntax"),
        (json!({"schemas": [SEARCH_SCHEMA], "filter": 5}), "invalidValue"),
        (json!({"schemas": [SEARCH_SCHEMA], "count": "5"}), "invalidValue"),
        (json!({"schemas": [SEARCH_SCHEMA], "attributes": [5]}), "invalidValue"),
        (json!({"schemas": [SEARCH_SCHEMA], "attributes": {}}), "invalidValue"),
    ] {
        let error = Query::of_body(body.as_object().unwrap()).expect_err(&body.to_string());
        assert_eq!(error.answer().scim_type, Some(scim_type), "{body}");
    }
}

#[test]
fn filters_that_cannot_be_evaluated_are_refused() {
    let check = |text: &str| check_filter(&[*PERSON], &text.parse().unwrap());
    for text in [
        "userName eq \"a\" and active eq true and active eq \"True\"",
        "meta.lastModified gt \"2026-01-01T00:00:00Z\" and meta.created sw \"2026\"",
        "emails co \"x\" and emails[type eq \"work\" and primary eq true]",
        "manager eq \"7\" and department pr and groups.value eq \"7\"",
        "schemas eq \"urn:x\" and id eq \"7\" and title eq null and name pr",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq \"7\"",
    ] {
        assert!(check(text).is_ok(), "{text}: {:?}", check(text));
    }
    for text in [
        "nothing eq \"a\"",
        "userName.value eq \"a\"",
        "emails[nothing eq \"a\"]",
        "urn:x:User:userName eq \"a\"",
        "password eq \"a\"",
        "password pr",
        "active gt true",
        "active eq \"yes\"",
        "active eq 1",
        "name eq \"a\"",
        "userName eq 5",
        "userName gt null",
        "x509Certificates.value gt \"a\"",
        "meta.created gt \"yesterday\"",
        "meta.created eq 5",
        "members eq \"x\"",
    ] {
        assert!(matches!(check(text), Err(Error::InvalidFilter(_))), "{text}");
    }
    assert!(check_filter(&[*PERSON, *TEAM], &"members eq \"x\" or userName pr".parse().unwrap()).is_ok());
}

/// RFC 9865 section 2.
#[test]
fn a_cursor_takes_the_place_of_the_start_index() {
    for (query, cursor, count) in [
        ("cursor", None, DEFAULT_COUNT),
        ("cursor=&count=5", None, 5),
        ("Cursor=aB-_9&count=1000", Some("aB-_9"), MAX_COUNT),
        ("cursor=x&startIndex=", Some("x"), DEFAULT_COUNT),
    ] {
        let found = Query::of_url(Some(query)).unwrap();
        assert_eq!((found.page, found.count), (Page::Cursor(cursor.map(str::to_owned)), count), "{query}");
    }
    for (query, scim_type) in [
        ("cursor=&startIndex=1", "invalidCursor"),
        ("cursor=x&startIndex=5", "invalidCursor"),
        ("cursor=&count=0", "invalidCount"),
        ("cursor=&count=-1", "invalidCount"),
        ("cursor=&count=1001", "invalidCount"),
        ("cursor=&count=many", "invalidCount"),
        ("cursor=&startIndex=many", "invalidValue"),
    ] {
        let error = Query::of_url(Some(query)).expect_err(query);
        assert_eq!(error.answer().scim_type, Some(scim_type), "{query}");
    }
    let of_body = |more: Value| {
        let mut body = json!({"schemas": [SEARCH_SCHEMA]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Query::of_body(body.as_object().unwrap())
    };
    assert_eq!(of_body(json!({"cursor": "", "count": 2})).unwrap().page, Page::Cursor(None));
    assert_eq!(of_body(json!({"cursor": "x"})).unwrap().page, Page::Cursor(Some("x".to_owned())));
    assert_eq!(of_body(json!({"cursor": null})).unwrap().page, Page::Index(1));
    for (more, scim_type) in [
        (json!({"cursor": 5}), "invalidValue"),
        (json!({"cursor": "", "startIndex": 1}), "invalidCursor"),
        (json!({"cursor": "", "count": 0}), "invalidCount"),
        (json!({"cursor": "", "count": "5"}), "invalidCount"),
    ] {
        let error = of_body(more.clone()).expect_err(&more.to_string());
        assert_eq!(error.answer().scim_type, Some(scim_type), "{more}");
    }
}

#[test]
fn a_plus_within_a_value_is_a_plus_where_blanks_are_written_otherwise() {
    for (query, filter) in [
        ("filter=userName%20eq%20%22a+b@x.org%22", r#"userName eq "a+b@x.org""#),
        ("count=1&filter=userName%20eq%20%22a+b%22&sortOrder=ascending", r#"userName eq "a+b""#),
        ("filter=userName+eq+%22a%2Bb%22", r#"userName eq "a+b""#),
        ("filter=userName+eq+%22a+b%22", r#"userName eq "a b""#),
        // Blanks of the filter as a form has them, and of the value as a path does.
        ("filter=displayName+eq+%22My%20group%22", r#"displayName eq "My group""#),
        ("filter=displayName%20eq%20%22a%5C%22+b%22", r#"displayName eq "a\"+b""#),
    ] {
        let found = Query::of_url(Some(query)).unwrap().filter.unwrap();
        assert_eq!(found, filter.parse().unwrap(), "{query}");
    }
    // In what is no filter a plus is what it is in a form.
    let both = Query::of_url(Some("sortBy=+userName&filter=userName%20eq%20%22a+b%22")).unwrap();
    assert_eq!(both.filter.unwrap(), r#"userName eq "a+b""#.parse().unwrap());
}
