//! Price-time matching: how orders come, trade, rest, wait for a trigger and go.
//!
//! ```text
//!  place --> NEW --+--> waits for its trigger --+
//!                  +----------------------------+--> trades --> rests, is filled or expires
//! ```
//!
//! **Invariant:** after every call here no book is crossed, and every stop that is hit was let go.

use crate::api::error::ApiError;
use crate::exchange::book::{Book, Front, Owner, Resting};
use crate::exchange::events::{Report, Stopped};
use crate::exchange::market::{Prevented, push_bounded};
use crate::exchange::{AccountIndex, SymbolIndex, Trade};
use crate::exchange::{Exchange, FlowId, FlowKind, FlowOrder, FlowPlaced, FlowRest, Output};
use crate::money::{self, Money, ONE};
use crate::order::{
    Execution, Fill, Order, OrderType, ResponseType, Side, Status, Stp, TimeInForce,
};

/// Why the rest of an order that does not rest expired.
fn expiry_reason(order: &Order) -> &'static str {
    match order.time_in_force {
        TimeInForce::Ioc if !order.kind.is_market() => "UNFILLED_IOC_QUANTITY_EXPIRED",
        TimeInForce::Fok if !order.kind.is_market() => "UNFILLED_FOK_ORDER_EXPIRED",
        TimeInForce::Gtc | TimeInForce::Ioc | TimeInForce::Fok => "INSUFFICIENT_LIQUIDITY",
    }
}

/// An order as it is asked for; its parameters are checked.
#[derive(Clone, Debug)]
pub(crate) struct NewOrder {
    pub(crate) side: Side,
    pub(crate) kind: OrderType,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) price: Money,
    pub(crate) stop_price: Money,
    pub(crate) quantity: Money,
    pub(crate) quote_quantity: Money,
    pub(crate) client_id: Option<String>,
    pub(crate) stp: Stp,
    pub(crate) strategy_id: Option<i64>,
    pub(crate) strategy_type: Option<i64>,
    pub(crate) response: ResponseType,
}

/// An order that was taken, as it was once it had traded what it could.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) order: Order,
    pub(crate) fills: Vec<Fill>,
}

/// How much an order wants.
#[derive(Clone, Copy, Debug)]
enum Want {
    Base(Money),
    Quote(Money),
}

/// Who takes, on which side, and what keeps it from trading with itself.
#[derive(Clone, Copy, Debug)]
struct Walker {
    account: usize,
    side: Side,
    stp: Stp,
    /// 0 when any price will do.
    price: Money,
}

/// One match.
#[derive(Clone, Copy, Debug)]
struct Match {
    trade_id: u64,
    price: Money,
    quantity: Money,
    quote: Money,
    now_ns: u64,
}

/// The asset index that a side pays with, and the one that it receives.
fn legs(side: Side, base: usize, quote: usize) -> (usize, usize) {
    match side {
        Side::Buy => (quote, base),
        Side::Sell => (base, quote),
    }
}

/// What an open order holds.
fn holds(order: &Order) -> Money {
    let price = if order.kind.is_market() { order.stop_price } else { order.price };
    match order.side {
        Side::Sell => order.remaining(),
        Side::Buy => money::quote(price, order.remaining()).expect("a checked notional fits"),
    }
}

/// Whether the last price lets a waiting order go.
fn is_hit(side: Side, kind: OrderType, stop_price: Money, last: Money) -> bool {
    let is_above = kind.is_stop_loss() == (side == Side::Buy);
    if is_above { stop_price <= last } else { last <= stop_price }
}

