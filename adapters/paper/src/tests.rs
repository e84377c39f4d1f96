//! Tests of the paper venue: one small language for tables, and properties over random markets.
//!
//! ```text
//!   10 book 99x5 98x10 | 101x4           a snapshot: bids | asks
//!   20 level bid 99x3 ask 101x0          a depth update
//!   30 trade sell 2@99                   a public trade, by its aggressor
//!   30 quote 99x1 101x2                  a best bid and offer, newer than the depth
//!   30 feed disconnected                 also: connected, dropped
//!   40 new 1 buy 5@99 gtc                also: ioc, fok, market, market-fok; then: post
//!   40 cancel 1 | replace 1 3@99 | query 1 | clock
//!   = 40 1 acked                         the next report: time, order, what it says
//! ```
//! `#1` after the time names instrument 1. Every report must be expected before the next line.

mod limits;
mod properties;
mod queue;
mod taking;
mod timing;

use std::fmt::Write;

use engine::event::order::execution;
use engine::event::{
    Event, FeedCode, Kind, Mode, OrderTerms, OrderType, ReportCode, Side, TimeInForce, flags,
    market,
};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::money::Money;

use crate::{PaperConfig, PaperVenue, code};

/// Latency 0, so that tables about matching need not do sums.
pub(super) const AT_ONCE: PaperConfig = PaperConfig {
    seed: 1,
    latency_out_ns: 0,
    latency_in_ns: 0,
    latency_jitter_ns: 0,
    orders_max: 64,
    reject_per_million: 0,
    quiet_ns_max: 1_000_000,
    protection_ppm: 20_000,
    depth_buffer_count_max: 1024,
    source: 3,
};

fn instrument(symbol: &str) -> Instrument {
    Instrument {
        venue: Venue::Synthetic,
        symbol: symbol.to_string(),
        price_scale: 2,
        quantity_scale: 2,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: -10_000,
        taker_fee_e8: 100_000,
        multiplier: 1,
    }
}

pub(super) fn table() -> InstrumentTable {
    // Instrument 1 has steps and a least notional of 1, that is price times quantity of 10,000.
    let coarse = Instrument { tick: 5, lot: 10, notional_min: Money::ONE, ..instrument("COARSE") };
    InstrumentTable::new(vec![instrument("FINE"), coarse]).unwrap()
}

pub(super) fn venue(config: PaperConfig) -> PaperVenue {
    PaperVenue::new(config, table(), Mode::Backtest).unwrap()
}

/// Text of the reports, a fill in one line.
#[derive(Default)]
pub(super) struct Reader {
    half: Option<Event>,
    pub(super) lines: Vec<String>,
}

impl Reader {
    pub(super) fn read(&mut self, event: Event) {
        assert_eq!(event.source, AT_ONCE.source);
        if event.kind == Kind::REPORT_DETAIL {
            let first = self.half.take().expect("a detail follows its report");
            assert_eq!(first.time_ns, event.time_ns);
            let told = execution(&first, &event);
            let role = if told.maker { "maker" } else { "taker" };
            self.lines.push(format!(
                "{} {} filled {}@{} {role} cum {} fee {}",
                event.time_ns,
                told.order_id,
                told.quantity,
                told.price,
                told.cumulative_quantity,
                told.fee_e8
            ));
            return;
        }
        assert_eq!(event.kind, Kind::REPORT);
        assert!(self.half.is_none());
        let report = ReportCode::from_code(event.code).unwrap();
        if report == ReportCode::Filled {
            self.half = Some(event);
            return;
        }
        let mut line = format!("{} {} {}", event.time_ns, event.id, report.name());
        if report == ReportCode::Replaced {
            write!(line, " {}@{}", event.quantity, event.price).unwrap();
        }
        if report == ReportCode::Working {
            write!(line, " {}", event.quantity).unwrap();
        }
        if event.tag != 0 {
            write!(line, " {}", code::name(event.tag)).unwrap();
        }
        self.lines.push(line);
    }
}

fn pair<'a>(text: &'a str, between: char, line: &str) -> (&'a str, &'a str) {
    text.split_once(between).unwrap_or_else(|| panic!("{text} has no {between}: {line}"))
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_| panic!("not a number: {text}"))
}

/// Turns lines into events.
struct Writer {
    update_id: i64,
}

impl Writer {
    fn levels(&mut self, index: u16, levels: &[(Side, i64, i64)], snapshot: bool) -> Vec<Event> {
        self.update_id += 1;
        let (first, previous) = (self.update_id, market::DepthIds::NO_PREVIOUS);
        let ids = market::DepthIds { first, last: first, previous };
        let count = u32::try_from(levels.len()).unwrap();
        let mut run = vec![market::depth(index, ids, count, snapshot)];
        for (place, (side, price, quantity)) in levels.iter().enumerate() {
            run.push(market::level(index, *side, *price, *quantity, place + 1 == levels.len()));
        }
        run
    }

