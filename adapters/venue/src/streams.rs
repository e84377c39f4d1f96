//! Streams of market data: who listens to what, and what is told when.
//!
//! ```text
//!   Trade, Level --> per symbol: changes since the last frame --> frames of each pace
//!   SUBSCRIBE ... --> per connection: names, wrapper, unit of times
//! ```
//!
//! **Invariant:** the ranges `U..u` of one pace follow each other without a hole, whoever listens.
//!
//! **Invariant:** a stream that nobody listens to costs no formatting.

mod market;
mod names;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::exchange::{Exchange, SymbolIndex, Trade};
use crate::order::{Side, TimeUnit};
use market::{Market, time, write_level};
pub(crate) use names::parse_target;
use names::{Kind, Target};

/// Most streams of one connection.
const STREAM_COUNT_MAX: usize = 1024;
const SECOND_NS: u64 = 1_000_000_000;

/// Paces and limits of the streams.
#[derive(Clone, Copy, Debug)]
pub struct StreamsConfig {
    /// Between two frames of `@depth@100ms` and its like.
    pub depth_fast_ns: u64,
    /// Between two frames of `@depth` and its like.
    pub depth_slow_ns: u64,
    /// Between two frames of tickers.
    pub ticker_ns: u64,
    /// Between two frames of bars.
    pub kline_ns: u64,
    /// Messages that a connection may send in a second.
    pub messages_1s_max: usize,
}

impl Default for StreamsConfig {
    fn default() -> Self {
        StreamsConfig {
            depth_fast_ns: SECOND_NS / 10,
            depth_slow_ns: SECOND_NS,
            ticker_ns: SECOND_NS,
            kline_ns: 2 * SECOND_NS,
            messages_1s_max: 5,
        }
    }
}

/// What a message of a client led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// This is the answer.
    Answer(String),
    /// It sends faster than it may and is to be disconnected.
    TooFast,
}

#[derive(Debug)]
struct Connection {
    combined: bool,
    unit: TimeUnit,
    /// In the order of subscribing.
    streams: Vec<String>,
    /// Times of the last messages.
    messages_ns: VecDeque<u64>,
}

/// When the frames of one pace are due.
#[derive(Debug)]
struct Pace {
    interval_ns: u64,
    next_ns: u64,
}

impl Pace {
    fn new(interval_ns: u64, now_ns: u64) -> Pace {
        let interval_ns = interval_ns.max(1_000);
        Pace { interval_ns, next_ns: now_ns + interval_ns }
    }

    /// Whether it is due now; the next time is after `now_ns`.
    fn is_due(&mut self, now_ns: u64) -> bool {
        if now_ns < self.next_ns {
            return false;
        }
        let behind = (now_ns - self.next_ns) / self.interval_ns;
        self.next_ns += (behind + 1) * self.interval_ns;
        true
    }
}

/// All streams.
#[derive(Debug)]
pub(crate) struct Streams {
    markets: Vec<Market>,
    connections: BTreeMap<u64, Connection>,
    /// Connections of each stream that somebody listens to.
    listeners: BTreeMap<String, Vec<u64>>,
    fast: Pace,
    slow: Pace,
    ticker: Pace,
    kline: Pace,
    messages_1s_max: usize,
}

impl Streams {
    pub(crate) fn new(config: &StreamsConfig, symbols: &[&str], now_ns: u64) -> Streams {
        Streams {
            markets: symbols.iter().map(|symbol| Market::new(symbol)).collect(),
            connections: BTreeMap::new(),
            listeners: BTreeMap::new(),
            fast: Pace::new(config.depth_fast_ns, now_ns),
            slow: Pace::new(config.depth_slow_ns, now_ns),
            ticker: Pace::new(config.ticker_ns, now_ns),
            kline: Pace::new(config.kline_ns, now_ns),
            messages_1s_max: config.messages_1s_max,
        }
    }

    pub(crate) fn opened(&mut self, id: u64, target: &Target) {
        let unit = if target.microseconds { TimeUnit::Microsecond } else { TimeUnit::Millisecond };
        let connection = Connection {
            combined: target.combined,
            unit,
            streams: Vec::new(),
            messages_ns: VecDeque::new(),
        };
        self.connections.insert(id, connection);
        for name in target.streams.iter().take(STREAM_COUNT_MAX) {
            self.subscribe(id, name);
        }
    }

    /// Whether the frames of a connection come in the wrapper.
    pub(crate) fn is_combined(&self, id: u64) -> bool {
        self.connections.get(&id).is_some_and(|connection| connection.combined)
    }

    pub(crate) fn closed(&mut self, id: u64) {
        let streams = self.connections.remove(&id).map(|connection| connection.streams);
        for name in streams.unwrap_or_default() {
            self.unlisten(id, &name);
        }
    }

