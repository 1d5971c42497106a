//! `cleargate status` and `cleargate reload`.

use serde_json::json;

use super::Failure;
use super::client::Client;
use super::output::Output;

pub(super) async fn status(client: Client, output: &Output) -> Result<(), Failure> {
    output.object(&client.get("/api/v1/status").await?)
}

pub(super) async fn reload(client: Client, output: &Output) -> Result<(), Failure> {
    let answer = client.post("/api/v1/reload", &json!({})).await?;
    for warning in answer.get("warnings").and_then(|warnings| warnings.as_array()).into_iter().flatten() {
        output.message(warning.as_str().unwrap_or_default());
    }
    output.result(&answer, "the configuration was read again")
}
