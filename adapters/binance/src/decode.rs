//! One raw frame in, the events it means out; all of them or none.
//!
//! Frames of the market streams, bare or combined (`{"stream":..,"data":..}`), and depth snapshots as
//! the REST call answers them. Two things a bare frame does not say must come from its neighbourhood: a
//! spot snapshot has no symbol (see [`Decoder::with_snapshot_instrument`]), and a partial book of the
//! futures (`@depth20`) looks like a change of the book; it is known by the name of its stream only, so
//! partial books must come through combined streams.

mod cursor;
mod decimal;
mod error;
mod fields;
mod scan;
#[cfg(test)]
mod tests;

pub use decimal::parse_decimal;
pub use error::DecodeError;

use engine::event::market::{self, DepthIds};
use engine::event::{Event, Side, flags};
use engine::instrument::{InstrumentIndex, InstrumentTable, Venue};
use fields::{Field, Fields};
use scan::Scanner;
use simd_json::{Buffers, Tape};

/// Deepest nesting of a frame. Market data has four levels; more than this is not for us.
const NESTING_MAX: usize = 32;
/// `X` of futures trades that came from the book; others (insurance fund, liquidation transfers)
/// are not market trades and may have no price.
const ORIGIN_MARKET: &str = "MARKET";

/// How much one frame may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest frame. A snapshot of twice 5,000 levels has about 400 kB.
    pub frame_size_bytes_max: usize,
    /// Most levels in one update, both sides together.
    pub levels_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { frame_size_bytes_max: 1 << 20, levels_max: 16_384 }
    }
}

/// What a frame was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A change of the book: header and levels.
    Depth,
    /// The whole book, or its best part: header and levels.
    Snapshot,
    /// A public trade.
    Trade,
    /// Best bid and offer: two events.
    Quote,
    /// A trade that did not come from the book; no events.
    OffBookTrade,
    /// The venue answers a request of ours (`result`); no events.
    Answer,
    /// The venue refuses a request of ours; no events.
    Refusal {
        /// The venue's code, 0 when it gives none.
        code: i64,
    },
    /// The venue will close this connection; no events.
    ServerShutdown,
}

/// An instrument as the decoder needs it.
#[derive(Clone, Debug)]
struct Symbol {
    name: String,
    index: InstrumentIndex,
    price_scale: u8,
    quantity_scale: u8,
}

/// Decodes the frames of one venue. Keeps its buffers: after the largest frame so far has been seen,
/// frames that decode cost no allocation.
pub struct Decoder {
    venue: Venue,
    source: u16,
    limits: Limits,
    /// Sorted by name.
    symbols: Vec<Symbol>,
    /// Where the symbol of the last frame was found; the next is mostly the same.
    symbol_hint: usize,
    /// Place in `symbols` for messages without a symbol.
    snapshot_symbol: Option<usize>,
    scanner: Scanner,
    /// Whether every frame takes the tape.
    is_tape_only: bool,
    tape_count: u64,
    buffers: Buffers,
    tape: Tape<'static>,
    events: Vec<Event>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("venue", &self.venue)
            .field("source", &self.source)
            .field("limits", &self.limits)
            .field("symbols", &self.symbols)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder of the venue's instruments in the table. Messages without a symbol are taken for
    /// the venue's only instrument, if it has only one there.
    pub fn new(venue: Venue, instruments: &InstrumentTable) -> Decoder {
        assert!(matches!(venue, Venue::BinanceSpot | Venue::BinanceUsdm));
        let mut symbols: Vec<Symbol> = instruments
            .iter()
            .filter(|(_, instrument)| instrument.venue == venue)
            .map(|(index, instrument)| Symbol {
                name: instrument.symbol.clone(),
                index,
                price_scale: instrument.price_scale,
                quantity_scale: instrument.quantity_scale,
            })
            .collect();
        symbols.sort_by(|one, other| one.name.cmp(&other.name));
        let limits = Limits::default();
        Decoder {
            venue,
            source: 0,
            limits,
            scanner: Scanner::new(&symbols),
            is_tape_only: false,
            tape_count: 0,
            snapshot_symbol: (symbols.len() == 1).then_some(0),
            symbols,
            symbol_hint: 0,
            buffers: Buffers::with_max_depth(limits.frame_size_bytes_max, NESTING_MAX),
            tape: Tape(Vec::with_capacity(3 * limits.levels_max)),
            events: Vec::with_capacity(limits.levels_max + 1),
        }
    }

