//! Matching of one instrument: taking, resting, trades, crossings. The fill model stands here.
//!
//! The market is a recording (or goes on as if we were not there), so each fill is an assumption. Ours,
//! always on the side that gives us less:
//!
//! 1. **Taking.** We walk the displayed book within our limit. What we took stays taken: of a level that
//!    shrinks our part shrinks in proportion, what is added to it is new. No displayed unit fills us twice.
//! 2. **Queue.** On arrival at a price everything displayed there stands before us. It gets less by
//!    public trades at our price, and by nothing else except that it cannot be more than what is
//!    displayed: a stranger's cancel is assumed to have stood behind us for as long as that can be.
//! 3. **A shrink may be a trade that is told later** (two connections): for 250 ms a trade first uses up
//!    the quantity by which our queue was cut, then moves the queue.
//! 4. **Trades at our price** with the aggressor of the other side use up what stands before us, then
//!    fill us; trades **through our price** fill us without a queue. In both cases all our orders
//!    together get at most the quantity of the trade, better price first, then earlier arrival.
//! 5. **Crossing.** When the other side is displayed at or through our resting price, its quantity up to
//!    our price fills us, at our price, and counts as taken.
//! 6. **Ourselves.** An order of ours never trades with another one of ours: it trades with what is
//!    strictly better than our own resting price, and what is left of it expires.
//!
//! Nothing is settled while the book is not whole, crossed, or silent for longer than `quiet_ns_max`:
//! new orders and changes are refused, with a code, because a fill at a price that nobody shows would be
//! an invention. Requests that arrive within a depth update wait for its end. Cancels, reductions and
//! queries are answered always. Reduce-only is the business of the risk gate; the venue ignores it.

use engine::book::Level;
use engine::event::{
    BookState, Event, OrderTerms, OrderType, ReportCode, Side, TimeInForce, flags,
};
use engine::instrument::Instrument;
use engine::market::InstrumentMarket;

use crate::code;
use crate::config::PaperConfig;
use crate::desk::{Desk, Working, displayed, is_better, is_within};
use crate::outbox::Outbox;
use crate::requests::{Ended, Memory};

/// Everything that one step of matching may touch.
pub(crate) struct Floor<'a> {
    pub(crate) config: &'a PaperConfig,
    pub(crate) instrument: &'a Instrument,
    pub(crate) market: &'a InstrumentMarket,
    pub(crate) desk: &'a mut Desk,
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) memory: &'a mut Memory,
    /// Room for the plan of a walk, kept so that it need not be made anew.
    pub(crate) plan: &'a mut Vec<Level>,
    pub(crate) time_ns: u64,
}

/// Price up to which an order may walk, and whether an order of ours stands in its way.
#[derive(Clone, Copy)]
struct Reach {
    limit: i64,
    is_cut: bool,
}

