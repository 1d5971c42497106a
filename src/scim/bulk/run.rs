//! Doing the operations of a bulk request, in their order as far as the outcome shows.
//!
//! An operation that refers to what a later one creates is done right after that one. Where operations wait for each
//! other in a circle, one of them is done without the attributes that refer to the others, and these are added when the
//! others are there (section 3.7.1). Neighbours that create users and refer to nobody are done together, so that they
//! share commits.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use axum::response::IntoResponse;
use futures_util::future::join_all;
use http::{Method, StatusCode, header};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::reference::{self, Ids};
use super::{Entry, MAX_REFERENCES, Operation, Outcome, Request, patch_of};
use crate::model::{FoldedName, fold};
use crate::scim::call::{Call, Content};
use crate::scim::resource::Endpoint;
use crate::scim::routes::{at_collection, at_resource};
use crate::scim::{Error, Scim};

/// Most operations that are done at the same time.
const MAX_TOGETHER: usize = 64;
/// What the answer to an operation would show: nothing of it is needed, so little of it is read.
const SHOWN: &str = "attributes=id";
/// How long a bulk request goes on from its arrival; what is not done by then is answered as not done, before the whole
/// would come too late.
pub(super) const MAX_TIME: Duration = Duration::from_secs(40);
const WRITES: &str = "PUT, PATCH, DELETE";

/// A bulk request while it is done.
pub(super) struct Run<'a> {
    scim: &'a Scim,
    call: &'a Call,
    request: &'a Request,
    /// What is wrong with the references of each operation.
    wrong: Vec<Option<Outcome>>,
    /// What each operation refers to.
    needs: Vec<BTreeSet<String>>,
    outcomes: Vec<Option<Outcome>>,
    /// What was created, by `bulkId`.
    ids: Ids,
    /// What will not be created.
    failed: HashSet<String>,
    /// Operations that wait for what is not created yet.
    waiting: BTreeSet<usize>,
    /// What was created without all of its attributes, and which are missing.
    unfinished: Vec<(usize, Map<String, Value>)>,
    errors: usize,
    ends: Instant,
}

impl<'a> Run<'a> {
    /// `ends` is when nothing further is begun.
    ///
    /// # Errors
    /// `InvalidValue` for more than [`MAX_REFERENCES`].
    pub(super) fn new(scim: &'a Scim, call: &'a Call, request: &'a Request, ends: Instant) -> Result<Self, Error> {
        let count = request.entries.len();
        let (mut wrong, mut needs, mut references) = (Vec::with_capacity(count), Vec::with_capacity(count), 0_usize);
        for entry in &request.entries {
            let names = match &entry.operation {
                Ok(operation) => reference::names(operation, &|name| request.creators.contains_key(name)),
                Err(_) => Ok(BTreeSet::new()),
            };
            wrong.push(names.as_ref().err().map(error_outcome));
            let names = names.unwrap_or_default();
            references = references.saturating_add(names.len());
            needs.push(names);
        }
        if references > MAX_REFERENCES {
            let text =
                format!("the operations refer to others {references} times, at most {MAX_REFERENCES} are allowed");
            return Err(Error::InvalidValue(text));
        }
        Ok(Self {
            scim,
            call,
            request,
            wrong,
            needs,
            outcomes: vec![None; count],
            ids: Ids::new(),
            failed: HashSet::new(),
            waiting: BTreeSet::new(),
            unfinished: Vec::new(),
            errors: 0,
            ends,
        })
    }

    /// Does everything; an operation that was not done, for there were too many errors, has no outcome, and one for which
    /// there was no time is not available.
    pub(super) async fn finish(mut self) -> Vec<Option<Outcome>> {
        let mut wrong = std::mem::take(&mut self.wrong);
        let mut index = 0;
        while index < wrong.len() && !self.is_stopped() {
            let together = self.together(index, &wrong);
            if together > 1 {
                self.create_together(index, together).await;
                index += together;
            } else {
                match wrong.get_mut(index).and_then(Option::take) {
                    Some(outcome) => self.settle(index, outcome),
                    None => self.attempt(index).await,
                }
                index += 1;
            }
            self.go_on().await;
            // What an operation does to a resource waits for nothing.
            tokio::task::yield_now().await;
        }
        while !self.is_stopped()
            && let Some(index) = self.weakest()
        {
            self.waiting.remove(&index);
            self.create_in_part(index).await;
            self.go_on().await;
        }
        self.complete(true).await;
        if self.is_late() && !self.has_failed() {
            let late = error_outcome(&Error::TookTooLong);
            for outcome in &mut self.outcomes {
                outcome.get_or_insert_with(|| late.clone());
            }
        }
        self.outcomes
    }

    fn is_stopped(&self) -> bool {
        self.has_failed() || self.is_late()
    }

