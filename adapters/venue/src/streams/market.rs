//! What the streams of one symbol remember between two frames, and how frames are written.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::exchange::Trade;
use crate::money::ONE;
use crate::order::TimeUnit;
use crate::streams::names::Kind;

const MINUTE_NS: u64 = 60_000_000_000;

/// The best level of both sides: price and quantity, or nothing.
pub(crate) type Top = [Option<(i64, i64)>; 2];

/// A number with eight decimals.
pub(crate) fn money(text: &mut String, value: i64) {
    let sign = if value < 0 { "-" } else { "" };
    let value = value.unsigned_abs();
    let one = ONE.unsigned_abs();
    let written = write!(text, "{sign}{}.{:08}", value / one, value % one);
    written.expect("a String takes any text");
}

/// The same as a text of its own.
pub(crate) fn decimal(value: i64) -> String {
    let mut text = String::with_capacity(24);
    money(&mut text, value);
    text
}

/// A sum of price times quantity, which is wider, with eight decimals.
fn wide(value: i128) -> String {
    decimal(i64::try_from(value / i128::from(ONE)).unwrap_or(i64::MAX))
}

/// Quantity of each changed level, bids and asks.
#[derive(Debug, Default)]
pub(crate) struct Sides([BTreeMap<i64, i64>; 2]);

/// Changed levels since the last frame of one pace.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) sides: Sides,
    /// Last update id that a frame of this pace has told.
    told_id: u64,
}

impl Changes {
    pub(crate) fn set(&mut self, side: usize, price: i64, quantity: i64, update_id: u64) {
        if self.told_id == 0 {
            self.told_id = update_id.saturating_sub(1);
        }
        self.sides.0[side].insert(price, quantity);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sides.0.iter().all(BTreeMap::is_empty)
    }

    /// The range of ids that the next frame tells; the range after it begins where this one ends.
    pub(crate) fn take_ids(&mut self, update_id: u64) -> (u64, u64) {
        let first = self.told_id + 1;
        self.told_id = update_id;
        (first, update_id)
    }
}

impl Sides {
    /// `[["price","quantity"],...]`, bids from the best down, asks from the best up.
    fn write(&self, side: usize, text: &mut String) {
        text.push('[');
        let mut pairs = self.0[side].iter();
        let mut is_first = true;
        while let Some((price, quantity)) = if side == 0 { pairs.next_back() } else { pairs.next() }
        {
            write_level(text, *price, *quantity, is_first);
            is_first = false;
        }
        text.push(']');
    }
}

pub(crate) fn write_level(text: &mut String, price: i64, quantity: i64, is_first: bool) {
    text.push_str(if is_first { "[\"" } else { ",[\"" });
    money(text, price);
    text.push_str("\",\"");
    money(text, quantity);
    text.push_str("\"]");
}

/// The bar of the present minute, and of the day since the start.
#[derive(Clone, Copy, Debug, Default)]
struct Bar {
    start_ns: u64,
    open: i64,
    high: i64,
    low: i64,
    close: i64,
    volume: i64,
    quote_volume: i128,
    taker_volume: i64,
    taker_quote: i128,
    first_id: u64,
    last_id: u64,
    count: u64,
    last_quantity: i64,
}

impl Bar {
    fn add(&mut self, print: &Trade) {
        if self.count == 0 {
            self.open = print.price;
            self.high = print.price;
            self.low = print.price;
            self.first_id = print.id;
        }
        self.high = self.high.max(print.price);
        self.low = self.low.min(print.price);
        self.close = print.price;
        self.volume = self.volume.saturating_add(print.quantity);
        let quote = i128::from(print.price) * i128::from(print.quantity);
        self.quote_volume += quote;
        if !print.is_buyer_maker {
            self.taker_volume = self.taker_volume.saturating_add(print.quantity);
            self.taker_quote += quote;
        }
        self.last_id = print.id;
        self.last_quantity = print.quantity;
        self.count += 1;
    }

