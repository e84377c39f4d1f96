//! Rate limits: request weight and raw requests per client, orders per account.
//!
//! As the documents say, a limit counts within intervals of the clock: the minute's count begins
//! again with each minute.

use std::collections::BTreeMap;

use crate::api::error::ApiError;
use crate::api::json::{Object, array};
use crate::config::RateLimits;

const SECOND_NS: u64 = 1_000_000_000;
/// Interval of the request weight.
const WEIGHT_NS: u64 = 60 * SECOND_NS;
/// Interval of the raw requests.
const RAW_NS: u64 = 300 * SECOND_NS;
/// The short interval of orders.
const ORDERS_SHORT_NS: u64 = 10 * SECOND_NS;
/// The long interval of orders.
const ORDERS_LONG_NS: u64 = 86_400 * SECOND_NS;
/// Clients that are remembered.
const CLIENT_COUNT_MAX: usize = 10_000;

/// A count within the present interval.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    slot: u64,
    count: u32,
}

impl Window {
    fn count(self, length_ns: u64, now_ns: u64) -> u32 {
        if self.slot == now_ns / length_ns { self.count } else { 0 }
    }

    fn add(&mut self, length_ns: u64, now_ns: u64, more: u32) {
        self.count = self.count(length_ns, now_ns).saturating_add(more);
        self.slot = now_ns / length_ns;
    }
}

/// Time until the next interval.
fn until_next_ns(length_ns: u64, now_ns: u64) -> u64 {
    length_ns - now_ns % length_ns
}

#[derive(Clone, Copy, Debug, Default)]
struct Client {
    weight: Window,
    raw: Window,
    violations: Window,
    banned_until_ns: u64,
}

/// The counts of all.
#[derive(Debug)]
pub(crate) struct Limits {
    config: RateLimits,
    clients: BTreeMap<u64, Client>,
    /// By account: short and long.
    orders: Vec<(Window, Window)>,
}

impl Limits {
    pub(crate) fn new(config: RateLimits, account_count: usize) -> Self {
        let orders = vec![(Window::default(), Window::default()); account_count];
        Self { config, clients: BTreeMap::new(), orders }
    }

    /// Counts a request; refuses it when its weight is too much.
    pub(crate) fn admit(&mut self, client: u64, weight: u32, now_ns: u64) -> Result<(), ApiError> {
        if CLIENT_COUNT_MAX <= self.clients.len() && !self.clients.contains_key(&client) {
            self.clients.pop_first();
        }
        let config = self.config;
        let state = self.clients.entry(client).or_default();
        if now_ns < state.banned_until_ns {
            return Err(banned(state.banned_until_ns, now_ns));
        }
        state.raw.add(RAW_NS, now_ns, 1);
        let used = state.weight.count(WEIGHT_NS, now_ns);
        let is_heavy = config.weight_1m_max < used.saturating_add(weight);
        let is_often = config.raw_5m_max < state.raw.count(RAW_NS, now_ns);
        if !is_heavy && !is_often {
            return Ok(());
        }
        state.violations.add(WEIGHT_NS, now_ns, 1);
        if config.violations_max < state.violations.count(WEIGHT_NS, now_ns) {
            state.banned_until_ns = now_ns.saturating_add(config.ban_ns);
            return Err(banned(state.banned_until_ns, now_ns));
        }
        let (message, length_ns) = if is_heavy {
            let message = format!(
                "Too much request weight used; current limit is {} request weight per 1 MINUTE. \
                 Please use WebSocket Streams for live updates to avoid polling the API.",
                config.weight_1m_max
            );
            (message, WEIGHT_NS)
        } else {
            let limit = config.raw_5m_max;
            (format!("Too many requests; current limit is {limit} per 5 MINUTE."), RAW_NS)
        };
        let retry_after_ns = Some(until_next_ns(length_ns, now_ns));
        Err(ApiError { retry_after_ns, ..ApiError::new(429, -1003, message) })
    }

    /// Charges the weight of an answered request.
    pub(crate) fn charge(&mut self, client: u64, weight: u32, now_ns: u64) {
        self.clients.entry(client).or_default().weight.add(WEIGHT_NS, now_ns, weight);
    }