    /// Producer number to put into [`Event::source`].
    #[must_use]
    pub fn with_source(mut self, source: u16) -> Decoder {
        self.source = source;
        self
    }

    /// Other limits than the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Decoder {
        self.limits = limits;
        self
    }

    /// Instrument of snapshots that do not say theirs; `None` makes them errors.
    #[must_use]
    pub fn with_snapshot_instrument(mut self, index: Option<InstrumentIndex>) -> Decoder {
        self.set_snapshot_instrument(index);
        self
    }

    /// Instrument of snapshots that do not say theirs: the one that was asked for.
    pub fn set_snapshot_instrument(&mut self, index: Option<InstrumentIndex>) {
        self.snapshot_symbol =
            index.and_then(|index| self.symbols.iter().position(|s| s.index == index));
    }

    /// Without the fast way: for comparisons.
    #[must_use]
    pub fn with_tape_only(mut self) -> Decoder {
        self.is_tape_only = true;
        self
    }

    /// Frames so far that took the slow way. If it grows with the market data, the venue writes its
    /// frames in another way than the scanner knows; they are decoded all the same.
    pub fn tape_count(&self) -> u64 {
        self.tape_count
    }

    /// Decodes a frame (whose bytes may be overwritten) and hands its events to `sink`, in order. After an
    /// error nothing was handed over.
    pub fn decode(
        &mut self,
        frame: &mut [u8],
        receive_ns: u64,
        sink: &mut impl FnMut(Event),
    ) -> Result<FrameKind, DecodeError> {
        let (kind, events) = self.decode_events(frame, receive_ns)?;
        for event in events {
            sink(*event);
        }
        Ok(kind)
    }

    /// Decodes a frame (whose bytes may be overwritten) into a run of events that is valid until the next
    /// frame; the run is empty for frames that are no market data.
    pub fn decode_events(
        &mut self,
        frame: &mut [u8],
        receive_ns: u64,
    ) -> Result<(FrameKind, &[Event]), DecodeError> {
        self.events.clear();
        if self.limits.frame_size_bytes_max < frame.len() {
            return Err(DecodeError::FrameTooLong {
                size_bytes: frame.len(),
                size_bytes_max: self.limits.frame_size_bytes_max,
            });
        }
        if !self.is_tape_only {
            if let Some(kind) = self.scan(frame, receive_ns) {
                return Ok((kind, &self.events));
            }
            self.events.clear();
        }
        self.tape_count += 1;
        let mut tape = Tape(std::mem::take(&mut self.tape.0)).reset();
        let decoded = match simd_json::fill_tape(frame, &mut self.buffers, &mut tape) {
            Ok(()) => self.decode_tape(&tape, receive_ns),
            Err(error) => Err(DecodeError::BrokenJson { offset: error.index() }),
        };
        self.tape = tape.reset();
        Ok((decoded?, &self.events))
    }

    fn decode_tape(&mut self, tape: &Tape<'_>, receive_ns: u64) -> Result<FrameKind, DecodeError> {
        let root = Fields::find(&tape.0, 0)?;
        let kind = if root.has(Field::Data) && root.has(Field::Stream) {
            let stream = root.text(Field::Stream)?;
            self.decode_message(&root.inner(Field::Data)?, Some(stream))?
        } else if root.has(Field::Event) {
            self.decode_message(&root.inner(Field::Event)?, None)?
        } else {
            self.decode_message(&root, None)?
        };
        for event in &mut self.events {
            event.time_ns = receive_ns;
            event.source = self.source;
        }
        Ok(kind)
    }

    fn decode_message(
        &mut self,
        message: &Fields<'_, '_>,
        stream: Option<&str>,
    ) -> Result<FrameKind, DecodeError> {
        if message.has(Field::Kind) {
            return match message.text(Field::Kind)? {
                "depthUpdate" => self.decode_depth(message, stream),
                "trade" => self.decode_trade(message, Field::TradeId),
                "aggTrade" => self.decode_trade(message, Field::Ask),
                "bookTicker" => self.decode_quote(message),
                "serverShutdown" => Ok(FrameKind::ServerShutdown),
                kind => Err(DecodeError::UnknownKind { kind: shown(kind) }),
            };
        }
        if message.has(Field::SnapshotId) {
            return self.decode_snapshot(message, stream);
        }
        if message.has(Field::BidQuantity) && message.has(Field::AskQuantity) {
            return self.decode_quote(message);
        }
        if message.has(Field::Error) {
            let error = message.inner(Field::Error)?;
            let has_code = error.has(Field::Code);
            let code = if has_code { error.number(Field::Code)? } else { 0 };
            return Ok(FrameKind::Refusal { code });
        }
        if message.has(Field::Code) {
            return Ok(FrameKind::Refusal { code: message.number(Field::Code)? });
        }
        if message.has(Field::Result) {
            return Ok(FrameKind::Answer);
        }
        Err(DecodeError::UnknownKind { kind: String::new() })
    }

    fn decode_depth(
        &mut self,
        message: &Fields<'_, '_>,
        stream: Option<&str>,
    ) -> Result<FrameKind, DecodeError> {
        let place = self.place_of(message.text(Field::Symbol)?, str::eq)?;
        let (first, last) = (message.id(Field::FirstId)?, message.id(Field::LastId)?);
        if last < first {
            return Err(DecodeError::Range { field: "u", must: "at least \"U\"" });
        }
        let previous = match self.venue {
            Venue::BinanceUsdm => message.id(Field::PreviousId)?,
            Venue::BinanceSpot | Venue::Synthetic => DepthIds::NO_PREVIOUS,
        };
        let lists = [Field::Bid, Field::Ask];
        if stream.is_some_and(|stream| is_partial_book(stream.as_bytes())) {
            let ids = DepthIds { first: last, last, previous: DepthIds::NO_PREVIOUS };
            self.push_book(message, place, ids, lists, true)?;
            return Ok(FrameKind::Snapshot);
        }
        self.push_book(message, place, DepthIds { first, last, previous }, lists, false)?;
        Ok(FrameKind::Depth)
    }

    fn decode_snapshot(
        &mut self,
        message: &Fields<'_, '_>,
        stream: Option<&str>,
    ) -> Result<FrameKind, DecodeError> {
        let place = match stream {
            // Streams are named in lower case.
            Some(stream) => {
                let symbol = stream.split('@').next().unwrap_or(stream);
                self.place_of(symbol, str::eq_ignore_ascii_case)?
            }
            None if message.has(Field::Symbol) => {
                self.place_of(message.text(Field::Symbol)?, str::eq)?
            }
            None => self.snapshot_symbol.ok_or(DecodeError::NoInstrument)?,
        };
        let last = message.id(Field::SnapshotId)?;
        let ids = DepthIds { first: last, last, previous: DepthIds::NO_PREVIOUS };
        self.push_book(message, place, ids, [Field::Bids, Field::Asks], true)?;
        Ok(FrameKind::Snapshot)
    }

    fn decode_trade(
        &mut self,
        message: &Fields<'_, '_>,
        id_field: Field,
    ) -> Result<FrameKind, DecodeError> {
        let place = self.place_of(message.text(Field::Symbol)?, str::eq)?;
        if message.has(Field::Origin) && message.text(Field::Origin)? != ORIGIN_MARKET {
            return Ok(FrameKind::OffBookTrade);
        }
        let symbol = &self.symbols[place];
        let price = amount(message.text(Field::Price)?, "p", symbol.price_scale, 1)?;
        let quantity = amount(message.text(Field::Quantity)?, "q", symbol.quantity_scale, 1)?;
        let trade_id = message.id(id_field)?.cast_unsigned();
        // The maker rests, so the other one is the aggressor.
        let aggressor = if message.truth(Field::BuyerIsMaker)? { Side::Sell } else { Side::Buy };
        self.events.push(market::trade(symbol.index, aggressor, price, quantity, trade_id));
        Ok(FrameKind::Trade)
    }

    fn decode_quote(&mut self, message: &Fields<'_, '_>) -> Result<FrameKind, DecodeError> {
        let place = self.place_of(message.text(Field::Symbol)?, str::eq)?;
        let update_id = message.id(Field::LastId)?.cast_unsigned();
        let symbol = &self.symbols[place];
        for (side, price_field, quantity_field) in [
            (Side::Buy, Field::Bid, Field::BidQuantity),
            (Side::Sell, Field::Ask, Field::AskQuantity),
        ] {
            // An empty side has price and quantity zero.
            let price =
                amount(message.text(price_field)?, price_field.name(), symbol.price_scale, 0)?;
            let quantity = amount(
                message.text(quantity_field)?,
                quantity_field.name(),
                symbol.quantity_scale,
                0,
            )?;
            self.events.push(market::quote(symbol.index, side, price, quantity, update_id));
        }
        Ok(FrameKind::Quote)
    }

    /// Header and levels; `lists` are the fields of bids and asks.
    fn push_book(
        &mut self,
        message: &Fields<'_, '_>,
        place: usize,
        ids: DepthIds,
        lists: [Field; 2],
        snapshot: bool,
    ) -> Result<(), DecodeError> {
        let level_count = message.level_count(lists[0])? + message.level_count(lists[1])?;
        if self.limits.levels_max < level_count {
            let levels_max = self.limits.levels_max;
            return Err(DecodeError::TooManyLevels { level_count, levels_max });
        }
        let symbol = &self.symbols[place];
        let count = u32::try_from(level_count).expect("at most levels_max");
        self.events.push(market::depth(symbol.index, ids, count, snapshot));
        for (side, list) in [Side::Buy, Side::Sell].into_iter().zip(lists) {
            for level in message.levels(list)? {
                let (price, quantity) = level?;
                let price = amount(price, list.name(), symbol.price_scale, 1)?;
                let quantity = amount(quantity, list.name(), symbol.quantity_scale, 0)?;
                self.events.push(market::level(symbol.index, side, price, quantity, false));
            }
        }
        let last = self.events.last_mut().expect("the header was pushed");
        last.flags |= flags::LAST;
        Ok(())
    }

    /// Place of a symbol in `symbols`.
    #[inline]
    fn place_of(
        &mut self,
        name: &str,
        same: impl Fn(&str, &str) -> bool,
    ) -> Result<usize, DecodeError> {
        let is_hinted =
            self.symbols.get(self.symbol_hint).is_some_and(|symbol| same(&symbol.name, name));
        if is_hinted {
            return Ok(self.symbol_hint);
        }
        let place = self
            .symbols
            .iter()
            .position(|symbol| same(&symbol.name, name))
            .ok_or_else(|| DecodeError::UnknownSymbol { symbol: shown(name) })?;
        self.symbol_hint = place;
        Ok(place)
    }
}

