//! Instruments: what is traded, in which units, at which cost. Read at start, never changed after.

use crate::event::{Event, Kind, flags, session};
use crate::money::{MONEY_SCALE, Money};

/// Index into the instrument table; the `instrument` field of events.
pub type InstrumentIndex = u16;

/// Most instruments in one engine. Arbitrary; every table is sized by what is configured.
pub const INSTRUMENT_COUNT_MAX: usize = 1024;
/// Longest symbol: the payload of one event.
pub const SYMBOL_LENGTH_MAX: usize = 28;
/// Fee rates are in units of 10^-8: 0.001 (10 bps) is 100,000.
pub const FEE_RATE_SCALE: u8 = 8;

/// Which book-sequence rule and wire format apply. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Venue {
    /// The generated market of the paper profile; sequence rule as spot.
    Synthetic = 1,
    /// Binance spot: `U..=u` is contiguous.
    BinanceSpot = 2,
    /// Binance USD-M futures: `pu` equals the `u` before it.
    BinanceUsdm = 3,
}

impl Venue {
    /// Every venue.
    pub const ALL: [Venue; 3] = [Venue::Synthetic, Venue::BinanceSpot, Venue::BinanceUsdm];

    /// Index into a table of [`VENUE_COUNT_MAX`] venues.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Name in configuration and tools.
    pub const fn name(self) -> &'static str {
        match self {
            Venue::Synthetic => "synthetic",
            Venue::BinanceSpot => "binance-spot",
            Venue::BinanceUsdm => "binance-usdm",
        }
    }

    /// The venue of that name.
    pub fn from_name(name: &str) -> Option<Venue> {
        Venue::ALL.into_iter().find(|venue| venue.name() == name)
    }

    /// The venue of that number.
    pub fn from_code(code: u8) -> Option<Venue> {
        Venue::ALL.into_iter().find(|venue| *venue as u8 == code)
    }
}

/// Entries of a table by [`Venue::index`]; the first is nobody's.
pub const VENUE_COUNT_MAX: usize = Venue::ALL.len() + 1;

/// One instrument. Prices are in units of 10^-`price_scale`, quantities in units of 10^-`quantity_scale`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// Where it trades.
    pub venue: Venue,
    /// The venue's symbol, such as `BTCUSDT`.
    pub symbol: String,
    /// Decimal places of prices.
    pub price_scale: u8,
    /// Decimal places of quantities.
    pub quantity_scale: u8,
    /// Smallest price step, in price units; at least 1.
    pub tick: i64,
    /// Smallest quantity step, in quantity units; at least 1.
    pub lot: i64,
    /// Smallest notional of an order; zero for none.
    pub notional_min: Money,
    /// Fee of a resting order's fill, units of 10^-8 of the notional; negative is a rebate.
    pub maker_fee_e8: i64,
    /// Fee of a taking order's fill, units of 10^-8 of the notional.
    pub taker_fee_e8: i64,
    /// Account currency per (price unit x quantity unit); 1 for spot and linear futures.
    pub multiplier: i64,
}

/// Why an instrument definition is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstrumentError {
    /// A field is outside its range.
    #[error("instrument {symbol}: {field} is {value}, must be {must}")]
    Field {
        /// Symbol of the instrument.
        symbol: String,
        /// Name of the field.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        must: &'static str,
    },
    /// The same venue and symbol twice.
    #[error("instrument {symbol} at {venue} is defined twice")]
    Twice {
        /// Symbol of the instrument.
        symbol: String,
        /// Name of the venue.
        venue: &'static str,
    },
    /// More than [`INSTRUMENT_COUNT_MAX`], or none.
    #[error("{count} instruments configured, must be 1 to {INSTRUMENT_COUNT_MAX}")]
    Count {
        /// How many.
        count: usize,
    },
    /// A run of `INSTRUMENT` events that does not make an instrument.
    #[error("the instrument definition at sequence {sequence} is damaged: {what}")]
    Damaged {
        /// Where.
        sequence: u64,
        /// What is wrong.
        what: &'static str,
    },
}