    /// Answers a message of a client.
    pub(crate) fn text(&mut self, id: u64, text: &[u8], now_ns: u64) -> Heard {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Heard::TooFast;
        };
        let window = &mut connection.messages_ns;
        while window.front().is_some_and(|first| first + SECOND_NS <= now_ns) {
            window.pop_front();
        }
        if self.messages_1s_max <= window.len() {
            return Heard::TooFast;
        }
        window.push_back(now_ns);
        Heard::Answer(match serde_json::from_slice::<Request>(text) {
            Ok(request) => self.answer(id, request),
            Err(error) if error.is_data() => refusal(2, &format!("Invalid request: {error}"), None),
            Err(error) => refusal(3, &format!("Invalid JSON: {error}"), None),
        })
    }

    fn answer(&mut self, id: u64, request: Request) -> String {
        let tag = match request.id {
            None | Some(Value::Null) => Value::Null,
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => number.into(),
            Some(Value::String(text)) if text.len() <= 36 => text.into(),
            Some(_) => {
                return refusal(2, "Invalid request: request ID must be an unsigned integer", None);
            }
        };
        match self.act(id, request.method, request.params.unwrap_or_default()) {
            Ok(result) => json!({ "result": result, "id": tag }).to_string(),
            Err((code, message)) => refusal(code, message, Some(tag)),
        }
    }

    fn act(
        &mut self,
        id: u64,
        method: Method,
        params: Vec<Value>,
    ) -> Result<Value, (u8, &'static str)> {
        const NAME: (u8, &str) = (2, "Invalid request: property name must be a string");
        match method {
            Method::Subscribe | Method::Unsubscribe => {
                let mut names = Vec::with_capacity(params.len().min(STREAM_COUNT_MAX));
                for param in params {
                    let Value::String(name) = param else { return Err(NAME) };
                    names.push(name);
                }
                let count = self.connections.get(&id).map_or(0, |it| it.streams.len());
                if STREAM_COUNT_MAX < count + names.len() {
                    return Err((2, "Invalid request: too many parameters"));
                }
                for name in &names {
                    if method == Method::Subscribe {
                        self.subscribe(id, name);
                    } else {
                        self.unsubscribe(id, name);
                    }
                }
                Ok(Value::Null)
            }
            Method::ListSubscriptions => {
                Ok(self.connections.get(&id).map_or(json!([]), |it| json!(it.streams)))
            }
            Method::SetProperty | Method::GetProperty => {
                let name = params.first().ok_or(NAME)?.as_str().ok_or(NAME)?;
                if name != "combined" {
                    return Err((0, "Unknown property"));
                }
                let Some(connection) = self.connections.get_mut(&id) else {
                    return Ok(Value::Null);
                };
                if method == Method::GetProperty {
                    return Ok(json!(connection.combined));
                }
                if 2 < params.len() {
                    return Err((2, "Invalid request: too many parameters"));
                }
                let wanted = params.get(1).and_then(Value::as_bool);
                connection.combined = wanted.ok_or((1, "Invalid value type: expected Boolean"))?;
                Ok(Value::Null)
            }
        }
    }

    fn subscribe(&mut self, id: u64, name: &str) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.streams.iter().any(|known| known == name) {
            return;
        }
        connection.streams.push(name.to_string());
        self.listeners.entry(name.to_string()).or_default().push(id);
    }

    fn unsubscribe(&mut self, id: u64, name: &str) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.streams.retain(|known| known != name);
        }
        self.unlisten(id, name);
    }

    fn unlisten(&mut self, id: u64, name: &str) {
        if let Some(ids) = self.listeners.get_mut(name) {
            ids.retain(|known| *known != id);
            if ids.is_empty() {
                self.listeners.remove(name);
            }
        }
    }

    /// Tells everybody who listens to `name`; the text is written once per unit of times.
    fn tell(
        &self,
        name: &str,
        sink: &mut impl FnMut(u64, &str, String),
        write: impl Fn(TimeUnit) -> String,
    ) {
        let Some(ids) = self.listeners.get(name) else { return };
        let mut written: [Option<String>; 2] = [None, None];
        for id in ids {
            let Some(connection) = self.connections.get(id) else { continue };
            let unit = connection.unit;
            let place = usize::from(unit == TimeUnit::Microsecond);
            let text = written[place].get_or_insert_with(|| write(unit));
            let text = if connection.combined {
                format!("{{\"stream\":\"{name}\",\"data\":{text}}}")
            } else {
                text.clone()
            };
            sink(*id, name, text);
        }
    }

    pub(crate) fn trade(
        &mut self,
        symbol: SymbolIndex,
        trade: &Trade,
        sink: &mut impl FnMut(u64, &str, String),
    ) {
        self.markets[symbol.0].add(trade);
        let market = &self.markets[symbol.0];
        self.tell(market.stream(Kind::Trade), sink, |unit| market.trade(trade, unit));
        self.tell(market.stream(Kind::AggTrade), sink, |unit| market.agg_trade(trade, unit));
    }

    pub(crate) fn level(
        &mut self,
        symbol: SymbolIndex,
        side: Side,
        level: (i64, i64),
        update_id: u64,
    ) {
        let market = &mut self.markets[symbol.0];
        let side = usize::from(side == Side::Sell);
        market.update_id = update_id;
        market.touched = true;
        market.fast.set(side, level.0, level.1, update_id);
        market.slow.set(side, level.0, level.1, update_id);
    }

    /// Tells the best prices that changed with the outputs before.
    pub(crate) fn settle(&mut self, exchange: &Exchange, sink: &mut impl FnMut(u64, &str, String)) {
        for place in 0..self.markets.len() {
            let market = &mut self.markets[place];
            if !std::mem::take(&mut market.touched) {
                continue;
            }
            let best = exchange.best(SymbolIndex(place));
            if market.top == [best.bid, best.ask] {
                continue;
            }
            market.top = [best.bid, best.ask];
            let market = &self.markets[place];
            self.tell(market.stream(Kind::BookTicker), sink, |_| market.book_ticker());
        }
    }

    /// When the next frame of a pace is due.
    pub(crate) fn next_ns(&self) -> u64 {
        let next = self.fast.next_ns.min(self.slow.next_ns);
        next.min(self.ticker.next_ns).min(self.kline.next_ns)
    }

    /// Tells what is due by its pace.
    pub(crate) fn on_time(
        &mut self,
        exchange: &Exchange,
        now_ns: u64,
        sink: &mut impl FnMut(u64, &str, String),
    ) {
        for fast in [true, false] {
            let pace = if fast { &mut self.fast } else { &mut self.slow };
            if pace.is_due(now_ns) {
                for place in 0..self.markets.len() {
                    self.tell_depth(exchange, place, fast, now_ns, sink);
                }
            }
        }
        let (ticker, kline) = (self.ticker.is_due(now_ns), self.kline.is_due(now_ns));
        for market in self.markets.iter().filter(|market| market.has_traded()) {
            if ticker {
                let write = |unit| market.mini_ticker(time(unit, now_ns));
                self.tell(market.stream(Kind::MiniTicker), sink, write);
                self.tell(market.stream(Kind::Ticker), sink, |unit| market.ticker(now_ns, unit));
                let write = |unit| market.avg_price(now_ns, unit);
                self.tell(market.stream(Kind::AvgPrice), sink, write);
            }
            if kline {
                self.tell(market.stream(Kind::Kline), sink, |unit| market.kline(now_ns, unit));
            }
        }
    }

    fn tell_depth(
        &mut self,
        exchange: &Exchange,
        place: usize,
        fast: bool,
        now_ns: u64,
        sink: &mut impl FnMut(u64, &str, String),
    ) {
        let market = &mut self.markets[place];
        let pace = if fast { &mut market.fast } else { &mut market.slow };
        if pace.is_empty() {
            return;
        }
        let ids = pace.take_ids(market.update_id);
        let changes = std::mem::take(&mut pace.sides);
        let market = &self.markets[place];
        self.tell(market.stream(Kind::Depth { fast }), sink, |unit| {
            market.depth(&changes, ids, time(unit, now_ns))
        });
        for level_count in [5, 10, 20] {
            let name = market.stream(Kind::Partial { level_count, fast });
            self.tell(name, sink, |_| partial(exchange, SymbolIndex(place), level_count));
        }
    }
}

