//! Networks that are shut out of sign-in by password, kept so that a restart lets no sprayer back in.

use minicbor::{Decode, Encode};

use super::{Error, Login};
use crate::access::Permit;
use crate::audit::{Change, Event, EventKind};
use crate::clock::Timestamp;
use crate::limit::{Block, KeptBlock, Pattern};
use crate::model::{Network, OrganisationId};
use crate::store::{Range, Row, Table, decode};

/// Blocks by network, until they make no further one longer.
const BLOCKS: Table<String, Kept> = Table::new(0x5f, "blocks of sprayers");
/// Every tag of this part with its table's name.
pub(super) const TABLES: [(u8, &str); 1] = [(0x5f, BLOCKS.name())];

/// Most blocks that a start puts back.
const MAX_RESTORED: usize = 4096;

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
    /// Records a block, and keeps it.
    pub(super) async fn keep_block(&self, block: &Block, event: &Event) -> Result<(), Error> {
        let kept = &self.services.limits.spray().kept(block.network);
        self.services
            .ledger
            .retry(|mut change| async move {
                if let Some(kept) = kept {
                    let (key, until) = (block.network.to_string(), Some(kept.remembered_until));
                    change.put_until(&BLOCKS, OrganisationId::DEFAULT, &key, &Kept::of(kept), until)?;
                }
                change.commit(event.clone()).await?;
                Ok(())
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
        let event = &event;
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

    /// Puts the blocks back in force that were so when the program ended.
    ///
    /// # Errors
    /// `Store`.
    pub async fn restore_blocks(&self) -> Result<usize, Error> {
        let range = Range::prefix(BLOCKS.prefix(OrganisationId::DEFAULT, &()), MAX_RESTORED);
        let rows: Vec<Row> = self.services.ledger.store().range(range).await?;
        let now = self.services.clock.now();
        let mut restored = 0;
        for (_, stored) in &rows {
            let Ok(kept) = decode::<Kept>(BLOCKS.name(), &stored.value) else { continue };
            if let Some(kept) = kept.block().filter(|kept| now < kept.remembered_until) {
                self.services.limits.spray().restore(&kept);
                restored += usize::from(now < kept.block.until);
            }
        }
        Ok(restored)
    }
}