impl Exchange {
    /// Takes the order of an account.
    pub(crate) fn place(
        &mut self,
        symbol: usize,
        account: usize,
        new: &NewOrder,
        now_ns: u64,
    ) -> Result<Placed, ApiError> {
        let quantity = self.admit(symbol, account, new)?;
        let order = self.enter(symbol, account, new, quantity, now_ns);
        let id = order.id;
        let is_waiting = !order.is_triggered;
        if !order.kind.is_market() || is_waiting {
            self.hold(symbol, id, now_ns);
        }
        self.report(symbol, id, &Report::new(Execution::New, now_ns));
        self.position(symbol, account, now_ns);
        let trades_before = self.markets[symbol].counters.trade;
        if !is_waiting {
            self.execute(symbol, id, now_ns);
        }
        let market = &self.markets[symbol];
        let recent = market.fills.iter().rev().take_while(|fill| trades_before < fill.trade_id);
        let mut fills: Vec<Fill> = recent.filter(|fill| fill.order_id == id).cloned().collect();
        fills.reverse();
        // As it is now: an order that it triggers may still trade with it.
        let placed = Placed { order: market.order(id).clone(), fills };
        self.trigger(symbol, now_ns);
        Ok(placed)
    }

    /// Whether the order can be taken; its quantity in base.
    fn admit(&self, symbol: usize, account: usize, new: &NewOrder) -> Result<Money, ApiError> {
        let market = &self.markets[symbol];
        let is_taken = |id: &String| market.open_ids.contains_key(&(account, String::clone(id)));
        if new.client_id.as_ref().is_some_and(is_taken) {
            return Err(ApiError::rejected("Duplicate order sent."));
        }
        if new.kind.has_stop() {
            let hit = |last| is_hit(new.side, new.kind, new.stop_price, last);
            if market.last_price.is_some_and(hit) {
                return Err(ApiError::rejected("Order would trigger immediately."));
            }
        }
        let opposite = market.book.best(new.side.opposite());
        let crosses = |best: (Money, Money)| Book::crosses(new.side, new.price, best.0);
        if new.kind == OrderType::LimitMaker && opposite.is_some_and(crosses) {
            return Err(ApiError::rejected("Order would immediately match and take."));
        }
        let (pay, _) = legs(new.side, market.base, market.quote);
        let free = self.ledger.free(account, pay);
        let (quantity, cost) = self.cost(symbol, account, new)?;
        if free < i128::from(cost) {
            return Err(ApiError::rejected(
                "Account has insufficient balance for requested action.",
            ));
        }
        Ok(quantity)
    }

    /// Quantity in base, and what must be free for it.
    fn cost(
        &self,
        symbol: usize,
        account: usize,
        new: &NewOrder,
    ) -> Result<(Money, Money), ApiError> {
        let too_large = || ApiError::filter("NOTIONAL");
        if new.kind != OrderType::Market {
            let price = if new.kind.is_market() { new.stop_price } else { new.price };
            let cost = match new.side {
                Side::Sell => new.quantity,
                Side::Buy => money::quote(price, new.quantity).ok_or_else(too_large)?,
            };
            return Ok((new.quantity, cost));
        }
        let walker = Walker { account, side: new.side, stp: new.stp, price: 0 };
        if new.quote_quantity == 0 {
            let (_, quote) = self.walk(symbol, walker, Want::Base(new.quantity));
            let cost = if new.side == Side::Buy { quote } else { new.quantity };
            return Ok((new.quantity, cost));
        }
        if self.markets[symbol].book.best(new.side.opposite()).is_none() {
            let message = "Order book liquidity is less than symbol minimum quantity.";
            return Err(ApiError::rejected(message));
        }
        let (quantity, quote) = self.walk(symbol, walker, Want::Quote(new.quote_quantity));
        if quantity < self.config.symbols[symbol].filters.quantity_min.max(1) {
            let message = "Order book liquidity is less than LOT_SIZE filter minimum quantity.";
            return Err(ApiError::rejected(message));
        }
        Ok((quantity, if new.side == Side::Buy { quote } else { quantity }))
    }

