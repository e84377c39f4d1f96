//! The market as the engine sees it: books, best prices and their quality, one entry an instrument.
//!
//! Written by the feed stage, read by strategies, risk and ledger. `top` changes only when a whole
//! update was applied, so that nobody sees half a depth run; `book` may be read only while
//! `!updating`.

use crate::book::{Book, DirectBook};
use crate::event::{BookState, Side};
use crate::instrument::InstrumentIndex;
use crate::state::{LoadError, Loader, Saver, State, mix};

/// Best bid and ask. A quantity of zero means that the side is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Top {
    /// Best bid price.
    pub bid_price: i64,
    /// Quantity at the best bid; 0 when there is no bid.
    pub bid_quantity: i64,
    /// Best ask price.
    pub ask_price: i64,
    /// Quantity at the best ask; 0 when there is no ask.
    pub ask_quantity: i64,
    /// The venue's update id behind it; higher is newer.
    pub update_id: u64,
}

impl Top {
    /// Whether both sides are there and do not cross.
    #[inline]
    pub const fn is_sound(&self) -> bool {
        0 < self.bid_quantity && 0 < self.ask_quantity && self.bid_price < self.ask_price
    }

    /// Bid plus ask, i.e. twice the mid price, which is exact; `None` unless sound and in range.
    #[inline]
    pub const fn mid_twice(&self) -> Option<i64> {
        // A venue may send any number; a price that has no double has no mid.
        if self.is_sound() { self.bid_price.checked_add(self.ask_price) } else { None }
    }

    /// Best price of a side, if that side is there.
    #[inline]
    pub const fn price(&self, side: Side) -> Option<i64> {
        match side {
            Side::Buy if 0 < self.bid_quantity => Some(self.bid_price),
            Side::Sell if 0 < self.ask_quantity => Some(self.ask_price),
            Side::Buy | Side::Sell => None,
        }
    }
}

/// What is known of one instrument.
#[derive(Debug)]
pub struct InstrumentMarket {
    /// Depth; complete only while `!updating`.
    pub book: DirectBook,
    /// Whether a depth run has begun and not ended.
    pub updating: bool,
    /// Quality of what is known.
    pub state: BookState,
    /// Best prices after the last whole update, from depth or quote, whichever is newer.
    pub top: Top,
    /// Price of the last public trade, 0 before the first.
    pub trade_price: i64,
    /// Quantity of the last public trade.
    pub trade_quantity: i64,
    /// Aggressor of the last public trade.
    pub trade_aggressor: Side,
    /// When the market was last heard of, ns.
    pub heard_ns: u64,
}

impl InstrumentMarket {
    fn new() -> InstrumentMarket {
        InstrumentMarket {
            book: DirectBook::new(),
            updating: false,
            state: BookState::Empty,
            top: Top::default(),
            trade_price: 0,
            trade_quantity: 0,
            trade_aggressor: Side::Buy,
            heard_ns: 0,
        }
    }

    /// Whether strategies may quote on it.
    #[inline]
    pub fn is_live(&self) -> bool {
        matches!(self.state, BookState::Live) && self.top.is_sound()
    }

    /// Twice the price at which positions are valued: mid, else last trade; `None` when neither is known.
    #[inline]
    pub fn mark_twice(&self) -> Option<i64> {
        match self.top.mid_twice() {
            Some(mid_twice) => Some(mid_twice),
            None if self.trade_price != 0 => self.trade_price.checked_mul(2),
            None => None,
        }
    }

    fn digest(&self) -> u64 {
        let mut hash = mix(self.book.digest(), u64::from(self.state.code()));
        hash = mix(hash, self.top.bid_price.cast_unsigned());
        hash = mix(hash, self.top.bid_quantity.cast_unsigned());
        hash = mix(hash, self.top.ask_price.cast_unsigned());
        hash = mix(hash, self.top.ask_quantity.cast_unsigned());
        hash = mix(hash, self.trade_price.cast_unsigned());
        mix(hash, self.heard_ns)
    }
}

/// All instruments' markets, indexed like the instrument table.
#[derive(Debug)]
pub struct Market {
    instruments: Vec<InstrumentMarket>,
    /// [`Market::stamps`].
    stamps: Box<[u64]>,
    /// The newest stamp.
    stamp: u64,
}

