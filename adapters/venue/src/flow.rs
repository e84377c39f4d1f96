//! Generated participants: makers that quote around a fair price, takers, and their cancels.
//!
//! ```text
//!   seed --> fair price (random walk) --> pull stale, replenish, cancel, take --> Exchange::submit
//! ```
//!
//! Each symbol has a stream of random numbers and a time of its own; an arrival is one step. What a
//! step does depends on the seed, on the number of steps before it and on the book that it finds.
//!
//! **Invariant:** the same seed over the same exchange gives the same orders at the same times.
//!
//! **Invariant:** a side never has more than `level_count` orders of ours, and quotes of ours never
//! cross each other.

pub(crate) mod random;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::exchange::{Exchange, FlowId, FlowKind, FlowOrder, SymbolIndex};
use crate::money::{Money, ONE};
use crate::order::Side;
use random::Random;

const SECOND_NS: u64 = 1_000_000_000;
/// Most orders that one step takes off a side because the price moved past them.
const PULL_COUNT_MAX: usize = 64;
/// Orders of a side below which a step fills it up at once.
const THIN_COUNT: usize = 4;
/// The walk stays within a third and three times of its beginning.
const STRAY_FACTOR: i64 = 3;

/// Participants of one symbol.
#[derive(Clone, Debug)]
pub struct FlowMarket {
    /// Such as `BTCUSDT`; a symbol that is not listed is left out.
    pub symbol: String,
    /// The fair price at the start.
    pub price: Money,
    /// Orders of makers on each side.
    pub level_count: usize,
    /// Usual quantity of an order.
    pub quantity: Money,
    /// Steps of makers in a second.
    pub orders_per_second: u32,
    /// Takers in a second.
    pub trades_per_second: u32,
    /// Largest move of the fair price in one step, in parts per million.
    pub move_ppm: u32,
    /// Half the spread in parts per million of the price.
    pub half_spread_ppm: u32,
}

/// All participants.
#[derive(Clone, Debug)]
pub struct FlowConfig {
    /// Seed of everything that they do.
    pub seed: u64,
    /// 100 is as configured; 0 is a market that stands still after its first quotes.
    pub speed_percent: u32,
    /// The symbols.
    pub markets: Vec<FlowMarket>,
}

impl FlowConfig {
    /// `BTCUSDT` and `ETHUSDT` around the prices of August 2024.
    pub fn usual(seed: u64) -> FlowConfig {
        let market = |symbol: &str, price: Money, quantity: Money| FlowMarket {
            symbol: symbol.to_string(),
            price,
            level_count: 40,
            quantity,
            orders_per_second: 80,
            trades_per_second: 8,
            move_ppm: 12,
            half_spread_ppm: 15,
        };
        let markets =
            vec![market("BTCUSDT", 61_800 * ONE, ONE / 4), market("ETHUSDT", 2_680 * ONE, 4 * ONE)];
        FlowConfig { seed, speed_percent: 100, markets }
    }
}

/// The participants at work.
#[derive(Debug)]
pub(crate) struct Flow {
    crowds: Vec<Crowd>,
    speed_percent: u32,
}

/// The participants of one symbol.
#[derive(Debug)]
struct Crowd {
    symbol: SymbolIndex,
    config: FlowMarket,
    random: Random,
    tick: Money,
    step: Money,
    /// Where the walk began.
    anchor: Money,
    fair: Money,
    next_ns: u64,
    /// Orders on the book, best first: distance key and number.
    quotes: [BTreeMap<(Money, u64), FlowId>; 2],
    quote_number: u64,
    last_taker: Side,
}

