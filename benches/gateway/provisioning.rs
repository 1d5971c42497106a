//! The SCIM operations, the same for every service.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::MANY;
use super::client::{Call, Connection};
use super::measure::{Measure, Watch};

/// Connections of the operations that have many.
/// Members of the small group.
const SMALL: usize = 10;
/// Members of the middle one.
const MIDDLE: usize = 1_000;
/// Members that one request adds while groups are made.
const CHUNK: usize = 1_000;
/// Connections that make people.
const SEEDERS: usize = 8;
/// Measured before the clock runs, at most.
const WARM_UP: Duration = Duration::from_millis(150);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Read,
    ReadMany,
    Filter,
    FilterMiss,
    Create,
    CreateMany,
    PatchActive,
    GroupMiddle,
    GroupLarge,
    PatchSmall,
    PatchMiddle,
    PatchLarge,
    FirstPage,
    MiddlePage,
    CursorPage,
}

impl Operation {
    pub const ALL: [Self; 15] = [
        Self::Read,
        Self::ReadMany,
        Self::Filter,
        Self::FilterMiss,
        Self::Create,
        Self::CreateMany,
        Self::PatchActive,
        Self::GroupMiddle,
        Self::GroupLarge,
        Self::PatchSmall,
        Self::PatchMiddle,
        Self::PatchLarge,
        Self::FirstPage,
        Self::MiddlePage,
        Self::CursorPage,
    ];

    /// Those of which the cost must not hang on how many people there are.
    pub const OF_MANY: [Self; 10] = [
        Self::Read,
        Self::Filter,
        Self::FilterMiss,
        Self::Create,
        Self::PatchActive,
        Self::GroupLarge,
        Self::PatchLarge,
        Self::FirstPage,
        Self::MiddlePage,
        Self::CursorPage,
    ];

    pub fn name(self, people: usize) -> String {
        match self {
            Self::Read => "SCIM GET /Users/{id}".to_owned(),
            Self::ReadMany => format!("the same, {MANY} connections"),
            Self::Filter => "SCIM filter `userName eq`".to_owned(),
            Self::FilterMiss => "SCIM filter `userName eq`, of nobody".to_owned(),
            Self::PatchActive => "SCIM PATCH of a user, `active`".to_owned(),
            Self::GroupMiddle => format!("SCIM GET group of {MIDDLE} without members"),
            Self::GroupLarge => format!("SCIM GET group of {people} without members"),
            Self::Create => "SCIM POST /Users".to_owned(),
            Self::CreateMany => format!("the same, {MANY} connections"),
            Self::PatchSmall => format!("SCIM PATCH one member, group of {SMALL}"),
            Self::PatchMiddle => format!("SCIM PATCH one member, group of {MIDDLE}"),
            Self::PatchLarge => format!("SCIM PATCH one member, group of {people}"),
            Self::FirstPage => "SCIM page of 100, the first".to_owned(),
            Self::MiddlePage => "SCIM page of 100, in the middle".to_owned(),
            Self::CursorPage => "SCIM page of 100, by cursor".to_owned(),
        }
    }

    const fn connections(self) -> usize {
        match self {
            Self::ReadMany | Self::CreateMany => MANY,
            _ => 1,
        }
    }
}

/// A SCIM service with people and groups.
pub struct Service {
    base: String,
    prefix: String,
    token: String,
    process: u32,
    /// Ids and names.
    people: Vec<(String, String)>,
    small: String,
    middle: String,
    /// With everybody; none where that would take hours.
    large: Option<String>,
    has_large: bool,
    /// What leads to a page in the middle; none where there are no cursors.
    cursor: Option<String>,
    /// How many operations there were, so that no two are the same.
    count: Rc<Cell<usize>>,
}

impl Service {
    /// The service at `base` whose endpoints are below `prefix`, served by `process`.
    pub fn new(base: &str, prefix: &str, token: &str, process: u32) -> Self {
        Self {
            base: base.to_owned(),
            prefix: prefix.to_owned(),
            token: token.to_owned(),
            process,
            people: Vec::new(),
            small: String::new(),
            middle: String::new(),
            large: None,
            has_large: true,
            cursor: None,
            count: Rc::default(),
        }
    }

