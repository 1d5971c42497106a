//! The management tokens of a person, those that act for them and those that they made, found by rows of their own: an
//! account that passes on is rid of them in the same commit, however many others there are.

use std::collections::BTreeSet;

use super::{Error, TOKEN_HASHES, TOKENS, Token, Tokens, told};
use crate::access::Permit;
use crate::audit::{Change, EventKind, Housekeeping};
use crate::model::{TokenId, TokenKind, UserId};
use crate::store::{self, Range, Table};

/// Management tokens by whom they depend on.
const OF_PEOPLE: Table<(UserId, TokenId), ()> = Table::new(0x73, "tokens of people");
/// There, under [`KIND`], once those of a release before have their rows.
const FILLED: Table<u64, ()> = Table::new(0x74, "tokens of people filled");
/// Counts the tokens that depend on a user: whoever revokes them all holds it, so that it loses against one that is made at
/// the same moment. Being a counter, it is no point of conflict between two that are made.
const MADE: Table<UserId, i64> = Table::new(0x79, "tokens made of people");
/// What the rows are: raised when there are rows that a release before did not make.
const KIND: u64 = 1;
/// Rows of one read, and tokens that get theirs in one commit.
const PAGE: usize = 500;

/// Whose rights a management token never exceeds, and who was told its text, which a release before did not hold to be its
/// maker where they had put it in the place of somebody else's.
fn people_of(token: &Token) -> BTreeSet<UserId> {
    match &token.kind {
        TokenKind::Management(_, user, maker) => [*user, *maker, token.told_to()].into_iter().flatten().collect(),
        TokenKind::Client(_) | TokenKind::Scim(_) => BTreeSet::new(),
    }
}

impl Tokens {
    pub(super) fn index(&self, change: &mut Change, token: &Token) -> Result<(), store::Error> {
        people_of(token).into_iter().try_for_each(|user| {
            change.add(&MADE, self.organisation, &user, 1);
            change.put(&OF_PEOPLE, self.organisation, &(user, token.id), &())
        })
    }

    pub(super) fn unindex(&self, change: &mut Change, token: &Token) {
        people_of(token).into_iter().for_each(|user| change.delete(&OF_PEOPLE, self.organisation, &(user, token.id)));
    }

    /// Revokes every management token that acts for a user or that they made, inside a change of the caller's, with an event
    /// for each. Tokens of connections that they made stay: their rights are none of anybody's, and the connection would stop.
    /// The commit loses against one that is made meanwhile; who makes one later does it by a session or a token that has
    /// ended with this one.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn revoke_of_in(&self, change: &mut Change, permit: &Permit, user: UserId) -> Result<(), store::Error> {
        change.hold(&MADE, self.organisation, &user).await?;
        let mut range = Range::prefix(OF_PEOPLE.prefix(self.organisation, &user), PAGE);
        loop {
            let rows = change.range(range.clone()).await?;
            for (key, _) in &rows {
                let id = TokenId::from_bytes(OF_PEOPLE.suffix(key)?);
                match self.take_in(change, id).await? {
                    Some(token) => {
                        let event = permit.event(self.clock.now(), EventKind::TokenRevoked);
                        change.also(told(event, &token).detail("reason", "the account passed on"));
                    }
                    // One that a release before revoked.
                    None => change.delete(&OF_PEOPLE, self.organisation, &(user, id)),
                }
            }
            match rows.last() {
                Some((key, _)) if rows.len() == PAGE => range = range.after(key),
                _ => return Ok(()),
            }
        }
    }

    /// Makes the rows of tokens that a release before made, once.
    ///
    /// # Errors
    /// `Store`.
    pub async fn fill_people(&self) -> Result<(), Error> {
        if self.ledger.store().find(&FILLED, self.organisation, &KIND).await?.is_some() {
            return Ok(());
        }
        let mut range = Range::prefix(TOKEN_HASHES.prefix(self.organisation, &()), PAGE);
        loop {
            // By the rows, of which one may have no token.
            let rows = self.ledger.store().range(range.clone()).await?;
            let ids = rows.iter().map(|(key, _)| TOKEN_HASHES.suffix(key).map(TokenId::from_bytes));
            let page = &ids.collect::<Result<Vec<_>, _>>()?;
            let is_last = page.len() < PAGE;
            self.ledger
                .retry(|mut change| async move {
                    for id in page {
                        // One that was revoked meanwhile gets none.
                        if let Some(hash) = change.find(&TOKEN_HASHES, self.organisation, id).await?
                            && let Some(record) = change.find(&TOKENS, self.organisation, &hash).await?
                        {
                            self.index(&mut change, &Token::from(record))?;
                        }
                    }
                    if is_last {
                        change.put(&FILLED, self.organisation, &KIND, &())?;
                    }
                    if !change.is_empty() {
                        change.commit_quietly(Housekeeping::Index).await?;
                    }
                    Ok::<_, Error>(())
                })
                .await?;
            match rows.last() {
                Some((key, _)) if !is_last => range = range.after(key),
                _ => return Ok(()),
            }
        }
    }
}
