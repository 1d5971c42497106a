//! The report `tokens`: those that are stale, about to end, or of somebody who is not active any more.

use serde_json::Value;

use super::names::{Names, user_of};
use super::sheet::{shown, time};
use super::{DEFAULT_DAYS, Error, Reports, Sheet, days_before, of_days};
use crate::clock::Timestamp;
use crate::model::{Attributes, SourceId, TokenId, TokenKind, UserId};
use crate::tokens::Token;

const TOKENS: &[&str] = &[
    "id",
    "name",
    "kind",
    "connection",
    "user",
    "maker",
    "created",
    "created_by",
    "last_used",
    "expires",
    "works",
    "why",
];

/// What is wrong with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It ends soon.
    EndsSoon,
    /// It has ended, and is still listed.
    Expired,
    /// It still works although who made it is not active: they may have kept it.
    MadeByLeaver,
    /// Nobody has used it for long, or ever.
    Unused,
    /// It is void because whom it acts for, or who made it, is not active.
    Void,
}

impl Flaw {
    fn words(&self, days: u32) -> String {
        match self {
            Self::EndsSoon => format!("ends within {days} days"),
            Self::Expired => "has expired: revoke it".to_owned(),
            Self::MadeByLeaver => "still works, and who made it is not active: make another and revoke it".to_owned(),
            Self::Unused => format!("not used for {days} days"),
            Self::Void => "of somebody who is not active: refused as it is, revoke it".to_owned(),
        }
    }
}

/// Whom a token depends on.
pub(super) fn people_of(token: &Token) -> impl Iterator<Item = UserId> {
    let (user, maker) = match &token.kind {
        TokenKind::Management(_, user, maker) => (*user, *maker),
        TokenKind::Client(_) | TokenKind::Scim(_) => (None, None),
    };
    [user, maker, user_of(&token.created_by)].into_iter().flatten()
}

/// Everything that is wrong with a token, of whose people the names are known.
pub(super) fn flaws(token: &Token, names: &Names, now: Timestamp, days: u32) -> Vec<Flaw> {
    if token.expires.is_some_and(|expires| expires <= now) {
        return vec![Flaw::Expired];
    }
    let is_gone = |id: UserId| !names.is_active(id);
    let mut found = Vec::new();
    match &token.kind {
        TokenKind::Management(_, user, maker) => {
            if user.iter().chain(maker).any(|id| is_gone(*id)) {
                found.push(Flaw::Void);
            } else if user_of(&token.created_by).is_some_and(is_gone) {
                // Who put it in the place of somebody else's, by a release before.
                found.push(Flaw::MadeByLeaver);
            }
        }
        // The rights of a connection's token are not those of who made it.
        TokenKind::Client(_) | TokenKind::Scim(_) => {
            if user_of(&token.created_by).is_some_and(is_gone) {
                found.push(Flaw::MadeByLeaver);
            }
        }
    }
    if token.last_used.unwrap_or(token.created) < days_before(now, days) {
        found.push(Flaw::Unused);
    }
    if token.expires.is_some_and(|expires| expires <= now.plus(of_days(days))) {
        found.push(Flaw::EndsSoon);
    }
    found
}

impl Reports {
    /// The tokens with which something is wrong: not used for so many days, ending within so many, expired, or of somebody
    /// who is not active. With a user: every token that acts for them or that they made, right or wrong. A page may hold
    /// fewer than asked although there are more.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn tokens(
        &self,
        after: Option<TokenId>,
        limit: usize,
        days: u32,
        user: Option<UserId>,
    ) -> Result<Sheet, Error> {
        let tokens = self.tokens.list(after, limit).await?;
        let next = tokens.last().filter(|_| tokens.len() == limit).map(|token| token.id.to_string());
        let names = self.token_names(&tokens).await?;
        let now = self.clock.now();
        let people: Vec<UserId> = tokens.iter().flat_map(people_of).collect();
        let unseen: Vec<UserId> = self
            .directory
            .users_by_id::<Attributes>(&people)
            .await?
            .iter()
            .filter(|user| !(self.seen)(user))
            .map(|user| user.id)
            .collect();
        let row = |token: &Token| {
            if people_of(token).any(|id| unseen.contains(&id)) {
                return None;
            }
            let flaws = flaws(token, &names, now, days);
            let is_shown = match user {
                Some(user) => people_of(token).any(|id| id == user),
                None => !flaws.is_empty(),
            };
            is_shown.then(|| row(token, &flaws, &names, days))
        };
        Ok(Sheet { columns: TOKENS, rows: tokens.iter().filter_map(row).collect(), next })
    }

    pub(super) async fn token_names(&self, tokens: &[Token]) -> Result<Names, Error> {
        let mut names = Names::default();
        names.learn_people(&self.directory, tokens.iter().flat_map(people_of)).await?;
        Ok(names)
    }

    /// Every token with what is wrong with it by the usual measure, at most so many.
    pub(super) async fn flawed_tokens(&self, most: usize) -> Result<Vec<(Token, Vec<Flaw>)>, Error> {
        const PAGE: usize = 500;
        let (mut found, mut after, mut read) = (Vec::new(), None, 0);
        loop {
            let tokens = self.tokens.list(after, PAGE).await?;
            let names = self.token_names(&tokens).await?;
            (after, read) = (tokens.last().map(|token| token.id), read + tokens.len());
            let is_last = tokens.len() < PAGE;
            let flawed = tokens.into_iter().map(|token| {
                let flaws = flaws(&token, &names, self.clock.now(), DEFAULT_DAYS);
                (token, flaws)
            });
            found.extend(flawed.filter(|(_, flaws)| !flaws.is_empty()));
            if is_last || read >= most {
                return Ok(found);
            }
        }
    }
}

fn row(token: &Token, flaws: &[Flaw], names: &Names, days: u32) -> Vec<Value> {
    let name = |id: &UserId| names.person(*id).map_or_else(|| format!("{id}, deleted"), str::to_owned);
    let none: Option<&SourceId> = None;
    let (kind, connection, user, maker) = match &token.kind {
        TokenKind::Client(source) => ("client", Some(source), None, None),
        TokenKind::Management(_, user, maker) => {
            ("management", none, user.as_ref().map(name), maker.as_ref().map(name))
        }
        TokenKind::Scim(source) => ("scim", Some(source), None, None),
    };
    let works = !flaws.iter().any(|flaw| matches!(flaw, Flaw::Expired | Flaw::Void));
    vec![
        token.id.to_string().into(),
        token.name.as_str().into(),
        kind.into(),
        shown(connection),
        user.into(),
        maker.into(),
        token.created.to_string().into(),
        names.actor(&token.created_by).into(),
        time(token.last_used),
        time(token.expires),
        works.into(),
        flaws.iter().map(|flaw| Value::from(flaw.words(days))).collect(),
    ]
}
