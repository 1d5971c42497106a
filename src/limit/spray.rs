//! Password spraying: few tries on each of many accounts, which no count of a single account sees. Whoever tries the names
//! of many, or one password on several of them, from one address or its neighborhood is shut out of sign-in by password
//! for a while.
//!
//! What is remembered is 32 bits of a keyed hash of a name, 16 of one of a password, and a minute, for each wrong try of the
//! last ten minutes; the key is random and ends with the process, and what was tried with it. Blocks outlive it: who keeps them
//! puts them back ([`Spray::restore`]). A right password takes what its name failed before out
//! again, so that an office behind one address is no sprayer. Memory is bounded: the tally that was added to longest ago
//! makes room.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Allowance, Retry};
use crate::clock::{Clock, Timestamp};
use crate::model::{FoldedName, Network};
use crate::secret::{IdSource, Secret};

/// Bytes that the tallies of single addresses may take; those of neighborhoods may take as many.
const TALLY_BYTES: usize = 16 * 1024 * 1024;
/// What a tally takes beside its entries.
const TALLY_OVERHEAD: usize = 96;
/// Into how many parts tallies are divided, so that tries do not wait for each other.
const SHARDS: usize = 64;
/// Most networks that are blocked or were a short time ago.
const MAX_BLOCKS: usize = 4096;
/// A neighborhood is as bad as this many addresses.
const WIDE: usize = 4;
/// How many passwords are remembered for one name.
const MAX_OF_NAME: usize = 2;
/// The longest block.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a block that has ended makes the next one longer.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// When a network is blocked and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpraySettings {
    /// More names than this with wrong passwords within the window; of a neighborhood four times as many. 0 is never.
    pub names: usize,
    /// One password on more names than this within the window; of a neighborhood four times as many. 0 is never.
    pub names_of_password: usize,
    /// How long a wrong try is remembered.
    pub window: Duration,
    /// How long the first block lasts; each further one within a day is twice as long, at most a day.
    pub block_for: Duration,
}

impl Default for SpraySettings {
    fn default() -> Self {
        Self {
            names: 20,
            names_of_password: 5,
            window: Duration::from_secs(10 * 60),
            block_for: Duration::from_secs(15 * 60),
        }
    }
}

impl SpraySettings {
    /// Whether nothing gives anybody away.
    const fn is_off(&self) -> bool {
        self.names == 0 && self.names_of_password == 0
    }

    /// How long the how manieth block of a network within a day lasts, from 1.
    fn lasts(&self, times: u32) -> Duration {
        let factor = 1_u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
        self.block_for.saturating_mul(factor).min(LONGEST)
    }
}

/// A network that is shut out of sign-in by password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which.
    pub network: Network,
    /// Until when.
    pub until: Timestamp,
    /// What it did.
    pub why: Pattern,
}

/// A block that began just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The block.
    pub block: Block,
    /// The network whose block was forgotten to make room.
    pub displaced: Option<Network>,
}

/// A block as it outlives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptBlock {
    /// The block.
    pub block: Block,
    /// The how manieth it is of its network within a day, from 1: the next one is twice as long.
    pub times: u32,
    /// Until when it makes the next one longer.
    pub remembered_until: Timestamp,
}

/// What gives a sprayer away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Wrong passwords for many names.
    Names,
    /// One password for several names.
    Password,
}

impl Pattern {
    /// The word in events and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Names => "many names",
            Self::Password => "one password for several names",
        }
    }

    /// The pattern of a word.
    pub fn of_name(word: &str) -> Option<Self> {
        [Self::Names, Self::Password].into_iter().find(|pattern| pattern.name() == word)
    }
}

/// The detector. Cloning shares it.
#[derive(Clone)]
pub struct Spray(Arc<Inner>);

struct Inner {
    key: [u8; 32],
    clock: Clock,
    settings: SpraySettings,
    narrow: Tallies,
    wide: Tallies,
    /// Blocks in force, and those that make the next one longer.
    blocks: Mutex<HashMap<Network, Held>>,
    /// How many there are, so that nobody waits for the lock where there is none.
    held: AtomicUsize,
}