    /// What could trade now: base and quote.
    fn walk(&self, symbol: usize, walker: Walker, want: Want) -> (Money, Money) {
        let (mut base, mut quote) = (0, 0);
        let mut left = want;
        let step = self.config.symbols[symbol].filters.step;
        for front in self.markets[symbol].book.fronts(walker.side.opposite()) {
            if walker.price != 0 && !Book::crosses(walker.side, walker.price, front.price) {
                break;
            }
            let most = match left {
                Want::Base(left) => left,
                Want::Quote(left) => affordable(i128::from(left), front.price, step),
            };
            let quantity = most.min(front.resting.remaining);
            let is_own = matches!(front.resting.owner,
                Owner::Account { account, .. } if account == walker.account);
            if is_own && walker.stp != Stp::None {
                match walker.stp {
                    Stp::ExpireTaker | Stp::ExpireBoth => break,
                    Stp::None | Stp::ExpireMaker => continue,
                    Stp::Decrement => {}
                }
            }
            if quantity == 0 {
                break;
            }
            let paid = money::quote(front.price, quantity).unwrap_or(Money::MAX);
            left = match left {
                Want::Base(left) => Want::Base(left - quantity),
                Want::Quote(left) => Want::Quote(left - paid),
            };
            if !is_own || walker.stp == Stp::None {
                base += quantity;
                quote = paid.saturating_add(quote);
            }
        }
        (base, quote)
    }

    /// Writes the order into the tables.
    fn enter(
        &mut self,
        symbol: usize,
        account: usize,
        new: &NewOrder,
        quantity: Money,
        now_ns: u64,
    ) -> &Order {
        let market = &mut self.markets[symbol];
        market.counters.order += 1;
        let id = market.counters.order;
        let client_id = new.client_id.clone().unwrap_or_else(|| {
            market.counters.client_id += 1;
            generated_id(symbol, market.counters.client_id)
        });
        let is_triggered = !new.kind.has_stop();
        let order = Order {
            id,
            account,
            client_id_first: client_id.clone(),
            client_id,
            side: new.side,
            kind: new.kind,
            time_in_force: new.time_in_force,
            status: Status::New,
            stp: new.stp,
            price: new.price,
            stop_price: new.stop_price,
            quantity,
            quote_quantity: new.quote_quantity,
            executed: 0,
            executed_quote: 0,
            prevented: 0,
            locked: 0,
            is_triggered,
            is_working: is_triggered,
            created_ns: now_ns,
            updated_ns: now_ns,
            working_ns: is_triggered.then_some(now_ns),
            book_sequence: 0,
            amend_count: 0,
            strategy_id: new.strategy_id,
            strategy_type: new.strategy_type,
            prevented_match_id: None,
            expiry_reason: None,
        };
        market.index(&order);
        market.dirty.insert(id);
        market.orders.entry(id).or_insert(order)
    }

    /// Files an order that the engine refused, and tells the account: a replacement whose cancel
    /// went through.
    pub(crate) fn reject(
        &mut self,
        symbol: usize,
        account: usize,
        new: &NewOrder,
        (message, now_ns): (&str, u64),
    ) {
        let reason = match message {
            "Account has insufficient balance for requested action." => "INSUFFICIENT_BALANCES",
            "Order would trigger immediately." => "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
            "Order would immediately match and take." => "WOULD_MATCH_IMMEDIATELY",
            _ => return,
        };
        let id = self.enter(symbol, account, new, new.quantity, now_ns).id;
        let market = &mut self.markets[symbol];
        let order = market.order_mut(id);
        order.status = Status::Rejected;
        order.is_working = false;
        order.working_ns = None;
        let client_id = order.client_id.clone();
        market.close(id, &client_id, &self.config.history);
        self.report(symbol, id, &Report::rejected(reason, now_ns));
    }

    /// Locks what an order holds now, or lets go what it held too much.
    pub(crate) fn hold(&mut self, symbol: usize, id: u64, now_ns: u64) {
        let amount = holds(self.markets[symbol].order(id));
        self.hold_amount(symbol, id, amount, now_ns);
    }

    fn hold_amount(&mut self, symbol: usize, id: u64, amount: Money, now_ns: u64) {
        let market = &mut self.markets[symbol];
        let (base, quote) = (market.base, market.quote);
        let order = market.order_mut(id);
        let (account, more) = (order.account, amount - order.locked);
        let (pay, _) = legs(order.side, base, quote);
        order.locked = amount;
        self.ledger.lock(account, pay, more);
        self.touch(account, now_ns);
    }

