//! The obvious book: two sorted maps. The twin that the fast one is tested against.

use std::collections::BTreeMap;

use super::{Book, BookFull, Level, level_digest};
use crate::event::Side;
use crate::state::{LoadError, Loader, Saver, State};

/// Levels in sorted maps.
#[derive(Debug, Default)]
pub struct NaiveBook {
    levels: [BTreeMap<i64, i64>; 2],
}

impl NaiveBook {
    /// An empty book.
    pub fn new() -> NaiveBook {
        NaiveBook::default()
    }

    fn iter(&self, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        let level = |(price, quantity): (&i64, &i64)| Level { price: *price, quantity: *quantity };
        match side {
            Side::Buy => Box::new(self.levels[0].iter().rev().map(level)),
            Side::Sell => Box::new(self.levels[1].iter().map(level)),
        }
    }
}

impl Book for NaiveBook {
    fn set(&mut self, side: Side, price: i64, quantity: i64) -> Result<(), BookFull> {
        debug_assert!(0 <= price);
        debug_assert!(0 <= quantity);
        if quantity == 0 {
            self.levels[side.index()].remove(&price);
        } else {
            self.levels[side.index()].insert(price, quantity);
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.levels = Default::default();
    }

    fn best(&self, side: Side) -> Option<Level> {
        self.iter(side).next()
    }

    fn quantity(&self, side: Side, price: i64) -> i64 {
        self.levels[side.index()].get(&price).copied().unwrap_or(0)
    }

    fn level_count(&self, side: Side) -> usize {
        self.levels[side.index()].len()
    }

    fn visit(&self, side: Side, visit: &mut dyn FnMut(Level) -> bool) {
        let _stopped = self.iter(side).all(visit);
    }

    fn digest(&self) -> u64 {
        [Side::Buy, Side::Sell]
            .into_iter()
            .flat_map(|side| self.iter(side).map(move |l| level_digest(side, l.price, l.quantity)))
            .fold(0, u64::wrapping_add)
    }
}

impl State for NaiveBook {
    fn save(&self, out: &mut Saver) {
        for side in [Side::Buy, Side::Sell] {
            out.count(self.level_count(side));
            for level in self.iter(side) {
                out.i64(level.price);
                out.i64(level.quantity);
            }
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.clear();
        for side in [Side::Buy, Side::Sell] {
            let mut before = None;
            for _ in 0..from.count(usize::MAX)? {
                let level = super::load_level(from, side, &mut before)?;
                self.levels[side.index()].insert(level.price, level.quantity);
            }
        }
        Ok(())
    }
}
