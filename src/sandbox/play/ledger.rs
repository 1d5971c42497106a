//! The first and the last step: the gateway answers, and its ledger continues from then to the end.

use http::Method;
use serde_json::{Value, json};

use crate::sandbox::Failed;
use crate::sandbox::client::text;
use crate::sandbox::stage::Stage;

/// What the ledger said at the beginning, and then at the end.
#[derive(Debug, Default)]
pub(super) struct Begun {
    checkpoint: String,
    pub(super) events: u64,
    pub(super) root: String,
}

impl Begun {
    async fn ask(&mut self, stage: &Stage, body: &Value) -> Result<(), Failed> {
        let report = stage.automation()?.send(Method::POST, "/audit-logs/verify", Some(body)).await?.expect(200)?;
        if report.get("intact") != Some(&Value::Bool(true)) {
            return Err(Failed::new(format!("the ledger does not verify: {report}")));
        }
        text(&report, "checkpoint")?.clone_into(&mut self.checkpoint);
        text(&report, "root")?.clone_into(&mut self.root);
        let entries = report.get("entries").and_then(Value::as_u64);
        self.events = entries.ok_or_else(|| Failed::new(format!("the report has no entries: {report}")))?;
        Ok(())
    }
}

/// The gateway answers over TLS, and its ledger is intact.
pub(super) async fn begin(stage: &Stage, begun: &mut Begun) -> Result<Vec<String>, Failed> {
    let mut browser = stage.browser();
    let page = browser.open(&stage.url).await?;
    let next = page.next()?;
    if next.path() != "/login" {
        return Err(Failed::new(format!("a visitor is sent to {} instead of /login", next.path())));
    }
    begun.ask(stage, &json!({})).await?;
    Ok(vec![
        format!("read cleargate.toml, opened the embedded store, listening at {}", stage.at("")),
        format!("a visitor is asked to sign in; the ledger holds {} events", begun.events),
    ])
}

/// The ledger is intact and continues the one of the beginning. Broken: it is compared to another ledger's beginning.
pub(super) async fn verify(stage: &Stage, begun: &mut Begun, is_broken: bool) -> Result<Vec<String>, Failed> {
    let before = begun.events;
    let since = if is_broken { format!("{before}:{}", "0".repeat(64)) } else { begun.checkpoint.clone() };
    begun.ask(stage, &json!({ "since": since })).await?;
    if begun.events <= before {
        return Err(Failed::new(format!("the play left no events: {} before, {} now", before, begun.events)));
    }
    Ok(vec![
        format!("{} events are as they were written, and continue the first {before}", begun.events),
        format!("root {}", begun.root),
    ])
}