    /// Lets a triggered order trade, then rest or expire.
    fn execute(&mut self, symbol: usize, id: u64, now_ns: u64) {
        let order = self.markets[symbol].order(id);
        let price = if order.kind.is_market() { 0 } else { order.price };
        let walker = Walker { account: order.account, side: order.side, stp: order.stp, price };
        let is_whole = order.time_in_force == TimeInForce::Fok && !order.kind.is_market();
        let wanted = order.remaining();
        if is_whole && self.walk(symbol, walker, Want::Base(wanted)).0 < wanted {
            return self.expire(symbol, id, now_ns);
        }
        while let Some(front) = self.markets[symbol].book.front(walker.side.opposite()) {
            let order = self.markets[symbol].order(id);
            if !order.status.is_open() {
                return;
            }
            if price != 0 && !Book::crosses(walker.side, price, front.price) {
                break;
            }
            let own = match front.resting.owner {
                Owner::Account { id, account } if account == walker.account => Some(id),
                Owner::Account { .. } | Owner::Flow(_) => None,
            };
            if let (Some(maker), true) = (own, walker.stp != Stp::None) {
                self.prevent(symbol, id, maker, front, now_ns);
                continue;
            }
            let quantity = order.remaining().min(front.resting.remaining);
            let quantity = quantity.min(self.covered(symbol, id, front.price));
            if quantity == 0 {
                break;
            }
            let owner = Owner::Account { id, account: walker.account };
            self.trade(symbol, (owner, walker.side), front, quantity, now_ns);
        }
        let order = self.markets[symbol].order(id);
        if !order.status.is_open() {
            return;
        }
        if order.kind.is_market() || order.time_in_force != TimeInForce::Gtc {
            return self.expire(symbol, id, now_ns);
        }
        let owner = Owner::Account { id, account: walker.account };
        let resting = Resting { owner, remaining: order.remaining() };
        let sequence = self.markets[symbol].book.add(walker.side, price, resting);
        self.markets[symbol].order_mut(id).book_sequence = sequence;
        self.level(symbol, walker.side, price);
    }

    /// How much of an order its money covers at a price. What is locked covers all of it.
    fn covered(&self, symbol: usize, id: u64, price: Money) -> Money {
        let market = &self.markets[symbol];
        let order = market.order(id);
        if order.locked != 0 {
            return order.remaining();
        }
        let (pay, _) = legs(order.side, market.base, market.quote);
        let free = self.ledger.free(order.account, pay);
        match order.side {
            Side::Sell => i64::try_from(free).unwrap_or(Money::MAX),
            Side::Buy => affordable(free, price, self.config.symbols[symbol].filters.step),
        }
    }

    /// One trade between `taker` of `side` and the front of the other side.
    fn trade(
        &mut self,
        symbol: usize,
        (taker, side): (Owner, Side),
        front: Front,
        quantity: Money,
        now_ns: u64,
    ) {
        let market = &mut self.markets[symbol];
        market.counters.trade += 1;
        let trade_id = market.counters.trade;
        let price = front.price;
        let quote = money::quote(price, quantity).expect("a checked notional fits");
        market.book.reduce(side.opposite(), price, front.sequence, quantity);
        market.last_price = Some(price);
        let is_buyer_maker = side == Side::Sell;
        let trade = Trade { id: trade_id, price, quantity, time_ns: now_ns, is_buyer_maker };
        push_bounded(&mut market.trades, trade, self.config.history.trades_max);
        self.outputs.push_back(Output::Trade { symbol: SymbolIndex(symbol), trade });
        self.level(symbol, side.opposite(), price);
        let done = Match { trade_id, price, quantity, quote, now_ns };
        self.settle(symbol, taker, side, done, false);
        self.settle(symbol, front.resting.owner, side.opposite(), done, true);
    }

