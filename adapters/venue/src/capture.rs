//! The market of a recorded capture: its book and its trades become orders that ours join.
//!
//! A capture has lines `<receive time, ns> <frame>`, gzip or not. The replay begins at the first
//! snapshot of the book and starts again when the file ends. A level is set to its absolute
//! quantity: what is missing is added behind, what is too much is taken from the youngest, so that
//! an order of an account keeps its place in the queue. A trade hits the book as an order that
//! takes at most its quantity; the next depth frame puts the level right.
//!
//! **Invariant:** what the file holds never panics; a line that is not understood is counted.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use thiserror::Error;

use crate::exchange::{Exchange, FlowId, FlowKind, FlowOrder, SymbolIndex};
use crate::money::{self, Money};
use crate::order::Side;

/// Longest line.
const LINE_SIZE_BYTES_MAX: u64 = 16 << 20;
/// Lines in which a snapshot has to come.
const LINES_TO_SNAPSHOT_MAX: u64 = 100_000;
/// Pause between the end of the file and its new beginning.
const PAUSE_NS: u64 = 1_000_000_000;

/// Why a capture cannot be the market.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The file cannot be read.
    #[error("capture {path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No snapshot of a listed symbol's book.
    #[error(
        "capture {path}: no book snapshot of {symbol} in the first {LINES_TO_SNAPSHOT_MAX} lines"
    )]
    NoSnapshot {
        /// Which.
        path: PathBuf,
        /// Of which symbol.
        symbol: String,
    },
}

/// The orders of one level, oldest first.
type Level = Vec<FlowId>;

/// A capture that is being replayed.
pub(crate) struct Capture {
    path: PathBuf,
    lines: Box<dyn BufRead + Send>,
    symbol: SymbolIndex,
    name: String,
    speed_percent: u64,
    sides: [BTreeMap<Money, Level>; 2],
    /// The last update of the book that was applied; 0 before the snapshot.
    update_id: u64,
    /// The next frame and its time in the file.
    next: Option<(u64, Frame)>,
    /// Time in the file and on our clock of the replay's beginning.
    origin: (u64, u64),
    ignored_count: u64,
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Capture");
        shown.field("path", &self.path).field("ignored", &self.ignored_count);
        shown.finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Frame {
    Snapshot { update_id: u64, bids: Vec<(Money, Money)>, asks: Vec<(Money, Money)> },
    Depth { update_id: u64, bids: Vec<(Money, Money)>, asks: Vec<(Money, Money)> },
    Trade { price: Money, quantity: Money, buyer_is_maker: bool },
}

impl Capture {
    /// Opens the capture of a symbol and goes to the first snapshot of its book.
    pub(crate) fn open(
        path: &Path,
        symbol: (SymbolIndex, &str),
        speed_percent: u32,
        now_ns: u64,
    ) -> Result<Capture, CaptureError> {
        let io = |source| CaptureError::Io { path: path.to_path_buf(), source };
        let mut capture = Capture {
            path: path.to_path_buf(),
            lines: open_lines(path).map_err(io)?,
            symbol: symbol.0,
            name: symbol.1.to_string(),
            speed_percent: u64::from(speed_percent),
            sides: [BTreeMap::new(), BTreeMap::new()],
            update_id: 0,
            next: None,
            origin: (0, now_ns),
            ignored_count: 0,
        };
        capture.rewind(now_ns).map_err(io)?;
        if capture.next.is_none() {
            let (path, symbol) = (path.to_path_buf(), symbol.1.to_string());
            return Err(CaptureError::NoSnapshot { path, symbol });
        }
        Ok(capture)
    }

    /// Goes to the first snapshot, which is due at `now_ns`.
    fn rewind(&mut self, now_ns: u64) -> std::io::Result<()> {
        self.lines = open_lines(&self.path)?;
        self.next = None;
        for _ in 0..LINES_TO_SNAPSHOT_MAX {
            match self.read_line()? {
                Line::End => break,
                Line::Frame(at_ns, frame @ Frame::Snapshot { .. }) => {
                    self.origin = (at_ns, now_ns);
                    self.next = Some((at_ns, frame));
                    break;
                }
                Line::Frame(..) | Line::Other => {}
            }
        }
        Ok(())
    }

