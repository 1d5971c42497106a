//! The scopes of an organisation as one value in memory: what lies below what.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{MAX_DEPTH, ScopeRecord};
use crate::clock::Timestamp;
use crate::model::{Scope, near};

/// A scope in the tree, and the one above it.
#[derive(Clone, Debug)]
struct Node {
    record: Arc<ScopeRecord>,
    above: Option<u32>,
    /// How many scopes lead to it, itself counted.
    level: u8,
}

/// Every scope with a record, at one moment. Cloning is as dear as building; share it.
#[derive(Clone, Debug, Default)]
pub struct ScopeTree {
    epoch: u64,
    /// By scope.
    nodes: Vec<Node>,
    numbers: HashMap<Scope, u32>,
}

/// The scopes that cover a place, from the organisation (level 0, no number) down to the place itself.
#[derive(Clone, Copy, Debug)]
pub(in crate::access) struct Chain {
    numbers: [u32; MAX_DEPTH + 1],
    level: u8,
}

impl Chain {
    /// The number of no scope.
    pub(in crate::access) const NOWHERE: u32 = u32::MAX;

    /// The organisation as a whole.
    pub(in crate::access) const ORGANISATION: Self = Self { numbers: [Self::NOWHERE; MAX_DEPTH + 1], level: 0 };

    /// A place that nothing covers but the organisation and, where it has a number, itself.
    pub(in crate::access) fn alone(number: Option<u32>) -> Self {
        let mut chain = Self { level: 1, ..Self::ORGANISATION };
        chain.set(1, number.unwrap_or(Self::NOWHERE));
        chain
    }

    fn set(&mut self, level: u8, number: u32) {
        if let Some(place) = self.numbers.get_mut(usize::from(level)) {
            *place = number;
        }
    }

    /// Whether the scope of this number and level covers the place. Level 0 is the organisation and covers everything.
    pub(in crate::access) fn is_covered_by(&self, number: u32, level: u8) -> bool {
        level == 0
            || (level <= self.level
                && number != Self::NOWHERE
                && self.numbers.get(usize::from(level)).is_some_and(|known| *known == number))
    }
}

impl ScopeTree {
    /// The tree of these records. A parent that is not among them, or that leads in a circle, counts as none: damage must
    /// not widen anything.
    pub fn new(epoch: u64, records: impl IntoIterator<Item = Arc<ScopeRecord>>) -> Self {
        let mut nodes: Vec<Node> = records.into_iter().map(|record| Node { record, above: None, level: 1 }).collect();
        nodes.sort_by(|one, other| one.record.scope.cmp(&other.record.scope));
        nodes.dedup_by(|one, other| one.record.scope == other.record.scope);
        let numbers: HashMap<Scope, u32> =
            (0u32..).zip(&nodes).map(|(number, node)| (node.record.scope.clone(), number)).collect();
        for node in &mut nodes {
            node.above = node.record.parent.as_ref().and_then(|parent| numbers.get(parent).copied());
        }
        let mut tree = Self { epoch, nodes, numbers };
        let levels: Vec<Option<u8>> = (0u32..).zip(&tree.nodes).map(|(number, _)| tree.walk(number)).collect();
        for (node, level) in tree.nodes.iter_mut().zip(levels) {
            match level {
                Some(level) => node.level = level,
                None => node.above = None,
            }
        }
        tree
    }

    /// How many scopes lead to this one, itself counted; `None` when there is no end to them.
    fn walk(&self, number: u32) -> Option<u8> {
        let (mut level, mut at) = (1u8, self.node(number)?.above);
        while let Some(above) = at {
            level = level.checked_add(1).filter(|level| usize::from(*level) <= MAX_DEPTH)?;
            at = self.node(above)?.above;
        }
        Some(level)
    }