    /// The same without a group of everybody.
    pub fn without_large_group(self) -> Self {
        Self { has_large: false, ..self }
    }

    /// The same with people, and a group of all of them, that are there already.
    pub async fn with(mut self, people: Vec<(String, String)>, large: String) -> Self {
        self.people = people;
        self.large = Some(large);
        self.cursor = self.cursor_to_the_middle().await;
        self
    }

    /// Whether it can do the operation.
    pub fn offers(&self, operation: Operation) -> bool {
        match operation {
            Operation::GroupLarge | Operation::PatchLarge => self.large.is_some(),
            Operation::CursorPage => self.cursor.is_some(),
            _ => true,
        }
    }

    fn connection(&self) -> Connection {
        let authorization = format!("Bearer {}", self.token);
        Connection::new(&self.base, &[("authorization", &authorization), ("content-type", "application/scim+json")])
    }

    /// Creates people, a small and a middle group and one with all of them.
    pub async fn seed(&mut self, people: usize) {
        let next = Rc::new(Cell::new(0));
        let clients = (0..SEEDERS).map(|_| {
            let (mut connection, next, this) = (self.connection(), Rc::clone(&next), &*self);
            async move {
                let mut made = Vec::new();
                while next.get() < people {
                    let number = next.replace(next.get() + 1);
                    let name = format!("seed-{number}@example.org");
                    let created = connection.json(&this.create(&name)).await;
                    made.push((created["id"].as_str().unwrap().to_owned(), name));
                }
                made
            }
        });
        self.people = join_all(clients).await.concat();
        self.small = self.group("small", &self.people[..SMALL]).await;
        self.middle = self.group("middle", &self.people[..MIDDLE.min(people)]).await;
        if self.has_large {
            self.large = Some(self.group("large", &self.people).await);
        }
        self.cursor = self.cursor_to_the_middle().await;
    }

    /// Walks by cursor to the middle; a service without cursors gives none.
    async fn cursor_to_the_middle(&self) -> Option<String> {
        let mut connection = self.connection();
        let (mut cursor, mut passed) = (String::new(), 0);
        let count = (self.people.len() / 4).clamp(1, 1_000);
        while passed < self.people.len() / 2 {
            let path = format!("{}/Users?attributes=userName&count={count}&cursor={cursor}", self.prefix);
            // Who knows no cursors may say so.
            let call = Call { expected: &[200, 400, 501], ..Call::get(path) };
            let page = connection.json(&call).await;
            cursor = page["nextCursor"].as_str()?.to_owned();
            passed += page["Resources"].as_array()?.len();
        }
        Some(cursor)
    }