    /// When the next frame is due.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        let (at_ns, _) = self.next.as_ref()?;
        let since_ns = at_ns.saturating_sub(self.origin.0);
        let scaled = u128::from(since_ns) * 100 / u128::from(self.speed_percent.max(1));
        Some(self.origin.1.saturating_add(u64::try_from(scaled).unwrap_or(u64::MAX)))
    }

    /// Applies the next frame and reads the one after it.
    pub(crate) fn step(&mut self, exchange: &mut Exchange, now_ns: u64) {
        let Some((_, frame)) = self.next.take() else { return };
        self.apply(exchange, frame, now_ns.max(1));
        if self.speed_percent == 0 {
            return;
        }
        loop {
            match self.read_line() {
                Ok(Line::Frame(at_ns, frame)) => {
                    self.next = Some((at_ns, frame));
                    return;
                }
                Ok(Line::Other) => {}
                // A file that cannot be read any more: the market stands still.
                Ok(Line::End) | Err(_) => {
                    drop(self.rewind(now_ns.saturating_add(PAUSE_NS)));
                    return;
                }
            }
        }
    }

    /// Frames that are overdue by more than `lag_ns` are applied late rather than all at once.
    pub(crate) fn catch_up(&mut self, now_ns: u64, lag_ns: u64) {
        if let Some(next_ns) = self.next_ns()
            && next_ns.saturating_add(lag_ns) < now_ns
        {
            self.origin.1 += now_ns - next_ns;
        }
    }

    fn apply(&mut self, exchange: &mut Exchange, frame: Frame, now_ns: u64) {
        match frame {
            Frame::Snapshot { update_id, bids, asks } => {
                // A later snapshot of the same book says nothing new.
                if update_id <= self.update_id {
                    return;
                }
                self.update_id = update_id;
                for (side, levels) in [(Side::Buy, &bids), (Side::Sell, &asks)] {
                    let kept: BTreeSet<Money> = levels.iter().map(|(price, _)| *price).collect();
                    let gone = self.sides[place_of(side)].keys();
                    let gone: Vec<Money> =
                        gone.filter(|price| !kept.contains(price)).copied().collect();
                    for price in gone {
                        self.set(exchange, side, (price, 0), now_ns);
                    }
                }
                self.set_all(exchange, &bids, &asks, now_ns);
            }
            Frame::Depth { update_id, bids, asks } => {
                if self.update_id < update_id {
                    self.update_id = update_id;
                    self.set_all(exchange, &bids, &asks, now_ns);
                }
            }
            Frame::Trade { price, quantity, buyer_is_maker } => {
                let side = if buyer_is_maker { Side::Sell } else { Side::Buy };
                let order = FlowOrder { side, price, quantity, kind: FlowKind::Ioc };
                exchange.submit(self.symbol, &order, now_ns);
            }
        }
    }

    /// Removals first, so that a price that moved does not trade with what it left behind.
    fn set_all(
        &mut self,
        exchange: &mut Exchange,
        bids: &[(Money, Money)],
        asks: &[(Money, Money)],
        now_ns: u64,
    ) {
        for removal in [true, false] {
            for (side, levels) in [(Side::Buy, bids), (Side::Sell, asks)] {
                for level in levels.iter().filter(|(_, quantity)| (*quantity == 0) == removal) {
                    self.set(exchange, side, *level, now_ns);
                }
            }
        }
    }