    fn has_failed(&self) -> bool {
        self.request.fail_on_errors.is_some_and(|most| self.errors >= most)
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.ends
    }

    fn operation(&self, index: usize) -> Option<&'a Operation> {
        self.request.entries.get(index).and_then(|entry: &Entry| entry.operation.as_ref().ok())
    }

    /// The name that an operation gives to what it creates.
    fn name(&self, index: usize) -> Option<&'a str> {
        let operation = self.operation(index).filter(|operation| operation.method == Method::POST)?;
        operation.bulk_id.as_deref()
    }

    fn needs(&self, index: usize) -> impl Iterator<Item = &String> {
        self.needs.get(index).into_iter().flatten()
    }

    /// Does an operation, refuses it, or lets it wait.
    async fn attempt(&mut self, index: usize) {
        let entry = self.request.entries.get(index);
        let Some(operation) = self.operation(index) else {
            if let Some(Err(error)) = entry.map(|entry| &entry.operation) {
                self.settle(index, error_outcome(error));
            }
            return;
        };
        let failed = self.needs(index).find(|name| self.failed.contains(*name)).map(|name| unresolved(name));
        if let Some(error) = failed {
            return self.settle(index, error_outcome(&error));
        }
        if self.needs(index).any(|name| !self.ids.contains_key(name)) {
            self.waiting.insert(index);
            return;
        }
        let outcome = self.perform(operation).await;
        self.settle(index, outcome);
    }

    /// Does an operation whose references all stand for something.
    async fn perform(&self, operation: &Operation) -> Outcome {
        let path = reference::path(&operation.path, &self.ids);
        let data = operation.data.as_ref().map(|data| reference::data(data, &self.ids));
        self.scim.operate(self.call, &operation.method, &path, operation.version.as_deref(), data).await
    }

    /// Notes what became of an operation.
    fn settle(&mut self, index: usize, outcome: Outcome) {
        if !outcome.status.is_success() {
            self.errors += 1;
        }
        if let Some(name) = self.name(index) {
            match outcome.id() {
                Some(id) => drop(self.ids.insert(name.to_owned(), id)),
                None => drop(self.failed.insert(name.to_owned())),
            }
        }
        if let Some(place) = self.outcomes.get_mut(index) {
            *place = Some(outcome);
        }
    }

    /// Does what no longer has to wait, in order.
    async fn go_on(&mut self) {
        loop {
            self.complete(false).await;
            let is_settled = |name: &String| self.ids.contains_key(name) || self.failed.contains(name);
            let next = self.waiting.iter().copied().find(|index| self.needs(*index).all(is_settled));
            let Some(index) = next.filter(|_| !self.is_stopped()) else { return };
            self.waiting.remove(&index);
            self.attempt(index).await;
        }
    }

    /// How many operations from this one on can be done at the same time with the same outcome as one after the other:
    /// they create users of different names, refer to nothing, and no number of errors ends the request.
    fn together(&self, from: usize, wrong: &[Option<Outcome>]) -> usize {
        // Passwords are hashed one after the other, so that one request does not hold up everybody's sign-in.
        if self.request.fail_on_errors.is_some() || self.scim.sets_passwords(&self.call.source) {
            return 1;
        }
        let mut names: HashSet<FoldedName> = HashSet::new();
        let mut count = 0;
        while count < MAX_TOGETHER {
            let index = from + count;
            let is_free = wrong.get(index).is_some_and(Option::is_none) && self.needs(index).next().is_none();
            let Some(name) = self.operation(index).filter(|_| is_free).and_then(new_user) else { break };
            if !names.insert(fold(name)) {
                break;
            }
            count += 1;
        }
        count.max(1)
    }

    async fn create_together(&mut self, from: usize, count: usize) {
        let indexes = from..from.saturating_add(count);
        let operations = indexes.clone().filter_map(|index| self.operation(index));
        let outcomes = join_all(operations.map(|operation| self.perform(operation))).await;
        for (index, outcome) in indexes.zip(outcomes) {
            self.settle(index, outcome);
        }
    }

    /// The operation that ends a circle when it is done first: the first one that waits and is waited for.
    fn weakest(&self) -> Option<usize> {
        let wanted: HashSet<&String> = self.waiting.iter().flat_map(|index| self.needs(*index)).collect();
        self.waiting
            .iter()
            .copied()
            .find(|index| self.name(*index).is_some_and(|name| wanted.contains(&name.to_owned())))
    }

    /// Creates a resource without the attributes that refer to what is not created yet.
    async fn create_in_part(&mut self, index: usize) {
        let Some((operation, data)) = self.operation(index).and_then(|o| Some((o, o.data.as_ref()?))) else { return };
        let creators = &self.request.creators;
        let (now, later) = reference::split(data, &self.ids, &|name| creators.contains_key(name));
        let path = reference::path(&operation.path, &self.ids);
        let outcome = self.scim.operate(self.call, &Method::POST, &path, None, Some(now)).await;
        if outcome.status.is_success() {
            self.unfinished.push((index, later));
        }
        self.settle(index, outcome);
    }

    /// Adds the missing attributes where what they refer to is created; at the end, says where it will not be.
    async fn complete(&mut self, is_end: bool) {
        for (index, missing) in std::mem::take(&mut self.unfinished) {
            if self.needs(index).all(|name| self.ids.contains_key(name)) {
                let values = Value::Object(reference::data(&missing, &self.ids));
                self.add(index, json!([{"op": "add", "value": values}])).await;
                continue;
            }
            let is_lost = |name: &&String| match is_end {
                true => !self.ids.contains_key(*name),
                false => self.failed.contains(*name),
            };
            let lost = self.needs(index).find(is_lost).map(|name| unresolved(name));
            match lost {
                Some(error) => self.amend(index, error_outcome(&error)),
                None => self.unfinished.push((index, missing)),
            }
        }
    }

    async fn add(&mut self, index: usize, operations: Value) {
        let address = self.outcomes.get(index).and_then(|outcome| outcome.as_ref()?.location.clone());
        let Some(path) = address.as_deref().and_then(|address| self.scim.below(address)) else { return };
        let patch = patch_of(operations);
        let outcome = self.scim.operate(self.call, &Method::PATCH, path, None, Some(patch)).await;
        self.amend(index, outcome);
    }

    /// What became of something that was created in part: it is there, whatever its second half came to.
    fn amend(&mut self, index: usize, second: Outcome) {
        let Some(Some(first)) = self.outcomes.get_mut(index) else { return };
        if second.status.is_success() {
            first.version = second.version.or_else(|| first.version.take());
        } else {
            self.errors += 1;
            first.status = second.status;
            first.response = second.response;
        }
    }
}

