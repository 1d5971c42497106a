//! How often somebody may ask: one allowance per rate class, counted by address, account, token or connection.
//!
//! The counting is GCRA by governor, exact to the millisecond. Who counts is hashed with a random key into 2^20 buckets,
//! so that invented names and rotating addresses cannot grow memory; two that share a bucket are limited more, never
//! less. Sign-in counts an address's neighborhood too, and everybody together. This is no lockout: nothing here is durable.
//! Only [`Spray`] looks at outcomes.

mod retry;
mod spray;
mod steady;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::NotUntil;
use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::http::Rate;
use crate::model::Network;
use crate::secret::IdSource;
use crate::tasks::{Task, Tasks};
use steady::Steady;

pub use retry::Retry;
pub use spray::{Block, Blocked, KeptBlock, Pattern, Spray, SpraySettings};

/// How many subjects each limiter tells apart.
const BUCKETS: u64 = 1 << 20;
/// The bucket of what everybody shares.
const EVERYBODY: u32 = 0;

/// How often buckets that are full again are dropped.
const SWEEP: Duration = Duration::from_secs(60);

/// So many requests in so long, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Requests in `per`.
    pub requests: NonZeroU32,
    /// The time in which they come back evenly; at least one nanosecond a request.
    pub per: Duration,
    /// Requests at once after a rest.
    pub burst: NonZeroU32,
}

impl Allowance {
    /// `requests` in `per`, `burst` at once; zeros count as one.
    pub const fn new(requests: u32, per: Duration, burst: u32) -> Self {
        Self { requests: at_least_one(requests), per, burst: at_least_one(burst) }
    }

    /// How long until the next request is allowed when the allowance is used up.
    pub(super) fn interval(&self) -> Duration {
        (self.per / self.requests.get()).max(Duration::from_nanos(1))
    }

    fn quota(&self) -> Quota {
        // Only a zero interval has no quota.
        Quota::with_period(self.interval()).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(self.burst)
    }
}