    fn node(&self, number: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(number).ok()?)
    }

    /// The same tree a change later: with this record in place of the one of its scope.
    pub(super) fn with(&self, record: ScopeRecord) -> Self {
        let others = self.nodes.iter().map(|node| &node.record).filter(|other| other.scope != record.scope).cloned();
        let others: Vec<_> = others.collect();
        Self::new(self.epoch.saturating_add(1), others.into_iter().chain([Arc::new(record)]))
    }

    /// The same tree a change later: with these records in place of those of their scopes.
    pub(super) fn with_all(&self, records: &[ScopeRecord]) -> Self {
        let named: HashSet<&Scope> = records.iter().map(|record| &record.scope).collect();
        let others = self.nodes.iter().map(|node| &node.record).filter(|other| !named.contains(&other.scope)).cloned();
        let records = records.iter().cloned().map(Arc::new);
        Self::new(self.epoch.saturating_add(1), others.chain(records).collect::<Vec<_>>())
    }

    /// The same tree with a scope elsewhere, as one that is there already or that is to be.
    pub fn placed(&self, scope: &Scope, parent: Option<&Scope>) -> Self {
        let parent = parent.cloned();
        let record = match self.find(scope) {
            Some(record) => ScopeRecord { parent, ..record.clone() },
            None => ScopeRecord {
                scope: scope.clone(),
                name: scope.slug().to_owned(),
                description: String::new(),
                parent,
                source: None,
                created: Timestamp::default(),
                changed: Timestamp::default(),
                revision: 1,
            },
        };
        self.with(record)
    }

    /// The same tree a change later: without this scope.
    pub fn without(&self, scope: &Scope) -> Self {
        let others = self.nodes.iter().map(|node| &node.record).filter(|other| other.scope != *scope).cloned();
        Self::new(self.epoch.saturating_add(1), others.collect::<Vec<_>>())
    }

    /// How many changes made it.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many scopes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Every record, by scope.
    pub fn iter(&self) -> impl Iterator<Item = &ScopeRecord> {
        self.nodes.iter().map(|node| &*node.record)
    }

    /// The record of a scope.
    pub fn find(&self, scope: &Scope) -> Option<&ScopeRecord> {
        Some(&*self.node(self.number(scope)?)?.record)
    }

    /// The scopes of a kind in the order of their slugs, after the slug `after`, at most `limit`.
    pub fn list<'a>(
        &'a self,
        kind: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> impl Iterator<Item = &'a ScopeRecord> {
        let is_before = |scope: &Scope| (scope.kind(), scope.slug()) <= (kind, after.unwrap_or(""));
        let start = self.nodes.partition_point(|node| is_before(&node.record.scope));
        let rest = self.nodes.get(start..).unwrap_or_default().iter().map(|node| &*node.record);
        rest.take_while(move |record| record.scope.kind() == kind).take(limit)
    }

    /// The scopes above one, nearest first.
    pub fn above<'a>(&'a self, scope: &Scope) -> impl Iterator<Item = &'a Scope> + use<'a> {
        let mut at = self.number(scope).and_then(|number| self.node(number)?.above);
        std::iter::from_fn(move || {
            let node = self.node(at?)?;
            at = node.above;
            Some(&node.record.scope)
        })
    }

    /// The scopes directly below one, by slug.
    pub fn children<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a Scope> {
        let records = self.nodes.iter().map(|node| &*node.record);
        records.filter(move |record| record.parent.as_ref() == Some(scope)).map(|record| &record.scope)
    }

    /// Every scope below one, and itself when it has a record.
    pub fn at_or_below<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a Scope> {
        let scopes = self.nodes.iter().map(|node| &node.record.scope);
        scopes.filter(move |other| self.covers(Some(scope), Some(other)))
    }

    /// Whether what is given at `wide` holds at `narrow`: it is the same, lies above it, or is the organisation.
    pub fn covers(&self, wide: Option<&Scope>, narrow: Option<&Scope>) -> bool {
        match (wide, narrow) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wide), Some(narrow)) => wide == narrow || self.above(narrow).any(|above| above == wide),
        }
    }

    /// How many scopes lead to this one, itself counted; 1 for one without record.
    pub fn level(&self, scope: &Scope) -> u8 {
        self.number(scope).and_then(|number| self.node(number)).map_or(1, |node| node.level)
    }

    /// How many levels the deepest scope below this one has under it; 0 for one without children.
    pub(super) fn height(&self, scope: &Scope) -> u8 {
        let own = self.level(scope);
        self.at_or_below(scope).map(|below| self.level(below)).max().unwrap_or(own).saturating_sub(own)
    }

    /// The end of a sentence about a scope that there is not: the one that is written most like it, where one is.
    pub fn hint(&self, scope: &Scope) -> String {
        self.hint_among(scope, |_| true)
    }

    /// The same where not every scope may be told.
    pub fn hint_among(&self, scope: &Scope, is_told: impl Fn(&Scope) -> bool) -> String {
        let of_kind = self.list(scope.kind(), None, usize::MAX).filter(|record| is_told(&record.scope));
        let of_kind = of_kind.map(|record| record.scope.slug());
        match near::nearest(scope.slug(), of_kind) {
            Some(slug) => format!("; did you mean `{}:{slug}`?", scope.kind()),
            None => {
                let known = self.nodes.iter().map(|node| &node.record.scope).filter(|scope| is_told(scope));
                let known: Vec<String> = known.map(ToString::to_string).collect();
                near::hint(&scope.to_string(), known.iter().map(String::as_str))
            }
        }
    }

    /// The number of a scope in this very tree.
    pub(in crate::access) fn number(&self, scope: &Scope) -> Option<u32> {
        self.numbers.get(scope).copied()
    }

    /// The level of the scope of this number.
    pub(in crate::access) fn level_of(&self, number: u32) -> u8 {
        self.node(number).map_or(1, |node| node.level)
    }

    /// What covers the scope of this number.
    pub(in crate::access) fn chain(&self, number: u32) -> Chain {
        let mut chain = Chain { level: self.level_of(number), ..Chain::ORGANISATION };
        let (mut level, mut at) = (chain.level, Some(number));
        while let Some(number) = at
            && level > 0
        {
            chain.set(level, number);
            at = self.node(number).and_then(|node| node.above);
            level -= 1;
        }
        chain
    }
}
