use serde_json::{Map, json};

use super::*;
use crate::clock::Timestamp;
use crate::model::{Attributes, GroupId, Kept, Link, OrganisationId, Status, User, UserId};
use crate::scim::projection::apply;
use crate::scim::resource::Needed;
use crate::scim::schema::Catalogue;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const BASE: &str = "https://id.example/scim/v2";

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn user(attributes: Value) -> User {
    let okta: SourceId = "okta".parse().unwrap();
    User {
        id: UserId::from_bytes([7; 16]),
        organisation: OrganisationId::DEFAULT,
        user_name: "a\"d\\a".parse().unwrap(),
        status: Status::Active,
        owner: Some(okta.clone()),
        links: vec![Link { source: okta, external_id: "e/1".to_owned() }],
        attributes: Attributes(map(attributes)),
        created: Timestamp::from_seconds(1_800_000_000),
        changed: Timestamp::from_seconds(1_800_000_001),
        revision: 3,
        by_hand: None,
        disabled_by_hand: None,
        companies: None,
        realm: None,
    }
}

fn kept(user: &User) -> User<Kept> {
    minicbor::decode(&minicbor::to_vec(user).unwrap()).unwrap()
}

fn group(attributes: Value) -> Group {
    Group {
        id: GroupId::from_bytes([9; 16]),
        organisation: OrganisationId::DEFAULT,
        name: "Köche \u{1f373}".parse().unwrap(),
        owner: None,
        external_id: None,
        attributes: Attributes(map(attributes)),
        created: Timestamp::from_seconds(1_800_000_000),
        changed: Timestamp::from_seconds(1_800_000_000),
        revision: 1,
        companies: None,
        rule: None,
    }
}

/// `attributes` or `excludedAttributes`.
type Names = Option<Vec<&'static str>>;

fn projections() -> Vec<(Names, Names)> {
    vec![
        (None, None),
        (Some(vec![]), None),
        (Some(vec!["userName"]), None),
        (Some(vec!["emails.value", "name.familyName", "displayName", "members.value"]), None),
        (Some(vec!["department", "meta", "groups"]), None),
        (Some(vec![ENTERPRISE, "meta.version", "groups.display"]), None),
        (None, Some(vec!["emails", "members", "groups"])),
        (None, Some(vec!["id", "schemas", "meta.location", "emails.type", "groups.$ref"])),
        (None, Some(vec![ENTERPRISE])),
        (None, Some(vec!["department", "manager"])),
        (Some(vec!["emails"]), Some(vec!["emails.type"])),
    ]
}

/// What is written is what a projection leaves of the resource that filters see.
#[test]
fn the_bytes_are_those_of_the_projected_resource() {
    let (catalogue, source) = (Catalogue::standard(), "okta".parse().unwrap());
    let place = Place { base: BASE, catalogue: &catalogue };
    let groups = vec![Arc::new(group(json!({}))), Arc::new(group(json!({})))];
    let shown = vec![
        (Member::User(UserId::from_bytes([1; 16])), Some("Ada \"A\"".to_owned())),
        (Member::Group(GroupId::from_bytes([2; 16])), None),
    ];
    let full = json!({"displayName": "Ada\n\u{0}", "title": "", "stray": 5, "active": true, "password": "x",
        "name": {"familyName": "L", "givenName": "A"}, "emails": [{"value": "a@b", "type": "work", "primary": true}, {"value": "c"}],
        ENTERPRISE: {"department": "R", "manager": {"value": "7"}, "stray": 1}});
    let empty = json!({"emails": [], "name": {}, ENTERPRISE: {}});
    let records = [
        (Record::Kept(kept(&user(full.clone()))), Related::Groups(groups.clone())),
        (Record::Kept(kept(&user(empty.clone()))), Related::Nothing),
        (Record::User(user(full.clone())), Related::Groups(groups.clone())),
        (Record::User(user(full)), Related::Nothing),
        (Record::User(user(empty)), Related::Groups(Vec::new())),
        (Record::Group(group(json!({"stray": true}))), Related::Members(shown)),
        (Record::Group(group(json!({}))), Related::Members(Vec::new())),
    ];
    for (record, related) in &records {
        let picture = match (record, related) {
            (Record::Group(group), Related::Members(members)) => {
                group::picture(place, &source, group, members, &Needed::default())
            }
            (Record::Kept(user), related) => {
                let fields = user::kept_fields(user, Some(&source));
                user::picture(place, user::facts(user), fields, related.groups(), &Needed::default())
            }
            (Record::User(user), related) => {
                let fields = user::fields(user, Some(&source));
                user::picture(place, user::facts(user), fields, related.groups(), &Needed::default())
            }
            (Record::Object(kind, object), _) => object::picture(place, *kind, &source, object, &Needed::default()),
            (Record::Group(group), _) => group::picture(place, &source, group, &[], &Needed::default()),
        };
        // What is shown besides is in the version.
        let version = Version::new(record.revision()).with_groups(related.groups());
        assert_eq!(picture["meta"]["version"], version.to_string());
        for (included, excluded) in projections() {
            let names = |list: &Option<Vec<&str>>| -> Option<Vec<String>> {
                list.as_ref().map(|list| list.iter().map(|name| (*name).to_owned()).collect())
            };
            let shape = catalogue.shape(record.kind());
            let projection = Projection::new(&shape, names(&included).as_deref(), names(&excluded).as_deref());
            let renderer = Renderer { place, shape, source: Some(&source), projection: &projection };
            let mut bytes = Vec::new();
            renderer.write(&mut bytes, record, related, None).unwrap();
            assert_eq!(bytes, renderer.bytes(record, related, version).unwrap());
            let written: Value = serde_json::from_slice(&bytes).unwrap();
            let expected = Value::Object(apply(&projection, &shape, picture.clone()));
            assert_eq!(written, expected, "{included:?} {excluded:?}");
        }
    }
}

#[test]
fn a_resource_begins_with_schemas_and_id_and_ends_with_meta() {
    let (catalogue, source) = (Catalogue::standard(), "entra".parse().unwrap());
    let (projection, shape) = (Projection::default(), catalogue.shape(Kind::User));
    let place = Place { base: BASE, catalogue: &catalogue };
    let renderer = Renderer { place, shape, source: Some(&source), projection: &projection };
    let bytes = renderer.bytes(&Record::User(user(json!({"title": "t"}))), &Related::Nothing, Version::new(3)).unwrap();
    let id = UserId::from_bytes([7; 16]);
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        format!(
            "{{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],\"id\":\"{id}\",\
             \"userName\":\"a\\\"d\\\\a\",\"active\":true,\"title\":\"t\",\"meta\":{{\"resourceType\":\"User\",\
             \"created\":\"2027-01-15T08:00:00.000Z\",\"lastModified\":\"2027-01-15T08:00:01.000Z\",\
             \"location\":\"{BASE}/Users/{id}\",\"version\":\"W/\\\"3\\\"\"}}}}"
        )
    );
}