impl Instrument {
    /// Checks every range.
    pub fn check(&self) -> Result<(), InstrumentError> {
        let fail = |field, value: String, must| {
            Err(InstrumentError::Field { symbol: self.symbol.clone(), field, value, must })
        };
        let length = self.symbol.len();
        if length == 0
            || SYMBOL_LENGTH_MAX < length
            || !self.symbol.bytes().all(|b| b.is_ascii_graphic())
        {
            return fail("symbol", self.symbol.clone(), "1 to 28 printable ASCII characters");
        }
        let scale_sum = u32::from(self.price_scale) + u32::from(self.quantity_scale);
        if u32::from(MONEY_SCALE) < scale_sum {
            return fail("price_scale + quantity_scale", scale_sum.to_string(), "at most 12");
        }
        if self.tick < 1 {
            return fail("tick", self.tick.to_string(), "at least one price unit");
        }
        if self.lot < 1 {
            return fail("lot", self.lot.to_string(), "at least one quantity unit");
        }
        if self.notional_min < Money::ZERO {
            return fail("notional_min", self.notional_min.to_string(), "zero or more");
        }
        if self.multiplier < 1 || 1_000_000 < self.multiplier {
            return fail("multiplier", self.multiplier.to_string(), "1 to 1,000,000");
        }
        for (field, rate) in [("maker_fee", self.maker_fee_e8), ("taker_fee", self.taker_fee_e8)] {
            if 10_000_000 < rate.abs() {
                return fail(field, rate.to_string(), "between -0.1 and 0.1 of the notional");
            }
        }
        Ok(())
    }

    /// Exact value of `quantity` at `price`; signed like the product.
    #[inline]
    pub fn notional(&self, price: i64, quantity: i64) -> Money {
        let exponent = u32::from(MONEY_SCALE - self.price_scale - self.quantity_scale);
        let product = i128::from(price) * i128::from(quantity);
        Money(product.saturating_mul(i128::from(self.multiplier) * 10_i128.pow(exponent)))
    }

    /// Fee of a fill in units of 10^-8, rounded up against us.
    pub fn fee_e8(&self, price: i64, quantity: i64, maker: bool) -> i64 {
        let rate = i128::from(if maker { self.maker_fee_e8 } else { self.taker_fee_e8 });
        let fee = self.notional(price, quantity).magnitude().0.saturating_mul(rate);
        // Money has 12 places and the rate 8; 8 places are wanted.
        let unit = 10_i128.pow(u32::from(MONEY_SCALE));
        let rounded_up = fee.div_euclid(unit) + i128::from(fee.rem_euclid(unit) != 0);
        i64::try_from(rounded_up).unwrap_or(i64::MAX)
    }

    /// The definition as a run of events for the session manifest.
    pub fn to_events(&self, index: InstrumentIndex) -> [Event; 3] {
        let mut first = Event::new(Kind::INSTRUMENT);
        first.instrument = index;
        first.price = self.tick;
        first.quantity = self.lot;
        first.id = self.notional_min.to_event().cast_unsigned();
        first.tag = u32::from(self.price_scale) | (u32::from(self.quantity_scale) << 8);
        let mut second = Event::new(Kind::INSTRUMENT);
        second.instrument = index;
        second.code = 1;
        second.price = self.maker_fee_e8;
        second.quantity = self.taker_fee_e8;
        second.id = self.multiplier.cast_unsigned();
        second.tag = u32::from(self.venue as u8);
        let mut third = Event::new(Kind::INSTRUMENT);
        third.instrument = index;
        third.code = 2;
        session::write_payload(&mut third, self.symbol.as_bytes());
        third.flags = flags::LAST;
        [first, second, third]
    }

    /// The instrument told by three events, checked.
    pub fn from_events(run: &[Event; 3]) -> Result<Instrument, InstrumentError> {
        let damaged = |what| InstrumentError::Damaged { sequence: run[0].sequence, what };
        if run.iter().zip(0u16..).any(|(e, part)| e.kind != Kind::INSTRUMENT || e.code != part) {
            return Err(damaged("parts out of order"));
        }
        let byte = |value: u32| u8::try_from(value & 0xff).expect("masked to a byte");
        let text = session::payload(&run[2]);
        let length = text.iter().position(|b| *b == 0).unwrap_or(text.len());
        let instrument = Instrument {
            venue: Venue::from_code(byte(run[1].tag)).ok_or_else(|| damaged("unknown venue"))?,
            symbol: std::str::from_utf8(&text[..length])
                .map_err(|_| damaged("symbol is not text"))?
                .to_string(),
            price_scale: byte(run[0].tag),
            quantity_scale: byte(run[0].tag >> 8),
            tick: run[0].price,
            lot: run[0].quantity,
            notional_min: Money::from_event(run[0].id.cast_signed()),
            maker_fee_e8: run[1].price,
            taker_fee_e8: run[1].quantity,
            multiplier: run[1].id.cast_signed(),
        };
        instrument.check()?;
        Ok(instrument)
    }
}