/// The login name of a user that an operation creates.
fn new_user(operation: &Operation) -> Option<&str> {
    let data = operation.data.as_ref().filter(|_| operation.method == Method::POST)?;
    let endpoint = operation.path.trim_matches('/');
    let (_, name) = data.iter().find(|(key, _)| key.eq_ignore_ascii_case("userName"))?;
    name.as_str().filter(|_| endpoint.eq_ignore_ascii_case("Users"))
}

fn unresolved(name: &str) -> Error {
    Error::Unresolved(format!("`bulkId:{name}` stands for nothing: the operation that creates it did not succeed"))
}

fn error_outcome(error: &Error) -> Outcome {
    Outcome { status: error.answer().status, location: None, version: None, response: Some(error.body()) }
}

impl Outcome {
    /// The id of what was created.
    fn id(&self) -> Option<String> {
        let location = self.location.as_ref().filter(|_| self.status.is_success())?;
        location.rsplit('/').next().map(str::to_owned)
    }
}

impl Scim {
    /// The part of an address below the base, `/Users/…`.
    fn below<'a>(&self, address: &'a str) -> Option<&'a str> {
        address.strip_prefix(&*self.base)
    }

    /// One operation, as a request of its own would be done.
    async fn operate(
        &self,
        call: &Call,
        method: &Method,
        path: &str,
        version: Option<&str>,
        data: Option<Map<String, Value>>,
    ) -> Outcome {
        let path = self.below(path).unwrap_or(path);
        let mut parts = path.split('?').next().unwrap_or_default().trim_matches('/').split('/');
        let (endpoint, id, rest) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let call = call.of_operation(method, version, SHOWN);
        let location = id.filter(|_| *method != Method::POST).map(|id| format!("{}/{endpoint}/{id}", self.base));
        let body = data.map_or(Content::None, Content::Read);
        let answer = match (Endpoint::find(&self.catalogue, endpoint), id) {
            (Some(Endpoint::Resources(_)), None) => at_collection(self, endpoint, &call, body).await,
            // A search is a POST too, but none of a resource.
            (Some(Endpoint::Resources(_)), Some(_)) if *method == Method::POST => {
                Err(Error::Method { allowed: WRITES })
            }
            (Some(Endpoint::Resources(_)), Some(id)) if rest.is_none() => {
                at_resource(self, endpoint, id, &call, body).await
            }
            _ => Err(Error::NotFound),
        };
        let (response, answer) = match answer {
            Ok(answer) => (None, answer),
            Err(error) => (Some(error.body()), error.into_response()),
        };
        self.note(&call, endpoint, id, &answer);
        let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let is_empty = answer.status() == StatusCode::NO_CONTENT;
        Outcome {
            status: answer.status(),
            location: text(header::LOCATION).or(location),
            version: text(header::ETAG).filter(|_| !is_empty),
            response,
        }
    }
}