impl Market {
    /// Empty markets for `instrument_count` instruments.
    pub fn new(instrument_count: usize) -> Market {
        Market {
            instruments: (0..instrument_count).map(|_| InstrumentMarket::new()).collect(),
            stamps: vec![1; instrument_count].into_boxed_slice(),
            stamp: 1,
        }
    }

    /// The market of an instrument; `None` for what no table holds.
    #[inline]
    pub fn get(&self, index: InstrumentIndex) -> Option<&InstrumentMarket> {
        self.instruments.get(usize::from(index))
    }

    /// The same by number.
    #[inline]
    pub(crate) fn at(&self, index: usize) -> Option<&InstrumentMarket> {
        self.instruments.get(index)
    }

    /// For the feed stage (and tests): the market of an instrument, to be written.
    #[inline]
    pub fn get_mut(&mut self, index: InstrumentIndex) -> Option<&mut InstrumentMarket> {
        self.stamp += 1;
        *self.stamps.get_mut(usize::from(index))? = self.stamp;
        self.instruments.get_mut(usize::from(index))
    }

    /// One number an instrument, above zero: the same as long as nobody could have written its market. Only for
    /// those who need not look again; no part of the state.
    #[inline]
    pub fn stamps(&self) -> &[u64] {
        &self.stamps
    }

    /// All with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (InstrumentIndex, &InstrumentMarket)> {
        (0..).zip(self.instruments.iter())
    }

    /// Hash of everything above.
    pub fn digest(&self) -> u64 {
        self.instruments.iter().fold(0, |hash, market| mix(hash, market.digest()))
    }
}

impl State for Market {
    fn save(&self, out: &mut Saver) {
        out.count(self.instruments.len());
        for market in &self.instruments {
            market.book.save(out);
            out.bool(market.updating);
            out.u8(market.state.code());
            out.i64(market.top.bid_price);
            out.i64(market.top.bid_quantity);
            out.i64(market.top.ask_price);
            out.i64(market.top.ask_quantity);
            out.u64(market.top.update_id);
            out.i64(market.trade_price);
            out.i64(market.trade_quantity);
            out.bool(market.trade_aggressor == Side::Sell);
            out.u64(market.heard_ns);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        if from.count(self.instruments.len())? != self.instruments.len() {
            return Err(from.invalid("number of instruments"));
        }
        self.stamp += 1;
        self.stamps.fill(self.stamp);
        for market in &mut self.instruments {
            market.book.load(from)?;
            market.updating = from.bool()?;
            market.state =
                BookState::from_code(from.u8()?).ok_or_else(|| from.invalid("book state"))?;
            market.top = Top {
                bid_price: from.i64()?,
                bid_quantity: from.i64()?,
                ask_price: from.i64()?,
                ask_quantity: from.i64()?,
                update_id: from.u64()?,
            };
            market.trade_price = from.i64()?;
            market.trade_quantity = from.i64()?;
            market.trade_aggressor = if from.bool()? { Side::Sell } else { Side::Buy };
            market.heard_ns = from.u64()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Market;
    use crate::state::{Loader, Saver, State};

    #[test]
    fn whoever_may_have_written_a_market_has_changed_its_stamp_and_no_other() {
        let mut market = Market::new(3);
        let mut before = market.stamps().to_vec();
        assert!(before.iter().all(|stamp| *stamp != 0), "0 is never");
        for index in [1, 1, 0, 2, 1] {
            assert!(market.get_mut(index).is_some());
            for (other, (now, before)) in market.stamps().iter().zip(&before).enumerate() {
                assert_eq!(now != before, other == usize::from(index), "{other} after {index}");
            }
            before = market.stamps().to_vec();
        }
        assert!(market.get_mut(3).is_none());
        assert_eq!(market.stamps(), before);
        let mut saver = Saver::new();
        market.save(&mut saver);
        let bytes = saver.into_bytes();
        let mut loader = Loader::new(&bytes);
        market.load(&mut loader).unwrap();
        assert!(market.stamps().iter().zip(&before).all(|(now, before)| now != before));
    }
}