impl Flow {
    /// Participants of an exchange whose books are empty. Walks begin at the last trade price where
    /// there is one.
    pub(crate) fn new(config: &FlowConfig, exchange: &Exchange, now_ns: u64) -> Flow {
        let mut crowds = Vec::new();
        for (place, market) in config.markets.iter().enumerate() {
            let Some(symbol) = exchange.symbol_index(&market.symbol) else { continue };
            let filters = &exchange.symbols()[symbol.0].filters;
            let fair = exchange.last_price(symbol).unwrap_or(market.price).max(filters.tick);
            crowds.push(Crowd {
                symbol,
                config: market.clone(),
                random: Random::new(config.seed, u64::try_from(place).unwrap_or(0) + 1),
                tick: filters.tick,
                step: filters.step,
                anchor: market.price.max(filters.tick),
                fair,
                next_ns: now_ns,
                quotes: [BTreeMap::new(), BTreeMap::new()],
                quote_number: 0,
                last_taker: Side::Buy,
            });
        }
        Flow { crowds, speed_percent: config.speed_percent }
    }

    /// When the next step is due; `None` when there is none.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.crowds.iter().map(|crowd| crowd.next_ns).filter(|next| *next < u64::MAX).min()
    }

    /// One step of the symbol whose turn it is.
    pub(crate) fn step(&mut self, exchange: &mut Exchange, now_ns: u64) {
        let Some(crowd) = self.crowds.iter_mut().min_by_key(|crowd| crowd.next_ns) else { return };
        crowd.act(exchange, now_ns.max(1));
        let config = &crowd.config;
        let rate = u64::from(config.orders_per_second) + u64::from(config.trades_per_second);
        let rate = rate * u64::from(self.speed_percent);
        crowd.next_ns = match (SECOND_NS * 100).checked_div(rate) {
            Some(mean_ns) => crowd.next_ns.saturating_add(crowd.random.wait(mean_ns)),
            None => u64::MAX,
        };
    }

    /// Steps that are overdue by more than `lag_ns` are left out.
    pub(crate) fn catch_up(&mut self, now_ns: u64, lag_ns: u64) {
        for crowd in &mut self.crowds {
            if crowd.next_ns.saturating_add(lag_ns) < now_ns {
                crowd.next_ns = now_ns;
            }
        }
    }
}