#[derive(Clone, Copy)]
struct Held {
    until: Timestamp,
    times: u32,
    why: Pattern,
}

/// Tallies of one width of networks.
struct Tallies {
    shards: Vec<Mutex<HashMap<Network, Tally>>>,
    /// Most tallies in a shard.
    most: usize,
    names: usize,
    names_of_password: usize,
}

#[derive(Default)]
struct Tally {
    entries: Vec<Entry>,
    last_minute: u16,
}

/// A wrong try.
#[derive(Clone, Copy)]
struct Entry {
    name: u32,
    password: u16,
    /// Since 1970, modulo 2^16.
    minute: u16,
}

impl Tallies {
    fn new(names: usize, names_of_password: usize) -> Self {
        let bytes = Self::capacity(names, names_of_password) * size_of::<Entry>() + TALLY_OVERHEAD;
        let most = (TALLY_BYTES / SHARDS / bytes).max(1);
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self { shards, most, names, names_of_password }
    }

    /// Most entries of a tally: as many names as give away, each with all that is kept of it.
    fn capacity(names: usize, names_of_password: usize) -> usize {
        names.max(names_of_password).saturating_add(1).saturating_mul(MAX_OF_NAME)
    }

    fn shard(&self, number: u64) -> Option<MutexGuard<'_, HashMap<Network, Tally>>> {
        let place = usize::try_from(number % u64::try_from(SHARDS).unwrap_or(1)).unwrap_or(0);
        Some(self.shards.get(place)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a wrong try and tells what it gives away.
    fn add(&self, shard: u64, network: Network, entry: Entry, window: u16) -> Option<Pattern> {
        let mut tallies = self.shard(shard)?;
        if tallies.len() >= self.most && !tallies.contains_key(&network) {
            let age = |tally: &Tally| entry.minute.wrapping_sub(tally.last_minute);
            let oldest = tallies.iter().max_by_key(|(_, tally)| age(tally)).map(|(network, _)| *network);
            oldest.and_then(|oldest| tallies.remove(&oldest));
        }
        let tally = tallies.entry(network).or_default();
        tally.last_minute = entry.minute;
        tally.add(entry, window, Self::capacity(self.names, self.names_of_password));
        let found = tally.judge(entry, self.names, self.names_of_password);
        if found.is_some() {
            // The next block takes as many again.
            tallies.remove(&network);
        }
        found
    }

    fn forget(&self, shard: u64, network: Network, name: u32) {
        let Some(mut tallies) = self.shard(shard) else { return };
        let Some(tally) = tallies.get_mut(&network) else { return };
        tally.entries.retain(|entry| entry.name != name);
        if tally.entries.is_empty() {
            tallies.remove(&network);
        }
    }

    fn sweep(&self, minute: u16, window: u16) {
        for shard in &self.shards {
            let mut tallies = shard.lock().unwrap_or_else(PoisonError::into_inner);
            tallies.retain(|_, tally| minute.wrapping_sub(tally.last_minute) <= window);
            tallies.shrink_to_fit();
        }
    }

    fn bytes(&self) -> usize {
        let of_shard = |shard: &Mutex<HashMap<Network, Tally>>| {
            let tallies = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let entries: usize = tallies.values().map(|tally| tally.entries.capacity() * size_of::<Entry>()).sum();
            // A hash map has at most an eighth of its places and as many again free, and a byte beside each.
            entries + tallies.capacity() * 2 * (size_of::<(Network, Tally)>() + 1)
        };
        self.shards.iter().map(of_shard).sum()
    }
}

impl Tally {
    fn add(&mut self, entry: Entry, window: u16, capacity: usize) {
        self.entries.retain(|old| {
            let is_same = old.name == entry.name && old.password == entry.password;
            !is_same && entry.minute.wrapping_sub(old.minute) <= window
        });
        let of_name = self.entries.iter().filter(|old| old.name == entry.name).count();
        if of_name >= MAX_OF_NAME {
            if let Some(place) = self.entries.iter().position(|old| old.name == entry.name) {
                self.entries.remove(place);
            }
        } else if self.entries.len() >= capacity {
            self.entries.remove(0);
        }
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(capacity.saturating_sub(self.entries.len()).clamp(1, 8));
        }
        self.entries.push(entry);
    }

