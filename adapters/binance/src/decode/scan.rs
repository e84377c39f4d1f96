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
    fn symbol(&mut self, cursor: &mut Cursor<'_>) -> Option<ScanSymbol> {
        match self.symbols.get(self.hint) {
            Some(symbol) if cursor.eat_name(&symbol.name) => Some(*symbol),
            Some(_) | None => self.other_symbol(cursor),
        }
    }

    fn other_symbol(&mut self, cursor: &mut Cursor<'_>) -> Option<ScanSymbol> {
        let bytes = cursor.name()?.bytes;
        self.hint = self.symbols.binary_search_by_key(&bytes, |symbol| symbol.name.bytes).ok()?;
        self.symbols.get(self.hint).copied()
    }

    /// Keeps what was learned of the symbol that was found last.
    #[inline(always)]
    fn keep(&mut self, symbol: &ScanSymbol) {
        if let Some(kept) = self.symbols.get_mut(self.hint) {
            kept.price.learn(&symbol.price);
            kept.quantity.learn(&symbol.quantity);
        }
    }
}

/// Name of a combined frame's stream.
type Stream<'a> = Option<&'a [u8]>;

impl Decoder {
    /// The frame's kind, its events in `events`; `None` leaves rubbish there.
    pub(super) fn scan(&mut self, frame: &[u8], receive_ns: u64) -> Option<FrameKind> {
        let mut cursor = Cursor::new(frame)?;
        let kind = if cursor.eat(b"{\"stream\":\"") {
            let stream = cursor.text()?;
            cursor.take(b"\",\"data\":{")?;
            let kind = self.scan_message(&mut cursor, Some(stream), receive_ns)?;
            cursor.close()?;
            kind
        } else {
            cursor.take(b"{")?;
            self.scan_message(&mut cursor, None, receive_ns)?
        };
        cursor.is_at_end().then_some(kind)
    }

    #[inline(always)]
    fn scan_message(
        &mut self,
        cursor: &mut Cursor<'_>,
        stream: Stream<'_>,
        receive_ns: u64,
    ) -> Option<FrameKind> {
        if cursor.eat(b"\"u\":") {
            return self.scan_quote(cursor, receive_ns);
        }
        if cursor.eat(b"\"e\":\"") {
            if cursor.eat(b"trade\"") {
                return self.scan_trade(cursor, receive_ns);
            }
            if cursor.eat(b"bookTicker\"") {
                cursor.key(b",\"u\":")?;
                return self.scan_quote(cursor, receive_ns);
            }
            if cursor.eat(b"depthUpdate\"") {
                return self.scan_depth(cursor, stream, receive_ns);
            }
            cursor.take(b"aggTrade\"")?;
            return self.scan_aggregate(cursor, receive_ns);
        }
        cursor.take(b"\"lastUpdateId\":")?;
        self.scan_snapshot(cursor, stream, receive_ns)
    }

    /// From behind the kind on; the futures say the trade's time before the symbol.
    #[inline(always)]
    fn scan_trade(&mut self, cursor: &mut Cursor<'_>, receive_ns: u64) -> Option<FrameKind> {
        cursor.key(b",\"E\":")?;
        cursor.time()?;
        if cursor.eat(b",\"T\":") {
            cursor.time()?;
        }
        cursor.key(b",\"s\":\"")?;
        let mut symbol = self.scanner.symbol(cursor)?;
        cursor.key(b",\"t\":")?;
        let id = cursor.id()?;
        let event = scan_deal(cursor, &mut symbol, id)?;
        self.scanner.keep(&symbol);
        self.push_stamped(event, receive_ns);
        Some(FrameKind::Trade)
    }

    /// Like [`Decoder::scan_trade`]; some of these say their number before the symbol.
    fn scan_aggregate(&mut self, cursor: &mut Cursor<'_>, receive_ns: u64) -> Option<FrameKind> {
        cursor.key(b",\"E\":")?;
        cursor.time()?;
        let mut id = None;
        if cursor.eat(b",\"a\":") {
            id = Some(cursor.id()?);
        }
        cursor.key(b",\"s\":\"")?;
        let mut symbol = self.scanner.symbol(cursor)?;
        if id.is_none() {
            cursor.key(b",\"a\":")?;
            id = Some(cursor.id()?);
        }
        let event = scan_deal(cursor, &mut symbol, id?)?;
        self.scanner.keep(&symbol);
        self.push_stamped(event, receive_ns);
        Some(FrameKind::Trade)
    }

    /// From the update id on.
    #[inline(always)]
    fn scan_quote(&mut self, cursor: &mut Cursor<'_>, receive_ns: u64) -> Option<FrameKind> {
        let id = cursor.id()?.cast_unsigned();
        cursor.key(b",\"s\":\"")?;
        let mut symbol = self.scanner.symbol(cursor)?;
        cursor.key(b",\"b\":\"")?;
        let bid = cursor.decimal(&mut symbol.price)?;
        cursor.take(b"\"")?;
        cursor.key(b",\"B\":\"")?;
        let bid_quantity = cursor.decimal(&mut symbol.quantity)?;
        cursor.take(b"\"")?;
        cursor.key(b",\"a\":\"")?;
        let ask = cursor.decimal(&mut symbol.price)?;
        cursor.take(b"\"")?;
        cursor.key(b",\"A\":\"")?;
        let ask_quantity = cursor.decimal(&mut symbol.quantity)?;
        cursor.take(b"\"")?;
        if cursor.eat(b",\"T\":") {
            cursor.time()?;
            if cursor.eat(b",\"E\":") {
                cursor.time()?;
            }
        }
        cursor.close()?;
        self.scanner.keep(&symbol);
        let bid = market::quote(symbol.index, Side::Buy, bid, bid_quantity, id);
        let ask = market::quote(symbol.index, Side::Sell, ask, ask_quantity, id);
        self.push_stamped(bid, receive_ns);
        self.push_stamped(ask, receive_ns);
        Some(FrameKind::Quote)
    }

