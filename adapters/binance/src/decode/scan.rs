//! The fast way: frames exactly as the venue writes them, read in one pass without a tape.
//!
//! ```text
//!            frame --> scan: compact, ASCII, known fields in the venue's order
//!                        | declines (anything else, good or bad)
//!                        v
//!                      tape: simd-json, any valid JSON; the only one that refuses
//! ```
//!
//! Fields that nobody asks for may stand between the known ones, if their values are simple.
//!
//! **Invariant:** what is accepted here gives the same kind and the same events as the tape.
//! **Invariant:** the frame's bytes are not touched, so the tape can still read them.

use engine::event::market::{self, DepthIds};
use engine::event::{Event, Side, flags};
use engine::instrument::{InstrumentIndex, Venue};

use super::cursor::{Cursor, Name, Scale};
use super::{Decoder, FrameKind, Symbol};

#[cfg(test)]
mod tests;

/// An instrument as the scanner needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScanSymbol {
    name: Name,
    index: InstrumentIndex,
    price: Scale,
    quantity: Scale,
}

impl ScanSymbol {
    /// `None` if the name is too long or strange, or a scale too fine.
    fn new(symbol: &Symbol) -> Option<ScanSymbol> {
        Some(ScanSymbol {
            name: Name::new(&symbol.name)?,
            index: symbol.index,
            price: Scale::new(symbol.price_scale)?,
            quantity: Scale::new(symbol.quantity_scale)?,
        })
    }
}

/// What the scanner keeps between frames.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    /// Sorted by name.
    symbols: Vec<ScanSymbol>,
    /// Where the symbol of the last frame was found.
    hint: usize,
}

impl Scanner {
    pub(super) fn new(symbols: &[Symbol]) -> Scanner {
        let mut symbols: Vec<ScanSymbol> = symbols.iter().filter_map(ScanSymbol::new).collect();
        symbols.sort_by_key(|symbol| symbol.name.bytes);
        Scanner { symbols, hint: 0 }
    }

    /// Passes a symbol's name and its closing quote.
    #[inline(always)]
    fn symbol(&mut self, cursor: &mut Cursor<'_>) -> Option<&mut ScanSymbol> {
        let is_hinted =
            self.symbols.get(self.hint).is_some_and(|symbol| cursor.eat_name(&symbol.name));
        if !is_hinted {
            let (name, behind) = cursor.name()?;
            self.hint = self.place_of(name.bytes)?;
            *cursor = behind;
        }
        self.symbols.get_mut(self.hint)
    }

    #[cold]
    #[inline(never)]
    fn place_of(&self, name: u128) -> Option<usize> {
        self.symbols.binary_search_by_key(&name, |symbol| symbol.name.bytes).ok()
    }
}

/// Where the events of a frame go.
struct Run<'a> {
    events: &'a mut Vec<Event>,
    receive_ns: u64,
    source: u16,
    levels_max: usize,
}

impl Run<'_> {
    #[inline(always)]
    fn push(&mut self, mut event: Event) {
        event.time_ns = self.receive_ns;
        event.source = self.source;
        self.events.push(event);
    }

    /// A list of levels, from behind its opening bracket.
    #[inline(always)]
    fn levels(
        &mut self,
        cursor: &mut Cursor<'_>,
        symbol: &mut ScanSymbol,
        side: Side,
    ) -> Option<()> {
        if cursor.eat(b"]") {
            return Some(());
        }
        cursor.take(b"[\"")?;
        loop {
            let price = cursor.decimal(&mut symbol.price)?;
            cursor.take(b",\"")?;
            let quantity = cursor.decimal(&mut symbol.quantity)?;
            // The header is one event, too.
            if price < 1 || self.levels_max < self.events.len() {
                return None;
            }
            self.push(market::level(symbol.index, side, price, quantity, false));
            if !cursor.eat(b"],[\"") {
                return cursor.take(b"]]");
            }
        }
    }

    /// From behind the second list on.
    #[inline(always)]
    fn finish(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        cursor.close()?;
        let level_count = self.events.len().checked_sub(1)?;
        let header = self.events.first_mut()?;
        header.tag = u32::try_from(level_count).ok()?;
        // A header without levels was made as if it were the end.
        header.flags &= !flags::LAST;
        self.events.last_mut()?.flags |= flags::LAST;
        Some(())
    }
}

/// Name of a combined frame's stream.
type Stream<'a> = Option<&'a [u8]>;