fn place_of(side: Side) -> usize {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

impl Crowd {
    fn act(&mut self, exchange: &mut Exchange, now_ns: u64) {
        self.walk();
        let mut has_filled_up = false;
        for side in [Side::Buy, Side::Sell] {
            self.forget_filled(exchange, side);
            self.pull_stale(exchange, side, now_ns);
            if self.quotes[place_of(side)].len() < THIN_COUNT.min(self.config.level_count) {
                for rank in 0..self.config.level_count {
                    self.quote(exchange, side, rank, now_ns);
                }
                has_filled_up = true;
            }
        }
        if has_filled_up {
            return;
        }
        let orders = u64::from(self.config.orders_per_second);
        let trades = u64::from(self.config.trades_per_second);
        if 0 < orders + trades && self.random.up_to(orders + trades - 1) < trades {
            self.take(exchange, now_ns);
            return;
        }
        let side = if self.random.happens(500_000) { Side::Buy } else { Side::Sell };
        let count = self.quotes[place_of(side)].len();
        // The fuller a side, the more is taken back.
        let fullness_ppm = 1_000_000 * count / self.config.level_count.max(1);
        let fullness_ppm = u64::try_from(fullness_ppm).unwrap_or(1_000_000);
        if self.random.happens(fullness_ppm.saturating_mul(9) / 10) {
            self.cancel(exchange, side, now_ns);
        } else {
            let bound = u64::try_from(self.config.level_count).unwrap_or(1);
            let (first, second) = (self.random.up_to(bound), self.random.up_to(bound));
            let rank = usize::try_from(first.min(second)).unwrap_or(0);
            self.quote(exchange, side, rank, now_ns);
        }
    }

    /// One move of the fair price, gently back to where it began.
    fn walk(&mut self) {
        let bound = self.fair.saturating_mul(i64::from(self.config.move_ppm)) / 1_000_000;
        let back = (self.anchor - self.fair) / 200_000;
        let moved = self.random.below(2 * bound) - bound + back;
        let low = (self.anchor / STRAY_FACTOR).max(self.tick);
        let high = self.anchor.saturating_mul(STRAY_FACTOR);
        self.fair = self.fair.saturating_add(moved).clamp(low, high);
    }

    fn half_spread(&self) -> Money {
        let half = self.fair.saturating_mul(i64::from(self.config.half_spread_ppm)) / 1_000_000;
        half.max(self.tick)
    }

    /// Orders that traded away are the best of their side.
    fn forget_filled(&mut self, exchange: &Exchange, side: Side) {
        let quotes = &mut self.quotes[place_of(side)];
        while let Some(entry) = quotes.first_entry()
            && exchange.flow_remaining(*entry.get()) == 0
        {
            entry.remove();
        }
    }

    /// Takes back what is nearer to the fair price than a maker likes.
    fn pull_stale(&mut self, exchange: &mut Exchange, side: Side, now_ns: u64) {
        let limit = self.half_spread() / 2;
        let border = match side {
            Side::Buy => self.fair - limit,
            Side::Sell => self.fair + limit,
        };
        let quotes = &mut self.quotes[place_of(side)];
        for _ in 0..PULL_COUNT_MAX {
            let Some(entry) = quotes.first_entry() else { return };
            let price = entry.key().0.abs();
            let is_stale = match side {
                Side::Buy => border < price,
                Side::Sell => price < border,
            };
            if !is_stale {
                return;
            }
            // One that has traded away since is gone anyway.
            exchange.cancel_flow(entry.remove(), now_ns);
        }
    }

    /// A new order of a maker at the place `rank` from the fair price.
    fn quote(&mut self, exchange: &mut Exchange, side: Side, rank: usize, now_ns: u64) {
        let place = place_of(side);
        if self.config.level_count <= self.quotes[place].len() {
            return;
        }
        let half = self.half_spread();
        let rank = i64::try_from(rank).unwrap_or(0);
        let spacing = (half / 3).max(self.tick);
        let distance = half + rank * spacing + self.random.below(spacing);
        let price = match side {
            Side::Buy => self.fair - distance,
            Side::Sell => self.fair + distance,
        };
        let price = price - price % self.tick;
        let quantity = self.quantity(4);
        if price < self.tick {
            return;
        }
        let order = FlowOrder { side, price, quantity, kind: FlowKind::PostOnly };
        if let Some(id) = exchange.submit(self.symbol, &order, now_ns).id {
            self.quote_number += 1;
            let key = if side == Side::Buy { -price } else { price };
            self.quotes[place].insert((key, self.quote_number), id);
        }
    }

    /// Takes back an order, more often a near one.
    fn cancel(&mut self, exchange: &mut Exchange, side: Side, now_ns: u64) {
        let quotes = &mut self.quotes[place_of(side)];
        let bound = u64::try_from(quotes.len().saturating_sub(1)).unwrap_or(0);
        let (first, second) = (self.random.up_to(bound), self.random.up_to(bound));
        let rank = usize::try_from(first.min(second)).unwrap_or(0);
        let Some(key) = quotes.keys().nth(rank).copied() else { return };
        if let Some(id) = quotes.remove(&key) {
            exchange.cancel_flow(id, now_ns);
        }
    }

    /// A taker: towards the fair price, or like the one before.
    fn take(&mut self, exchange: &mut Exchange, now_ns: u64) {
        let best = exchange.best(self.symbol);
        let (Some((bid, _)), Some((ask, _))) = (best.bid, best.ask) else { return };
        let middle = bid + (ask - bid) / 2;
        let side = if self.random.happens(250_000) {
            self.last_taker
        } else if self.random.happens(if middle < self.fair { 700_000 } else { 300_000 }) {
            Side::Buy
        } else {
            Side::Sell
        };
        self.last_taker = side;
        // A taker accepts two thousandths of slippage.
        let price = match side {
            Side::Buy => ask + ask / 500,
            Side::Sell => bid - bid / 500,
        };
        let price = (price - price % self.tick).max(self.tick);
        let quantity = self.quantity(6);
        let order = FlowOrder { side, price, quantity, kind: FlowKind::Ioc };
        exchange.submit(self.symbol, &order, now_ns);
    }

    fn quantity(&mut self, doublings_max: u32) -> Money {
        let quantity = self.random.size(self.config.quantity / 2, doublings_max);
        (quantity - quantity % self.step).max(self.step)
    }
}