    /// One party of a trade pays and receives.
    fn settle(&mut self, symbol: usize, owner: Owner, side: Side, done: Match, is_maker: bool) {
        let (base, quote) = (self.markets[symbol].base, self.markets[symbol].quote);
        let (pay, receive) = legs(side, base, quote);
        let (paid, received) = match side {
            Side::Buy => (done.quote, done.quantity),
            Side::Sell => (done.quantity, done.quote),
        };
        match owner {
            Owner::Flow(id) => {
                self.ledger.flow[pay] -= i128::from(paid);
                self.ledger.flow[receive] += i128::from(received);
                let rest = self.flow.get(&id).copied();
                let left = rest.and_then(|rest| {
                    self.markets[symbol].book.remaining(rest.side, rest.price, rest.sequence)
                });
                if is_maker && left.is_none() {
                    self.flow.remove(&id);
                }
            }
            Owner::Account { id, account } => {
                let order = self.markets[symbol].order_mut(id);
                if order.executed == 0 {
                    self.limits.uncount_order(account, done.now_ns);
                }
                order.executed += done.quantity;
                order.executed_quote += done.quote;
                order.updated_ns = done.now_ns;
                let is_filled = order.remaining() == 0;
                order.status = if is_filled { Status::Filled } else { Status::PartiallyFilled };
                if order.locked != 0 {
                    self.hold(symbol, id, done.now_ns);
                }
                let fees = self.config.symbols[symbol].fees;
                let rate = if is_maker { fees.maker } else { fees.taker };
                let commission = money::share(received, rate);
                self.ledger.add(account, pay, -paid);
                self.ledger.add(account, receive, received - commission);
                self.ledger.fees[receive] += i128::from(commission);
                self.touch(account, done.now_ns);
                let fill = Fill {
                    trade_id: done.trade_id,
                    order_id: id,
                    account,
                    price: done.price,
                    quantity: done.quantity,
                    quote: done.quote,
                    commission,
                    commission_asset: self.ledger.assets[receive].clone(),
                    time_ns: done.now_ns,
                    is_buyer: side == Side::Buy,
                    is_maker,
                };
                self.filled(symbol, id, fill);
            }
        }
    }

    /// Files a fill and tells the account.
    fn filled(&mut self, symbol: usize, id: u64, fill: Fill) {
        let (account, now_ns) = (fill.account, fill.time_ns);
        let market = &mut self.markets[symbol];
        push_bounded(&mut market.fills, fill.clone(), self.config.history.fills_max);
        let order = market.order(id);
        if order.status == Status::Filled {
            let client_id = order.client_id.clone();
            market.close(id, &client_id, &self.config.history);
        }
        self.report(symbol, id, &Report::fill(fill));
        self.position(symbol, account, now_ns);
    }

    /// Keeps two orders of one account from trading, as the taker's mode says.
    fn prevent(&mut self, symbol: usize, taker: u64, maker: u64, front: Front, now_ns: u64) {
        let market = &mut self.markets[symbol];
        let mode = market.order(taker).stp;
        let left = (market.order(taker).remaining(), front.resting.remaining);
        let least = left.0.min(left.1);
        let (taker_quantity, maker_quantity) = match mode {
            Stp::None => return,
            Stp::ExpireMaker => (None, Some(left.1)),
            Stp::ExpireTaker => (Some(left.0), None),
            Stp::ExpireBoth => (Some(left.0), Some(left.1)),
            Stp::Decrement => (Some(least), Some(least)),
        };
        market.counters.prevented += 1;
        let (id, price) = (market.counters.prevented, front.price);
        let account = market.order(taker).account;
        let record = Prevented {
            id,
            account,
            taker,
            maker,
            mode,
            price,
            taker_quantity,
            maker_quantity,
            time_ns: now_ns,
        };
        push_bounded(&mut market.prevented, record, self.config.history.fills_max);
        let stopped = |counter, quantity| Stopped { id, counter, quantity, matched: least, price };
        if let Some(quantity) = maker_quantity {
            let side = market.order(maker).side;
            market.book.reduce(side, price, front.sequence, quantity);
            self.level(symbol, side, price);
            self.lose(symbol, maker, stopped(taker, quantity), now_ns);
        }
        if let Some(quantity) = taker_quantity {
            self.lose(symbol, taker, stopped(maker, quantity), now_ns);
        }
    }