    fn judge(&self, entry: Entry, names: usize, names_of_password: usize) -> Option<Pattern> {
        let distinct = |keep: &dyn Fn(&Entry) -> bool| {
            let mut names: Vec<u32> = self.entries.iter().filter(|entry| keep(entry)).map(|entry| entry.name).collect();
            names.sort_unstable();
            names.dedup();
            names.len()
        };
        if names_of_password > 0 && distinct(&|other| other.password == entry.password) > names_of_password {
            return Some(Pattern::Password);
        }
        (names > 0 && distinct(&|_| true) > names).then_some(Pattern::Names)
    }
}

impl Spray {
    /// A detector that has seen nothing.
    pub fn new(settings: SpraySettings, clock: &Clock, ids: &IdSource) -> Self {
        let (names, of_password) = (settings.names, settings.names_of_password);
        Self(Arc::new(Inner {
            key: ids.bytes(),
            clock: clock.clone(),
            settings,
            narrow: Tallies::new(names, of_password),
            wide: Tallies::new(names.saturating_mul(WIDE), of_password.saturating_mul(WIDE)),
            blocks: Mutex::default(),
            held: AtomicUsize::new(0),
        }))
    }

    /// Tells of a wrong password, and gives the networks that are blocked from now on for it.
    pub fn wrong(&self, address: IpAddr, name: &FoldedName, password: &Secret) -> Vec<Blocked> {
        let inner = &*self.0;
        if inner.settings.is_off() {
            return Vec::new();
        }
        let now = inner.clock.now();
        let password = u16::try_from(inner.hash(password.expose().as_bytes()) & 0xffff).unwrap_or(0);
        let entry = Entry { name: inner.name(name), password, minute: minute(now) };
        let window = u16::try_from(inner.settings.window.as_secs() / 60).unwrap_or(u16::MAX);
        let mut blocks = Vec::new();
        for (tallies, network) in inner.widths(address) {
            if let Some(why) = tallies.add(inner.place(network), network, entry, window) {
                blocks.push(inner.block(network, why, now));
            }
        }
        blocks
    }

    /// Tells of a right password: what its name failed before was a slip.
    pub fn right(&self, address: IpAddr, name: &FoldedName) {
        let inner = &*self.0;
        for (tallies, network) in inner.widths(address) {
            tallies.forget(inner.place(network), network, inner.name(name));
        }
    }

    /// Refuses an address of a network that is blocked.
    ///
    /// # Errors
    /// How long it is blocked still.
    pub fn check(&self, address: IpAddr) -> Result<(), Retry> {
        let inner = &*self.0;
        if inner.held.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let now = inner.clock.now();
        let blocks = inner.blocks();
        let until =
            inner.widths(address).into_iter().filter_map(|(_, network)| Some(blocks.get(&network)?.until)).max();
        match until.filter(|until| now < *until) {
            Some(until) => Err(Retry {
                after: until.since(now),
                limiter: "spray",
                allowance: Allowance::new(1, LONGEST, 1),
                hidden: true,
            }),
            None => Ok(()),
        }
    }

    /// The networks that are blocked now, the one that is blocked longest first.
    pub fn list(&self) -> Vec<Block> {
        let now = self.0.clock.now();
        let held = self.0.blocks();
        let in_force = held.iter().filter(|(_, held)| now < held.until);
        let mut blocks: Vec<Block> =
            in_force.map(|(network, held)| Block { network: *network, until: held.until, why: held.why }).collect();
        blocks.sort_by_key(|block| (std::cmp::Reverse(block.until), block.network.to_string()));
        blocks
    }

    /// Ends a block and forgets it; `false` where none is in force.
    pub fn release(&self, network: Network) -> bool {
        let now = self.0.clock.now();
        let mut blocks = self.0.blocks();
        let released = blocks.remove(&network);
        self.0.held.store(blocks.len(), Ordering::Release);
        released.is_some_and(|held| now < held.until)
    }

