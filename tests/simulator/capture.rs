//! Captures made up from the synthetic market: frames as Binance sends them, and the books they lead to.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use config::Config;
use engine::book::row::{BOOK_ROW_HEADER, BookRowContext, book_row};
use engine::book::{Book as _, NaiveBook};
use engine::event::{Event, Kind, Side, market};
use engine::instrument::{Instrument, Venue};
use engine::money::format_scaled;
use flate2::Compression;
use flate2::write::GzEncoder;
use synthetic::{SyntheticConfig, SyntheticInstrument, SyntheticMarket};

use crate::world::START_NS;

/// A capture and what an independent reader makes of it.
#[derive(Debug)]
pub struct Capture {
    /// Lines, without line ends.
    pub lines: Vec<String>,
    /// Rows of the book after each hundredth update, with the header, as `journal book` prints them.
    pub rows: Vec<String>,
    /// Depth updates after the snapshot.
    pub update_count: u64,
    /// Public trades.
    pub trade_count: u64,
}

/// Writes events as frames of one venue.
struct Writer {
    venue: Venue,
    instrument: Instrument,
    capture: Capture,
    book: NaiveBook,
    /// The run in progress.
    run: Vec<Event>,
    last_id: i64,
}

impl Writer {
    fn price(&self, value: i64) -> String {
        format_scaled(value, self.instrument.price_scale)
    }

    fn quantity(&self, value: i64) -> String {
        format_scaled(value, self.instrument.quantity_scale)
    }

    fn is_futures(&self) -> bool {
        self.venue == Venue::BinanceUsdm
    }

    fn line(&mut self, time_ns: u64, frame: &str) {
        self.capture.lines.push(format!("{time_ns} {frame}"));
    }

    /// A frame of the stream `name`.
    fn stream(&mut self, time_ns: u64, name: &str, data: &str) {
        let symbol = self.instrument.symbol.to_lowercase();
        self.line(time_ns, &format!("{{\"stream\":\"{symbol}@{name}\",\"data\":{data}}}"));
    }

    fn levels(&self, side: Side) -> String {
        let mut text = String::new();
        for event in self.run.iter().filter(|e| e.kind == Kind::LEVEL && e.side() == side) {
            let comma = if text.is_empty() { "" } else { "," };
            let (price, quantity) = (self.price(event.price), self.quantity(event.quantity));
            write!(text, "{comma}[\"{price}\",\"{quantity}\"]").expect("a string takes it");
        }
        text
    }

    fn depth(&mut self) {
        let (bids, asks) = (self.levels(Side::Buy), self.levels(Side::Sell));
        let header = self.run[0];
        let ids = market::depth_ids(&header);
        let (time_ns, ms) = (header.time_ns, header.time_ns / 1_000_000);
        if header.has(engine::event::flags::SNAPSHOT) {
            let times =
                if self.is_futures() { format!("\"E\":{ms},\"T\":{ms},") } else { String::new() };
            let last = ids.last;
            self.line(
                time_ns,
                &format!("{{\"lastUpdateId\":{last},{times}\"bids\":[{bids}],\"asks\":[{asks}]}}"),
            );
            self.book.clear();
        } else {
            let symbol = &self.instrument.symbol;
            let (times, previous) = if self.is_futures() {
                (format!("\"T\":{ms},"), format!("\"pu\":{},", self.last_id))
            } else {
                (String::new(), String::new())
            };
            let data = format!(
                "{{\"e\":\"depthUpdate\",\"E\":{ms},{times}\"s\":\"{symbol}\",\"U\":{},\"u\":{},{previous}\
                 \"b\":[{bids}],\"a\":[{asks}]}}",
                ids.first, ids.last
            );
            self.stream(time_ns, "depth@100ms", &data);
            self.capture.update_count += 1;
        }
        self.last_id = ids.last;
        for event in std::mem::take(&mut self.run).iter().filter(|e| e.kind == Kind::LEVEL) {
            self.book.set(event.side(), event.price, event.quantity).expect("there is room");
        }
        let is_update = !header.has(engine::event::flags::SNAPSHOT);
        if is_update && self.capture.update_count.is_multiple_of(100) {
            let context = BookRowContext {
                applied_count: self.capture.update_count,
                receive_ns: time_ns,
                update_id: ids.last,
                price_scale: self.instrument.price_scale,
                quantity_scale: self.instrument.quantity_scale,
            };
            self.capture.rows.push(book_row(&self.book, &context));
        }
    }

