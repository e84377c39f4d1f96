//! Order books: the fast one, the obvious one, and what both must be able to do.
//!
//! `direct` keeps the levels near the touch in a flat, price-indexed window; `naive` is a pair of
//! `BTreeMap`s. One test suite runs both; the product uses [`DirectBook`].

pub mod direct;
pub mod naive;
pub mod row;
#[cfg(test)]
mod tests;

pub use direct::DirectBook;
pub use naive::NaiveBook;

use crate::event::Side;
use crate::state::{LoadError, Loader, State, mix};

/// One price level. Quantity is above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Price in units of the instrument.
    pub price: i64,
    /// Quantity in units of the instrument.
    pub quantity: i64,
}

/// A level that the book has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookFull;

/// Levels by price, both sides. Quantities are absolute; zero removes.
pub trait Book: State {
    /// Sets the quantity at a price (0 removes, removing nothing is fine). Refuses a new level when
    /// the side is full; prices and quantities below zero are the caller's mistake.
    fn set(&mut self, side: Side, price: i64, quantity: i64) -> Result<(), BookFull>;
    /// Removes everything.
    fn clear(&mut self);
    /// Best level of a side: highest bid, lowest ask.
    fn best(&self, side: Side) -> Option<Level>;
    /// Quantity at a price, 0 for none.
    fn quantity(&self, side: Side, price: i64) -> i64;
    /// Number of levels of a side.
    fn level_count(&self, side: Side) -> usize;
    /// Calls `visit` from the best level outward until it returns false.
    fn visit(&self, side: Side, visit: &mut dyn FnMut(Level) -> bool);
    /// Set hash of all levels (see [`level_digest`]), kept up to date by `set`.
    fn digest(&self) -> u64;
}

/// Contribution of one level to the digest of a book: digests add up (wrapping), so the order in
/// which levels came does not matter and a removed level leaves no trace. Zero for quantity zero.
#[inline]
pub const fn level_digest(side: Side, price: i64, quantity: i64) -> u64 {
    // Without a branch: whether a level comes, changes or goes cannot be predicted.
    let is_there = ((quantity != 0) as u64).wrapping_neg();
    let key = price.cast_unsigned().wrapping_mul(2).wrapping_add(side.flag() as u64 & 1);
    mix(key ^ (side.sign().cast_unsigned() << 32), quantity.cast_unsigned()) & is_there
}

/// Next level of a saved side: best first, strictly in order, never empty; `before` is the key of the
/// one before it.
fn load_level(
    from: &mut Loader<'_>,
    side: Side,
    before: &mut Option<i64>,
) -> Result<Level, LoadError> {
    let level = Level { price: from.i64()?, quantity: from.i64()? };
    if level.price < 0 || level.quantity <= 0 {
        return Err(from.invalid("level"));
    }
    let key = level.price * side.sign();
    if before.is_some_and(|better| better <= key) {
        return Err(from.invalid("order of levels"));
    }
    *before = Some(key);
    Ok(level)
}