    fn book(&mut self, index: u16, words: &[&str], line: &str) -> Vec<Event> {
        let mut side = Side::Buy;
        let mut levels = Vec::new();
        for word in words {
            if *word == "|" {
                side = Side::Sell;
            } else {
                let (price, quantity) = pair(word, 'x', line);
                levels.push((side, number(price), number(quantity)));
            }
        }
        let mut run = vec![market::feed(index, FeedCode::Connected, 0)];
        run.extend(self.levels(index, &levels, true));
        run
    }

    fn market(&mut self, index: u16, words: &[&str], line: &str) -> Vec<Event> {
        match words {
            ["book", levels @ ..] => self.book(index, levels, line),
            ["level", levels @ ..] => {
                let level = |words: &[&str]| {
                    let side = if words[0] == "bid" { Side::Buy } else { Side::Sell };
                    let (price, quantity) = pair(words[1], 'x', line);
                    (side, number(price), number(quantity))
                };
                let levels: Vec<_> = levels.chunks(2).map(level).collect();
                self.levels(index, &levels, false)
            }
            ["trade", side, what] => {
                let (quantity, price) = pair(what, '@', line);
                let aggressor = if *side == "buy" { Side::Buy } else { Side::Sell };
                vec![market::trade(index, aggressor, number(price), number(quantity), 1)]
            }
            ["quote", bid, ask] => {
                self.update_id += 1;
                let id = self.update_id.cast_unsigned();
                let side = |side, word| {
                    let (price, quantity) = pair(word, 'x', line);
                    market::quote(index, side, number(price), number(quantity), id)
                };
                vec![side(Side::Buy, bid), side(Side::Sell, ask)]
            }
            ["feed", what] => {
                let code = match *what {
                    "connected" => FeedCode::Connected,
                    "disconnected" => FeedCode::Disconnected,
                    "dropped" => FeedCode::Dropped,
                    other => panic!("no such state {other}: {line}"),
                };
                vec![market::feed(index, code, 1)]
            }
            ["clock"] => vec![engine::event::session::clock()],
            _ => Vec::new(),
        }
    }
}

fn terms(word: &str) -> OrderTerms {
    let (order_type, time_in_force) = match word {
        "gtc" => (OrderType::Limit, TimeInForce::Gtc),
        "ioc" => (OrderType::Limit, TimeInForce::Ioc),
        "fok" => (OrderType::Limit, TimeInForce::Fok),
        "market" => (OrderType::Market, TimeInForce::Ioc),
        "market-fok" => (OrderType::Market, TimeInForce::Fok),
        other => panic!("no such terms: {other}"),
    };
    OrderTerms { order_type, time_in_force }
}

fn request(index: u16, words: &[&str], line: &str) -> Option<Event> {
    let kind = match words[0] {
        "new" => Kind::SEND_NEW,
        "cancel" => Kind::SEND_CANCEL,
        "replace" => Kind::SEND_REPLACE,
        "query" => Kind::SEND_QUERY,
        _ => return None,
    };
    let mut event = Event::new(kind);
    event.instrument = index;
    event.id = number(words[1]).cast_unsigned();
    event.flags = flags::LAST;
    let mut rest = &words[2..];
    if kind == Kind::SEND_NEW {
        event.flags |= if rest[0] == "sell" { flags::SELL } else { 0 };
        event.code = terms(rest[2]).code();
        if rest.get(3) == Some(&"post") {
            event.flags |= flags::POST_ONLY;
        }
        rest = &rest[1..2];
    }
    if let Some(what) = rest.first() {
        let (quantity, price) = pair(what, '@', line);
        event.quantity = number(quantity);
        event.price = number(price);
    }
    Some(event)
}

#[track_caller]
pub(super) fn check_with(config: PaperConfig, script: &str) -> PaperVenue {
    let mut venue = venue(config);
    let mut writer = Writer { update_id: 0 };
    let mut reader = Reader::default();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(want) = line.strip_prefix("= ") {
            assert!(!reader.lines.is_empty(), "no report, but expected: {want}\nin {script}");
            assert_eq!(reader.lines.remove(0), want, "in {script}");
            continue;
        }
        assert!(reader.lines.is_empty(), "not expected before {line}: {:?}", reader.lines);
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let time_ns = number(words.remove(0)).cast_unsigned();
        let index = match words[0].strip_prefix('#') {
            Some(index) => {
                words.remove(0);
                u16::try_from(number(index)).unwrap()
            }
            None => 0,
        };
        venue.advance(time_ns, &mut |event| reader.read(event));
        for event in writer.market(index, &words, line) {
            venue.on_market(&event.at(time_ns));
        }
        if let Some(event) = request(index, &words, line) {
            venue.on_request(&event, time_ns);
        }
        venue.advance(time_ns, &mut |event| reader.read(event));
    }
    assert!(reader.lines.is_empty(), "not expected at the end: {:?}\nin {script}", reader.lines);
    venue
}

#[track_caller]
pub(super) fn check(script: &str) -> PaperVenue {
    check_with(AT_ONCE, script)
}
