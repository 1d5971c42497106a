use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::filter::{Fact, Kind};

const ORDERS: [Order; 3] = [Order::Ascending, Order::Created, Order::Descending];

/// Resources by place, each with the letter that it is sorted by; 0 is none.
type World = BTreeMap<Place, u8>;

fn place(number: u16) -> Place {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    Place { kind: u8::from(number.is_multiple_of(3)), id }
}

fn mark(order: Order, place: Place, letter: u8) -> Mark {
    let fact = Fact { kind: Kind::Text, case_exact: true };
    let key = (order != Order::Created && letter > 0).then(|| SortKey::of(&json!(letter.to_string()), fact).unwrap());
    Mark { key, place }
}

fn select(order: Order, window: Window, count: usize, world: &World) -> Selection<()> {
    let mut selection = Selection::new(order, window, count);
    for (place, letter) in world {
        selection.offer(mark(order, *place, *letter), ());
    }
    selection
}

fn page(selection: Selection<()>) -> Vec<Mark> {
    selection.page().into_iter().map(|(mark, ())| mark).collect()
}

/// The whole list in its order, the simple way.
fn sorted(order: Order, world: &World) -> Vec<Mark> {
    let mut all: Vec<Mark> = world.iter().map(|(place, letter)| mark(order, *place, *letter)).collect();
    all.sort_by(|a, b| order.compare(a, b));
    all
}

#[test]
fn what_has_no_value_comes_last_ascending_and_first_descending() {
    let world: World = [(place(1), 3), (place(2), 0), (place(4), 1), (place(5), 3)].into();
    let places = |order| -> Vec<Place> { sorted(order, &world).iter().map(|mark| mark.place).collect() };
    assert_eq!(places(Order::Ascending), [4, 1, 5, 2].map(place));
    assert_eq!(places(Order::Descending), [2, 5, 1, 4].map(place));
    assert_eq!(places(Order::Created), [1, 2, 4, 5].map(place));
}

fn world() -> impl Strategy<Value = World> {
    proptest::collection::btree_map((0u16..200).prop_map(place), 0u8..5, 0..60)
}

proptest! {
    #[test]
    fn an_index_page_is_a_piece_of_the_sorted_list(world in world(), start in 0usize..70, count in 0usize..20) {
        for order in ORDERS {
            let selection = select(order, Window::From(start), count, &world);
            prop_assert_eq!(selection.total(), world.len());
            prop_assert_eq!(selection.has_more(), start + count < world.len());
            let expected: Vec<Mark> = sorted(order, &world).into_iter().skip(start).take(count).collect();
            prop_assert_eq!(page(selection), expected);
        }
    }

    /// Between pages some go and some come; whoever is there all the time is seen once, and nobody twice.
    #[test]
    fn a_walk_by_cursor_sees_everybody_once_while_others_come_and_go(
        world in world(),
        count in 1usize..9,
        gone in proptest::collection::vec(0u16..200, 0..60),
        come in proptest::collection::vec((0u16..200, 0u8..5), 0..60),
        delete_the_last in any::<bool>(),
    ) {
        for order in ORDERS {
            let (mut now, mut seen) = (world.clone(), Vec::new());
            let (mut stayed, mut given) = (world.clone(), BTreeSet::new());
            let (mut gone, mut come) = (gone.chunks(3), come.chunks(3));
            let mut window = Window::From(0);
            loop {
                let selection = select(order, window, count, &now);
                let more = selection.has_more();
                let page = page(selection);
                prop_assert!(page.len() <= count);
                let last = page.last().cloned();
                seen.extend(page.iter().map(|mark| mark.place));
                let Some(last) = last.filter(|_| more) else { break };
                if delete_the_last {
                    now.remove(&last.place);
                }
                for number in gone.next().unwrap_or_default() {
                    now.remove(&place(*number));
                    // Whoever went before the walk came by need not be seen.
                    if !seen.contains(&place(*number)) {
                        stayed.remove(&place(*number));
                    }
                }
                for (number, letter) in come.next().unwrap_or_default() {
                    // An id is given once, and later ones are larger.
                    if given.insert(*number) {
                        now.insert(place(1_000 + *number), *letter);
                    }
                }
                window = Window::After(last);
            }
            let distinct: BTreeSet<&Place> = seen.iter().collect();
            prop_assert_eq!(distinct.len(), seen.len(), "somebody was seen twice");
            for place in stayed.keys() {
                prop_assert!(seen.contains(place), "{:?} was lost", place);
            }
        }
    }
}
