//! Quality at the edge: what a frame says is put aside when no market can have said it.
//!
//! Depth is judged by its times only: levels far from the market are normal, and a crossed book is judged
//! by the engine's feed stage. A snapshot must not be crossed in itself.

use engine::event::{Event, Kind, Side};

use super::config::{GateConfig, Stream};
use super::line::Seen;

/// Reasons of this gate in `quarantine` events; the decoder has the numbers below. Never renumbered.
pub mod why {
    /// A quote whose bid is at or above its ask.
    pub const CROSSED_QUOTE: u16 = 48;
    /// A price too far from the last one.
    pub const PRICE_BAND: u16 = 49;
    /// An event time too far in the future.
    pub const EVENT_AHEAD: u16 = 50;
    /// An event time before that of the message before it.
    pub const EVENT_BACK: u16 = 51;
    /// A quote with a price and no quantity, or the other way round.
    pub const HALF_QUOTE: u16 = 52;
    /// A snapshot whose best bid is at or above its best ask.
    pub const CROSSED_SNAPSHOT: u16 = 53;
    /// A binary message on a text stream.
    pub const NOT_TEXT: u16 = 54;
    /// A kind of message that nobody asked for here.
    pub const UNEXPECTED: u16 = 55;
    /// The venue refuses a subscription.
    pub const SUBSCRIPTION: u16 = 56;
    /// An id too far ahead of the last one.
    pub const ID_JUMP: u16 = 57;
}

/// Parts of a million.
const MILLION: i128 = 1_000_000;

/// The last price of one symbol.
#[derive(Clone, Copy, Debug, Default)]
struct Reference {
    /// 0 before the first.
    price: i64,
    outlier_price: i64,
    outlier_count: u32,
}

/// The gate of all symbols.
#[derive(Debug)]
pub(super) struct Gate {
    config: GateConfig,
    references: Vec<Reference>,
    /// By symbol, then by stream: ids in a row that jumped.
    jump_counts: Vec<[u32; 3]>,
}

impl Gate {
    pub(super) fn new(config: GateConfig, symbol_count: usize) -> Gate {
        Gate {
            config,
            references: vec![Reference::default(); symbol_count],
            jump_counts: vec![[0; 3]; symbol_count],
        }
    }

    /// Forgets the last price of a symbol.
    pub(super) fn reset(&mut self, place: usize) {
        self.references[place] = Reference::default();
        self.jump_counts[place] = [0; 3];
    }

    /// Judges an id against the last one of its stream, 0 for none.
    pub(super) fn check_id(
        &mut self,
        place: usize,
        stream: Stream,
        known: u64,
        id: u64,
    ) -> Result<(), u16> {
        let count = &mut self.jump_counts[place][stream.place()];
        let jump_max = self.config.id_jump_max;
        if jump_max == 0 || known == 0 || id <= known.saturating_add(jump_max) {
            *count = 0;
            return Ok(());
        }
        *count += 1;
        if *count < self.config.band_confirm_count {
            return Err(why::ID_JUMP);
        }
        *count = 0;
        Ok(())
    }

    /// Judges times: against the receipt, and against the message before on the same stream.
    pub(super) fn check_time(
        &self,
        seen: &Seen,
        event_ns: u64,
        receive_ns: u64,
    ) -> Result<(), u16> {
        let GateConfig { ahead_ns_max, back_ns_max, .. } = self.config;
        if ahead_ns_max != 0 && receive_ns.saturating_add(ahead_ns_max) < event_ns {
            return Err(why::EVENT_AHEAD);
        }
        if back_ns_max != 0 && event_ns.saturating_add(back_ns_max) < seen.event_ns {
            return Err(why::EVENT_BACK);
        }
        Ok(())
    }

    /// Judges the events of a trade or a quote; others pass.
    pub(super) fn check_prices(&mut self, place: usize, events: &[Event]) -> Result<(), u16> {
        let reference = &mut self.references[place];
        match events {
            [trade] if trade.kind == Kind::TRADE => {
                if reference.admit(trade.price, trade.price, trade.price, &self.config) {
                    return Ok(());
                }
                Err(why::PRICE_BAND)
            }
            [bid, ask] if bid.kind == Kind::QUOTE && ask.kind == Kind::QUOTE => {
                let half = |side: &Event| (side.price == 0) != (side.quantity == 0);
                if half(bid) || half(ask) {
                    return Err(why::HALF_QUOTE);
                }
                let (low, high) = match (bid.price, ask.price) {
                    (0, 0) => return Ok(()),
                    (0, one) | (one, 0) => (one, one),
                    (bid, ask) if ask <= bid => return Err(why::CROSSED_QUOTE),
                    both => both,
                };
                if reference.admit(low, high, i64::midpoint(low, high), &self.config) {
                    return Ok(());
                }
                Err(why::PRICE_BAND)
            }
            _ => Ok(()),
        }
    }
}