/// A decimal of the instrument's scale, at least `least` units.
#[inline(always)]
fn amount(text: &str, field: &'static str, scale: u8, least: i64) -> Result<i64, DecodeError> {
    match decimal::parse_short(text.as_bytes(), scale) {
        Some(value) if least <= value => Ok(value),
        Some(_) | None => amount_slow(text, field, scale, least),
    }
}

#[cold]
fn amount_slow(text: &str, field: &'static str, scale: u8, least: i64) -> Result<i64, DecodeError> {
    match parse_decimal(text.as_bytes(), scale) {
        Ok(value) if least <= value => Ok(value),
        Ok(_) if least == 0 => Err(DecodeError::Range { field, must: "zero or above" }),
        Ok(_) => Err(DecodeError::Range { field, must: "above zero" }),
        Err(source) => Err(DecodeError::Decimal { field, source }),
    }
}

/// Whether a stream is called like `btcusdt@depth20@100ms`.
fn is_partial_book(stream: &[u8]) -> bool {
    const MARK: &[u8] = b"@depth";
    let mark = stream.windows(MARK.len()).position(|part| part == MARK);
    mark.and_then(|at| stream.get(at + MARK.len())).is_some_and(u8::is_ascii_digit)
}

/// The first 40 bytes or fewer, for error messages.
fn shown(text: &str) -> String {
    let end = (0..=text.len().min(40)).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_string()
}
