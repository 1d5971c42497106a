use super::reference::{data, names, path, split};
use super::*;

fn operation(path: &str, data: Value) -> Operation {
    Operation::read(Some("PATCH"), None, Some(path.to_owned()), None, Some(data)).unwrap()
}

fn found(path: &str, data: Value) -> Result<Vec<String>, Error> {
    names(&operation(path, data), &|name| ["a", "b", "c d"].contains(&name)).map(|names| names.into_iter().collect())
}

#[test]
fn references_are_found_wherever_they_may_stand() {
    for (path, data, expected) in [
        ("/Users", json!({}), &[][..]),
        ("/Users/bulkId:a", json!({}), &["a"]),
        ("/Users", json!({"x": "bulkId:a", "y": [{"z": "bulkId:c d"}, "bulkId:a"]}), &["a", "c d"]),
        ("/Users", json!({"$ref": "../Users/bulkId:b", "y": "https://h/Groups/bulkId:a"}), &["a", "b"]),
        ("/Groups/x", json!({"path": "members[value eq \"bulkId:a\" or value eq \"bulkId:b\"]"}), &["a", "b"]),
        // Not meant as references.
        (
            "/Users",
            json!({"x": "a", "y": "see bulkId:a", "z": "BULKID:a", "bulkId:a": 1, "w": "x/bulkId:unknown"}),
            &[],
        ),
        ("/Groups/x", json!({"path": "bulkId[x eq bulkId:a]"}), &[]),
    ] {
        assert_eq!(found(path, data.clone()).unwrap(), expected, "{path} {data}");
    }
    for (path, data) in [
        ("/Users/bulkId:", json!({})),
        ("/Users/bulkId:x", json!({})),
        ("/Users", json!({"x": ["bulkId:x"]})),
        ("/Users", json!({"path": "members[value eq \"bulkId:x\"]"})),
    ] {
        assert!(matches!(found(path, data.clone()), Err(Error::InvalidValue(_))), "{path} {data}");
    }
}

#[test]
fn ids_take_the_place_of_names() {
    let ids = HashMap::from([("a".to_owned(), "1".to_owned())]);
    assert_eq!(path("/Groups/bulkId:a", &ids), "/Groups/1");
    let body =
        json!({"v": "bulkId:a", "r": "../Users/bulkId:a", "path": "members[value eq \"bulkId:a\"].x", "n": [1, null]});
    let expected = json!({"v": "1", "r": "../Users/1", "path": "members[value eq \"1\"].x", "n": [1, null]});
    assert_eq!(Value::Object(data(body.as_object().unwrap(), &ids)), expected);
    let body = json!({"x": "bulkId:a", "members": [{"value": "bulkId:a"}, {"value": "bulkId:b"}], "y": 1});
    let (now, later) = split(body.as_object().unwrap(), &ids, &|name| name == "b");
    assert_eq!(Value::Object(now), json!({"x": "1", "y": 1}));
    assert_eq!(Value::Object(later), json!({"members": [{"value": "bulkId:a"}, {"value": "bulkId:b"}]}));
}
