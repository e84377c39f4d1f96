//! Pulls: open orders, recent executions and balances of the venue, told as one run of rows.
//!
//! ```text
//!   open orders --> executions of each instrument --> [orders that nobody knows] --> balances --> rows
//! ```
//! Executions name orders by the venue's id only; where that is not known (after a restart, when the
//! order is over), the orders are asked for too, and their names say which are ours.
//! Everything is asked first and told at the end, so that a pull that fails has told nothing but that;
//! what happened in between was told by reports, and is not told twice.

use std::collections::BTreeMap;

use engine::event::link::{VenueOrder, venue_balance, venue_order};
use engine::event::{BalanceCode, LinkCode, ReportCode, Side};

use crate::answer::{self, AccountRows, OrderFacts, OrderRow, Place, TradeFacts, TradeRow};
use crate::orders::tracked::LegState;

use super::answers::Outcome;
use super::{Ask, Courier, Machine, NotSent, ROW_COUNT_MAX};

/// An execution that was pulled.
#[derive(Debug)]
struct Pulled {
    venue_id: u64,
    trade_id: u64,
    side: Side,
    price: i64,
    quantity: i64,
    commission_e8: i64,
    commission_asset: String,
    maker: bool,
}

/// What follows an answer.
enum Next {
    /// The next request.
    Ask(Ask),
    /// Nothing is left to ask.
    Tell,
}

/// A pull on its way.
#[derive(Debug)]
pub(super) struct Pull {
    id: u64,
    open: Vec<(usize, OrderFacts)>,
    /// By listing.
    trades: Vec<Vec<Pulled>>,
    /// Assets and totals, 1e-8.
    balances: BTreeMap<String, i64>,
    /// The step on its way, and when to try it again after a limit held it back.
    step: Ask,
    retry_at_ns: u64,
    try_count: u8,
    /// All was asked; what remains is to learn all of the open orders of an earlier life.
    is_waiting: bool,
}

impl Machine {
    pub(super) fn send_pull(&mut self, id: u64, now_ns: u64, courier: &mut dyn Courier) {
        self.pull_failed(now_ns);
        self.tell_link(LinkCode::PullBegin, id, now_ns);
        let step = Ask::PullOpen { pull: id };
        self.pull = Some(Pull {
            id,
            open: Vec::new(),
            trades: self.listings.iter().map(|_| Vec::new()).collect(),
            balances: BTreeMap::new(),
            step,
            retry_at_ns: 0,
            try_count: 0,
            is_waiting: false,
        });
        self.pull_step(step, now_ns, courier);
    }

    /// Ends a pull that cannot be completed, if there is one.
    fn pull_failed(&mut self, now_ns: u64) {
        if let Some(pull) = self.pull.take() {
            self.tell_link(LinkCode::PullFailed, pull.id, now_ns);
        }
    }

    fn pull_step(&mut self, step: Ask, now_ns: u64, courier: &mut dyn Courier) {
        let asked = self.ask(step, false, now_ns, courier);
        let retry_at_ns = now_ns.saturating_add(self.rules.retry_ns);
        let Some(pull) = &mut self.pull else { return };
        pull.step = step;
        pull.retry_at_ns = 0;
        match asked {
            Ok(()) => pull.try_count = 0,
            Err(NotSent::Limited) if pull.try_count < self.rules.retry_count_max => {
                pull.try_count += 1;
                pull.retry_at_ns = retry_at_ns;
            }
            Err(NotSent::Limited | NotSent::Down) => self.pull_failed(now_ns),
        }
    }

    pub(super) fn watch_pull(&mut self, now_ns: u64, courier: &mut dyn Courier) {
        if let Some(pull) = &self.pull
            && pull.retry_at_ns != 0
            && pull.retry_at_ns <= now_ns
        {
            self.pull_step(pull.step, now_ns, courier);
        }
        if self.pull.as_ref().is_none_or(|pull| !pull.is_waiting) {
            return;
        }
        let orders = self.pulled_orders();
        let tracked = |order: &u64| self.orders.get(*order);
        if orders.iter().filter_map(tracked).any(|order| order.learned && order.query.is_some()) {
            return;
        }
        if orders.iter().filter_map(tracked).any(|order| order.learned) {
            self.pull_failed(now_ns);
        } else {
            self.tell_pull(now_ns, courier);
        }
    }

    pub(super) fn pull_deadline_ns(&self) -> Option<u64> {
        self.pull.as_ref().map(|pull| pull.retry_at_ns).filter(|at_ns| *at_ns != 0)
    }

