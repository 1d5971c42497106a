//! `/sources`: directories that are pulled, and provisioning connections.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::admit::Caller;
use super::fields::{Fields, Params};
use super::{Api, Error, render};
use crate::directory::Load;
use crate::error::Chain;
use crate::model::SourceId;
use crate::sync::{self, Outcome, Sync};

/// How long an answer waits for a run; less than a request may take.
const PATIENCE: Duration = Duration::from_secs(45);

/// The newest run, and the newest plan, of each source that somebody asked for, and what each said in the end.
#[derive(Clone, Default)]
pub(super) struct Runs(Arc<Mutex<Asked>>);

/// What a run says in the end.
type Told = watch::Receiver<Option<Value>>;

#[derive(Default)]
struct Asked {
    /// By source and whether it is a plan only, with the number of the request.
    runs: BTreeMap<(SourceId, bool), (u64, Told)>,
    count: u64,
}

impl Runs {
    /// What was asked for last.
    fn find(&self, source: &SourceId) -> Option<Told> {
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |dry_run| asked.runs.get(&(source.clone(), dry_run));
        of(false).into_iter().chain(of(true)).max_by_key(|(number, _)| *number).map(|(_, told)| told.clone())
    }

    /// The run that is under way; else a new one, with what it has to tell its end by. Whoever asks while one is under
    /// way waits for that one: a directory is not read twice at a time because somebody asks twice.
    fn join(&self, source: &SourceId, dry_run: bool) -> (Told, Option<watch::Sender<Option<Value>>>) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (source.clone(), dry_run);
        // A channel without a sender is that of a run that was stopped.
        let is_under_way = |told: &Told| told.borrow().is_none() && told.has_changed().is_ok();
        if let Some((_, told)) = asked.runs.get(&key).filter(|(_, told)| is_under_way(told)) {
            return (told.clone(), None);
        }
        let (sender, told) = watch::channel(None);
        asked.count += 1;
        let number = asked.count;
        asked.runs.insert(key, (number, told.clone()));
        (told, Some(sender))
    }
}

/// `GET /sources`.
pub(super) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    let _all_on_one_page = params.page::<SourceId>()?;
    params.end()?;
    api.permit(&caller, "sources:read", None).await?;
    api.check_sees_all(&caller).await?;
    let pulled = api.services.syncs.keys().map(|id| json!({"id": id.to_string(), "kind": "ldap"}));
    let mut sources: Vec<Value> = pulled.collect();
    for id in &api.services.connections {
        sources.push(api.connection(id).await?);
    }
    Ok(render::page(sources, None))
}