impl Reference {
    /// Whether both prices are within the band; `price` is the new reference then.
    fn admit(&mut self, low: i64, high: i64, price: i64, config: &GateConfig) -> bool {
        let is_first = self.price == 0 || config.band_ppm == 0;
        if is_first || (within(self.price, low, config) && within(self.price, high, config)) {
            *self = Reference { price, ..Reference::default() };
            return true;
        }
        // A market that really moved so far stays there; garbage does not agree with itself.
        let agrees = self.outlier_count != 0 && within(self.outlier_price, price, config);
        self.outlier_count = if agrees { self.outlier_count + 1 } else { 1 };
        self.outlier_price = price;
        if config.band_confirm_count <= self.outlier_count {
            *self = Reference { price, ..Reference::default() };
            return true;
        }
        false
    }
}

fn within(reference: i64, price: i64, config: &GateConfig) -> bool {
    let distance = (i128::from(price) - i128::from(reference)).abs();
    distance * MILLION <= i128::from(reference) * i128::from(config.band_ppm)
}

/// Whether a snapshot's best bid is below its best ask. The levels behind the header may come in any order.
pub(super) fn check_snapshot(events: &[Event]) -> Result<(), u16> {
    let levels = || events.iter().filter(|event| event.kind == Kind::LEVEL && event.quantity != 0);
    let bid = levels().filter(|level| level.side() == Side::Buy).map(|level| level.price).max();
    let ask = levels().filter(|level| level.side() == Side::Sell).map(|level| level.price).min();
    match (bid, ask) {
        (Some(bid), Some(ask)) if ask <= bid => Err(why::CROSSED_SNAPSHOT),
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use engine::event::market;

    use super::*;

    fn quote(bid: (i64, i64), ask: (i64, i64)) -> [Event; 2] {
        [
            market::quote(0, Side::Buy, bid.0, bid.1, 1),
            market::quote(0, Side::Sell, ask.0, ask.1, 1),
        ]
    }

    fn gate() -> Gate {
        Gate::new(GateConfig { band_confirm_count: 3, ..GateConfig::default() }, 1)
    }

    #[test]
    fn quotes_are_whole_and_not_crossed() {
        let rows = [
            ((100, 5), (101, 5), Ok(())),
            ((100, 5), (100, 5), Err(why::CROSSED_QUOTE)),
            ((102, 5), (101, 5), Err(why::CROSSED_QUOTE)),
            ((0, 0), (101, 5), Ok(())),
            ((100, 5), (0, 0), Ok(())),
            ((0, 0), (0, 0), Ok(())),
            ((0, 5), (101, 5), Err(why::HALF_QUOTE)),
            ((100, 5), (101, 0), Err(why::HALF_QUOTE)),
            ((10, 5), (101, 5), Err(why::PRICE_BAND)),
        ];
        let mut gate = gate();
        for (bid, ask, want) in rows {
            assert_eq!(gate.check_prices(0, &quote(bid, ask)), want, "{bid:?} {ask:?}");
        }
    }

    #[test]
    fn a_price_beyond_the_band_is_put_aside_until_it_is_confirmed() {
        let mut gate = gate();
        let prices = [1000, 1300, 1691, 1690, 3000, 1, 2300, 2301, 2299, 2400];
        let passed: Vec<i64> = (prices.into_iter())
            .filter(|price| {
                gate.check_prices(0, &[market::trade(0, Side::Buy, *price, 1, 1)]).is_ok()
            })
            .collect();
        assert_eq!(passed, [1000, 1300, 1690, 2299, 2400], "three that agree are a new price");
        gate.reset(0);
        assert!(gate.check_prices(0, &[market::trade(0, Side::Buy, 7, 1, 1)]).is_ok());
    }

    #[test]
    fn times_from_the_future_and_from_the_past_are_put_aside() {
        let gate = gate();
        let seen = Seen { event_ns: 20_000_000_000, ..Seen::default() };
        let rows = [
            (20, 20, Ok(())),
            (25, 20, Ok(())),
            (26, 20, Err(why::EVENT_AHEAD)),
            (15, 60, Ok(())),
            (14, 60, Err(why::EVENT_BACK)),
        ];
        for (event_s, receive_s, want) in rows {
            let (event_ns, receive_ns) = (event_s * 1_000_000_000, receive_s * 1_000_000_000);
            assert_eq!(gate.check_time(&seen, event_ns, receive_ns), want, "{event_s} {receive_s}");
        }
    }

    #[test]
    fn a_snapshot_is_not_crossed_in_itself() {
        let level = |side, price| market::level(0, side, price, 1, false);
        let good = [level(Side::Buy, 9), level(Side::Buy, 10), level(Side::Sell, 11)];
        assert_eq!(check_snapshot(&good), Ok(()));
        let bad = [level(Side::Buy, 9), level(Side::Buy, 11), level(Side::Sell, 11)];
        assert_eq!(check_snapshot(&bad), Err(why::CROSSED_SNAPSHOT));
        assert_eq!(check_snapshot(&[]), Ok(()));
    }
}