    pub(super) fn on_pulled(
        &mut self,
        id: u64,
        ask: Ask,
        outcome: &Outcome<'_>,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        if self.pull.as_ref().is_none_or(|pull| pull.id != id) {
            return;
        }
        let Outcome::Done(bytes, place) = outcome else {
            return self.pull_failed(now_ns);
        };
        let next = match ask {
            Ask::PullOpen { .. } => self.take_open(bytes, *place),
            Ask::PullTrades { listing, .. } => self.take_trades(listing, bytes, *place),
            Ask::PullOrders { listing, .. } => self.take_orders(listing, bytes, *place),
            Ask::PullAccount { .. }
            | Ask::Time { .. }
            | Ask::Logon { .. }
            | Ask::Subscribe { .. }
            | Ask::Place { .. }
            | Ask::Cancel { .. }
            | Ask::Replace { .. }
            | Ask::Status { .. }
            | Ask::Trades { .. } => self.take_account(bytes, *place),
        };
        match next {
            None => {
                self.counters.garbage += 1;
                self.pull_failed(now_ns);
            }
            Some(Next::Tell) => self.learn_pulled(now_ns, courier),
            Some(Next::Ask(step)) => self.pull_step(step, now_ns, courier),
        }
    }

    // Each of these takes an answer and says what to do next; `None` when the answer was not understood.

    fn take_open(&mut self, bytes: &[u8], place: Place) -> Option<Next> {
        let rows = answer::result::<Vec<OrderRow<'_>>>(bytes, place, "the open orders").ok()?;
        let mut open = Vec::new();
        for row in &rows {
            // Instruments that the engine does not know are none of its business.
            let Some(index) = row.symbol().and_then(|symbol| self.listing_named(symbol)) else {
                continue;
            };
            let listing = &self.listings[index];
            open.push((index, row.facts(listing.price_scale, listing.quantity_scale).ok()?));
        }
        if self.rules.pull_row_count_max < open.len() {
            return None;
        }
        let pull = self.pull.as_mut()?;
        pull.open = open;
        let id = pull.id;
        Some(Next::Ask(self.trades_step(id, 0)))
    }

    fn trades_step(&self, pull: u64, listing: usize) -> Ask {
        match self.pull_from.get(listing) {
            Some((from, _)) => Ask::PullTrades { pull, listing, from: *from },
            None => Ask::PullAccount { pull },
        }
    }

    fn take_trades(&mut self, index: usize, bytes: &[u8], place: Place) -> Option<Next> {
        let rows = answer::result::<Vec<TradeRow<'_>>>(bytes, place, "the trades").ok()?;
        let listing = self.listings.get(index)?;
        let pull = self.pull.as_mut()?;
        for row in &rows {
            let trade = row.facts(listing.price_scale, listing.quantity_scale).ok()?;
            pull.trades[index].push(Pulled {
                venue_id: row.order_id,
                trade_id: trade.trade_id,
                side: trade.side,
                price: trade.price,
                quantity: trade.quantity,
                commission_e8: trade.commission_e8,
                commission_asset: trade.commission_asset.to_string(),
                maker: trade.maker,
            });
        }
        if self.rules.pull_row_count_max < pull.trades[index].len() {
            return None;
        }
        let id = pull.id;
        let last = rows.iter().map(|row| row.id).max();
        let is_full = u64::try_from(rows.len()).is_ok_and(|count| ROW_COUNT_MAX <= count);
        if let Some(last) = last.filter(|_| is_full) {
            let from = Some(last.saturating_add(1));
            return Some(Next::Ask(Ask::PullTrades { pull: id, listing: index, from }));
        }
        Some(Next::Ask(match self.unknown_order(index, 0) {
            Some(from) => Ask::PullOrders { pull: id, listing: index, from },
            None => self.trades_step(id, index + 1),
        }))
    }

    /// The lowest venue id from `from` on that has executions and no name yet.
    fn unknown_order(&self, index: usize, from: u64) -> Option<u64> {
        let pull = self.pull.as_ref()?;
        let instrument = self.listings.get(index)?.instrument;
        let is_open =
            |id: u64| pull.open.iter().any(|(i, facts)| *i == index && facts.venue_id == id);
        let ids = pull.trades[index].iter().map(|trade| trade.venue_id);
        ids.filter(|id| from <= *id)
            .filter(|id| !self.venue_ids.contains_key(&(instrument, *id)) && !is_open(*id))
            .min()
    }

    fn take_orders(&mut self, index: usize, bytes: &[u8], place: Place) -> Option<Next> {
        let rows = answer::result::<Vec<OrderRow<'_>>>(bytes, place, "the orders").ok()?;
        let listing = self.listings.get(index)?;
        let (price_scale, quantity_scale) = (listing.price_scale, listing.quantity_scale);
        let mut highest = None;
        for row in &rows {
            // An order of a stranger may be finer than our scales; it is not ours to tell.
            let Ok(facts) = row.facts(price_scale, quantity_scale) else { continue };
            highest = highest.max(Some(facts.venue_id));
            self.learn_order(index, &facts);
        }
        let id = self.pull.as_ref()?.id;
        let is_full = u64::try_from(rows.len()).is_ok_and(|count| ROW_COUNT_MAX <= count);
        let next = highest.filter(|_| is_full).map(|highest| highest.saturating_add(1));
        Some(Next::Ask(match next.and_then(|from| self.unknown_order(index, from)) {
            Some(from) => Ask::PullOrders { pull: id, listing: index, from },
            None => self.trades_step(id, index + 1),
        }))
    }

    /// Notes an order that is ours; false when it is a stranger's.
    fn learn_order(&mut self, index: usize, facts: &OrderFacts) -> bool {
        let instrument = self.listings[index].instrument;
        let named = facts.name.filter(|name| self.is_ours(name));
        let named = named.map(|name| (name.order_id, name.generation));
        let known = self.venue_ids.get(&(instrument, facts.venue_id)).copied();
        let Some((order, generation)) = known.or(named) else { return false };
        let pulled = self.pull.as_ref().map_or(0, |pull| {
            let untold = pull.trades[index].iter().filter(|trade| {
                trade.venue_id == facts.venue_id
                    && !self.trades_seen.contains((instrument, trade.trade_id))
            });
            untold.fold(0i64, |sum, trade| sum.saturating_add(trade.quantity))
        });
        let told = facts.executed.unwrap_or(0).saturating_sub(pulled);
        let side = facts.side.unwrap_or(Side::Buy);
        self.learn((order, generation), instrument, side, told);
        self.note_facts((order, generation), facts);
        true
    }

    fn take_account(&mut self, bytes: &[u8], place: Place) -> Option<Next> {
        let account = answer::result::<AccountRows<'_>>(bytes, place, "the account").ok()?;
        let pull = self.pull.as_mut()?;
        for row in &account.balances {
            let asset = row.asset();
            if self.listings.iter().any(|l| l.base == asset || l.quote == asset) {
                pull.balances.insert(asset.to_string(), row.total_e8().ok()?);
            }
        }
        Some(Next::Tell)
    }

    // Telling.

    /// Orders that are ours are known before their executions are told, with all of their generations.
    fn learn_pulled(&mut self, now_ns: u64, courier: &mut dyn Courier) {
        let Some(pull) = &mut self.pull else { return };
        pull.is_waiting = true;
        let open = pull.open.clone();
        for (index, facts) in &open {
            self.learn_order(*index, facts);
        }
        for order in self.pulled_orders() {
            if self.orders.get(order).is_some_and(|tracked| tracked.learned) {
                self.start_query(order, false, now_ns, courier);
            }
        }
        self.watch_pull(now_ns, courier);
    }

    /// Ours among the open orders of the pull.
    fn pulled_orders(&self) -> Vec<u64> {
        let Some(pull) = &self.pull else { return Vec::new() };
        let id = |(index, facts): &(usize, OrderFacts)| {
            let instrument = self.listings[*index].instrument;
            Some(self.venue_ids.get(&(instrument, facts.venue_id))?.0)
        };
        pull.open.iter().filter_map(id).collect()
    }

    fn tell_pull(&mut self, now_ns: u64, courier: &mut dyn Courier) {
        let Some(pull) = self.pull.take() else { return };
        let id = pull.id;
        let mut touched = Vec::new();
        for (index, trades) in pull.trades.iter().enumerate() {
            self.tell_pulled(index, trades, &mut touched, now_ns);
        }
        for (index, facts) in &pull.open {
            self.tell_open(*index, facts, now_ns, courier);
        }
        self.tell_balances(&pull.balances, now_ns);
        self.tell_link(LinkCode::PullEnd, id, now_ns);
        for (index, trades) in pull.trades.iter().enumerate() {
            let last = trades.iter().map(|trade| trade.trade_id.saturating_add(1)).max();
            let (from, next) = self.pull_from[index];
            // The next pull begins where this one began to be new: executions may be listed late.
            self.pull_from[index] = (next.or(from), last.or(next));
        }
        for order in touched {
            self.settle(order, now_ns, courier);
        }
    }

    fn tell_pulled(
        &mut self,
        index: usize,
        trades: &[Pulled],
        touched: &mut Vec<u64>,
        now_ns: u64,
    ) {
        let instrument = self.listings[index].instrument;
        let mut order_of_ids: Vec<&Pulled> = trades.iter().collect();
        order_of_ids.sort_unstable_by_key(|trade| trade.trade_id);
        for trade in order_of_ids {
            let known = self.venue_ids.get(&(instrument, trade.venue_id)).copied();
            let Some((order, generation)) = known else { continue };
            if self.trades_seen.contains((instrument, trade.trade_id)) {
                continue;
            }
            let facts = TradeFacts {
                trade_id: trade.trade_id,
                side: trade.side,
                price: trade.price,
                quantity: trade.quantity,
                commission_e8: trade.commission_e8,
                commission_asset: &trade.commission_asset,
                maker: trade.maker,
            };
            self.tell_fill((order, generation), index, &facts, now_ns);
            touched.push(order);
        }
    }

    fn tell_open(
        &mut self,
        index: usize,
        facts: &OrderFacts,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) {
        let instrument = self.listings[index].instrument;
        let mut row = VenueOrder {
            instrument,
            side: facts.side.unwrap_or(Side::Buy),
            price: facts.price.unwrap_or(0),
            quantity: facts.quantity.unwrap_or(0),
            id: facts.venue_id,
            ours: false,
        };
        let known = self.venue_ids.get(&(instrument, facts.venue_id)).copied();
        let Some((order, generation)) = known else {
            return self.outbox.push(venue_order(&row), now_ns);
        };
        let Some(tracked) = self.orders.get_mut(order) else { return };
        tracked.acked = true;
        let is_working = |leg: &crate::orders::tracked::Leg| leg.state == LegState::Working;
        if !tracked.leg(generation).is_some_and(is_working) {
            // A report was faster: it is over.
            return;
        }
        let before = tracked.told_before(generation);
        let told = tracked.told();
        if tracked.current() == Some(generation) {
            self.settle_terms(order, generation, now_ns);
        }
        row.quantity = before.saturating_add(row.quantity);
        (row.id, row.ours) = (order, true);
        self.outbox.push(venue_order(&row), now_ns);
        if self.is_in_doubt(order) {
            // That an earlier generation works does not say what became of a later one.
            return self.start_query(order, true, now_ns, courier);
        }
        self.tell(order, ReportCode::Working, 0, (row.price, told), now_ns);
    }

    /// One run for each asset over the instruments that share it.
    fn tell_balances(&mut self, balances: &BTreeMap<String, i64>, now_ns: u64) {
        let mut assets: Vec<&str> = Vec::new();
        for listing in &self.listings {
            for asset in [&listing.base, &listing.quote] {
                if !asset.is_empty() && !assets.contains(&asset.as_str()) {
                    assets.push(asset);
                }
            }
        }
        let mut events = Vec::new();
        for (number, asset) in (1u64..).zip(assets) {
            let total_e8 = balances.get(asset).copied().unwrap_or(0);
            let start = events.len();
            for listing in &self.listings {
                let base = (listing.base == *asset)
                    .then(|| (BalanceCode::Base, in_units(total_e8, listing.quantity_scale)));
                let quote = (listing.quote == *asset).then_some((BalanceCode::Quote, total_e8));
                for (code, total) in base.into_iter().chain(quote) {
                    let place = (number, false);
                    events.push(venue_balance(self.venue, listing.instrument, code, total, place));
                }
            }
            if let Some(last) = events[start..].last_mut() {
                last.flags |= engine::event::flags::LAST;
            }
        }
        for event in events {
            self.outbox.push(event, now_ns);
        }
    }
}

/// 1e-8 as units of 10^-scale; what is less than a unit is left out.
fn in_units(total_e8: i64, scale: u8) -> i64 {
    match 8u32.checked_sub(u32::from(scale)) {
        Some(finer) => total_e8.div_euclid(10i64.pow(finer)),
        None => total_e8.saturating_mul(10i64.pow(u32::from(scale) - 8)),
    }
}
