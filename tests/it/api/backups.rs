//! `/backup`: it holds everybody's secrets, so that it takes every right there is.

use serde_json::json;

use super::{Ground, refused};

#[tokio::test]
async fn a_backup_takes_every_right_there_is() {
    let ground = Ground::new().await;
    for permissions in [&["store:read"][..], &["*:read"], &["store:*", "users:*", "tokens:*"]] {
        let service = ground.service(permissions).await;
        refused(&service.post("/api/v1/backup", json!({})).await, 403, None);
        // Nothing of what was sent is looked at before that.
        refused(&service.post("/api/v1/backup?no=such", json!({"no": "such"})).await, 403, None);
    }
    refused(&ground.local(54_321).post("/api/v1/backup", json!({})).await, 403, None);
    // Whoever may is told that a store in memory has no file.
    let reply = ground.root().post("/api/v1/backup", json!({})).await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("a store in memory has no file to copy"), "{}", reply.text);
}
