//! Our working orders of one instrument in price-time order, and what we took from the displayed book.

use engine::book::{Book, Level};
use engine::event::Side;
use engine::market::InstrumentMarket;

/// Most levels of one side from which something is taken. When it is reached nothing more can be
/// taken until the market changes one of them.
const TAKEN_LEVELS_MAX: usize = 1024;
/// How long a level that shrank before its trade was told explains that trade, ns. Depth and trades
/// come over different connections; Binance tells depth every 100 ms.
pub(crate) const CREDIT_NS: u64 = 250_000_000;

/// One working order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Working {
    pub(crate) id: u64,
    pub(crate) instrument: u16,
    pub(crate) side: Side,
    pub(crate) post_only: bool,
    pub(crate) price: i64,
    /// Quantity of the order in all.
    pub(crate) quantity: i64,
    /// How much of it traded.
    pub(crate) filled: i64,
    /// Strangers' quantity that trades before us at our price.
    pub(crate) ahead: i64,
    /// By how much `ahead` fell because the level shrank, within the last [`CREDIT_NS`].
    pub(crate) credit: i64,
    /// When it last fell so, ns.
    pub(crate) credit_ns: u64,
}

impl Working {
    pub(crate) const fn leaves(&self) -> i64 {
        self.quantity - self.filled
    }

    /// The level shows `displayed`: no more than that can stand before us.
    pub(crate) fn clamp(&mut self, displayed: i64, time_ns: u64) {
        if displayed < self.ahead {
            if self.ahead != i64::MAX {
                self.expire_credit(time_ns);
                self.credit = self.credit.saturating_add(self.ahead - displayed);
                self.credit_ns = time_ns;
            }
            self.ahead = displayed;
        }
    }

    pub(crate) fn expire_credit(&mut self, time_ns: u64) {
        if CREDIT_NS < time_ns.saturating_sub(self.credit_ns) {
            self.credit = 0;
        }
    }
}

/// A displayed level of which we took something.
#[derive(Clone, Copy, Debug)]
struct Taken {
    price: i64,
    /// What we took and the market still shows.
    quantity: i64,
    /// What the market showed when we last looked.
    displayed: i64,
}

/// Orders and takings of one instrument.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// Bids, asks; best price first, earlier first at one price.
    working: [Vec<Working>; 2],
    taken: [Vec<Taken>; 2],
}

/// What the market shows at a price. Where a quote is newer than the depth, the quote is right.
pub(crate) fn displayed(market: &InstrumentMarket, side: Side, price: i64) -> i64 {
    let Some(best) = market.top.price(side) else { return 0 };
    if price == best {
        return match side {
            Side::Buy => market.top.bid_quantity,
            Side::Sell => market.top.ask_quantity,
        };
    }
    if is_better(side, price, best) { 0 } else { market.book.quantity(side, price) }
}

/// Calls `visit` with what the market shows, from the best level outward, until it returns false.
fn visit_displayed(market: &InstrumentMarket, side: Side, visit: &mut dyn FnMut(Level) -> bool) {
    let Some(best) = market.top.price(side) else { return };
    if !visit(Level { price: best, quantity: displayed(market, side, best) }) {
        return;
    }
    market.book.visit(side, &mut |level| !is_better(side, best, level.price) || visit(level));
}

/// Whether `price` is strictly better than `other` for an order of `side`.
pub(crate) const fn is_better(side: Side, price: i64, other: i64) -> bool {
    match side {
        Side::Buy => other < price,
        Side::Sell => price < other,
    }
}

/// Whether an order of `side` with limit `limit` may trade at `price`.
pub(crate) const fn is_within(side: Side, price: i64, limit: i64) -> bool {
    !is_better(side.opposite(), limit, price)
}

impl Desk {
    pub(crate) fn is_idle(&self) -> bool {
        self.working.iter().all(Vec::is_empty) && self.taken.iter().all(Vec::is_empty)
    }

