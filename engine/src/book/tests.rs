//! One suite for both books, and the fast one against its obvious twin.

use proptest::prelude::*;

use super::*;
use crate::state::Saver;

fn saved(book: &impl Book) -> Vec<u8> {
    let mut saver = Saver::new();
    book.save(&mut saver);
    saver.into_bytes()
}

fn levels(book: &impl Book, side: Side) -> Vec<(i64, i64)> {
    let mut found = Vec::new();
    book.visit(side, &mut |level| {
        found.push((level.price, level.quantity));
        true
    });
    found
}

fn digest_from_scratch(book: &impl Book) -> u64 {
    [Side::Buy, Side::Sell]
        .into_iter()
        .flat_map(|side| levels(book, side).into_iter().map(move |(p, q)| level_digest(side, p, q)))
        .fold(0, u64::wrapping_add)
}

macro_rules! suite {
    ($name:ident, $book:ty) => {
        mod $name {
            use super::*;

            #[test]
            fn the_best_level_is_the_highest_bid_and_the_lowest_ask() {
                let mut book = <$book>::new();
                assert_eq!(book.best(Side::Buy), None);
                for price in [100, 90, 110, 105] {
                    book.set(Side::Buy, price, price * 2).unwrap();
                    book.set(Side::Sell, price + 100, 1).unwrap();
                }
                assert_eq!(book.best(Side::Buy), Some(Level { price: 110, quantity: 220 }));
                assert_eq!(book.best(Side::Sell), Some(Level { price: 190, quantity: 1 }));
                book.set(Side::Buy, 110, 0).unwrap();
                book.set(Side::Sell, 190, 0).unwrap();
                assert_eq!(book.best(Side::Buy), Some(Level { price: 105, quantity: 210 }));
                assert_eq!(book.best(Side::Sell), Some(Level { price: 200, quantity: 1 }));
                assert_eq!(book.quantity(Side::Buy, 90), 180);
                assert_eq!(book.quantity(Side::Buy, 91), 0);
                assert_eq!(book.level_count(Side::Buy), 3);
            }

            #[test]
            fn levels_are_visited_from_the_touch_outward_until_the_visitor_stops() {
                let mut book = <$book>::new();
                for price in [0, 5, i64::MAX, 1 << 40, 6, 70_000, 200_000] {
                    book.set(Side::Buy, price, 1).unwrap();
                    book.set(Side::Sell, price, 2).unwrap();
                }
                let mut prices = vec![0, 5, 6, 70_000, 200_000, 1 << 40, i64::MAX];
                let asks: Vec<i64> = levels(&book, Side::Sell).iter().map(|l| l.0).collect();
                assert_eq!(asks, prices);
                prices.reverse();
                let bids: Vec<i64> = levels(&book, Side::Buy).iter().map(|l| l.0).collect();
                assert_eq!(bids, prices);
                for stop_after in 1..=prices.len() {
                    let mut seen = Vec::new();
                    book.visit(Side::Buy, &mut |level| {
                        seen.push(level.price);
                        seen.len() < stop_after
                    });
                    assert_eq!(seen, prices[..stop_after]);
                }
            }

            #[test]
            fn removing_what_is_not_there_changes_nothing() {
                let mut book = <$book>::new();
                book.set(Side::Buy, 100, 7).unwrap();
                let before = (saved(&book), book.digest());
                for price in [0, 99, 101, 100_000, i64::MAX] {
                    book.set(Side::Buy, price, 0).unwrap();
                    book.set(Side::Sell, price, 0).unwrap();
                }
                assert_eq!((saved(&book), book.digest()), before);
            }

            #[test]
            fn a_cleared_book_is_like_a_new_one() {
                let mut book = <$book>::new();
                for price in [3, 64, 65, 1_000_000, i64::MAX] {
                    book.set(Side::Buy, price, i64::MAX).unwrap();
                    book.set(Side::Sell, price, 1).unwrap();
                }
                book.clear();
                assert_eq!(saved(&book), saved(&<$book>::new()));
                assert_eq!(book.digest(), 0);
                assert_eq!(book.best(Side::Sell), None);
                assert_eq!(book.quantity(Side::Buy, i64::MAX), 0);
            }

            #[test]
            fn the_digest_does_not_depend_on_the_way_there() {
                let (mut one, mut other) = (<$book>::new(), <$book>::new());
                for price in 0..100 {
                    one.set(Side::Buy, price, 5).unwrap();
                    other.set(Side::Buy, 99 - price, 9).unwrap();
                    other.set(Side::Buy, 99 - price, 5).unwrap();
                    other.set(Side::Sell, price, 5).unwrap();
                }
                assert_ne!(one.digest(), other.digest());
                (0..100).for_each(|price| other.set(Side::Sell, price, 0).unwrap());
                assert_eq!(one.digest(), other.digest());
            }

            #[test]
            fn a_damaged_saved_book_is_refused() {
                let mut book = <$book>::new();
                book.set(Side::Buy, 100, 7).unwrap();
                book.set(Side::Buy, 99, 7).unwrap();
                let bytes = saved(&book);
                for length in 0..bytes.len() {
                    assert!(<$book>::new().load(&mut Loader::new(&bytes[..length])).is_err());
                }
                // Price, quantity, and the second price made equal to the first.
                for (offset, value) in [(8, -1i64), (16, 0), (16, -1), (24, 100), (24, 101)] {
                    let mut damaged = bytes.clone();
                    damaged[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
                    let loaded = <$book>::new().load(&mut Loader::new(&damaged));
                    assert!(matches!(loaded, Err(LoadError::Invalid { .. })), "{offset} {value}");
                }
            }
        }
    };
}

suite!(naive_book, NaiveBook);
suite!(direct_book, DirectBook);

#[test]
fn a_full_side_refuses_new_levels_and_nothing_else() {
    let mut book = DirectBook::new();
    let levels_max = i64::try_from(direct::LEVELS_MAX).unwrap();
    // Every tenth price, so that the window cannot hold them all.
    (0..levels_max).for_each(|index| book.set(Side::Sell, index * 10, 1).unwrap());
    book.assert_invariants();
    let (bytes, digest) = (saved(&book), book.digest());
    for price in [1, 11, levels_max * 10, i64::MAX] {
        assert_eq!(book.set(Side::Sell, price, 1), Err(BookFull));
        assert_eq!(book.set(Side::Sell, price, 0), Ok(()));
    }
    assert_eq!((saved(&book), book.digest()), (bytes, digest));
    book.assert_invariants();
    book.set(Side::Buy, 1, 1).unwrap();
    book.set(Side::Sell, 10, 5).unwrap();
    book.set(Side::Sell, 0, 0).unwrap();
    book.set(Side::Sell, i64::MAX, 1).unwrap();
    assert_eq!(book.level_count(Side::Sell), direct::LEVELS_MAX);
    assert_eq!(book.best(Side::Sell), Some(Level { price: 10, quantity: 5 }));
    book.assert_invariants();
}

#[test]
fn a_saved_book_beyond_the_limit_is_refused() {
    let mut big = NaiveBook::new();
    (0..11).for_each(|price| big.set(Side::Buy, price, 1).unwrap());
    let bytes = saved(&big);
    let mut small = DirectBook::with_levels_max(10);
    assert!(small.load(&mut Loader::new(&bytes)).is_err());
    let mut enough = DirectBook::with_levels_max(11);
    enough.load(&mut Loader::new(&bytes)).unwrap();
    assert_eq!(saved(&enough), bytes);
}

#[test]
fn the_window_follows_a_touch_that_walks_or_jumps_away() {
    let mut book = DirectBook::new();
    let mut touch = 1_000_000i64;
    for (stride, steps) in [(300, 2_000), (-250, 4_000), (10_000_000, 3), (-9_999_999, 3)] {
        for _ in 0..steps {
            touch += stride;
            // A hundred levels a side follow the touch; what they leave behind is removed.
            book.clear_side_above(touch);
            for offset in 0..100 {
                book.set(Side::Buy, touch - offset, 1).unwrap();
                book.set(Side::Sell, touch + 1 + offset, 1).unwrap();
            }
        }
        book.assert_invariants();
        assert_eq!(book.best(Side::Buy), Some(Level { price: touch, quantity: 1 }));
        assert!(100 <= book.window_level_count(Side::Buy), "stride {stride}");
        assert!(100 <= book.window_level_count(Side::Sell), "stride {stride}");
    }
}

impl DirectBook {
    /// Removes what a touch at `price` makes impossible, and far levels that would fill the book.
    fn clear_side_above(&mut self, price: i64) {
        for side in [Side::Buy, Side::Sell] {
            let crossed = |level: i64| match side {
                Side::Buy => price < level || level < price - 30_000,
                Side::Sell => level <= price || price + 30_000 < level,
            };
            for (gone, _) in levels(self, side).into_iter().filter(|l| crossed(l.0)) {
                self.set(side, gone, 0).unwrap();
            }
        }
    }
}

/// What happens to a book in the property tests.
#[derive(Clone, Debug)]
enum Step {
    /// The touch moves.
    Drift(i64),
    /// The touch jumps.
    Jump(i64),
    /// A level at this distance from the touch.
    Near(Side, i64, i64),
    /// A level at this price.
    Far(Side, i64, i64),
    /// The best level goes.
    RemoveBest(Side),
    /// All levels of a run of prices go or come.
    Run(Side, i64, i64),
    Clear,
    SaveAndLoad,
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn quantity() -> impl Strategy<Value = i64> {
    prop_oneof![3 => Just(0), 6 => 1..1_000i64, 1 => Just(i64::MAX)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (-2_000..2_000i64).prop_map(Step::Drift),
        2 => (-200_000..200_000i64).prop_map(Step::Drift),
        1 => prop_oneof![0..=i64::MAX, Just(0), Just(i64::MAX), 0..1_000_000i64].prop_map(Step::Jump),
        100 => (side(), -50..2_000i64, quantity()).prop_map(|(s, p, q)| Step::Near(s, p, q)),
        20 => (side(), -2_000..200_000i64, quantity()).prop_map(|(s, p, q)| Step::Near(s, p, q)),
        10 => (side(), prop_oneof![0..=i64::MAX, Just(0), Just(i64::MAX)], quantity())
            .prop_map(|(s, p, q)| Step::Far(s, p, q)),
        30 => side().prop_map(Step::RemoveBest),
        5 => (side(), 0..100_000i64, quantity()).prop_map(|(s, p, q)| Step::Run(s, p, q)),
        1 => Just(Step::Clear),
        2 => Just(Step::SaveAndLoad),
    ]
}

struct Twins {
    direct: DirectBook,
    naive: NaiveBook,
    touch: i64,
}

impl Twins {
    fn set(&mut self, side: Side, price: i64, quantity: i64) {
        let full = self.naive.level_count(side) == self.direct.levels_max();
        let new = self.naive.quantity(side, price) == 0;
        let refused = full && new && quantity != 0;
        let want = if refused { Err(BookFull) } else { Ok(()) };
        assert_eq!(self.direct.set(side, price, quantity), want);
        if !refused {
            self.naive.set(side, price, quantity).unwrap();
        }
        assert_eq!(self.direct.quantity(side, price), self.naive.quantity(side, price));
        self.compare();
    }

    fn compare(&self) {
        for side in [Side::Buy, Side::Sell] {
            assert_eq!(self.direct.best(side), self.naive.best(side));
            assert_eq!(self.direct.level_count(side), self.naive.level_count(side));
        }
    }

    /// Price at `distance` from the touch, away from it for positive distances.
    fn at(&self, side: Side, distance: i64) -> i64 {
        self.touch.saturating_sub(distance.saturating_mul(side.sign())).max(0)
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Drift(by) => self.touch = self.touch.saturating_add(by).max(0),
            Step::Jump(to) => self.touch = to,
            Step::Near(side, distance, quantity) => {
                self.set(side, self.at(side, distance), quantity);
            }
            Step::Far(side, price, quantity) => self.set(side, price, quantity),
            Step::RemoveBest(side) => {
                if let Some(best) = self.naive.best(side) {
                    self.set(side, best.price, 0);
                }
            }
            Step::Run(side, distance, quantity) => {
                for offset in 0..200 {
                    self.set(side, self.at(side, distance + offset), quantity);
                }
            }
            Step::Clear => {
                self.direct.clear();
                self.naive.clear();
            }
            Step::SaveAndLoad => {
                let bytes = saved(&self.direct);
                assert_eq!(bytes, saved(&self.naive));
                let digest = self.direct.digest();
                self.direct.load(&mut Loader::new(&bytes)).unwrap();
                self.naive.load(&mut Loader::new(&bytes)).unwrap();
                assert_eq!(self.direct.digest(), digest);
            }
        }
        self.compare();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_fast_book_is_the_obvious_book(
        start in prop_oneof![0..10_000_000i64, 0..=i64::MAX],
        levels_max in prop_oneof![Just(direct::LEVELS_MAX), 1..300usize],
        steps in proptest::collection::vec(step(), 1..400),
    ) {
        let mut twins = Twins {
            direct: DirectBook::with_levels_max(levels_max),
            naive: NaiveBook::new(),
            touch: start,
        };
        for (index, step) in steps.iter().enumerate() {
            twins.take(step);
            if index % 16 == 0 {
                twins.direct.assert_invariants();
            }
        }
        twins.direct.assert_invariants();
        for side in [Side::Buy, Side::Sell] {
            prop_assert_eq!(levels(&twins.direct, side), levels(&twins.naive, side));
        }
        prop_assert_eq!(saved(&twins.direct), saved(&twins.naive));
        prop_assert_eq!(twins.direct.digest(), twins.naive.digest());
        prop_assert_eq!(twins.direct.digest(), digest_from_scratch(&twins.direct));
    }
}