    /// The weight that a client used in this minute.
    pub(crate) fn weight(&self, client: u64, now_ns: u64) -> u32 {
        self.clients.get(&client).map_or(0, |state| state.weight.count(WEIGHT_NS, now_ns))
    }

    /// Refuses another order of an account that placed too many.
    pub(crate) fn check_orders(&self, account: usize, now_ns: u64) -> Result<(), ApiError> {
        let (short, long) = self.orders(account, now_ns);
        let refuse = |limit: u32, interval: &str, length_ns| {
            let message =
                format!("Too many new orders; current limit is {limit} orders per {interval}.");
            let retry_after_ns = Some(until_next_ns(length_ns, now_ns));
            Err(ApiError { retry_after_ns, ..ApiError::new(429, -1015, message) })
        };
        if self.config.orders_10s_max <= short {
            return refuse(self.config.orders_10s_max, "10 SECOND", ORDERS_SHORT_NS);
        }
        if self.config.orders_1d_max <= long {
            return refuse(self.config.orders_1d_max, "1 DAY", ORDERS_LONG_NS);
        }
        Ok(())
    }

    /// Counts an order.
    pub(crate) fn count_order(&mut self, account: usize, now_ns: u64) {
        let (short, long) = &mut self.orders[account];
        short.add(ORDERS_SHORT_NS, now_ns, 1);
        long.add(ORDERS_LONG_NS, now_ns, 1);
    }

    /// An order traded for the first time, or was refused: it counts no more.
    pub(crate) fn uncount_order(&mut self, account: usize, now_ns: u64) {
        let (short, long) = &mut self.orders[account];
        for (window, length_ns) in [(short, ORDERS_SHORT_NS), (long, ORDERS_LONG_NS)] {
            window.count = window.count(length_ns, now_ns).saturating_sub(1);
            window.slot = now_ns / length_ns;
        }
    }

    /// Orders of an account in ten seconds and in a day.
    pub(crate) fn orders(&self, account: usize, now_ns: u64) -> (u32, u32) {
        let (short, long) = self.orders[account];
        (short.count(ORDERS_SHORT_NS, now_ns), long.count(ORDERS_LONG_NS, now_ns))
    }

    /// `ORDERS` as in `rateLimits`.
    pub(crate) fn orders_json(&self, account: usize, now_ns: u64) -> Vec<String> {
        let (short, long) = self.orders(account, now_ns);
        vec![
            entry("ORDERS", ("SECOND", 10), self.config.orders_10s_max, Some(short)),
            entry("ORDERS", ("DAY", 1), self.config.orders_1d_max, Some(long)),
        ]
    }

    /// `REQUEST_WEIGHT` as in `rateLimits`.
    pub(crate) fn weight_json(&self, client: u64, now_ns: u64) -> String {
        let used = self.weight(client, now_ns);
        entry("REQUEST_WEIGHT", ("MINUTE", 1), self.config.weight_1m_max, Some(used))
    }

    /// `rateLimits` of `exchangeInfo`.
    pub(crate) fn info_json(&self) -> String {
        let config = &self.config;
        let entries = [
            entry("REQUEST_WEIGHT", ("MINUTE", 1), config.weight_1m_max, None),
            entry("ORDERS", ("SECOND", 10), config.orders_10s_max, None),
            entry("ORDERS", ("DAY", 1), config.orders_1d_max, None),
            entry("RAW_REQUESTS", ("MINUTE", 5), config.raw_5m_max, None),
        ];
        array(entries.into_iter())
    }
}

fn entry(kind: &str, (interval, number): (&str, u32), limit: u32, count: Option<u32>) -> String {
    let object = Object::new().text("rateLimitType", kind).text("interval", interval);
    let object = object.number("intervalNum", number).number("limit", limit);
    match count {
        Some(count) => object.number("count", count).end(),
        None => object.end(),
    }
}

fn banned(until_ns: u64, now_ns: u64) -> ApiError {
    let message = format!(
        "Way too much request weight used; IP banned until {}. Please use WebSocket Streams for \
         live updates to avoid bans.",
        until_ns / 1_000_000
    );
    let retry_after_ns = Some(until_ns.saturating_sub(now_ns));
    ApiError { retry_after_ns, ..ApiError::new(418, -1003, message) }
}
