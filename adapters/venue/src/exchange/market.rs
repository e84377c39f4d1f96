//! One symbol: its book, the orders and fills of accounts, the public trades and the counters.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::config::HistoryLimits;
use crate::exchange::Trade;
use crate::exchange::book::Book;
use crate::money::Money;
use crate::order::{Fill, Order, Stp};

/// Counters of a symbol; they only go up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counters {
    pub(crate) order: u64,
    pub(crate) trade: u64,
    pub(crate) execution: u64,
    pub(crate) prevented: u64,
    pub(crate) update: u64,
    pub(crate) client_id: u64,
}

/// A match that self-trade prevention kept from happening.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Prevented {
    pub(crate) id: u64,
    pub(crate) account: usize,
    pub(crate) taker: u64,
    pub(crate) maker: u64,
    pub(crate) mode: Stp,
    pub(crate) price: Money,
    pub(crate) taker_quantity: Option<Money>,
    pub(crate) maker_quantity: Option<Money>,
    pub(crate) time_ns: u64,
}

/// A change of the quantity of an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Amendment {
    pub(crate) account: usize,
    pub(crate) order_id: u64,
    pub(crate) execution_id: u64,
    pub(crate) client_id_before: String,
    pub(crate) client_id_after: String,
    pub(crate) quantity_before: Money,
    pub(crate) quantity_after: Money,
    pub(crate) time_ns: u64,
}

/// Everything of one symbol.
#[derive(Debug, Default)]
pub(crate) struct Market {
    pub(crate) base: usize,
    pub(crate) quote: usize,
    pub(crate) book: Book,
    pub(crate) orders: BTreeMap<u64, Order>,
    pub(crate) open: BTreeSet<u64>,
    /// Open orders that wait for their trigger.
    pub(crate) stops: BTreeSet<u64>,
    /// Client ids of open orders.
    pub(crate) open_ids: BTreeMap<(usize, String), u64>,
    /// The newest order that ever had a client id.
    pub(crate) newest_ids: BTreeMap<(usize, String), u64>,
    /// Closed orders in the order in which they closed.
    pub(crate) closed: VecDeque<u64>,
    pub(crate) fills: VecDeque<Fill>,
    pub(crate) trades: VecDeque<Trade>,
    pub(crate) prevented: VecDeque<Prevented>,
    pub(crate) amendments: VecDeque<Amendment>,
    pub(crate) counters: Counters,
    pub(crate) last_price: Option<Money>,
    /// Orders that changed since the state was last saved.
    pub(crate) dirty: BTreeSet<u64>,
    /// Fills that were already saved: those up to this trade id.
    pub(crate) fills_saved: u64,
}

impl Market {
    pub(crate) fn order(&self, id: u64) -> &Order {
        self.orders.get(&id).expect("an open order is among the orders")
    }

    pub(crate) fn order_mut(&mut self, id: u64) -> &mut Order {
        self.dirty.insert(id);
        self.orders.get_mut(&id).expect("an open order is among the orders")
    }

    /// Files an order under its indexes.
    pub(crate) fn index(&mut self, order: &Order) {
        let key = |id: &str| (order.account, id.to_string());
        for id in [&order.client_id_first, &order.client_id] {
            let newest = self.newest_ids.entry(key(id)).or_insert(order.id);
            *newest = order.id.max(*newest);
        }
        if order.status.is_open() {
            self.open.insert(order.id);
            self.open_ids.insert(key(&order.client_id), order.id);
            if !order.is_triggered {
                self.stops.insert(order.id);
            }
        } else {
            self.closed.push_back(order.id);
        }
    }

    /// Takes an order out of the tables and the book, so that a newer state can take its place.
    pub(crate) fn unindex(&mut self, id: u64) {
        let Some(order) = self.orders.remove(&id) else { return };
        self.open.remove(&id);
        self.stops.remove(&id);
        self.open_ids.remove(&(order.account, order.client_id.clone()));
        if !order.status.is_open() {
            self.closed.retain(|closed| *closed != id);
        }
        let left = self.book.remaining(order.side, order.price, order.book_sequence);
        if let Some(left) = left {
            self.book.reduce(order.side, order.price, order.book_sequence, left);
        }
    }

    /// Takes a closed order out of the indexes of open ones.
    pub(crate) fn close(&mut self, id: u64, client_id: &str, limits: &HistoryLimits) {
        let account = self.order(id).account;
        self.open.remove(&id);
        self.stops.remove(&id);
        self.open_ids.remove(&(account, client_id.to_string()));
        self.closed.push_back(id);
        self.forget(limits);
    }

    /// Drops the oldest closed orders above the limit.
    pub(crate) fn forget(&mut self, limits: &HistoryLimits) {
        while limits.orders_max < self.closed.len() {
            // What was not saved yet stays a while, so that the saved state hears of its end.
            let is_dirty = self.closed.front().is_some_and(|id| self.dirty.contains(id));
            if is_dirty && self.closed.len() <= limits.orders_max.saturating_mul(2) {
                return;
            }
            let Some(order) = self.closed.pop_front().and_then(|id| self.orders.remove(&id)) else {
                continue;
            };
            self.dirty.remove(&order.id);
            for client_id in [order.client_id_first, order.client_id] {
                let key = (order.account, client_id);
                if self.newest_ids.get(&key) == Some(&order.id) {
                    self.newest_ids.remove(&key);
                }
            }
        }
    }

    /// How many open orders, and how many of them with a trigger, an account has.
    pub(crate) fn open_count(&self, account: usize) -> (usize, usize) {
        let open = self.open.iter().filter(|id| self.order(**id).account == account);
        let stops = self.stops.iter().filter(|id| self.order(**id).account == account);
        (open.count(), stops.count())
    }
}

/// Keeps `queue` at `count_max` entries; the oldest goes.
pub(crate) fn push_bounded<T>(queue: &mut VecDeque<T>, value: T, count_max: usize) {
    queue.push_back(value);
    while count_max < queue.len() {
        queue.pop_front();
    }
}
