use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::FromRequestParts;
use futures_util::FutureExt;

use super::reference::{data, names, path, split};
use super::*;
use crate::access::{Access, Pack};
use crate::audit::{Ledger, Sealer};
use crate::clock::{ManualClock, Timestamp};
use crate::directory::{Directory, Rules};
use crate::model::{Actor, OrganisationId, TokenId};
use crate::scim::Cursors;
use crate::secret::{IdSource, MacKey};
use crate::store;

/// A surface over a store in memory.
fn scim() -> Scim {
    let clock = ManualClock::new(Timestamp::from_seconds(1_800_000_000));
    let (key, ids) = (MacKey::new(&[7; 32]), IdSource::seeded(1));
    let (store, writer) = store::open_memory(clock.clock(), Arc::new(Sealer::new(&key)));
    let ledger = Ledger::new(store, writer);
    let directory = Directory::new(ledger.clone(), clock.clock(), ids.clone(), Rules::default());
    let roles = Pack::open("clearpoint-systems", &BTreeMap::new()).unwrap().roles().clone();
    let graph = Arc::new(directory.clone());
    let access = Access::new(ledger, clock.clock(), ids, OrganisationId::DEFAULT, roles, graph);
    Scim::new(directory, access, Cursors::new(&key, clock.clock()), "https://id.example")
}

async fn bulk_call(scim: &Scim) -> Call {
    let actor = Actor::Connection { source: "okta".parse().unwrap(), token: TokenId::from_bytes([1; 16]) };
    let request = http::Request::post("/scim/v2/Bulk").extension(actor).body(()).unwrap();
    Call::from_request_parts(&mut request.into_parts().0, &Arc::new(scim.clone())).await.unwrap()
}

fn bulk_body(names: &[&str]) -> Content {
    let operation = |name: &&str| {
        let data = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name});
        json!({"method": "POST", "path": "/Users", "bulkId": name, "data": data})
    };
    let operations: Vec<Value> = names.iter().map(operation).collect();
    Content::Raw(Body::from(json!({"schemas": [REQUEST_SCHEMA], "Operations": operations}).to_string()))
}

#[tokio::test]
async fn what_comes_before_the_operations_takes_of_their_time() {
    let scim = scim();
    let call = bulk_call(&scim).await;
    let statuses = |answer: &Value| {
        let results = answer["Operations"].as_array().unwrap().iter();
        results.map(|result| result["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // The time is over when the body has been read.
    let late = scim.bulk_until(&call, bulk_body(&["ada", "bob"]), Instant::now()).await.unwrap();
    assert_eq!(statuses(&late), ["503", "503"]);
    assert_eq!(scim.directory.count_users().await.unwrap(), 0, "nothing is written");
    let soon = scim.bulk(&call, bulk_body(&["ada", "bob"])).await.unwrap();
    assert_eq!(statuses(&soon), ["201", "201"]);
}

/// Eight are done at once over all connections, four of one; the others wait.
#[tokio::test]
async fn bulk_requests_take_turns() {
    let scim = scim();
    let call = bulk_call(&scim).await;
    let others = scim.bulk_turns.all.acquire_many(u32::try_from(MAX_AT_ONCE).unwrap()).await.unwrap();
    let mut waiting = Box::pin(scim.bulk(&call, bulk_body(&["ada"])));
    assert!(waiting.as_mut().now_or_never().is_none(), "all turns are taken");
    assert_eq!(scim.directory.count_users().await.unwrap(), 0);
    drop(others);
    waiting.await.unwrap();
    assert_eq!(scim.directory.count_users().await.unwrap(), 1);
    let own = scim.bulk_turns.of(&call.source);
    assert_eq!((own.available_permits(), scim.bulk_turns.all.available_permits()), (MAX_OF_CONNECTION, MAX_AT_ONCE));
    let own = own.acquire_many(u32::try_from(MAX_OF_CONNECTION).unwrap()).await.unwrap();
    let mut waiting = Box::pin(scim.bulk(&call, bulk_body(&["bob"])));
    assert!(waiting.as_mut().now_or_never().is_none(), "the connection has its share");
    assert_eq!(scim.bulk_turns.room.available_permits(), MAX_BYTES_AT_ONCE, "its body is not read");
    drop(own);
    waiting.await.unwrap();
    assert_eq!(scim.directory.count_users().await.unwrap(), 2);
}

/// What a body of very many tiny values takes when it is parsed is bounded too.
#[tokio::test]
async fn bodies_take_no_more_room_parsed_than_there_is() {
    assert!(2 * size_of::<Value>() <= VALUE_BYTES && 4 * size_of::<Value>() <= LIST_BYTES);
    let [zeros, texts] = [r#"{"x":[0,0,0]}"#, r#"{"x":["a,[{\",","b"]}"#].map(|text| parsed_bytes(text.as_bytes()));
    assert_eq!((zeros, texts), (13 + 640 + 320 + 2 * 256, 21 + 640 + 320 + 256));
    let scim = scim();
    let call = bulk_call(&scim).await;
    let tiny = |count: usize| {
        let head = format!(
            r#"{{"schemas":["{REQUEST_SCHEMA}"],"Operations":[{{"method":"POST","bulkId":"a","path":"/Users","data":{{"x":["#
        );
        Content::Raw(Body::from(format!("{head}{}0]}}}}]}}", "0,".repeat(count))))
    };
    assert!(matches!(scim.bulk(&call, tiny(4_000_000)).await, Err(Error::TooLarge)));
    let most = u32::try_from(MAX_PARSED_BYTES).unwrap();
    let others = scim.bulk_turns.parsed.acquire_many(most - 1024 * 1024).await.unwrap();
    assert!(matches!(scim.bulk(&call, tiny(5_000)).await, Err(Error::Crowded)));
    scim.bulk(&call, tiny(1_000)).await.unwrap();
    drop(others);
    scim.bulk(&call, tiny(5_000)).await.unwrap();
    assert_eq!(scim.bulk_turns.parsed.available_permits(), MAX_PARSED_BYTES);
    assert_eq!(scim.bulk_turns.room.available_permits(), MAX_BYTES_AT_ONCE);
}

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
