//! What RFC 7643 and RFC 7644 require of a service provider, section by section: everything that a client can see. Each
//! test is a section, each check one sentence of it.

mod bulk;
mod core_schema;
mod discovery;
mod modify;
mod own_types;
mod protocol;

use serde_json::{Value, json};

use super::{Answer, Client, USER};

/// A user with these attributes besides a name.
pub async fn user_with(client: &Client, name: &str, extra: Value) -> Answer {
    let mut body = json!({"schemas": [USER], "userName": name});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    client.post("/Users", &body).await
}

/// The strings of a list.
pub fn texts(value: &Value) -> Vec<&str> {
    value.as_array().map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}