    /// What is to be kept of a network's block; `None` where there is none.
    pub fn kept(&self, network: Network) -> Option<KeptBlock> {
        let held = self.0.blocks().get(&network).copied()?;
        let block = Block { network, until: held.until, why: held.why };
        Some(KeptBlock { block, times: held.times, remembered_until: held.until.plus(REMEMBERED) })
    }

    /// Puts blocks in force that another process left, those first that last longest, and gives how many are in force. None
    /// lasts longer than by the settings of today, and where they are off there is none.
    pub fn restore(&self, mut kept: Vec<KeptBlock>) -> usize {
        let inner = &*self.0;
        if inner.settings.is_off() {
            return 0;
        }
        let now = inner.clock.now();
        kept.retain(|kept| now < kept.remembered_until);
        kept.sort_by_key(|kept| std::cmp::Reverse(kept.block.until));
        let mut blocks = inner.blocks();
        let mut in_force = 0;
        for KeptBlock { block, times, .. } in kept.into_iter().take(MAX_BLOCKS.saturating_sub(blocks.len())) {
            let until = block.until.min(now.plus(inner.settings.lasts(times)));
            blocks.entry(block.network).or_insert(Held { until, times, why: block.why });
            in_force += usize::from(now < until);
        }
        inner.held.store(blocks.len(), Ordering::Release);
        in_force
    }

    /// Drops what is too old to give anything away.
    pub fn sweep(&self) {
        let inner = &*self.0;
        let now = inner.clock.now();
        let window = u16::try_from(inner.settings.window.as_secs() / 60).unwrap_or(u16::MAX);
        inner.narrow.sweep(minute(now), window);
        inner.wide.sweep(minute(now), window);
        let mut blocks = inner.blocks();
        blocks.retain(|_, held| now < held.until.plus(REMEMBERED));
        inner.held.store(blocks.len(), Ordering::Release);
    }

    /// About how many bytes are held, from above.
    pub fn bytes(&self) -> usize {
        let blocks = self.0.blocks().capacity() * 2 * (size_of::<(Network, Held)>() + 1);
        self.0.narrow.bytes() + self.0.wide.bytes() + blocks
    }
}

impl Inner {
    fn blocks(&self) -> MutexGuard<'_, HashMap<Network, Held>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address and its neighborhood: IPv4 /32 and /24, IPv6 /64 and /48.
    fn widths(&self, address: IpAddr) -> [(&Tallies, Network); 2] {
        let (narrow, wide) = if address.to_canonical().is_ipv4() { (32, 24) } else { (64, 48) };
        [(&self.narrow, Network::of(address, narrow)), (&self.wide, Network::of(address, wide))]
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = DefaultHasher::new();
        // The key goes first: SipHash's state after it is secret.
        hasher.write(&self.key);
        hasher.write(bytes);
        hasher.finish()
    }

    fn name(&self, name: &FoldedName) -> u32 {
        u32::try_from(self.hash(name.as_str().as_bytes()) & u64::from(u32::MAX)).unwrap_or(0)
    }

    fn place(&self, network: Network) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.key);
        network.hash(&mut hasher);
        hasher.finish()
    }

    fn block(&self, network: Network, why: Pattern, now: Timestamp) -> Blocked {
        let mut blocks = self.blocks();
        let mut displaced = None;
        if blocks.len() >= MAX_BLOCKS && !blocks.contains_key(&network) {
            displaced = blocks.iter().min_by_key(|(_, held)| held.until).map(|(network, _)| *network);
            displaced.and_then(|first| blocks.remove(&first));
        }
        let before = blocks.get(&network).filter(|held| now < held.until.plus(REMEMBERED));
        let times = before.map_or(0, |held| held.times).saturating_add(1);
        let until = now.plus(self.settings.lasts(times));
        blocks.insert(network, Held { until, times, why });
        self.held.store(blocks.len(), Ordering::Release);
        Blocked { block: Block { network, until, why }, displaced }
    }
}

fn minute(now: Timestamp) -> u16 {
    u16::try_from(now.as_seconds().div_euclid(60).rem_euclid(1 << 16)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
