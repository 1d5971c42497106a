//! What a request costs the store: no more than what it names, whatever the size of the groups.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cleargate::access::Permit;
use cleargate::directory::{Directory, Rule, Rules, SourceRecord};
use cleargate::model::Attributes;
use cleargate::secret::IdSource;
use cleargate::store::engine::Memory;
use cleargate::store::{self, Batch, Committed, Engine, Head, Health, LogRow, Marks, Range, Row, Stored};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::watch;

use super::{Client, Ground, encoded};

/// Counts the rows that are read.
struct Counting {
    inner: Memory,
    read: Arc<AtomicUsize>,
}

impl Engine for Counting {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Stored>, store::Error>> {
        self.read.fetch_add(1, Ordering::SeqCst);
        self.inner.get(key)
    }
    fn multi_get<'a>(&'a self, keys: &'a [Vec<u8>]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, store::Error>> {
        self.read.fetch_add(keys.len(), Ordering::SeqCst);
        self.inner.multi_get(keys)
    }
    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, store::Error>> {
        let read = Arc::clone(&self.read);
        let rows = self.inner.range(range);
        let count = move |rows: &Result<Vec<Row>, store::Error>| {
            read.fetch_add(rows.as_ref().map_or(0, Vec::len), Ordering::SeqCst);
        };
        rows.inspect(count).boxed()
    }
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, store::Error>> {
        self.inner.commit(batch)
    }
    fn log(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<LogRow>, store::Error>> {
        self.inner.log(from, limit)
    }
    fn head(&self) -> BoxFuture<'_, Result<Head, store::Error>> {
        self.inner.head()
    }
    fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes()
    }
    fn copy(&self, beside: Vec<(Vec<u8>, Vec<u8>)>) -> BoxFuture<'_, Result<store::Copied, store::Error>> {
        self.inner.copy(beside)
    }
    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<u64, store::Error>> {
        self.inner.sweep(limit)
    }
    fn reopen(&self) -> BoxFuture<'_, Result<(), store::Error>> {
        self.inner.reopen()
    }
    fn marks(&self) -> &Marks {
        self.inner.marks()
    }
    fn health(&self) -> Health {
        self.inner.health()
    }
}

/// A client, and how many rows were read for it.
struct Counted {
    ground: Ground,
    client: Client,
    permit: Permit,
    read: Arc<AtomicUsize>,
}

impl Counted {
    /// With this condition of a rule of `okta`, if any.
    async fn new(when: Option<&str>) -> Self {
        let read = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&read);
        let mut ground = Ground::over(&super::LimitSettings::default(), |clock, seal| {
            store::split(Arc::new(Counting { inner: Memory::new(clock, Arc::new(seal)), read: counter }))
        });
        let rule = |when: &str| Rule {
            source: "okta".parse().unwrap(),
            when: when.parse().unwrap(),
            role: "viewer".parse().unwrap(),
            scope: None,
            keeping: cleargate::model::Keeping::Full,
            position: "cleargate.toml:1".to_owned(),
        };
        let rules = Rules::new(when.map(rule).into_iter().collect());
        ground.directory = Directory::new(ground.ledger.clone(), ground.clock.clock(), IdSource::seeded(2), rules);
        let permit = ground.access.task_permit("test", Some("okta".parse().unwrap()));
        let client = ground.client("okta").await;
        Self { ground, client, permit, read }
    }

    /// People, in a group of this name.
    async fn group_of(&self, name: &str, count: usize) -> (String, Vec<String>) {
        let mut ids = Vec::new();
        for number in 0..count {
            let record = SourceRecord {
                external_id: None,
                user_name: format!("{name}-{number}").parse().unwrap(),
                active: None,
                attributes: Attributes::default(),
            };
            ids.push(self.ground.directory.create_user(&self.permit, &record).await.unwrap().id.to_string());
        }
        let members: Vec<&str> = ids.iter().map(String::as_str).collect();
        (self.client.group(name, &members).await, ids)
    }

    /// How many rows this request reads.
    async fn cost(&self, request: impl Future<Output = super::Answer>) -> usize {
        let before = self.read.load(Ordering::SeqCst);
        let answer = request.await;
        assert!((200..300).contains(&answer.status), "{}", answer.body);
        self.read.load(Ordering::SeqCst) - before
    }
}

#[tokio::test]
async fn what_does_not_show_the_members_reads_as_much_of_a_large_group_as_of_a_small_one() {
    let counted = Counted::new(None).await;
    let client = &counted.client;
    let stranger = client.user("stranger").await;
    let mut costs = Vec::new();
    for (name, count) in [("small", 110), ("large", 900)] {
        let (group, members) = counted.group_of(name, count).await;
        let member = &members[5];
        let path = format!("/Groups/{group}");
        let bare = format!("{path}?excludedAttributes=members");
        let step = |op: &str| json!([{"op": op, "path": "members", "value": [{"value": stranger}]}]);
        let mut cost = vec![
            counted.cost(client.get(&bare)).await,
            counted.cost(client.patch(&path, step("add"))).await,
            counted.cost(client.patch(&path, step("remove"))).await,
            counted
                .cost(client.patch(&path, json!([{"op": "replace", "value": {"displayName": format!("{name} 2")}}])))
                .await,
        ];
        for filter in ["members eq", "members.value eq"] {
            let filter = encoded(&format!("id eq \"{group}\" and {filter} \"{member}\""));
            cost.push(counted.cost(client.get(&format!("/Groups?excludedAttributes=members&filter={filter}"))).await);
        }
        let filter = encoded(&format!("id eq \"{group}\" and members[value eq \"{member}\"]"));
        cost.push(counted.cost(client.get(&format!("/Groups?excludedAttributes=members&filter={filter}"))).await);
        costs.push(cost);
    }
    assert_eq!(costs[0], costs[1]);
    assert!(costs[0].iter().all(|rows| *rows < 40), "{costs:?}");
}

#[tokio::test]
async fn a_new_name_costs_the_members_only_where_a_rule_tells_it_from_the_old_one() {
    let rename = |name: &str| json!([{"op": "replace", "path": "displayName", "value": name}]);
    for (when, costs_members) in [(r#"groups eq "Officers""#, false), (r#"groups eq "Everyone""#, true)] {
        let counted = Counted::new(Some(when)).await;
        let (group, members) = counted.group_of("Everybody", 300).await;
        let path = format!("/Groups/{group}");
        let cost = counted.cost(counted.client.patch(&path, rename("Everyone"))).await;
        assert_eq!(cost > members.len(), costs_members, "{when} reads {cost} rows");
        // The rule that names it holds from then on.
        let user = members[7].parse().unwrap();
        let held = counted.ground.access.grants().list(cleargate::model::Subject::User(user)).await.unwrap();
        assert_eq!(held.len(), usize::from(costs_members), "{when}");
    }
}