/// `GET /sources/{id}`: of a connection, where its brake stands.
pub(super) async fn find(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Response, Error> {
    api.permit(&caller, "sources:read", None).await?;
    api.check_sees_all(&caller).await?;
    let id: SourceId = id.parse().map_err(|_| Error::NotFound { what: "source" })?;
    let source = match api.services.syncs.contains_key(&id) {
        true => json!({"id": id.to_string(), "kind": "ldap"}),
        false => api.connection(api.connected(&id)?).await?,
    };
    Ok(render::answer(StatusCode::OK, &source))
}

/// `POST /sources/{id}/release`: lets a paused connection write again and forgets what it removed within the hour. One
/// that is not paused has its count forgotten, before a large clean-up that is meant.
pub(super) async fn release(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Error> {
    fields.end()?;
    let permit = api.permit(&caller, "sources:update", None).await?;
    api.check_sees_all(&caller).await?;
    let id: SourceId = id.parse().map_err(|_| Error::NotFound { what: "connection" })?;
    let id = api.connected(&id)?;
    let released = api.services.directory.release(&permit, id).await?;
    let mut body = api.connection(id).await?;
    if let Some(members) = body.as_object_mut() {
        members.insert("released".to_owned(), released.into());
    }
    Ok(render::answer(StatusCode::OK, &body))
}

/// `GET /sources/{id}/sync`: the newest run that was asked for here.
pub(super) async fn show(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Response, Error> {
    api.permit(&caller, "sync:read", None).await?;
    api.check_sees_all(&caller).await?;
    let sync = api.sync(&id)?;
    let answer = match api.runs.find(sync.id()) {
        None => json!({"source": sync.id().to_string(), "outcome": "none"}),
        Some(run) => state(sync.id(), run.borrow().as_ref()),
    };
    Ok(render::answer(StatusCode::OK, &answer))
}

/// `POST /sources/{id}/sync` with `dry_run`: runs, or tells what a run would do. What takes longer than a request goes
/// on; the answer is then 202 and `show` has the rest.
pub(super) async fn run(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    mut fields: Fields,
) -> Result<Response, Error> {
    let dry_run = fields.flag("dry_run")?.unwrap_or(false);
    fields.end()?;
    api.permit(&caller, if dry_run { "sync:read" } else { "sync:run" }, None).await?;
    api.check_sees_all(&caller).await?;
    let sync = api.sync(&id)?.clone();
    let source = sync.id().clone();
    let (mut receiver, sender) = api.runs.join(&source, dry_run);
    if let Some(sender) = sender {
        // The run outlives the request: stopping it half way because a client left would leave half a sync.
        api.services.tasks.spawn(format!("sync-on-demand:{source}"), async move {
            let outcome = if dry_run { plan(&sync).await } else { pull(&sync).await };
            sender.send_replace(Some(outcome));
        });
    }
    let ended = tokio::time::timeout(PATIENCE, receiver.wait_for(Option::is_some)).await;
    let answer = match ended {
        Ok(Ok(outcome)) => state(&source, outcome.as_ref()),
        // The task was stopped with the daemon.
        Ok(Err(_)) => return Err(Error::Busy { retry_after: Duration::from_secs(1) }),
        Err(_) => state(&source, None),
    };
    let status = if answer.get("outcome") == Some(&"running".into()) { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(render::answer(status, &answer))
}

fn state(source: &SourceId, outcome: Option<&Value>) -> Value {
    outcome.cloned().unwrap_or_else(|| json!({"source": source.to_string(), "outcome": "running"}))
}

fn plan(sync: &Sync) -> BoxFuture<'_, Value> {
    Box::pin(async move {
        match sync.plan().await {
            Ok((_, outcome)) => tell(sync.id(), "planned", &outcome),
            Err(error) => failed(sync.id(), &error),
        }
    })
}

fn pull(sync: &Sync) -> BoxFuture<'_, Value> {
    Box::pin(async move {
        match sync.run().await {
            Ok(outcome) if outcome.counts.changes() == 0 => tell(sync.id(), "unchanged", &outcome),
            Ok(outcome) => tell(sync.id(), "applied", &outcome),
            Err(error) => failed(sync.id(), &error),
        }
    })
}

fn tell(source: &SourceId, word: &str, outcome: &Outcome) -> Value {
    let mut body = json!({"source": source.to_string(), "outcome": word});
    if let Some(members) = body.as_object_mut() {
        members.extend(outcome.counts.named().map(|(name, count)| (name.to_owned(), count.into())));
        let skipped = outcome.skipped.iter().map(|skipped| json!({"dn": skipped.dn, "reason": skipped.reason}));
        members.insert("skipped".to_owned(), skipped.collect());
        members.insert("unresolved_members".to_owned(), outcome.unresolved_members.into());
    }
    body
}

fn failed(source: &SourceId, error: &sync::Error) -> Value {
    let word = match error {
        sync::Error::Refused { .. } | sync::Error::Untrusted { .. } => "refused",
        _ => "failed",
    };
    json!({"source": source.to_string(), "outcome": word, "reason": Chain(error).to_string()})
}

impl Api {
    /// The id of a provisioning connection, if it is one.
    fn connected(&self, id: &SourceId) -> Result<&SourceId, Error> {
        self.services.connections.get(id).ok_or(Error::NotFound { what: "connection" })
    }

    async fn connection(&self, id: &SourceId) -> Result<Value, Error> {
        let brake = self.services.directory.brake(id).await?;
        let load = |load: &Load| json!({"owned": load.owned, "removed": load.removed, "limit": load.limit});
        Ok(json!({
            "id": id.to_string(),
            "kind": "scim",
            "paused_since": render::time(brake.paused.as_ref().map(|pause| pause.since)),
            "paused_for": brake.paused.map(|pause| pause.what),
            "users": load(&brake.users),
            "groups": load(&brake.groups),
            "resources": load(&brake.resources),
        }))
    }

    fn sync(&self, id: &str) -> Result<&Sync, Error> {
        let missing = || Error::NotFound { what: "directory source" };
        let id: SourceId = id.parse().map_err(|_| missing())?;
        self.services.syncs.get(&id).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_while_a_run_is_under_way_waits_for_it() {
        let (runs, corp): (Runs, SourceId) = (Runs::default(), "corp".parse().unwrap());
        let (_, first) = runs.join(&corp, false);
        assert!(runs.join(&corp, false).1.is_none());
        let (_, plan) = runs.join(&corp, true);
        assert!(plan.is_some(), "a plan is no run");
        let first = first.unwrap();
        first.send_replace(Some(json!({"outcome": "applied"})));
        let (_, second) = runs.join(&corp, false);
        assert!(second.is_some(), "the first one has ended");
        drop(second);
        assert!(runs.join(&corp, false).1.is_some(), "the second one was stopped");
        let other = "other".parse().unwrap();
        assert!(runs.join(&other, false).1.is_some());
        assert!(runs.find(&"nobody".parse().unwrap()).is_none());
    }
}