    fn mean(&self) -> i64 {
        if self.volume == 0 {
            return self.close;
        }
        i64::try_from(self.quote_volume / i128::from(self.volume)).unwrap_or(self.close)
    }
}

/// The memory of one symbol.
#[derive(Debug)]
pub(crate) struct Market {
    /// As orders name it.
    pub(crate) symbol: String,
    /// Names of its streams, in the order of [`Kind::ALL`].
    streams: Vec<(Kind, String)>,
    pub(crate) fast: Changes,
    pub(crate) slow: Changes,
    pub(crate) update_id: u64,
    /// A level changed since the best prices were looked at.
    pub(crate) touched: bool,
    /// The best prices that were told last.
    pub(crate) top: Top,
    day: Bar,
    minute: Bar,
}

impl Market {
    pub(crate) fn new(symbol: &str) -> Market {
        let lower = symbol.to_ascii_lowercase();
        let streams =
            Kind::ALL.iter().map(|kind| (*kind, format!("{lower}@{}", kind.name()))).collect();
        Market {
            symbol: symbol.to_string(),
            streams,
            fast: Changes::default(),
            slow: Changes::default(),
            update_id: 0,
            touched: false,
            top: [None; 2],
            day: Bar::default(),
            minute: Bar::default(),
        }
    }

    /// The name of one of its streams.
    pub(crate) fn stream(&self, kind: Kind) -> &str {
        let found = self.streams.iter().find(|(known, _)| *known == kind);
        found.map_or("", |(_, name)| name)
    }

    pub(crate) fn add(&mut self, print: &Trade) {
        let start_ns = print.time_ns - print.time_ns % MINUTE_NS;
        if self.minute.start_ns != start_ns {
            self.minute = Bar { start_ns, ..Bar::default() };
        }
        if self.day.count == 0 {
            self.day.start_ns = print.time_ns;
        }
        self.minute.add(print);
        self.day.add(print);
    }

    pub(crate) fn has_traded(&self) -> bool {
        0 < self.day.count
    }

    pub(crate) fn trade(&self, print: &Trade, unit: TimeUnit) -> String {
        format!(
            concat!(
                r#"{{"e":"trade","E":{event},"s":"{symbol}","t":{id},"p":"{price}","q":"{quantity}","#,
                r#""T":{time},"m":{maker},"M":true}}"#
            ),
            event = time(unit, print.time_ns),
            symbol = self.symbol,
            id = print.id,
            price = decimal(print.price),
            quantity = decimal(print.quantity),
            time = time(unit, print.time_ns),
            maker = print.is_buyer_maker,
        )
    }

    pub(crate) fn agg_trade(&self, print: &Trade, unit: TimeUnit) -> String {
        format!(
            concat!(
                r#"{{"e":"aggTrade","E":{event},"s":"{symbol}","a":{id},"p":"{price}","q":"{quantity}","#,
                r#""f":{id},"l":{id},"T":{time},"m":{maker},"M":true}}"#
            ),
            event = time(unit, print.time_ns),
            symbol = self.symbol,
            id = print.id,
            price = decimal(print.price),
            quantity = decimal(print.quantity),
            time = time(unit, print.time_ns),
            maker = print.is_buyer_maker,
        )
    }

    pub(crate) fn book_ticker(&self) -> String {
        let part = |side: usize| self.top[side].unwrap_or((0, 0));
        format!(
            r#"{{"u":{},"s":"{}","b":"{}","B":"{}","a":"{}","A":"{}"}}"#,
            self.update_id,
            self.symbol,
            decimal(part(0).0),
            decimal(part(0).1),
            decimal(part(1).0),
            decimal(part(1).1),
        )
    }