/// The best levels as `@depth5` and its like tell them.
fn partial(exchange: &Exchange, symbol: SymbolIndex, level_count: usize) -> String {
    let depth = exchange.depth(symbol, level_count);
    let mut text = format!("{{\"lastUpdateId\":{}", depth.update_id);
    for (name, levels) in [("bids", &depth.bids), ("asks", &depth.asks)] {
        text.push_str(",\"");
        text.push_str(name);
        text.push_str("\":[");
        for (at, (price, quantity)) in levels.iter().enumerate() {
            write_level(&mut text, *price, *quantity, at == 0);
        }
        text.push(']');
    }
    text.push('}');
    text
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Method {
    #[serde(rename = "SUBSCRIBE")]
    Subscribe,
    #[serde(rename = "UNSUBSCRIBE")]
    Unsubscribe,
    #[serde(rename = "LIST_SUBSCRIPTIONS")]
    ListSubscriptions,
    #[serde(rename = "SET_PROPERTY")]
    SetProperty,
    #[serde(rename = "GET_PROPERTY")]
    GetProperty,
}

#[derive(Debug, Deserialize)]
struct Request {
    method: Method,
    params: Option<Vec<Value>>,
    id: Option<Value>,
}

fn refusal(code: u8, message: &str, id: Option<Value>) -> String {
    match id {
        Some(id) => json!({ "code": code, "msg": message, "id": id }).to_string(),
        None => json!({ "code": code, "msg": message }).to_string(),
    }
}