    pub(crate) fn working_count(&self) -> usize {
        self.working.iter().map(Vec::len).sum()
    }

    pub(crate) fn working(&self, side: Side) -> &[Working] {
        &self.working[side.index()]
    }

    pub(crate) fn working_mut(&mut self, side: Side) -> &mut [Working] {
        &mut self.working[side.index()]
    }

    pub(crate) fn find(&self, id: u64) -> Option<&Working> {
        self.working.iter().flatten().find(|order| order.id == id)
    }

    pub(crate) fn find_mut(&mut self, id: u64) -> Option<&mut Working> {
        self.working.iter_mut().flatten().find(|order| order.id == id)
    }

    /// Puts an order behind all others of its price.
    pub(crate) fn insert(&mut self, order: Working) {
        let queue = &mut self.working[order.side.index()];
        let place = queue.partition_point(|other| !is_better(order.side, order.price, other.price));
        queue.insert(place, order);
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Working> {
        self.working.iter_mut().find_map(|queue| {
            let place = queue.iter().position(|order| order.id == id)?;
            Some(queue.remove(place))
        })
    }

    /// Calls `done` for every order of `side` that has traded in full and drops it.
    pub(crate) fn drop_filled(&mut self, side: Side, done: &mut impl FnMut(&Working)) {
        self.working[side.index()].retain(|order| {
            if order.leaves() == 0 {
                done(order);
            }
            order.leaves() != 0
        });
    }

    /// What is left for us of a displayed level.
    fn available(&self, side: Side, level: Level) -> i64 {
        let taken = &self.taken[side.index()];
        match taken.iter().find(|taken| taken.price == level.price) {
            Some(taken) => level.quantity - taken.quantity.min(level.quantity),
            None if taken.len() == TAKEN_LEVELS_MAX => 0,
            None => level.quantity,
        }
    }

    /// Plans a walk of an order of `side` through the other side, up to `limit` and `quantity`: the
    /// levels and how much of each. Returns how much that is in all.
    pub(crate) fn plan(
        &self,
        market: &InstrumentMarket,
        (side, limit, quantity): (Side, i64, i64),
        plan: &mut Vec<Level>,
    ) -> i64 {
        plan.clear();
        let against = side.opposite();
        let room = TAKEN_LEVELS_MAX - self.taken[against.index()].len();
        let mut left = quantity;
        visit_displayed(market, against, &mut |level| {
            // A price of zero is no price, whatever a feed may say.
            if left <= 0 || level.price <= 0 || !is_within(side, level.price, limit) {
                return false;
            }
            let part = self.available(against, level).min(left);
            if 0 < part {
                plan.push(Level { price: level.price, quantity: part });
                left -= part;
            }
            plan.len() < room
        });
        quantity - left
    }

    /// Notes that `part` was taken from what the market shows.
    pub(crate) fn take(&mut self, market: &InstrumentMarket, side: Side, part: Level) {
        let displayed = displayed(market, side, part.price);
        let taken = &mut self.taken[side.index()];
        match taken.iter_mut().find(|taken| taken.price == part.price) {
            Some(taken) => taken.quantity += part.quantity,
            None => taken.push(Taken { price: part.price, quantity: part.quantity, displayed }),
        }
    }

    /// The market changed: what we took shrinks with the level it was taken from. What leaves a level
    /// is assumed to be ours and others' in proportion (rounded so that less is left for us); what is
    /// added is new.
    pub(crate) fn refresh_taken(&mut self, market: &InstrumentMarket) {
        for side in [Side::Buy, Side::Sell] {
            self.taken[side.index()].retain_mut(|taken| {
                let now = displayed(market, side, taken.price);
                if now < taken.displayed {
                    let product = i128::from(taken.quantity) * i128::from(now);
                    let displayed = i128::from(taken.displayed);
                    let share = (product + displayed - 1) / displayed;
                    taken.quantity = i64::try_from(share).expect("a share is below the whole");
                }
                taken.displayed = now;
                0 < taken.quantity
            });
        }
    }
}
