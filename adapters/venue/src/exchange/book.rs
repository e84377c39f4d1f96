//! The order book of one symbol: prices in order, and at each price the orders as they came.
//!
//! **Invariant:** the total of a level is the sum of its queue, and no level is empty.

use std::collections::BTreeMap;

use crate::money::Money;
use crate::order::Side;

/// Whose a resting order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Order `id` of account `account`.
    Account {
        /// The order.
        id: u64,
        /// The account.
        account: usize,
    },
    /// An order of a generated participant.
    Flow(u64),
}

/// A resting order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resting {
    pub(crate) owner: Owner,
    pub(crate) remaining: Money,
}

/// The order that is next to trade.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Front {
    pub(crate) price: Money,
    pub(crate) sequence: u64,
    pub(crate) resting: Resting,
}

#[derive(Debug, Default)]
struct Level {
    total: Money,
    queue: BTreeMap<u64, Resting>,
}

/// The book.
#[derive(Debug, Default)]
pub(crate) struct Book {
    bids: BTreeMap<Money, Level>,
    asks: BTreeMap<Money, Level>,
    sequence: u64,
    /// The id of the last change of a level.
    pub(crate) update_id: u64,
}

impl Book {
    fn side(&self, side: Side) -> &BTreeMap<Money, Level> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<Money, Level> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// Puts an order behind the others of its price; the place in the queue.
    pub(crate) fn add(&mut self, side: Side, price: Money, resting: Resting) -> u64 {
        debug_assert!(0 < price && 0 < resting.remaining);
        self.sequence += 1;
        self.put_back(side, price, self.sequence, resting);
        self.sequence
    }

    /// Puts an order at the place in the queue that it had.
    pub(crate) fn put_back(&mut self, side: Side, price: Money, sequence: u64, resting: Resting) {
        self.sequence = self.sequence.max(sequence);
        let level = self.side_mut(side).entry(price).or_default();
        level.total += resting.remaining;
        let before = level.queue.insert(sequence, resting);
        debug_assert!(before.is_none(), "{sequence}");
    }

    /// Takes `quantity` off a resting order, and the order off the book when nothing is left.
    pub(crate) fn reduce(&mut self, side: Side, price: Money, sequence: u64, quantity: Money) {
        let levels = self.side_mut(side);
        let level = levels.get_mut(&price).expect("a resting order has a level");
        let resting = level.queue.get_mut(&sequence).expect("a resting order is in its queue");
        debug_assert!(0 <= quantity && quantity <= resting.remaining);
        resting.remaining -= quantity;
        level.total -= quantity;
        if resting.remaining == 0 {
            level.queue.remove(&sequence);
        }
        if level.queue.is_empty() {
            levels.remove(&price);
        }
    }

    /// What is left of a resting order.
    pub(crate) fn remaining(&self, side: Side, price: Money, sequence: u64) -> Option<Money> {
        let resting = self.side(side).get(&price)?.queue.get(&sequence)?;
        Some(resting.remaining)
    }

    /// All that rests at a price.
    pub(crate) fn total(&self, side: Side, price: Money) -> Money {
        self.side(side).get(&price).map_or(0, |level| level.total)
    }

    /// Price and quantity of the levels, best first.
    pub(crate) fn levels(&self, side: Side) -> Box<dyn Iterator<Item = (Money, Money)> + '_> {
        let levels = self.side(side).iter().map(|(price, level)| (*price, level.total));
        match side {
            Side::Buy => Box::new(levels.rev()),
            Side::Sell => Box::new(levels),
        }
    }

    /// The orders that rest on a side in the order in which they would trade.
    pub(crate) fn fronts(&self, side: Side) -> Box<dyn Iterator<Item = Front> + '_> {
        let each = |(price, level): (&Money, &'_ Level)| {
            let price = *price;
            let queue: Vec<Front> = level
                .queue
                .iter()
                .map(|(sequence, resting)| Front { price, sequence: *sequence, resting: *resting })
                .collect();
            queue
        };
        match side {
            Side::Buy => Box::new(self.bids.iter().rev().flat_map(each)),
            Side::Sell => Box::new(self.asks.iter().flat_map(each)),
        }
    }

    /// The best level.
    pub(crate) fn best(&self, side: Side) -> Option<(Money, Money)> {
        let levels = self.side(side);
        let best = match side {
            Side::Buy => levels.last_key_value(),
            Side::Sell => levels.first_key_value(),
        };
        best.map(|(price, level)| (*price, level.total))
    }

    /// The order that is next to trade.
    pub(crate) fn front(&self, side: Side) -> Option<Front> {
        let levels = self.side(side);
        let (price, level) = match side {
            Side::Buy => levels.last_key_value()?,
            Side::Sell => levels.first_key_value()?,
        };
        let (sequence, resting) = level.queue.first_key_value()?;
        Some(Front { price: *price, sequence: *sequence, resting: *resting })
    }

    /// Whether an order of `side` at `price` would trade at `other`, the price of a resting one.
    pub(crate) fn crosses(side: Side, price: Money, other: Money) -> bool {
        match side {
            Side::Buy => other <= price,
            Side::Sell => price <= other,
        }
    }
}