/// A kind, and what is behind its message. Cursors go by value, so that they stay in registers.
type Scanned<'a> = Option<(FrameKind, Cursor<'a>)>;

impl Decoder {
    /// The frame's kind, its events in `events`; `None` leaves rubbish there.
    pub(super) fn scan(&mut self, frame: &[u8], receive_ns: u64) -> Option<FrameKind> {
        let mut cursor = Cursor::new(frame);
        let mut stream = None;
        if cursor.eat(b"{\"stream\":\"") {
            stream = Some(cursor.text()?);
            cursor.take(b"\",\"data\":{")?;
        } else {
            cursor.take(b"{")?;
        }
        let (kind, mut cursor) = self.scan_message(cursor, stream, receive_ns)?;
        if stream.is_some() {
            cursor.close()?;
        }
        cursor.is_at_end().then_some(kind)
    }

    #[inline(always)]
    fn scan_message<'a>(
        &mut self,
        mut cursor: Cursor<'a>,
        stream: Stream<'_>,
        receive_ns: u64,
    ) -> Scanned<'a> {
        let Decoder { scanner, events, source, limits, .. } = self;
        let (source, levels_max) = (*source, limits.levels_max);
        let run = Run { events, receive_ns, source, levels_max };
        if cursor.eat(b"\"u\":") {
            return scan_quote(cursor, scanner, run);
        }
        if cursor.eat(b"\"e\":\"") {
            if cursor.eat(b"trade\"") {
                return scan_trade(cursor, scanner, run);
            }
            if cursor.eat(b"bookTicker\"") {
                cursor.key(b",\"u\":")?;
                return scan_quote(cursor, scanner, run);
            }
            if cursor.eat(b"depthUpdate\"") {
                return scan_depth(cursor, scanner, run, stream, self.venue);
            }
            cursor.take(b"aggTrade\"")?;
            return scan_aggregate(cursor, scanner, run);
        }
        cursor.take(b"\"lastUpdateId\":")?;
        let place = match stream {
            Some(stream) => {
                let name = stream.split(|byte| *byte == b'@').next()?;
                let name = std::str::from_utf8(name).ok()?;
                self.place_of(name, str::eq_ignore_ascii_case).ok()?
            }
            None => self.snapshot_symbol?,
        };
        let symbol = ScanSymbol::new(self.symbols.get(place)?)?;
        let run = Run { events: &mut self.events, receive_ns, source, levels_max };
        scan_snapshot(cursor, symbol, run)
    }
}

/// From behind the kind on; the futures say the trade's time before the symbol.
#[inline(always)]
fn scan_trade<'a>(mut cursor: Cursor<'a>, scanner: &mut Scanner, mut run: Run<'_>) -> Scanned<'a> {
    cursor.key(b",\"E\":")?;
    cursor.time()?;
    if cursor.eat(b",\"T\":") {
        cursor.time()?;
    }
    cursor.key(b",\"s\":\"")?;
    let symbol = scanner.symbol(&mut cursor)?;
    cursor.key(b",\"t\":")?;
    let id = cursor.id()?;
    let event = scan_deal(&mut cursor, symbol, id)?;
    run.push(event);
    Some((FrameKind::Trade, cursor))
}

/// Like [`scan_trade`]; some of these say their number before the symbol.
fn scan_aggregate<'a>(
    mut cursor: Cursor<'a>,
    scanner: &mut Scanner,
    mut run: Run<'_>,
) -> Scanned<'a> {
    cursor.key(b",\"E\":")?;
    cursor.time()?;
    let mut id = None;
    if cursor.eat(b",\"a\":") {
        id = Some(cursor.id()?);
    }
    cursor.key(b",\"s\":\"")?;
    let symbol = scanner.symbol(&mut cursor)?;
    if id.is_none() {
        cursor.key(b",\"a\":")?;
        id = Some(cursor.id()?);
    }
    let event = scan_deal(&mut cursor, symbol, id?)?;
    run.push(event);
    Some((FrameKind::Trade, cursor))
}

