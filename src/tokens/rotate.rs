//! Another text for a token, while the old one is still good for a while: whoever uses it is not cut off in between.

use std::time::Duration;

use super::{Error, Record, TOKEN_HASHES, TOKENS, Token, Tokens, told};
use crate::access::Permit;
use crate::audit::{Change, Event, EventKind};
use crate::clock::Timestamp;
use crate::model::{Actor, TokenId, TokenKind, UserId};
use crate::secret::Secret;

/// Longest time for which both texts may be good.
pub const MAX_OVERLAP: Duration = Duration::from_secs(30 * 86_400);

/// A token that another one has taken the place of.
#[derive(Debug)]
pub struct Rotated {
    /// The text of the new one, told this once.
    pub secret: Secret,
    /// The new one.
    pub token: Token,
    /// The old one, which ends by itself.
    pub old: Token,
}

impl Tokens {
    /// Puts a new token in the place of one: of the same name and kind, for the same user and with the same limit. Of a
    /// management token `maker` made the new one, who learns its text: it may no more than they may from now on; `None`,
    /// for the machine itself, leaves who made the old one. The old one is refused from `overlap` (30 days at most) on, or
    /// from its own end on where that is before. `lasts` is when the new one expires; `None` is as long after now as the
    /// old one did after it was made, and of a management token no longer than the token by which it is asked for. It is
    /// part of a change of the caller's, who commits it with the event.
    ///
    /// # Errors
    /// `NotFound`; `Over` for one that was replaced or has expired; `Invalid` for an overlap that is too long, and for an
    /// expiry that has passed or is later than that of the token by which it is asked for; `Store`.
    pub async fn rotate_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        id: TokenId,
        (overlap, lasts): (Duration, Option<Option<Timestamp>>),
        maker: Option<UserId>,
    ) -> Result<(Rotated, Event), Error> {
        if overlap > MAX_OVERLAP {
            return Err(Error::Invalid { field: "overlap", reason: "must be at most 30d" });
        }
        let until = self.end_of(permit.actor()).await?;
        let now = self.clock.now();
        let hash = change.find(&TOKEN_HASHES, self.organisation, &id).await?.ok_or(Error::NotFound)?;
        let record = change.find(&TOKENS, self.organisation, &hash.into()).await?.ok_or(Error::NotFound)?;
        let old = Token::from(record);
        if old.replaced_by.is_some() {
            return Err(Error::Over("was replaced already"));
        }
        if old.expires.is_some_and(|expires| expires <= now) {
            return Err(Error::Over("has expired"));
        }
        let expires = lasts.unwrap_or_else(|| old.expires.map(|until| now.plus(until.since(old.created))));
        if expires.is_some_and(|expires| expires <= now) {
            return Err(Error::Invalid { field: "expires", reason: "must lie in the future" });
        }
        let expires = within(expires, until, lasts.is_some(), &old.kind)?;
        let token = Token {
            id: TokenId::new(now, &self.ids),
            kind: made_by(&old.kind, maker),
            created: now,
            created_by: permit.actor().to_string(),
            expires,
            last_used: None,
            ..old.clone()
        };
        let secret = self.insert(change, &token)?;
        let until = now.plus(overlap);
        let until = old.expires.map_or(until, |expires| expires.min(until));
        let old = Token { expires: Some(until), replaced_by: Some(token.id), ..old };
        change.put(&TOKENS, self.organisation, &hash.into(), &Record::from(old.clone()))?;
        change.also(told(permit.event(now, EventKind::TokenCreated), &token));
        let event = told(permit.event(now, EventKind::TokenRotated), &old).detail("replaced_by", token.id);
        Ok((Rotated { secret, token, old }, event))
    }

    /// When the token ends by which somebody acts; `None` without one, and where it does not end.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    async fn end_of(&self, actor: &Actor) -> Result<Option<Timestamp>, Error> {
        match actor {
            Actor::Token { id, .. } => Ok(self.load(*id).await?.expires),
            _ => Ok(None),
        }
    }

    /// The expiry of a token that an actor makes: no later than that of the token by which it is made.
    ///
    /// # Errors
    /// `Invalid` where a later one was named, or is what a connection's token has unless somebody names one; `NotFound`;
    /// `Store`.
    pub(super) async fn bounded(
        &self,
        actor: &Actor,
        expires: Option<Timestamp>,
        is_named: bool,
        kind: &TokenKind,
    ) -> Result<Option<Timestamp>, Error> {
        within(expires, self.end_of(actor).await?, is_named, kind)
    }
}

/// The expiry, no later than `until`. A later one that somebody named is refused, and so is that of a connection's token:
/// nobody would know that its client is cut off on that day.
fn within(
    expires: Option<Timestamp>,
    until: Option<Timestamp>,
    is_named: bool,
    kind: &TokenKind,
) -> Result<Option<Timestamp>, Error> {
    let Some(until) = until.filter(|until| expires.is_none_or(|expires| expires > *until)) else { return Ok(expires) };
    match kind {
        TokenKind::Management(..) if !is_named => Ok(Some(until)),
        _ => {
            let reason = "must be no later than the end of the token by which it is asked for; name an earlier one";
            Err(Error::Invalid { field: "expires", reason })
        }
    }
}

/// The same kind with another maker.
fn made_by(kind: &TokenKind, maker: Option<UserId>) -> TokenKind {
    match (kind, maker) {
        (TokenKind::Management(limit, user, _), Some(maker)) => {
            TokenKind::Management(limit.clone(), *user, Some(maker).filter(|maker| Some(*maker) != *user))
        }
        (kind, _) => kind.clone(),
    }
}
