use serde_json::json;

use super::*;

fn scope(resource: &Value) -> Result<Option<String>, String> {
    let read = Resource::read(Some(resource), Part::About);
    read.map(|resource| resource.scope.map(|scope| scope.to_string())).map_err(|error| error.to_string())
}

#[test]
fn the_scope_is_the_property_or_an_id_that_is_the_text_of_one() {
    let given = |resource: Value| scope(&resource).unwrap();
    assert_eq!(given(json!({"type": "reports", "id": "7"})), None);
    assert_eq!(given(json!({"type": "reports", "id": "*"})), None);
    assert_eq!(given(json!({"type": "reports", "id": "Department:finance"})), None);
    assert_eq!(given(json!({"type": "reports", "id": "department:finance"})).unwrap(), "department:finance");
    let both = json!({"type": "reports", "id": "department:finance", "properties": {"scope": "department:it"}});
    assert_eq!(given(both).unwrap(), "department:it");
    for bad in [json!(null), json!(7), json!(""), json!("finance"), json!(["department:it"])] {
        let resource = json!({"type": "reports", "id": "7", "properties": {"scope": bad}});
        assert!(scope(&resource).unwrap_err().contains("`resource.properties.scope`"), "{resource}");
    }
}

#[test]
fn times_are_read_with_and_without_seconds_and_nothing_else_is() {
    let at = |time: Value| Context::read(Some(&json!({"time": time}))).map(|context| context.at.unwrap());
    let expected: Timestamp = "2024-05-31T22:22:00Z".parse().unwrap();
    assert_eq!(at(json!("2024-05-31T15:22:00-07:00")).unwrap(), expected);
    assert_eq!(at(json!("2024-05-31T15:22-07:00")).unwrap(), expected);
    for bad in [json!(1_700_000_000), json!("yesterday"), json!(null), json!("2024-05-31T15:22:00")] {
        assert!(at(bad.clone()).unwrap_err().to_string().contains("`context.time`"), "{bad}");
    }
    assert!(Context::read(Some(&json!({"ip": "10.10.0.1", "other": [1]}))).unwrap().ip.is_some());
    assert!(Context::read(Some(&json!({"ip": "10.10.0.300"}))).is_err());
    assert_eq!(Context::read(None).unwrap(), Context::default());
}