    /// An order loses quantity to self-trade prevention.
    fn lose(&mut self, symbol: usize, id: u64, stopped: Stopped, now_ns: u64) {
        let market = &mut self.markets[symbol];
        let order = market.order_mut(id);
        order.prevented += stopped.quantity;
        order.prevented_match_id = Some(stopped.id);
        order.updated_ns = now_ns;
        let account = order.account;
        if order.remaining() == 0 {
            order.status = Status::ExpiredInMatch;
            let client_id = order.client_id.clone();
            market.close(id, &client_id, &self.config.history);
        }
        if self.markets[symbol].order(id).locked != 0 {
            self.hold(symbol, id, now_ns);
        }
        self.report(symbol, id, &Report::stopped(stopped, now_ns));
        self.position(symbol, account, now_ns);
    }

    /// Ends an order that is not on the book.
    fn expire(&mut self, symbol: usize, id: u64, now_ns: u64) {
        self.hold_amount(symbol, id, 0, now_ns);
        let market = &mut self.markets[symbol];
        let order = market.order_mut(id);
        order.status = Status::Expired;
        order.expiry_reason = Some(expiry_reason(order).to_string());
        order.updated_ns = now_ns;
        let (account, client_id) = (order.account, order.client_id.clone());
        market.close(id, &client_id, &self.config.history);
        self.report(symbol, id, &Report::new(Execution::Expired, now_ns));
        self.position(symbol, account, now_ns);
    }

    /// Takes an open order off the book and ends it as cancelled under the cancel's id.
    pub(crate) fn cancel(&mut self, symbol: usize, id: u64, cancel_id: &str, now_ns: u64) {
        let market = &mut self.markets[symbol];
        let order = market.order(id);
        let (account, side, price) = (order.account, order.side, order.price);
        let (sequence, remaining) = (order.book_sequence, order.remaining());
        if sequence != 0 {
            market.book.reduce(side, price, sequence, remaining);
            self.level(symbol, side, price);
        }
        self.hold_amount(symbol, id, 0, now_ns);
        let market = &mut self.markets[symbol];
        let order = market.order_mut(id);
        order.status = Status::Canceled;
        order.updated_ns = now_ns;
        let before = std::mem::replace(&mut order.client_id, cancel_id.to_string());
        market.close(id, &before, &self.config.history);
        let newest = market.newest_ids.entry((account, cancel_id.to_string())).or_insert(id);
        *newest = id.max(*newest);
        self.report(symbol, id, &Report::renamed(Execution::Canceled, before, now_ns));
        self.position(symbol, account, now_ns);
    }

    /// Lets waiting orders go that the last price hits, until none is left.
    fn trigger(&mut self, symbol: usize, now_ns: u64) {
        loop {
            let market = &self.markets[symbol];
            let Some(last) = market.last_price else { return };
            let is_ready = |id: &&u64| {
                let order = market.order(**id);
                is_hit(order.side, order.kind, order.stop_price, last)
            };
            let Some(id) = market.stops.iter().find(is_ready).copied() else { return };
            self.markets[symbol].stops.remove(&id);
            let order = self.markets[symbol].order_mut(id);
            order.is_triggered = true;
            order.is_working = true;
            order.working_ns = Some(now_ns);
            order.updated_ns = now_ns;
            let (account, is_market) = (order.account, order.kind.is_market());
            if is_market {
                self.hold_amount(symbol, id, 0, now_ns);
            }
            self.report(symbol, id, &Report::new(Execution::New, now_ns));
            self.position(symbol, account, now_ns);
            self.execute(symbol, id, now_ns);
        }
    }

    /// Says that a level changed.
    pub(crate) fn level(&mut self, symbol: usize, side: Side, price: Money) {
        let market = &mut self.markets[symbol];
        market.book.update_id += 1;
        self.outputs.push_back(Output::Level {
            symbol: SymbolIndex(symbol),
            side,
            price,
            quantity: market.book.total(side, price),
            update_id: market.book.update_id,
        });
    }

