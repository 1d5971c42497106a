//! A pending sign-in: what the flow remembers between sending the browser away and seeing it again.
//!
//! A ticket is found by the handle that the upstream hands back, belongs to the browser that holds its cookie, is used
//! once and lives ten minutes.

use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::audit::{Change, Housekeeping, Ledger};
use crate::clock::{Clock, Timestamp};
use crate::model::{OrganisationId, SourceId};
use crate::secret::MacKey;
use crate::store::{self, Table};

/// How long a person may take at the upstream.
pub const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Pending sign-ins by the keyed hash of their handle.
const TICKETS: Table<[u8; 32], Ticket> = Table::new(0x50, "tickets");
/// Every tag of this module with its table's name.
pub const TABLES: [(u8, &str); 1] = [(0x50, TICKETS.name())];

/// A pending sign-in.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Ticket {
    /// Where it was started.
    #[n(0)]
    pub connector: SourceId,
    /// What the connector remembers.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub pending: Vec<u8>,
    /// Where it leads to.
    #[n(2)]
    pub return_to: String,
    /// Keyed hash of the browser's pre-login cookie.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub browser: [u8; 32],
    /// When it ends.
    #[n(4)]
    pub until: Timestamp,
}

/// Why there is no ticket.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Unknown, used, or older than ten minutes.
    #[error("no such sign-in is pending")]
    Absent,
    /// The handle belongs to another browser or connector.
    #[error("the sign-in was started elsewhere")]
    Foreign,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl store::Retryable for Error {
    fn is_lost_race(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_lost_race())
    }
}

/// What a browser brought back: it says which ticket it answers, and proves that it is the browser's.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// The handle that the upstream handed back.
    pub handle: &'a str,
    /// Whose answer it is.
    pub connector: &'a SourceId,
    /// Keyed hash of the browser's pre-login cookie.
    pub browser: [u8; 32],
}

/// Issues and redeems tickets.
#[derive(Clone)]
pub struct Tickets {
    ledger: Ledger,
    clock: Clock,
    key: MacKey,
}

impl Tickets {
    /// Tickets kept in the ledger's store; `key` hides handles and cookies.
    pub fn new(ledger: Ledger, clock: Clock, key: &MacKey) -> Self {
        Self { ledger, clock, key: key.derive("login ticket") }
    }

    /// The keyed hash under which a browser's cookie is remembered.
    pub fn browser(&self, cookie: &str) -> [u8; 32] {
        self.key.derive("browser").tag(cookie.as_bytes())
    }

    /// Remembers a sign-in under its handle.
    ///
    /// # Errors
    /// `Store`.
    pub async fn issue(
        &self,
        handle: &str,
        connector: &SourceId,
        pending: Vec<u8>,
        return_to: &str,
        browser: [u8; 32],
    ) -> Result<(), Error> {
        let until = self.clock.now().plus(LIFETIME);
        let ticket = Ticket { connector: connector.clone(), pending, return_to: return_to.to_owned(), browser, until };
        let mut change = self.ledger.change();
        change.put_until(&TICKETS, OrganisationId::DEFAULT, &self.key.tag(handle.as_bytes()), &ticket, Some(until))?;
        change.commit_quietly(Housekeeping::Login).await?;
        Ok(())
    }

    /// Whether a sign-in is pending under a handle, in whatever browser.
    ///
    /// # Errors
    /// `Store`.
    pub async fn holds(&self, handle: &str) -> Result<bool, Error> {
        let key = self.key.tag(handle.as_bytes());
        let ticket = self.ledger.store().find(&TICKETS, OrganisationId::DEFAULT, &key).await?;
        Ok(ticket.is_some_and(|ticket| ticket.until > self.clock.now()))
    }

    /// Takes the ticket of a handle. Of two concurrent calls one succeeds; a foreign browser does not use it up.
    ///
    /// # Errors
    /// `Absent`, `Foreign`, `Store`.
    pub async fn redeem(&self, held: &Held<'_>) -> Result<Ticket, Error> {
        self.ledger
            .retry(|mut change| async move {
                let ticket = self.redeem_in(&mut change, held).await?;
                change.commit_quietly(Housekeeping::Login).await?;
                Ok(ticket)
            })
            .await
    }

    /// Takes the ticket of a handle as part of `change`, which fails if somebody else takes it meanwhile.
    ///
    /// # Errors
    /// `Absent`, `Foreign`, `Store`.
    pub async fn redeem_in(&self, change: &mut Change, held: &Held<'_>) -> Result<Ticket, Error> {
        let key = self.key.tag(held.handle.as_bytes());
        let ticket = change.find(&TICKETS, OrganisationId::DEFAULT, &key).await?;
        let ticket = self.belongs(ticket, held)?;
        change.delete(&TICKETS, OrganisationId::DEFAULT, &key);
        Ok(ticket)
    }

    /// Reads the ticket of a handle and leaves it where it is.
    ///
    /// # Errors
    /// `Absent`, `Foreign`, `Store`.
    pub async fn read(&self, held: &Held<'_>) -> Result<Ticket, Error> {
        let key = self.key.tag(held.handle.as_bytes());
        let ticket = self.ledger.store().find(&TICKETS, OrganisationId::DEFAULT, &key).await?;
        self.belongs(ticket, held)
    }

    fn belongs(&self, ticket: Option<Ticket>, held: &Held<'_>) -> Result<Ticket, Error> {
        let ticket = ticket.filter(|ticket| ticket.until > self.clock.now()).ok_or(Error::Absent)?;
        // Both sides are keyed hashes: comparing them in variable time tells nothing about the cookie.
        if ticket.browser != held.browser || ticket.connector != *held.connector {
            return Err(Error::Foreign);
        }
        Ok(ticket)
    }
}