impl Floor<'_> {
    /// A new order that passed the checks of [`Floor::check_new`].
    pub(crate) fn accept(&mut self, event: &Event, terms: OrderTerms) {
        let mut order = Working {
            id: event.id,
            instrument: event.instrument,
            side: event.side(),
            post_only: event.has(flags::POST_ONLY),
            price: event.price,
            quantity: event.quantity,
            filled: 0,
            ahead: 0,
            credit: 0,
            credit_ns: 0,
        };
        self.outbox.counters.orders += 1;
        self.tell(&order, (ReportCode::Acked, 0), (0, 0));
        let limit = match terms.order_type {
            OrderType::Limit => Some(event.price),
            OrderType::Market => self.protection(event.side()),
        };
        // Nobody on the other side: a market order has no price at all.
        let Some(limit) = limit else { return self.expire(&order, code::NOT_IMMEDIATE) };
        let reach = self.reach(order.side, limit);
        if terms.time_in_force == TimeInForce::Fok && !self.can_fill_whole(&order, reach) {
            return self.expire(&order, code::NOT_WHOLE);
        }
        self.take(&mut order, reach);
        let rests = terms == OrderTerms::LIMIT_GTC;
        self.settle(order, reach, rests);
    }

    /// Why a new order is refused.
    pub(crate) fn check_new(&self, event: &Event) -> Result<OrderTerms, u32> {
        let terms = OrderTerms::from_code(event.code).ok_or(code::BAD_TERMS)?;
        let post_only = event.has(flags::POST_ONLY);
        if post_only && terms != OrderTerms::LIMIT_GTC {
            return Err(code::BAD_TERMS);
        }
        self.check_quantity(event.quantity)?;
        let price = match terms.order_type {
            OrderType::Limit => {
                self.check_price(event.price)?;
                Some(event.price)
            }
            OrderType::Market => self.market.top.price(event.side().opposite()),
        };
        if let Some(price) = price {
            self.check_notional(price, event.quantity)?;
        }
        self.check_market()?;
        if post_only {
            self.check_passive(event.side(), event.price)?;
        }
        Ok(terms)
    }

    fn check_quantity(&self, quantity: i64) -> Result<(), u32> {
        let sound = 0 < quantity && quantity % self.instrument.lot == 0;
        if sound { Ok(()) } else { Err(code::BAD_QUANTITY) }
    }

    fn check_price(&self, price: i64) -> Result<(), u32> {
        let sound = 0 < price && price % self.instrument.tick == 0;
        if sound { Ok(()) } else { Err(code::BAD_PRICE) }
    }

    fn check_notional(&self, price: i64, quantity: i64) -> Result<(), u32> {
        let enough = self.instrument.notional_min <= self.instrument.notional(price, quantity);
        if enough { Ok(()) } else { Err(code::NOTIONAL_TOO_SMALL) }
    }

    fn check_market(&self) -> Result<(), u32> {
        match self.market.state {
            BookState::Live => {}
            BookState::Stale => return Err(code::QUIET_MARKET),
            BookState::Crossed => return Err(code::CROSSED_MARKET),
            BookState::Empty | BookState::Gap | BookState::Down => return Err(code::NO_MARKET),
        }
        if self.config.quiet_ns_max < self.time_ns.saturating_sub(self.market.heard_ns) {
            return Err(code::QUIET_MARKET);
        }
        match (self.market.top.price(Side::Buy), self.market.top.price(Side::Sell)) {
            (None, None) => Err(code::NO_MARKET),
            (Some(bid), Some(ask)) if ask <= bid => Err(code::CROSSED_MARKET),
            (_, _) => Ok(()),
        }
    }

    fn check_passive(&self, side: Side, price: i64) -> Result<(), u32> {
        let against = side.opposite();
        if self.market.top.price(against).is_some_and(|best| is_within(side, best, price)) {
            return Err(code::WOULD_TAKE);
        }
        if self.reach(side, price).is_cut { Err(code::SELF_TRADE) } else { Ok(()) }
    }

    /// How far a market order may walk: from the best price of the other side.
    fn protection(&self, side: Side) -> Option<i64> {
        let best = self.market.top.price(side.opposite())?;
        let span = i128::from(best) * i128::from(self.config.protection_ppm) / 1_000_000;
        let limit = i128::from(best) + i128::from(side.sign()) * span;
        Some(i64::try_from(limit).unwrap_or(if side == Side::Buy { i64::MAX } else { 0 }))
    }

    fn reach(&self, side: Side, limit: i64) -> Reach {
        match self.desk.working(side.opposite()).first() {
            Some(own) if is_within(side, own.price, limit) => {
                Reach { limit: own.price - side.sign(), is_cut: true }
            }
            Some(_) | None => Reach { limit, is_cut: false },
        }
    }

    fn can_fill_whole(&mut self, order: &Working, reach: Reach) -> bool {
        let wanted = (order.side, reach.limit, order.leaves());
        self.desk.plan(self.market, wanted, self.plan) == order.leaves()
    }

    /// Walks the other side.
    fn take(&mut self, order: &mut Working, reach: Reach) {
        let wanted = (order.side, reach.limit, order.leaves());
        self.desk.plan(self.market, wanted, self.plan);
        for part in &*self.plan {
            self.desk.take(self.market, order.side.opposite(), *part);
            order.filled += part.quantity;
            let trade = (part.price, part.quantity);
            self.outbox.fill(self.time_ns, self.instrument, order, trade, false);
        }
    }

    /// What becomes of an order after it took what it could.
    fn settle(&mut self, mut order: Working, reach: Reach, rests: bool) {
        if order.leaves() == 0 {
            remember_filled(self.memory, &order);
        } else if reach.is_cut {
            self.expire(&order, code::SELF_TRADE);
        } else if rests {
            order.ahead = displayed(self.market, order.side, order.price);
            order.credit = 0;
            self.desk.insert(order);
        } else {
            self.expire(&order, code::NOT_IMMEDIATE);
        }
    }

    fn expire(&mut self, order: &Working, venue_code: u32) {
        self.end(order, (ReportCode::Expired, venue_code));
    }

    fn end(&mut self, order: &Working, (code, venue_code): (ReportCode, u32)) {
        let (price, filled) = (order.price, order.filled);
        self.memory.remember(order.id, Ended { code, venue_code, price, filled });
        self.tell(order, (code, venue_code), (0, 0));
    }

    fn tell(&mut self, order: &Working, what: (ReportCode, u32), terms: (i64, i64)) {
        self.outbox.tell(self.time_ns, order.instrument, order.id, what, terms);
    }

    /// A cancel has arrived.
    pub(crate) fn cancel(&mut self, event: &Event) {
        let Some(order) = self.desk.remove(event.id) else {
            let what = (ReportCode::CancelRejected, code::UNKNOWN_ORDER);
            return self.outbox.tell(self.time_ns, event.instrument, event.id, what, (0, 0));
        };
        self.outbox.counters.cancels += 1;
        self.end(&order, (ReportCode::Cancelled, 0));
    }

    /// A change has arrived. Less at the same price keeps the place in the queue.
    pub(crate) fn replace(&mut self, event: &Event) {
        let changed = match self.desk.find(event.id) {
            Some(order) => self.check_replace(event, *order).map(|()| *order),
            None => Err(code::UNKNOWN_ORDER),
        };
        let old = match changed {
            Ok(old) => old,
            Err(why) => {
                let what = (ReportCode::ReplaceRejected, why);
                return self.outbox.tell(self.time_ns, event.instrument, event.id, what, (0, 0));
            }
        };
        let terms = (event.price, event.quantity);
        self.tell(&old, (ReportCode::Replaced, 0), terms);
        if keeps_place(event, &old) {
            if let Some(order) = self.desk.find_mut(event.id) {
                order.quantity = event.quantity;
            }
            return;
        }
        self.desk.remove(event.id);
        let mut order = Working { price: event.price, quantity: event.quantity, ..old };
        let reach = self.reach(order.side, order.price);
        self.take(&mut order, reach);
        self.settle(order, reach, true);
    }

    fn check_replace(&self, event: &Event, old: Working) -> Result<(), u32> {
        self.check_quantity(event.quantity)?;
        if event.quantity <= old.filled {
            return Err(code::BAD_QUANTITY);
        }
        self.check_price(event.price)?;
        self.check_notional(event.price, event.quantity)?;
        if keeps_place(event, &old) {
            return Ok(());
        }
        self.check_market()?;
        if old.post_only { self.check_passive(old.side, event.price) } else { Ok(()) }
    }

    /// A public trade.
    pub(crate) fn trade(&mut self, event: &Event) {
        if event.price <= 0 || event.quantity <= 0 {
            return;
        }
        let side = event.side().opposite();
        let (mut left, mut explained, mut gone) = (event.quantity, 0, 0);
        for order in self.desk.working_mut(side) {
            if is_better(side, event.price, order.price) {
                break; // The trade did not come as far as this order.
            }
            if order.price == event.price {
                order.expire_credit(self.time_ns);
                let part = order.credit.saturating_sub(explained).clamp(0, left);
                left -= part;
                explained += part;
                order.credit -= order.credit.min(explained);
                let part = order.ahead.saturating_sub(gone).clamp(0, left);
                left -= part;
                gone += part;
                if order.ahead != i64::MAX {
                    order.ahead -= order.ahead.min(gone);
                }
            }
            let part = order.leaves().min(left);
            if 0 < part {
                left -= part;
                order.filled += part;
                let trade = (order.price, part);
                self.outbox.fill(self.time_ns, self.instrument, order, trade, true);
            }
        }
        self.drop_filled(side);
    }

    /// The displayed book has changed and is whole.
    pub(crate) fn book_changed(&mut self) {
        self.desk.refresh_taken(self.market);
        for side in [Side::Buy, Side::Sell] {
            for order in self.desk.working_mut(side) {
                order.clamp(displayed(self.market, side, order.price), self.time_ns);
            }
            self.cross(side);
        }
    }

    /// Fills resting orders that the other side has come to.
    fn cross(&mut self, side: Side) {
        for place in 0..self.desk.working(side).len() {
            let order = self.desk.working(side)[place];
            let wanted = (side, order.price, order.leaves());
            let quantity = self.desk.plan(self.market, wanted, self.plan);
            if quantity == 0 {
                break; // Orders further down the queue reach no further.
            }
            for part in &*self.plan {
                self.desk.take(self.market, side.opposite(), *part);
            }
            let order = &mut self.desk.working_mut(side)[place];
            order.filled += quantity;
            let trade = (order.price, quantity);
            self.outbox.fill(self.time_ns, self.instrument, order, trade, true);
        }
        self.drop_filled(side);
    }

    fn drop_filled(&mut self, side: Side) {
        let memory = &mut *self.memory;
        self.desk.drop_filled(side, &mut |order| remember_filled(memory, order));
    }
}

const fn keeps_place(event: &Event, old: &Working) -> bool {
    event.price == old.price && event.quantity <= old.quantity
}

/// To a query, a filled order is one of which everything traded: the OMS compares the quantities.
fn remember_filled(memory: &mut Memory, order: &Working) {
    let ended = Ended {
        code: ReportCode::Working,
        venue_code: 0,
        price: order.price,
        filled: order.filled,
    };
    memory.remember(order.id, ended);
}