/// The instruments of one engine; an event's `instrument` is an index into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstrumentTable {
    instruments: Vec<Instrument>,
}

impl InstrumentTable {
    /// A checked table.
    pub fn new(instruments: Vec<Instrument>) -> Result<InstrumentTable, InstrumentError> {
        if instruments.is_empty() || INSTRUMENT_COUNT_MAX < instruments.len() {
            return Err(InstrumentError::Count { count: instruments.len() });
        }
        for (index, instrument) in instruments.iter().enumerate() {
            instrument.check()?;
            let twin = |other: &Instrument| {
                other.symbol == instrument.symbol && other.venue == instrument.venue
            };
            if instruments[..index].iter().any(twin) {
                return Err(InstrumentError::Twice {
                    symbol: instrument.symbol.clone(),
                    venue: instrument.venue.name(),
                });
            }
        }
        Ok(InstrumentTable { instruments })
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.instruments.len()
    }

    /// The instrument at `index`; `None` for what no table holds.
    #[inline]
    pub fn get(&self, index: InstrumentIndex) -> Option<&Instrument> {
        self.instruments.get(usize::from(index))
    }

    /// Index of a symbol, the first venue that has it.
    pub fn find(&self, symbol: &str) -> Option<InstrumentIndex> {
        let position = self.instruments.iter().position(|i| i.symbol == symbol)?;
        InstrumentIndex::try_from(position).ok()
    }

    /// Index of a symbol at a venue.
    pub fn find_at(&self, venue: Venue, symbol: &str) -> Option<InstrumentIndex> {
        let position =
            self.instruments.iter().position(|i| i.symbol == symbol && i.venue == venue)?;
        InstrumentIndex::try_from(position).ok()
    }

    /// All with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (InstrumentIndex, &Instrument)> {
        (0..).zip(self.instruments.iter())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// BTCUSDT as on Binance spot.
    pub(crate) fn btcusdt() -> Instrument {
        Instrument {
            venue: Venue::BinanceSpot,
            symbol: "BTCUSDT".to_string(),
            price_scale: 2,
            quantity_scale: 5,
            tick: 1,
            lot: 1,
            notional_min: Money(5 * Money::ONE.0),
            maker_fee_e8: 100_000,
            taker_fee_e8: 100_000,
            multiplier: 1,
        }
    }

    #[test]
    fn an_instrument_comes_back_from_its_events() {
        let instrument = btcusdt();
        assert_eq!(Instrument::from_events(&instrument.to_events(3)), Ok(instrument));
    }

    #[test]
    fn a_product_is_exact_and_a_fee_is_rounded_against_us() {
        let instrument = btcusdt();
        // 61,837.63 x 0.00001 = 0.6183763
        assert_eq!(instrument.notional(6_183_763, 1), Money(618_376_300_000));
        // 0.1 % of it is 0.0006183763, in 1e-8: 61837.63, rounded up.
        assert_eq!(instrument.fee_e8(6_183_763, 1, true), 61_838);
        assert_eq!(instrument.fee_e8(6_183_763, -1, false), 61_838);
    }

    #[test]
    fn out_of_range_fields_are_named() {
        let too_fine = Instrument { price_scale: 8, ..btcusdt() };
        assert!(too_fine.check().unwrap_err().to_string().contains("price_scale"));
        let no_tick = Instrument { tick: 0, ..btcusdt() };
        assert!(no_tick.check().unwrap_err().to_string().contains("tick"));
        let twice = InstrumentTable::new(vec![btcusdt(), btcusdt()]).unwrap_err();
        assert!(twice.to_string().contains("BTCUSDT"));
    }
}