    pub(crate) fn depth(&self, changes: &Sides, ids: (u64, u64), event: u64) -> String {
        let mut text = String::with_capacity(1024);
        let written = write!(
            text,
            r#"{{"e":"depthUpdate","E":{event},"s":"{}","U":{},"u":{},"b":"#,
            self.symbol, ids.0, ids.1
        );
        written.expect("a String takes any text");
        changes.write(0, &mut text);
        text.push_str(",\"a\":");
        changes.write(1, &mut text);
        text.push('}');
        text
    }

    pub(crate) fn mini_ticker(&self, event: u64) -> String {
        let day = &self.day;
        format!(
            concat!(
                r#"{{"e":"24hrMiniTicker","E":{},"s":"{}","c":"{}","o":"{}","h":"{}","l":"{}","#,
                r#""v":"{}","q":"{}"}}"#
            ),
            event,
            self.symbol,
            decimal(day.close),
            decimal(day.open),
            decimal(day.high),
            decimal(day.low),
            decimal(day.volume),
            wide(day.quote_volume),
        )
    }

    pub(crate) fn ticker(&self, now_ns: u64, unit: TimeUnit) -> String {
        let day = &self.day;
        let change = day.close - day.open;
        let percent = i128::from(change) * 100 * i128::from(ONE) / i128::from(day.open.max(1));
        let part = |side: usize| self.top[side].unwrap_or((0, 0));
        format!(
            concat!(
                r#"{{"e":"24hrTicker","E":{},"s":"{}","p":"{}","P":"{}","w":"{}","x":"{}","c":"{}","#,
                r#""Q":"{}","b":"{}","B":"{}","a":"{}","A":"{}","o":"{}","h":"{}","l":"{}","v":"{}","#,
                r#""q":"{}","O":{},"C":{},"F":{},"L":{},"n":{}}}"#
            ),
            time(unit, now_ns),
            self.symbol,
            decimal(change),
            decimal(i64::try_from(percent).unwrap_or(0)),
            decimal(day.mean()),
            decimal(day.open),
            decimal(day.close),
            decimal(day.last_quantity),
            decimal(part(0).0),
            decimal(part(0).1),
            decimal(part(1).0),
            decimal(part(1).1),
            decimal(day.open),
            decimal(day.high),
            decimal(day.low),
            decimal(day.volume),
            wide(day.quote_volume),
            time(unit, day.start_ns),
            time(unit, now_ns),
            day.first_id,
            day.last_id,
            day.count,
        )
    }

    pub(crate) fn kline(&self, now_ns: u64, unit: TimeUnit) -> String {
        let bar = &self.minute;
        let end_ns = bar.start_ns + MINUTE_NS;
        format!(
            concat!(
                r#"{{"e":"kline","E":{},"s":"{}","k":{{"t":{},"T":{},"s":"{}","i":"1m","f":{},"L":{},"#,
                r#""o":"{}","c":"{}","h":"{}","l":"{}","v":"{}","n":{},"x":{},"q":"{}","V":"{}","#,
                r#""Q":"{}","B":"0"}}}}"#
            ),
            time(unit, now_ns),
            self.symbol,
            time(unit, bar.start_ns),
            time(unit, end_ns) - 1,
            self.symbol,
            bar.first_id,
            bar.last_id,
            decimal(bar.open),
            decimal(bar.close),
            decimal(bar.high),
            decimal(bar.low),
            decimal(bar.volume),
            bar.count,
            end_ns <= now_ns,
            wide(bar.quote_volume),
            decimal(bar.taker_volume),
            wide(bar.taker_quote),
        )
    }

    pub(crate) fn avg_price(&self, now_ns: u64, unit: TimeUnit) -> String {
        format!(
            r#"{{"e":"avgPrice","E":{},"s":"{}","i":"5m","w":"{}","T":{}}}"#,
            time(unit, now_ns),
            self.symbol,
            decimal(self.day.mean()),
            time(unit, now_ns),
        )
    }
}

/// A time in the unit of a connection.
pub(crate) fn time(unit: TimeUnit, time_ns: u64) -> u64 {
    time_ns / unit.ns()
}
