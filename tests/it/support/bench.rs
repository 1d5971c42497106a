//! A ledger in memory with a clock that stands still, and a permit of the daemon's own: what tests of single services
//! stand on.

use std::sync::Arc;

use cleargate::access::{Access, Member, Memberships, Permit, RoleBook};
use cleargate::audit::{Entry, Ledger, Sealer};
use cleargate::clock::{ManualClock, Timestamp};
use cleargate::model::{OrganisationId, UserId};
use cleargate::secret::{IdSource, MacKey};
use cleargate::store::{self, Range};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

/// When the clock stands at first: 2027-01-15T08:00:00Z.
pub const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

pub struct Bench {
    pub clock: ManualClock,
    pub ids: IdSource,
    pub ledger: Ledger,
    pub master: MacKey,
}

impl Bench {
    pub fn new() -> Self {
        let clock = ManualClock::new(START);
        let master = MacKey::new(&[7; 32]);
        let (store, writer) = store::open_memory(clock.clock(), Arc::new(Sealer::new(&master)));
        Self { clock, ids: IdSource::seeded(1), ledger: Ledger::new(store, writer), master }
    }

    /// The permit of a task of the daemon, `system:test`.
    pub fn permit(&self) -> Permit {
        let (ledger, clock) = (self.ledger.clone(), self.clock.clock());
        let memberships = Arc::new(NoMembers);
        Access::new(ledger, clock, self.ids.clone(), OrganisationId::DEFAULT, RoleBook::default(), memberships)
            .task_permit("test", None)
    }

    /// All events, newest first.
    pub async fn events(&self) -> Vec<Entry> {
        self.ledger.tail(1_000).await.unwrap().entries
    }

    /// How many commits there were.
    pub fn commits(&self) -> u64 {
        self.ledger.store().engine().health().transactions
    }

    /// Every byte that is stored, keys, values and events alike.
    pub async fn everything(&self) -> Vec<u8> {
        let engine = self.ledger.store().engine();
        let rows = engine.range(Range::prefix(Vec::new(), 10_000)).await.unwrap();
        let mut bytes: Vec<u8> = rows.into_iter().flat_map(|(key, stored)| [key, stored.value].concat()).collect();
        bytes.extend(engine.log(0, 10_000).await.unwrap().into_iter().flat_map(|row| row.body));
        bytes
    }

    /// How many rows are stored, expired ones left out.
    pub async fn rows(&self) -> usize {
        self.ledger.store().range(Range::prefix(Vec::new(), 10_000)).await.unwrap().len()
    }
}

struct NoMembers;

impl Memberships for NoMembers {
    fn standing(&self, _: UserId) -> BoxFuture<'_, Result<Option<Member>, store::Error>> {
        ready(Ok(None)).boxed()
    }
}

/// Whether `bytes` hold `text` somewhere.
pub fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
