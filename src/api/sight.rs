//! What a caller sees: everything, or what belongs to one of the companies that it was limited to. Companies give no
//! right; they are a filter over what rights show. What a caller does not see is as if it were not there: it is in no
//! list, its address answers 404, and its name is one that nobody has. Nobody gives companies that they have not.

use serde_json::Value;

use super::admit::Caller;
use super::{Api, Error, render};
use crate::access::{Bounds, COMPANY};
use crate::directory::Within;
use crate::model::{Actor, Companies, Group, Person, Scope, Subject, TokenKind, User, UserId};
use crate::tokens::Token;

/// Most companies of a record.
const MAX_COMPANIES: usize = 100;
/// Most companies, those below counted, whose people are listed company by company.
const MAX_WITHIN: usize = 200;

/// What a caller sees.
pub(super) struct Sight {
    bounds: Bounds,
    /// For whom the caller acts, who always sees themselves.
    own: Option<UserId>,
}

impl Sight {
    /// Whether there is anything that the caller does not see.
    pub(super) fn is_limited(&self) -> bool {
        self.bounds.is_limited()
    }

    /// Whether the caller has a company, itself or one above it.
    pub(super) fn has(&self, company: &Scope) -> bool {
        self.bounds.has(company)
    }

    /// Whether the caller sees what belongs to these companies.
    pub(super) fn sees(&self, companies: &[Scope]) -> bool {
        self.bounds.sees(companies)
    }

    /// Whom the caller can see at all; `None` where that is everybody, or by so many companies that no index helps.
    pub(super) fn within(&self) -> Option<Within> {
        let companies = self.bounds.seen_by_first()?;
        (companies.len() <= MAX_WITHIN).then_some(Within { companies, own: self.own })
    }

    pub(super) fn sees_user<A>(&self, user: &User<A>) -> bool {
        self.own == Some(user.id) || self.sees(user.companies())
    }

    pub(super) fn sees_group(&self, group: &Group) -> bool {
        self.sees(group.companies())
    }

    pub(super) fn sees_person(&self, person: &Person) -> bool {
        self.sees(&person.companies) || person.user.is_some_and(|user| self.own == Some(user))
    }

    /// Whether the caller sees a scope: every one but companies that it has not.
    pub(super) fn sees_scope(&self, scope: &Scope) -> bool {
        self.bounds.sees_scope(scope)
    }

    /// The refusal of a scope that there is not, or that the caller does not see: with the nearest one that it sees.
    pub(super) fn unknown_scope(&self, field: &'static str, scope: &Scope) -> Error {
        let hint = self.bounds.tree().hint_among(scope, |scope| self.sees_scope(scope));
        Error::invalid(field, format!("`{scope}` does not exist{hint}"))
    }

    /// A user as it is shown to the caller.
    pub(super) fn user(&self, user: &User) -> Value {
        self.trimmed(render::user(user), user.companies())
    }

    /// A record without the companies that the caller has not.
    pub(super) fn trimmed(&self, mut body: Value, companies: &[Scope]) -> Value {
        let slugs: Vec<&str> = companies.iter().filter(|company| self.has(company)).map(Scope::slug).collect();
        if let Some(members) = body.as_object_mut() {
            members.insert("companies".to_owned(), slugs.into());
        }
        body
    }

    /// The companies of a new record for which none are named: those of its maker, where the maker is limited.
    fn usual(&self) -> Vec<Scope> {
        self.bounds.own().iter().filter(|company| self.has(company)).cloned().collect()
    }

    /// The companies that a record is to have: those that are named, each once, and of those before the ones that the
    /// caller has not and so neither sees nor takes away.
    pub(super) fn named(&self, names: Option<&[String]>, before: Option<&[Scope]>) -> Result<Vec<Scope>, Error> {
        let Some(names) = names else {
            return Ok(before.map_or_else(|| self.usual(), <[Scope]>::to_vec));
        };
        let kept = before.unwrap_or_default().iter().filter(|company| !self.has(company));
        let mut companies: Vec<Scope> = kept.cloned().collect();
        for name in names {
            let slug = name.strip_prefix("company:").unwrap_or(name);
            let scope: Option<Scope> = format!("{COMPANY}:{slug}").parse().ok();
            let tree = self.bounds.tree();
            let Some(scope) = scope.filter(|scope| tree.find(scope).is_some() && self.has(scope)) else {
                let known = tree.list(COMPANY, None, usize::MAX).filter(|record| self.has(&record.scope));
                return Err(Error::unknown("companies", name, known.map(|record| record.scope.slug())));
            };
            if !companies.contains(&scope) {
                companies.push(scope);
            }
        }
        if companies.len() > MAX_COMPANIES {
            return Err(Error::invalid("companies", format!("may be at most {MAX_COMPANIES}")));
        }
        Ok(companies)
    }

