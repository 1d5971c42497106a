//! Networks that are shut out of sign-in by password, kept so that a restart lets no sprayer back in.

use minicbor::{Decode, Encode};

use super::{Error, Login};
use crate::access::Permit;
use crate::audit::{Change, Event, EventKind, Housekeeping};
use crate::clock::Timestamp;
use crate::limit::{Block, Blocked, KeptBlock, Pattern};
use crate::model::{Network, OrganisationId};
use crate::store::{Range, Row, Table, decode};

/// Blocks by network, until they make no further one longer.
const BLOCKS: Table<String, Kept> = Table::new(0x5f, "blocks of sprayers");
/// Every tag of this part with its table's name.
pub(super) const TABLES: [(u8, &str); 1] = [(0x5f, BLOCKS.name())];

/// Blocks of one read.
const PAGE: usize = 1000;
/// Most blocks that a start looks at; no more are kept but by accident.
const MAX_LOOKED_AT: usize = 20_000;

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Kept {
    #[n(0)]
    network: String,
    #[n(1)]
    until: Timestamp,
    #[n(2)]
    why: String,
    #[n(3)]
    times: u32,
    #[n(4)]
    remembered_until: Timestamp,
}

impl Kept {
    fn of(kept: &KeptBlock) -> Self {
        let KeptBlock { block, times, remembered_until } = *kept;
        let (network, why) = (block.network.to_string(), block.why.name().to_owned());
        Self { network, until: block.until, why, times, remembered_until }
    }

    fn block(&self) -> Option<KeptBlock> {
        let (network, why) = (Network::read(&self.network).ok()?, Pattern::of_name(&self.why)?);
        let block = Block { network, until: self.until, why };
        Some(KeptBlock { block, times: self.times, remembered_until: self.remembered_until })
    }
}

impl Login {
    /// Records a block, and keeps it, until somebody lets the network in again; the one that made room for it is forgotten.
    pub(super) async fn keep_block(&self, blocked: &Blocked, event: &Event) -> Result<(), Error> {
        let (services, Blocked { block, displaced }) = (&self.services, blocked);
        let (spray, key) = (services.limits.spray(), &block.network.to_string());
        services
            .ledger
            .retry(|mut change| async move {
                if let Some(kept) = spray.kept(block.network) {
                    let until = Some(kept.remembered_until);
                    change.put_until(&BLOCKS, OrganisationId::DEFAULT, key, &Kept::of(&kept), until)?;
                }
                if let Some(displaced) = displaced {
                    // Read, so that one of the two loses where it is shut out anew at this moment; then its row stays.
                    let row = displaced.to_string();
                    let is_kept = change.find(&BLOCKS, OrganisationId::DEFAULT, &row).await?.is_some();
                    if is_kept && spray.kept(*displaced).is_none() {
                        change.delete(&BLOCKS, OrganisationId::DEFAULT, &row);
                    }
                }
                change.commit(event.clone()).await?;
                Ok::<_, Error>(())
            })
            .await?;
        if spray.kept(block.network).is_some() {
            return Ok(());
        }
        // Let in again meanwhile, by who found no row to take away.
        services
            .ledger
            .retry(|mut change| async move {
                if change.find(&BLOCKS, OrganisationId::DEFAULT, key).await?.is_some() {
                    change.delete(&BLOCKS, OrganisationId::DEFAULT, key);
                    change.commit_quietly(Housekeeping::Login).await?;
                }
                Ok::<_, Error>(())
            })
            .await
    }

    /// Lets a network sign in again. Gives whether it was shut out.
    ///
    /// # Errors
    /// `Store`.
    pub async fn release_block(&self, permit: &Permit, network: Network) -> Result<bool, Error> {
        let is_released = self.services.limits.spray().release(network);
        let event = permit.event(self.services.clock.now(), EventKind::SprayReleased).on("network", network, network);
        // Without one in force, it is forgotten that there was one, which would have made the next one longer.
        let event = &event.detail("in_force", is_released);
        self.services
            .ledger
            .retry(|mut change: Change| async move {
                let key = network.to_string();
                let is_kept = change.find(&BLOCKS, OrganisationId::DEFAULT, &key).await?.is_some();
                if is_kept {
                    change.delete(&BLOCKS, OrganisationId::DEFAULT, &key);
                }
                if is_released || is_kept {
                    change.commit(event.clone()).await?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        Ok(is_released)
    }

    /// Puts the blocks back in force that were so when the program ended, and gives how many those are.
    ///
    /// # Errors
    /// `Store`.
    pub async fn restore_blocks(&self) -> Result<usize, Error> {
        let mut range = Range::prefix(BLOCKS.prefix(OrganisationId::DEFAULT, &()), PAGE);
        let mut kept = Vec::new();
        loop {
            let rows: Vec<Row> = self.services.ledger.store().range(range.clone()).await?;
            let read = |stored: &Row| decode::<Kept>(BLOCKS.name(), &stored.1.value).ok()?.block();
            kept.extend(rows.iter().filter_map(read));
            match rows.last() {
                Some((key, _)) if rows.len() == PAGE && kept.len() < MAX_LOOKED_AT => range = range.after(key),
                _ => return Ok(self.services.limits.spray().restore(kept)),
            }
        }
    }
}