    /// Takes an order of a generated participant. One that a filter would refuse does nothing.
    pub fn submit(&mut self, symbol: SymbolIndex, order: &FlowOrder, now_ns: u64) -> FlowPlaced {
        let nothing = FlowPlaced { id: None, filled: 0 };
        let (index, filters) = (symbol.0, self.config.symbols[symbol.0].filters);
        let is_fit = 0 < order.price
            && order.price <= filters.price_max
            && 0 < order.quantity
            && order.quantity <= filters.quantity_max;
        let best = self.markets[index].book.best(order.side.opposite());
        let crosses = best.is_some_and(|best| Book::crosses(order.side, order.price, best.0));
        if !is_fit || (order.kind == FlowKind::PostOnly && crosses) {
            return nothing;
        }
        self.flow_next += 1;
        let (id, mut left) = (self.flow_next, order.quantity);
        while let Some(front) = self.markets[index].book.front(order.side.opposite()) {
            if left == 0 || !Book::crosses(order.side, order.price, front.price) {
                break;
            }
            let quantity = left.min(front.resting.remaining);
            self.trade(index, (Owner::Flow(id), order.side), front, quantity, now_ns);
            left -= quantity;
        }
        let filled = order.quantity - left;
        let rests = 0 < left && order.kind != FlowKind::Ioc;
        if rests {
            let resting = Resting { owner: Owner::Flow(id), remaining: left };
            let sequence = self.markets[index].book.add(order.side, order.price, resting);
            let rest = FlowRest { symbol: index, side: order.side, price: order.price, sequence };
            self.flow.insert(id, rest);
            self.level(index, order.side, order.price);
        }
        if 0 < filled {
            self.trigger(index, now_ns);
        }
        // A trigger may have taken it already.
        FlowPlaced { id: self.flow.contains_key(&id).then_some(FlowId(id)), filled }
    }

    /// Takes an order of a generated participant off the book. False when it is not there.
    pub fn cancel_flow(&mut self, id: FlowId, now_ns: u64) -> bool {
        debug_assert!(0 < now_ns, "{id:?}");
        let Some(rest) = self.flow.remove(&id.0) else { return false };
        let book = &mut self.markets[rest.symbol].book;
        let left = book.remaining(rest.side, rest.price, rest.sequence);
        book.reduce(rest.side, rest.price, rest.sequence, left.unwrap_or(0));
        self.level(rest.symbol, rest.side, rest.price);
        true
    }

    /// Money comes to an account, or goes when `amount` is negative, without a trade. False when
    /// there is less.
    pub fn adjust(
        &mut self,
        account: AccountIndex,
        asset: &str,
        amount: Money,
        now_ns: u64,
    ) -> bool {
        let index = self.ledger.asset(asset);
        let after = self.ledger.free(account.0, index).saturating_add(i128::from(amount));
        if after < 0 {
            return false;
        }
        self.ledger.add(account.0, index, amount);
        self.touch(account.0, now_ns);
        self.adjusted(account.0, (index, amount), now_ns);
        true
    }

    /// What is left of an order of a generated participant; 0 when it is gone.
    pub fn flow_remaining(&self, id: FlowId) -> Money {
        let rest = self.flow.get(&id.0);
        let left = rest.and_then(|rest| {
            let book = &self.markets[rest.symbol].book;
            book.remaining(rest.side, rest.price, rest.sequence)
        });
        left.unwrap_or(0)
    }
}

/// The most base, in whole steps, that an amount of quote pays for.
fn affordable(amount: i128, price: Money, step: Money) -> Money {
    let most = amount.saturating_mul(i128::from(ONE)) / i128::from(price.max(1));
    let step = i128::from(step.max(1));
    i64::try_from(most / step * step).unwrap_or(Money::MAX)
}

/// A client id for an order or a cancel that came without one: 22 letters and digits.
pub(crate) fn generated_id(symbol: usize, count: u64) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let seed = u64::try_from(symbol).unwrap_or(0).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut state = seed ^ count.wrapping_mul(0xD1B5_4A32_D192_ED03);
    let mut text = String::with_capacity(22);
    for _ in 0..22 {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let letter = usize::try_from(mixed % 62).unwrap_or(0);
        text.push(char::from(LETTERS[letter]));
    }
    text
}
