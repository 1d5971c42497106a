//! Which of the matches make a page. Pure: matches are offered in any order, and no more of them are kept than the page
//! needs.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::scim::sort::SortKey;

/// Where a resource stands in the order of creation, which never changes for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which of the resource types that are listed.
    pub kind: u8,
    /// The id's bytes.
    pub id: [u8; 16],
}

/// Where a resource stands in a list: by its key where the list is sorted, then in the order of creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The key of a sorted list; `None` when the resource has no value, and in lists that are not sorted.
    pub key: Option<SortKey>,
    /// The place in the order of creation.
    pub place: Place,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By key, smallest first; what has no value comes last.
    Ascending,
    /// That of creation.
    Created,
    /// The ascending order turned: by key, largest first; what has no value comes first.
    Descending,
}

/// Which part of the list is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    /// What follows a mark.
    After(Mark),
    /// From this position on, counted from 0.
    From(usize),
}

impl Order {
    /// How two marks follow each other. Equal keys stay in the order of creation; a descending list is the ascending one
    /// turned, so that it can be read off an index from its end.
    pub fn compare(self, a: &Mark, b: &Mark) -> Ordering {
        let ascending = || {
            let by_key = match (&a.key, &b.key) {
                (Some(a), Some(b)) => a.cmp(b),
                (a, b) => a.is_none().cmp(&b.is_none()),
            };
            by_key.then_with(|| a.place.cmp(&b.place))
        };
        match self {
            Self::Ascending => ascending(),
            Self::Created => a.place.cmp(&b.place),
            Self::Descending => ascending().reverse(),
        }
    }
}

/// The matches that will be shown, of those offered so far, each with what is known of it.
pub struct Selection<T> {
    order: Order,
    window: Window,
    /// The first of the list up to the end of the page, the last one on top.
    kept: BinaryHeap<Ranked<T>>,
    most: usize,
    total: usize,
    within: usize,
}

impl<T> Selection<T> {
    /// For `count` resources of a window.
    pub fn new(order: Order, window: Window, count: usize) -> Self {
        let most = match &window {
            Window::After(_) => count,
            Window::From(start) => start.saturating_add(count),
        };
        Self { order, window, kept: BinaryHeap::new(), most, total: 0, within: 0 }
    }

    /// Takes a match into account.
    pub fn offer(&mut self, mark: Mark, known: T) {
        self.total += 1;
        if let Window::After(last) = &self.window
            && self.order.compare(&mark, last).is_le()
        {
            return;
        }
        self.within += 1;
        let ranked = Ranked { order: self.order, mark, known };
        if self.kept.len() < self.most {
            self.kept.push(ranked);
        } else if let Some(mut last) = self.kept.peek_mut()
            && ranked < *last
        {
            *last = ranked;
        }
    }

    /// How many matches were offered.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Whether matches follow the page.
    pub fn has_more(&self) -> bool {
        self.within > self.most
    }

    /// Most matches that are kept, which are those up to the end of the page.
    pub fn most(&self) -> usize {
        self.most
    }

    /// The page, in its order.
    pub fn page(self) -> Vec<(Mark, T)> {
        let skip = match self.window {
            Window::After(_) => 0,
            Window::From(start) => start,
        };
        self.kept.into_sorted_vec().into_iter().skip(skip).map(|ranked| (ranked.mark, ranked.known)).collect()
    }
}

/// A mark that knows the order.
struct Ranked<T> {
    order: Order,
    mark: Mark,
    known: T,
}

impl<T> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl<T> Eq for Ranked<T> {}
impl<T> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Ranked<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.compare(&self.mark, &other.mark)
    }
}

#[cfg(test)]
mod tests;