    fn trade(&mut self, event: &Event) {
        let (ms, symbol) = (event.time_ns / 1_000_000, self.instrument.symbol.clone());
        let (price, quantity) = (self.price(event.price), self.quantity(event.quantity));
        let more = if self.is_futures() { "\"X\":\"MARKET\"," } else { "" };
        let sold = event.side() == Side::Sell;
        let data = format!(
            "{{\"e\":\"trade\",\"E\":{ms},\"T\":{ms},\"s\":\"{symbol}\",\"t\":{},\"p\":\"{price}\",\
             \"q\":\"{quantity}\",{more}\"m\":{sold}}}",
            event.id
        );
        self.stream(event.time_ns, "trade", &data);
        self.capture.trade_count += 1;
    }

    fn quote(&mut self) {
        let (bid, ask) = (self.run[0], self.run[1]);
        let symbol = self.instrument.symbol.clone();
        let data = format!(
            "{{\"u\":{},\"s\":\"{symbol}\",\"b\":\"{}\",\"B\":\"{}\",\"a\":\"{}\",\"A\":\"{}\"}}",
            bid.id,
            self.price(bid.price),
            self.quantity(bid.quantity),
            self.price(ask.price),
            self.quantity(ask.quantity),
        );
        self.run.clear();
        self.stream(bid.time_ns, "bookTicker", &data);
    }

    fn take(&mut self, event: &Event) {
        match event.kind {
            Kind::TRADE => self.trade(event),
            Kind::DEPTH | Kind::LEVEL => {
                self.run.push(*event);
                if event.is_last() {
                    self.depth();
                }
            }
            Kind::QUOTE => {
                self.run.push(*event);
                if event.is_last() {
                    self.quote();
                }
            }
            _ => {}
        }
    }
}

/// A capture of `line_count` lines of the instrument of a backtest profile.
pub fn generate(venue: Venue, seed: u64, line_count: usize) -> Capture {
    let profile = if venue == Venue::BinanceUsdm { "backtest-usdm" } else { "backtest-spot" };
    let text = config::profile(profile).expect("a built-in profile");
    let config = Config::parse(text, profile).expect("a valid profile");
    let table = config.instruments(profile).expect("a valid profile");
    let instrument = table.get(0).expect("one instrument").clone();
    let unit = 10_i64.pow(u32::from(instrument.quantity_scale));
    let settings = SyntheticConfig {
        seed,
        speed_percent: 100,
        start_ns: START_NS,
        instruments: vec![SyntheticInstrument {
            index: 0,
            price_start: 61_800 * 10_i64.pow(u32::from(instrument.price_scale)),
            volatility_ppm: 90,
            trades_per_second: 10,
            orders_per_second: 200,
            level_count: 100,
            level_quantity: unit,
        }],
    };
    let mut market = SyntheticMarket::new(&settings, &table).expect("a valid market");
    let capture = Capture {
        lines: Vec::new(),
        rows: vec![BOOK_ROW_HEADER.to_string()],
        update_count: 0,
        trade_count: 0,
    };
    let book = NaiveBook::new();
    let mut writer = Writer { venue, instrument, capture, book, run: Vec::new(), last_id: 0 };
    while writer.capture.lines.len() < line_count {
        let time_ns = market.next_ns();
        market.step(&mut |event| writer.take(&event.at(time_ns)));
    }
    writer.capture
}

/// `lines` as a gzip file.
pub fn write_gzip(path: &Path, lines: &[String]) {
    std::fs::write(path, gzip(lines)).expect("a temporary directory is writable");
}

/// `lines` as gzip bytes.
pub fn gzip(lines: &[String]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    for line in lines {
        writeln!(encoder, "{line}").expect("memory takes it");
    }
    encoder.finish().expect("memory takes it")
}