    /// The companies that an account is to have: with companies and nothing else said, it sees those only; with none, all.
    /// `None` where nothing is said of an account that there is.
    pub(super) fn of_account(&self, wish: &CompaniesWish, before: Option<&User>) -> Result<Option<Companies>, Error> {
        if before.is_some() && wish.companies.is_none() && wish.sees_all.is_none() {
            return Ok(None);
        }
        let had = before.map(User::companies);
        let named = self.named(wish.companies.as_deref(), had)?;
        let sees_all = match (wish.sees_all, &wish.companies, before) {
            (Some(sees_all), ..) => sees_all,
            (None, Some(names), _) if names.is_empty() => {
                let reason =
                    "names none; say with `all_companies` whether the account is to see all of them or nothing";
                return Err(Error::invalid("companies", reason));
            }
            // Who sees some companies only makes nobody who sees more.
            (None, names, None) => names.is_none() && !self.is_limited(),
            (None, _, Some(_)) => false,
        };
        if self.is_limited() && sees_all != before.is_some_and(User::sees_all) {
            let reason = "is for somebody who sees all companies to say";
            return Err(Error::invalid("all_companies", reason));
        }
        Ok(Some(Companies { named, sees_all }))
    }
}

/// What a body says of an account's companies.
#[derive(Clone, Debug, Default)]
pub(super) struct CompaniesWish {
    pub(super) companies: Option<Vec<String>>,
    pub(super) sees_all: Option<bool>,
}

impl CompaniesWish {
    pub(super) fn take(fields: &mut super::fields::Fields) -> Result<Self, Error> {
        Ok(Self { companies: fields.optional_list("companies")?, sees_all: fields.flag("all_companies")? })
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.companies.is_none() && self.sees_all.is_none()
    }
}

impl Api {
    /// What the caller sees. Costs a reading of the caller's own account; nothing on the machine itself.
    pub(super) async fn sight(&self, caller: &Caller) -> Result<Sight, Error> {
        self.sight_of(&caller.actor).await
    }

    /// What somebody sees who acts so.
    pub(super) async fn sight_of(&self, actor: &Actor) -> Result<Sight, Error> {
        let tree = self.services.access.scopes().tree();
        let (bounds, own) = self.services.directory.bounds_of(actor, tree).await?;
        Ok(Sight { bounds, own })
    }

    /// Refuses what tells of all companies to who is limited to some.
    pub(super) async fn check_sees_all(&self, caller: &Caller) -> Result<(), Error> {
        if !self.sight(caller).await?.is_limited() {
            return Ok(());
        }
        let detail = "this tells of every company, and you are limited to some of them".to_owned();
        Err(Error::Forbidden { detail })
    }

    /// Whether the caller sees whom a grant is given to; what is gone is seen by who sees all.
    pub(super) async fn sees_subject(&self, sight: &Sight, subject: Subject) -> Result<bool, Error> {
        if !sight.is_limited() {
            return Ok(true);
        }
        Ok(match subject {
            Subject::User(id) => {
                self.services.directory.find_user(id).await?.is_some_and(|user| sight.sees_user(&user))
            }
            Subject::Group(id) => {
                self.services.directory.find_group(id).await?.is_some_and(|group| sight.sees_group(&group))
            }
        })
    }

    /// Whether the caller sees a token: all of its people, and with companies only those that are somebody's.
    pub(super) async fn sees_token(&self, sight: &Sight, token: &Token) -> Result<bool, Error> {
        if !sight.is_limited() {
            return Ok(true);
        }
        let TokenKind::Management(_, user, maker) = &token.kind else { return Ok(false) };
        let people: Vec<UserId> = user.iter().chain(maker).copied().collect();
        for id in &people {
            if !self.sees_subject(sight, Subject::User(*id)).await? {
                return Ok(false);
            }
        }
        Ok(!people.is_empty())
    }

    /// Refuses to take over, or to act for, an account that sees more than the caller.
    pub(super) async fn check_sight_of(&self, caller: &Caller, user: UserId) -> Result<(), Error> {
        let sight = self.sight(caller).await?;
        if !sight.is_limited() {
            return Ok(());
        }
        let companies = self.services.directory.companies_of(user).await?.unwrap_or_default();
        if !companies.sees_all && companies.named.iter().all(|company| sight.has(company)) {
            return Ok(());
        }
        let detail = "this account sees companies that you do not have".to_owned();
        Err(Error::Forbidden { detail })
    }
}