const fn at_least_one(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

/// The allowances of all classes.
#[derive(Clone, Debug)]
pub struct LimitSettings {
    /// Management, by token, account or address.
    pub api: Allowance,
    /// Pages, by address.
    pub page: Allowance,
    /// Provisioning, by connection; by address before the token is known.
    pub scim: Allowance,
    /// Provisioning connections with an allowance of their own, by id.
    pub connections: BTreeMap<String, Allowance>,
    /// Sign-in by address: an office behind one address signs in here.
    pub sign_in_address: Allowance,
    /// Sign-in by account.
    pub sign_in_account: Allowance,
    /// Sign-in by neighborhood: IPv4 /24, IPv6 /48.
    pub sign_in_network: Allowance,
    /// Sign-in by everybody together: what the machine can do.
    pub sign_in_global: Allowance,
    /// When a network sprays passwords.
    pub spray: SpraySettings,
}

impl Default for LimitSettings {
    fn default() -> Self {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        Self {
            api: Allowance::new(50, second, 100),
            page: Allowance::new(20, second, 60),
            scim: Allowance::new(100, second, 200),
            connections: BTreeMap::new(),
            sign_in_address: Allowance::new(30, minute, 30),
            sign_in_account: Allowance::new(10, minute, 10),
            sign_in_network: Allowance::new(300, minute, 300),
            sign_in_global: Allowance::new(6000, minute, 6000),
            spray: SpraySettings::default(),
        }
    }
}

/// For whom a request counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject<'a> {
    /// The account that is tried: its id, or the folded name when there is no such account.
    Account(&'a str),
    /// The client's address; of IPv6 its /64 counts.
    Address(IpAddr),
    /// A provisioning connection's id; all its tokens count together.
    Connection(&'a str),
    /// A token's id.
    Token(&'a str),
    /// The connector whose transmitter of signals is asked. Nobody types one: it shares no bucket with an account.
    Transmitter(&'a str),
}

/// Why several requests at once are refused.
#[derive(Debug, thiserror::Error)]
pub enum Excess {
    /// They would pass later.
    #[error(transparent)]
    Later(Retry),
    /// They never pass together.
    #[error("more than the {most} that may come at once")]
    Never {
        /// How many may.
        most: u32,
    },
}

/// The limiters. Cloning shares them.
#[derive(Clone)]
pub struct Limits(Arc<Inner>);

struct Inner {
    key: [u8; 32],
    api: Limiter,
    page: Limiter,
    scim: Limiter,
    connections: BTreeMap<String, Limiter>,
    sign_in_address: Limiter,
    sign_in_account: Limiter,
    sign_in_network: Limiter,
    sign_in_global: Limiter,
    spray: Spray,
}

type Governor = RateLimiter<u32, DashMapStateStore<u32>, Steady, NoOpMiddleware<Nanos>>;

struct Limiter {
    name: &'static str,
    allowance: Allowance,
    governor: Governor,
}

impl Limits {
    /// Limiters at rest. `clock` may be set back without harm: time then stands still for a moment.
    pub fn new(settings: &LimitSettings, clock: &Clock, ids: &IdSource) -> Self {
        let steady = Steady::new(clock.clone());
        let limiter = |name, allowance: Allowance| Limiter {
            name,
            allowance,
            governor: RateLimiter::new(allowance.quota(), DashMapStateStore::default(), steady.clone()),
        };
        Self(Arc::new(Inner {
            key: ids.bytes(),
            api: limiter("api", settings.api),
            page: limiter("page", settings.page),
            scim: limiter("scim", settings.scim),
            connections: settings.connections.iter().map(|(id, own)| (id.clone(), limiter("scim", *own))).collect(),
            sign_in_address: limiter("sign_in_address", settings.sign_in_address),
            sign_in_account: limiter("sign_in_account", settings.sign_in_account),
            sign_in_network: limiter("sign_in_network", settings.sign_in_network),
            sign_in_global: limiter("sign_in_global", settings.sign_in_global),
            spray: Spray::new(settings.spray, clock, ids),
        }))
    }

    /// Counts one request of `subject` in the class. Of concurrent calls exactly as many pass as are allowed; a refused
    /// one costs nothing.
    ///
    /// # Errors
    /// How long to wait, when the allowance is used up.
    pub fn check(&self, rate: Rate, subject: Subject<'_>) -> Result<(), Retry> {
        let all = &*self.0;
        let hidden = matches!(subject, Subject::Account(_));
        all.limiter(rate, subject).check(self.bucket(subject, 64), hidden)?;
        if rate == Rate::SignIn && matches!(subject, Subject::Address(_)) {
            all.sign_in_network.check(self.bucket(subject, 48), false)?;
        }
        Ok(())
    }

    /// Counts one try of a password that anybody may make, against what all together may. Asked after everything else, and
    /// not of who comes by another way or from a browser that the account knows: strangers use up what is theirs.
    ///
    /// # Errors
    /// How long to wait, when the allowance is used up.
    pub fn check_everybody(&self) -> Result<(), Retry> {
        self.0.sign_in_global.check(EVERYBODY, false)
    }

    /// How many requests of `subject` may pass at once after a rest.
    pub fn burst(&self, rate: Rate, subject: Subject<'_>) -> u32 {
        self.0.limiter(rate, subject).allowance.burst.get()
    }

    /// Counts `more` requests that came within one that [`Limits::check`] let pass: all of them, or none.
    ///
    /// # Errors
    /// How long to wait; or that so many do not pass at once, the one that passed among them.
    pub fn check_further(&self, rate: Rate, subject: Subject<'_>, more: u32) -> Result<(), Excess> {
        let Some(more) = NonZeroU32::new(more) else { return Ok(()) };
        let limiter = self.0.limiter(rate, subject);
        let most = limiter.allowance.burst.get();
        if more.get() >= most {
            return Err(Excess::Never { most });
        }
        match limiter.governor.check_key_n(&self.bucket(subject, 64), more) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(Excess::Later(limiter.retry(&until, false))),
            Err(_) => Err(Excess::Never { most }),
        }
    }

    /// Starts the task that drops what rests. Without it memory stays bounded, but is not given back.
    pub fn run(&self, tasks: &Tasks) -> Task {
        let limits = self.clone();
        tasks.every("limits", SWEEP, move || {
            let limits = limits.clone();
            async move {
                // Some milliseconds for a full map: not on a thread that answers requests.
                if let Err(error) = tokio::task::spawn_blocking(move || limits.sweep()).await {
                    warn!("sweeping the rate limits failed: {error}");
                }
            }
        })
    }

    /// Drops the buckets that are full again.
    pub fn sweep(&self) {
        for limiter in self.0.all() {
            limiter.governor.retain_recent();
            limiter.governor.shrink_to_fit();
        }
        self.0.spray.sweep();
        debug!("rate limits hold {} buckets", self.buckets());
    }

    /// Who sprays passwords, and is shut out.
    pub fn spray(&self) -> &Spray {
        &self.0.spray
    }

    /// How many buckets are held, at most 2^20 for each limiter.
    pub fn buckets(&self) -> usize {
        self.0.all().map(|limiter| limiter.governor.len()).sum()
    }

    /// The bucket of a subject; of IPv6 the first `prefix` bits count, of IPv4 half of them.
    fn bucket(&self, subject: Subject<'_>, prefix: u8) -> u32 {
        let mut hasher = DefaultHasher::new();
        // The key goes first: SipHash's state after it is secret, so buckets cannot be aimed at.
        hasher.write(&self.0.key);
        match subject {
            Subject::Address(address) => {
                let address = address.to_canonical();
                let prefix = if address.is_ipv4() { prefix / 2 } else { prefix };
                Subject::Address(Network::of(address, prefix).address()).hash(&mut hasher);
            }
            other => other.hash(&mut hasher),
        }
        u32::try_from(hasher.finish() % BUCKETS).unwrap_or(0)
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limits({} buckets)", self.buckets())
    }
}

impl Inner {
    fn all(&self) -> impl Iterator<Item = &Limiter> {
        let sign_in =
            [&self.sign_in_address, &self.sign_in_account, &self.sign_in_network, &self.sign_in_global].into_iter();
        [&self.api, &self.page, &self.scim].into_iter().chain(sign_in).chain(self.connections.values())
    }

    fn limiter(&self, rate: Rate, subject: Subject<'_>) -> &Limiter {
        match (rate, subject) {
            (Rate::Api, _) => &self.api,
            (Rate::Page, _) => &self.page,
            (Rate::Scim, Subject::Connection(id)) => self.connections.get(id).unwrap_or(&self.scim),
            (Rate::Scim, _) => &self.scim,
            (Rate::SignIn, Subject::Account(_) | Subject::Transmitter(_)) => &self.sign_in_account,
            (Rate::SignIn, _) => &self.sign_in_address,
        }
    }
}

impl Limiter {
    fn check(&self, bucket: u32, hidden: bool) -> Result<(), Retry> {
        self.governor.check_key(&bucket).map_err(|until| self.retry(&until, hidden))
    }

    fn retry(&self, until: &NotUntil<Nanos>, hidden: bool) -> Retry {
        Retry {
            after: until.wait_time_from(self.governor.clock().now()),
            limiter: self.name,
            allowance: self.allowance,
            hidden,
        }
    }
}