    fn set(
        &mut self,
        exchange: &mut Exchange,
        side: Side,
        (price, quantity): (Money, Money),
        now_ns: u64,
    ) {
        let sides = &mut self.sides[place_of(side)];
        let level = sides.entry(price).or_default();
        level.retain(|id| 0 < exchange.flow_remaining(*id));
        let mut present: Money = level.iter().map(|id| exchange.flow_remaining(*id)).sum();
        while quantity < present
            && let Some(id) = level.pop()
        {
            present -= exchange.flow_remaining(id);
            exchange.cancel_flow(id, now_ns);
        }
        if present < quantity {
            let order =
                FlowOrder { side, price, quantity: quantity - present, kind: FlowKind::Limit };
            level.extend(exchange.submit(self.symbol, &order, now_ns).id);
        }
        if level.is_empty() {
            sides.remove(&price);
        }
    }

    fn read_line(&mut self) -> std::io::Result<Line> {
        let mut line = Vec::new();
        let size = self.lines.by_ref().take(LINE_SIZE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if size == 0 {
            return Ok(Line::End);
        }
        let frame = parse(&line, &self.name);
        if frame.is_none() {
            self.ignored_count += 1;
        }
        Ok(frame.map_or(Line::Other, |(at_ns, frame)| Line::Frame(at_ns, frame)))
    }
}

enum Line {
    Frame(u64, Frame),
    /// Something that is no market of ours.
    Other,
    End,
}

fn place_of(side: Side) -> usize {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

fn open_lines(path: &Path) -> std::io::Result<Box<dyn BufRead + Send>> {
    let file = File::open(path)?;
    let is_gzip = path.extension().is_some_and(|ending| ending == "gz");
    Ok(if is_gzip {
        Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
    } else {
        Box::new(BufReader::with_capacity(1 << 16, file))
    })
}

/// Any frame of a capture, with what matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow)]
    e: Option<&'a str>,
    s: Option<&'a str>,
    u: Option<u64>,
    #[serde(rename = "lastUpdateId")]
    last_update_id: Option<u64>,
    #[serde(alias = "bids")]
    b: Option<Levels<'a>>,
    #[serde(alias = "asks")]
    a: Option<Levels<'a>>,
    p: Option<&'a str>,
    q: Option<&'a str>,
    m: Option<bool>,
}

/// Levels, or the single price that a bookTicker has under the same name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Levels<'a> {
    #[serde(borrow)]
    Many(Vec<(&'a str, &'a str)>),
    One(serde::de::IgnoredAny),
}

#[derive(Debug, Deserialize)]
struct Wrapper<'a> {
    #[serde(borrow)]
    data: Payload<'a>,
}

impl Levels<'_> {
    fn amounts(&self) -> Option<Vec<(Money, Money)>> {
        let Levels::Many(levels) = self else { return None };
        let amount = |text: &str| money::parse(text).ok();
        levels.iter().map(|(price, quantity)| Some((amount(price)?, amount(quantity)?))).collect()
    }
}

fn parse(line: &[u8], symbol: &str) -> Option<(u64, Frame)> {
    let line = std::str::from_utf8(line).ok()?.trim_end();
    let (at_ns, text) = line.split_once(' ')?;
    let at_ns = at_ns.parse::<u64>().ok()?;
    let payload = match serde_json::from_str::<Wrapper<'_>>(text) {
        Ok(wrapper) => wrapper.data,
        Err(_) => serde_json::from_str::<Payload<'_>>(text).ok()?,
    };
    if payload.s.is_some_and(|name| name != symbol) {
        return None;
    }
    let frame = match (payload.e, payload.last_update_id) {
        (Some("trade"), _) => Frame::Trade {
            price: money::parse(payload.p?).ok()?,
            quantity: money::parse(payload.q?).ok().filter(|quantity| 0 < *quantity)?,
            buyer_is_maker: payload.m?,
        },
        (Some("depthUpdate"), _) => Frame::Depth {
            update_id: payload.u?,
            bids: payload.b?.amounts()?,
            asks: payload.a?.amounts()?,
        },
        (None, Some(update_id)) => {
            Frame::Snapshot { update_id, bids: payload.b?.amounts()?, asks: payload.a?.amounts()? }
        }
        (_, _) => return None,
    };
    Some((at_ns, frame))
}