/// From the update id on.
#[inline(always)]
fn scan_quote<'a>(mut cursor: Cursor<'a>, scanner: &mut Scanner, mut run: Run<'_>) -> Scanned<'a> {
    let id = cursor.id()?.cast_unsigned();
    cursor.key(b",\"s\":\"")?;
    let symbol = scanner.symbol(&mut cursor)?;
    cursor.key(b",\"b\":\"")?;
    let bid = cursor.decimal(&mut symbol.price)?;
    cursor.key(b",\"B\":\"")?;
    let bid_quantity = cursor.decimal(&mut symbol.quantity)?;
    cursor.key(b",\"a\":\"")?;
    let ask = cursor.decimal(&mut symbol.price)?;
    cursor.key(b",\"A\":\"")?;
    let ask_quantity = cursor.decimal(&mut symbol.quantity)?;
    if cursor.eat(b",\"T\":") {
        cursor.time()?;
        if cursor.eat(b",\"E\":") {
            cursor.time()?;
        }
    }
    cursor.close()?;
    let bid = market::quote(symbol.index, Side::Buy, bid, bid_quantity, id);
    let ask = market::quote(symbol.index, Side::Sell, ask, ask_quantity, id);
    run.push(bid);
    run.push(ask);
    Some((FrameKind::Quote, cursor))
}

/// From behind the kind on.
fn scan_depth<'a>(
    mut cursor: Cursor<'a>,
    scanner: &mut Scanner,
    mut run: Run<'_>,
    stream: Stream<'_>,
    venue: Venue,
) -> Scanned<'a> {
    cursor.key(b",\"E\":")?;
    cursor.time()?;
    if cursor.eat(b",\"T\":") {
        cursor.time()?;
    }
    cursor.key(b",\"s\":\"")?;
    let symbol = scanner.symbol(&mut cursor)?;
    cursor.key(b",\"U\":")?;
    let first = cursor.id()?;
    cursor.key(b",\"u\":")?;
    let last = cursor.id()?;
    let mut previous = DepthIds::NO_PREVIOUS;
    if venue == Venue::BinanceUsdm {
        cursor.key(b",\"pu\":")?;
        previous = cursor.id()?;
    }
    if last < first {
        return None;
    }
    let is_whole = stream.is_some_and(super::is_partial_book);
    let ids = if is_whole {
        DepthIds { first: last, last, previous: DepthIds::NO_PREVIOUS }
    } else {
        DepthIds { first, last, previous }
    };
    run.push(market::depth(symbol.index, ids, 0, is_whole));
    cursor.key(b",\"b\":[")?;
    run.levels(&mut cursor, symbol, Side::Buy)?;
    cursor.key(b",\"a\":[")?;
    run.levels(&mut cursor, symbol, Side::Sell)?;
    run.finish(&mut cursor)?;
    Some((if is_whole { FrameKind::Snapshot } else { FrameKind::Depth }, cursor))
}

/// From the update id on.
fn scan_snapshot<'a>(
    mut cursor: Cursor<'a>,
    mut symbol: ScanSymbol,
    mut run: Run<'_>,
) -> Scanned<'a> {
    let symbol = &mut symbol;
    let last = cursor.id()?;
    if cursor.eat(b",\"E\":") {
        cursor.time()?;
        if cursor.eat(b",\"T\":") {
            cursor.time()?;
        }
    }
    let ids = DepthIds { first: last, last, previous: DepthIds::NO_PREVIOUS };
    run.push(market::depth(symbol.index, ids, 0, true));
    cursor.key(b",\"bids\":[")?;
    run.levels(&mut cursor, symbol, Side::Buy)?;
    cursor.key(b",\"asks\":[")?;
    run.levels(&mut cursor, symbol, Side::Sell)?;
    run.finish(&mut cursor)?;
    Some((FrameKind::Snapshot, cursor))
}

/// From the price of a trade to its end.
#[inline(always)]
fn scan_deal(cursor: &mut Cursor<'_>, symbol: &mut ScanSymbol, id: i64) -> Option<Event> {
    cursor.key(b",\"p\":\"")?;
    let price = cursor.decimal(&mut symbol.price)?;
    cursor.key(b",\"q\":\"")?;
    let quantity = cursor.decimal(&mut symbol.quantity)?;
    if price < 1 || quantity < 1 {
        return None;
    }
    if cursor.eat(b",\"f\":") {
        cursor.id()?;
        if cursor.eat(b",\"l\":") {
            cursor.id()?;
        }
    }
    if cursor.eat(b",\"T\":") {
        cursor.time()?;
    } else if cursor.eat(b",\"X\":\"") {
        cursor.take(b"MARKET\"")?;
    }
    cursor.key(b",\"m\":")?;
    // The maker rests, so the other one is the aggressor.
    let aggressor = if cursor.truth()? { Side::Sell } else { Side::Buy };
    if cursor.eat(b",\"M\":") {
        cursor.truth()?;
    }
    cursor.close()?;
    Some(market::trade(symbol.index, aggressor, price, quantity, id.cast_unsigned()))
}
