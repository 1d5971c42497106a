//! What belongs to an account beside its record: the directory ends it without knowing the modules that keep it.

use futures_util::future::BoxFuture;

use super::{Error, Foundation, policies, sources};
use crate::access::{Permit, Uses, forget_requests_in};
use crate::audit::{Change, EventKind, Ledger};
use crate::clock::Clock;
use crate::config::Config;
use crate::credential::{Credentials, Factors, Hasher};
use crate::directory;
use crate::lockout::Lockout;
use crate::model::{Circumstance, OrganisationId, User, UserId};
use crate::notify::{Notice, Outbox, Recipient};
use crate::secret::MacKey;
use crate::session::{self, Sessions};
use crate::store;
use crate::tokens::Tokens;

/// Sessions and the last sign-in, the password, second factors, failed attempts, tokens, which rights
/// were used, and access requests.
#[derive(Clone)]
pub(super) struct Belongings {
    clock: Clock,
    pub(super) credentials: Credentials,
    pub(super) factors: Factors,
    pub(super) lockout: Lockout,
    pub(super) outbox: Outbox,
    pub(super) sessions: Sessions,
    pub(super) tokens: Tokens,
    pub(super) uses: Uses,
}

impl Belongings {
    /// What keeps them, by the configuration.
    pub(super) fn new(
        config: &Config,
        foundation: &Foundation,
        ledger: &Ledger,
        master: &MacKey,
    ) -> Result<Self, Error> {
        let outbox = sources::outbox(config, foundation, ledger, master)?;
        let Foundation { clock, ids, .. } = foundation.clone();
        let organisation = OrganisationId::DEFAULT;
        let hasher = Hasher::start(policies::cost(&config.password.hashing), clock.clone())
            .map_err(Error::Hasher)?
            .telling(foundation.metrics.clone());
        let policy = policies::password(&config.password)?;
        let lockout = policies::lockout(&config.lockout);
        let tokens = Tokens::new(ledger.clone(), master, ids.clone(), clock.clone())
            .serving(config.scim.iter().map(|scim| scim.id.clone()));
        let factors = Factors::new(ledger.clone(), master, clock.clone(), ids.clone(), organisation);
        Ok(Self {
            credentials: Credentials::new(ledger.clone(), clock.clone(), ids.clone(), organisation, hasher, policy)
                .with_factors(factors.clone()),
            factors,
            lockout: Lockout::new(ledger.clone(), clock.clone(), organisation, master, lockout),
            outbox,
            sessions: Sessions::new(ledger.clone(), master, ids, clock.clone(), config.session),
            tokens,
            uses: Uses::new(ledger.clone(), clock.clone(), organisation),
            clock,
        })
    }
}

impl directory::Belongings for Belongings {
    fn shut<'a>(&'a self, change: &'a mut Change, user: UserId) -> BoxFuture<'a, Result<usize, store::Error>> {
        Box::pin(async move {
            self.sessions.end_all(change, user).await.map_err(|error| match error {
                session::Error::Store(error) => error,
                other @ session::Error::NotFound => store::Error::Unavailable { reason: other.to_string() },
            })
        })
    }

    fn hand_over<'a>(
        &'a self,
        change: &'a mut Change,
        permit: &'a Permit,
        user: &'a User,
    ) -> BoxFuture<'a, Result<usize, store::Error>> {
        Box::pin(async move {
            if self.factors.remove_in(change, user.id).await? {
                let event = permit.event(self.clock.now(), EventKind::FactorRemoved);
                let event = event.on("user", user.id, &user.user_name).detail("reason", "the account passed on");
                change.also(event);
                if user.is_by_hand() {
                    // The password stays, which is the weaker half.
                    self.outbox.tell_in(change, user, Notice::FactorRemoved, permit.circumstance()).await?;
                }
            }
            if !user.is_by_hand() {
                // Links to choose another one end with it.
                self.credentials.forget_in(change, user.id);
            }
            self.tokens.revoke_of_in(change, permit, user.id).await?;
            self.lockout.forget_known_in(change, user.id);
            self.uses.forget_in(change, user.id);
            forget_requests_in(change, OrganisationId::DEFAULT, user.id).await?;
            self.shut(change, user.id).await
        })
    }

    fn moved<'a>(
        &'a self,
        change: &'a mut Change,
        before: &'a User,
        after: &'a User,
        from: &'a Circumstance,
    ) -> BoxFuture<'a, Result<(), store::Error>> {
        Box::pin(async move {
            let address = |user| Recipient::of(user).map(|to| to.address().to_lowercase());
            if address(before) == address(after) {
                return Ok(());
            }
            self.outbox.tell_in(change, before, Notice::AddressChanged, from).await
        })
    }

    fn forget<'a>(&'a self, change: &'a mut Change, user: UserId) -> BoxFuture<'a, Result<(), store::Error>> {
        Box::pin(async move {
            self.credentials.forget_in(change, user);
            self.factors.forget_in(change, user).await?;
            self.lockout.forget_in(change, user);
            self.sessions.forget_in(change, user);
            self.uses.delete_in(change, user);
            forget_requests_in(change, OrganisationId::DEFAULT, user).await
        })
    }
}
