//! What companies let somebody see, on every surface the same: everything, or what belongs to one of the companies that
//! they were limited to. Companies give no right; they are a filter over what rights show.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ScopeTree;
use crate::model::Scope;

/// The kind of scope that companies are.
pub const COMPANY: &str = "company";

/// The companies that bound what somebody sees.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Those of each account that bounds; none of one that sees all.
    accounts: Vec<Vec<Scope>>,
    tree: Arc<ScopeTree>,
}

impl Bounds {
    /// Bounds by the companies of each account that does not see all of them.
    pub fn new(accounts: Vec<Vec<Scope>>, tree: Arc<ScopeTree>) -> Self {
        Self { accounts, tree }
    }

    /// Whether there is anything that is not seen.
    pub fn is_limited(&self) -> bool {
        !self.accounts.is_empty()
    }

    /// The companies of the account itself; none of one that sees all.
    pub fn own(&self) -> &[Scope] {
        self.accounts.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// The companies of the account itself and all below them: what is seen belongs to one of these. `None` for who sees
    /// all.
    pub fn seen_by_first(&self) -> Option<Vec<Scope>> {
        let own: BTreeSet<&Scope> = self.accounts.first()?.iter().collect();
        let is_below = |scope: &Scope| !own.contains(scope) && self.tree.above(scope).any(|above| own.contains(above));
        let all = self.tree.list(COMPANY, None, usize::MAX).map(|record| &record.scope);
        let below: Vec<Scope> = all.filter(|scope| is_below(scope)).cloned().collect();
        Some(own.into_iter().cloned().chain(below).collect())
    }

    /// Whether a company is among them, itself or one above it.
    pub fn has(&self, company: &Scope) -> bool {
        let covers = |own: &Vec<Scope>| own.iter().any(|own| self.tree.covers(Some(own), Some(company)));
        self.accounts.iter().all(covers)
    }

    /// Whether what belongs to these companies is seen.
    pub fn sees(&self, companies: &[Scope]) -> bool {
        let covers =
            |own: &Vec<Scope>, company: &Scope| own.iter().any(|own| self.tree.covers(Some(own), Some(company)));
        self.accounts.iter().all(|own| companies.iter().any(|company| covers(own, company)))
    }

    /// Whether a scope is seen: every one but companies that are not had.
    pub fn sees_scope(&self, scope: &Scope) -> bool {
        scope.kind() != COMPANY || self.has(scope)
    }

    /// The scopes that there are.
    pub fn tree(&self) -> &ScopeTree {
        &self.tree
    }
}