    /// From behind the kind on.
    fn scan_depth(
        &mut self,
        cursor: &mut Cursor<'_>,
        stream: Stream<'_>,
        receive_ns: u64,
    ) -> Option<FrameKind> {
        cursor.key(b",\"E\":")?;
        cursor.time()?;
        if cursor.eat(b",\"T\":") {
            cursor.time()?;
        }
        cursor.key(b",\"s\":\"")?;
        let mut symbol = self.scanner.symbol(cursor)?;
        cursor.key(b",\"U\":")?;
        let first = cursor.id()?;
        cursor.key(b",\"u\":")?;
        let last = cursor.id()?;
        let mut previous = DepthIds::NO_PREVIOUS;
        if self.venue == Venue::BinanceUsdm {
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
        self.push_stamped(market::depth(symbol.index, ids, 0, is_whole), receive_ns);
        cursor.key(b",\"b\":[")?;
        self.scan_levels(cursor, &mut symbol, Side::Buy)?;
        cursor.key(b",\"a\":[")?;
        self.scan_levels(cursor, &mut symbol, Side::Sell)?;
        self.finish_levels(cursor)?;
        self.scanner.keep(&symbol);
        Some(if is_whole { FrameKind::Snapshot } else { FrameKind::Depth })
    }

    /// From the update id on.
    fn scan_snapshot(
        &mut self,
        cursor: &mut Cursor<'_>,
        stream: Stream<'_>,
        receive_ns: u64,
    ) -> Option<FrameKind> {
        let place = match stream {
            Some(stream) => {
                let name = stream.split(|byte| *byte == b'@').next()?;
                let name = std::str::from_utf8(name).ok()?;
                self.place_of(name, str::eq_ignore_ascii_case).ok()?
            }
            None => self.snapshot_symbol?,
        };
        let mut symbol = ScanSymbol::new(self.symbols.get(place)?)?;
        let last = cursor.id()?;
        if cursor.eat(b",\"E\":") {
            cursor.time()?;
            if cursor.eat(b",\"T\":") {
                cursor.time()?;
            }
        }
        let ids = DepthIds { first: last, last, previous: DepthIds::NO_PREVIOUS };
        self.push_stamped(market::depth(symbol.index, ids, 0, true), receive_ns);
        cursor.key(b",\"bids\":[")?;
        self.scan_levels(cursor, &mut symbol, Side::Buy)?;
        cursor.key(b",\"asks\":[")?;
        self.scan_levels(cursor, &mut symbol, Side::Sell)?;
        self.finish_levels(cursor)?;
        Some(FrameKind::Snapshot)
    }

    /// A list of levels, from behind its opening bracket.
    #[inline(always)]
    fn scan_levels(
        &mut self,
        cursor: &mut Cursor<'_>,
        symbol: &mut ScanSymbol,
        side: Side,
    ) -> Option<()> {
        if cursor.eat(b"]") {
            return Some(());
        }
        let mut event = market::level(symbol.index, side, 0, 0, false);
        let header = self.events.last()?;
        (event.time_ns, event.source) = (header.time_ns, header.source);
        cursor.take(b"[\"")?;
        loop {
            event.price = cursor.decimal(&mut symbol.price)?;
            cursor.take(b"\",\"")?;
            event.quantity = cursor.decimal(&mut symbol.quantity)?;
            // The header is one event, too.
            if event.price < 1 || self.limits.levels_max < self.events.len() {
                return None;
            }
            self.events.push(event);
            if !cursor.eat(b"\"],[\"") {
                return cursor.take(b"\"]]");
            }
        }
    }

    /// From behind the second list on.
    #[inline(always)]
    fn finish_levels(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        cursor.close()?;
        let level_count = self.events.len().checked_sub(1)?;
        let header = self.events.first_mut()?;
        header.tag = u32::try_from(level_count).ok()?;
        // A header without levels was made as if it were the end.
        header.flags &= !flags::LAST;
        self.events.last_mut()?.flags |= flags::LAST;
        Some(())
    }

    #[inline(always)]
    fn push_stamped(&mut self, mut event: Event, receive_ns: u64) {
        event.time_ns = receive_ns;
        event.source = self.source;
        self.events.push(event);
    }
}

/// From the price of a trade to its end.
#[inline(always)]
fn scan_deal(cursor: &mut Cursor<'_>, symbol: &mut ScanSymbol, id: i64) -> Option<Event> {
    cursor.key(b",\"p\":\"")?;
    let price = cursor.decimal(&mut symbol.price)?;
    cursor.take(b"\"")?;
    cursor.key(b",\"q\":\"")?;
    let quantity = cursor.decimal(&mut symbol.quantity)?;
    cursor.take(b"\"")?;
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