    async fn group(&self, name: &str, members: &[(String, String)]) -> String {
        let mut connection = self.connection();
        let group = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name});
        let call = Call {
            method: Method::POST,
            path: format!("{}/Groups", self.prefix),
            body: group.to_string(),
            expected: &[201],
        };
        let id = connection.json(&call).await["id"].as_str().unwrap().to_owned();
        for chunk in members.chunks(CHUNK) {
            let ids: Vec<Value> = chunk.iter().map(|(id, _)| json!({"value": id})).collect();
            connection.send(&self.patch(&id, &json!({"op": "add", "path": "members", "value": ids}))).await;
        }
        id
    }

    fn create(&self, name: &str) -> Call {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User",
                        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
            "userName": name,
            "externalId": name,
            "name": {"givenName": "Ada", "familyName": "Lovelace", "formatted": "Ada Lovelace"},
            "displayName": "Ada Lovelace",
            "title": "Engineer",
            "emails": [{"value": name, "type": "work", "primary": true}],
            "phoneNumbers": [{"value": "+49 30 1234567", "type": "work"}],
            "active": true,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                {"department": "Engineering", "employeeNumber": "701984"},
        });
        Call { method: Method::POST, path: format!("{}/Users", self.prefix), body: user.to_string(), expected: &[201] }
    }

    fn patch(&self, group: &str, operation: &Value) -> Call {
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]});
        let path = format!("{}/Groups/{group}?excludedAttributes=members", self.prefix);
        Call { method: Method::PATCH, path, body: body.to_string(), expected: &[200, 204] }
    }

    /// The `number`th request of an operation. Members leave and come back, so that groups keep their size.
    fn call(&self, operation: Operation, number: usize) -> Call {
        let (id, name) = &self.people[number.wrapping_mul(7_919) % self.people.len()];
        let member = |group: &str, size: usize| {
            let (id, _) = &self.people[number / 2 % size];
            let operation = match number % 2 {
                0 => json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")}),
                _ => json!({"op": "add", "path": "members", "value": [{"value": id}]}),
            };
            self.patch(group, &operation)
        };
        let prefix = &self.prefix;
        match operation {
            Operation::Read | Operation::ReadMany => Call::get(format!("{prefix}/Users/{id}")),
            Operation::Filter => {
                Call::get(format!("{prefix}/Users?filter=userName%20eq%20%22{}%22", name.replace('@', "%40")))
            }
            Operation::FilterMiss => {
                Call::get(format!("{prefix}/Users?filter=userName%20eq%20%22nobody-{number}%40example.org%22"))
            }
            // One person leaves and comes back: a brake of removals must be set aside for it.
            Operation::PatchActive => {
                let (id, _) = &self.people[number / 2 % self.people.len()];
                let step = json!({"op": "replace", "path": "active", "value": number % 2 == 1});
                let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [step]});
                let path = format!("{prefix}/Users/{id}");
                Call { method: Method::PATCH, path, body: body.to_string(), expected: &[200, 204] }
            }
            Operation::GroupMiddle => Call::get(format!("{prefix}/Groups/{}?excludedAttributes=members", self.middle)),
            Operation::GroupLarge => {
                let large = self.large.as_ref().unwrap();
                Call::get(format!("{prefix}/Groups/{large}?excludedAttributes=members"))
            }
            Operation::Create | Operation::CreateMany => self.create(&format!("new-{number}@example.org")),
            Operation::PatchSmall => member(&self.small, SMALL),
            Operation::PatchMiddle => member(&self.middle, MIDDLE.min(self.people.len())),
            Operation::PatchLarge => member(self.large.as_ref().unwrap(), self.people.len()),
            Operation::FirstPage => Call::get(format!("{prefix}/Users?startIndex=1&count=100")),
            Operation::MiddlePage => {
                Call::get(format!("{prefix}/Users?startIndex={}&count=100", self.people.len() / 2))
            }
            Operation::CursorPage => {
                Call::get(format!("{prefix}/Users?count=100&cursor={}", self.cursor.as_ref().unwrap()))
            }
        }
    }

    /// Does an operation over and over, for so long.
    pub async fn measure(&mut self, operation: Operation, time: Duration) -> Measure {
        let mut connections: Vec<Connection> = (0..operation.connections()).map(|_| self.connection()).collect();
        self.repeat(operation, &mut connections, WARM_UP.min(time)).await;
        let watch = Watch::start(self.process);
        let done = self.repeat(operation, &mut connections, time).await;
        watch.stop(done)
    }

    async fn repeat(&self, operation: Operation, connections: &mut [Connection], time: Duration) -> u64 {
        let end = Instant::now() + time;
        // Numbers begin even, so that a member leaves before they come back.
        self.count.set(self.count.get().next_multiple_of(2));
        let clients = connections.iter_mut().map(|connection| async move {
            let mut done = 0;
            loop {
                let number = self.count.replace(self.count.get() + 1);
                connection.send(&self.call(operation, number)).await;
                done += 1;
                // Only whole pairs of leaving and coming back.
                if Instant::now() >= end && done % 2 == 0 {
                    return done;
                }
            }
        });
        join_all(clients).await.into_iter().sum()
    }
}
