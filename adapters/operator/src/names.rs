//! Names of strategies, instruments and scopes, and their numbers.

use engine::event::Scope;
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::money::{format_scaled, parse_scaled};

/// `source` of an order that belongs to no strategy, in the high half of `tag` of `OrderNew`.
pub const OPERATORS_OWN: u16 = u16::MAX;

/// What the numbers of a session mean.
#[derive(Clone, Debug)]
pub struct Names {
    /// Instruments, by index.
    pub instruments: InstrumentTable,
    /// Names of strategies, by number.
    pub strategies: Vec<String>,
}

impl Names {
    /// Number of a strategy.
    pub fn strategy(&self, name: &str) -> Result<u16, String> {
        let found = self.strategies.iter().position(|known| known == name);
        found.and_then(|index| u16::try_from(index).ok()).ok_or_else(|| {
            let known = self.strategies.join(", ");
            format!("no strategy is named {name}; there are {known}")
        })
    }

    /// Name of a strategy; of the operators' own row too.
    pub fn strategy_name(&self, number: u16) -> String {
        match self.strategies.get(usize::from(number)) {
            Some(name) => name.clone(),
            None if usize::from(number) == self.strategies.len() => "operators".to_string(),
            None => format!("strategy {number}"),
        }
    }

    /// Index of an instrument, and what it is.
    pub fn instrument(&self, symbol: &str) -> Result<(u16, &Instrument), String> {
        let found = self.instruments.find(symbol);
        found.and_then(|index| Some((index, self.instruments.get(index)?))).ok_or_else(|| {
            let known: Vec<&str> =
                self.instruments.iter().map(|(_, it)| it.symbol.as_str()).collect();
            format!("no instrument has the symbol {symbol}; there are {}", known.join(", "))
        })
    }

    /// Symbol of an instrument.
    pub fn symbol(&self, index: u16) -> String {
        let known = self.instruments.get(index);
        known.map_or_else(|| format!("instrument {index}"), |it| it.symbol.clone())
    }

    /// A venue that this engine trades at.
    pub fn venue(&self, name: &str) -> Result<Venue, String> {
        let known: Vec<Venue> = Venue::ALL
            .into_iter()
            .filter(|venue| self.instruments.iter().any(|(_, it)| it.venue == *venue))
            .collect();
        known.iter().copied().find(|venue| venue.name() == name).ok_or_else(|| {
            let known: Vec<&str> = known.iter().map(|venue| venue.name()).collect();
            format!("no venue is named {name}; there are {}", known.join(", "))
        })
    }

    /// `all`, `venue:NAME`, `strategy:NAME`, `instrument:SYMBOL`.
    pub fn scope(&self, text: &str) -> Result<Scope, String> {
        match text.split_once(':') {
            None if text == "all" => Ok(Scope::All),
            Some(("venue", name)) => Ok(Scope::Venue(self.venue(name)? as u8)),
            Some(("strategy", name)) => Ok(Scope::Strategy(self.strategy(name)?)),
            Some(("instrument", symbol)) => Ok(Scope::Instrument(self.instrument(symbol)?.0)),
            Some(_) | None => Err(format!(
                "scope {text}: must be all, venue:NAME, strategy:NAME or instrument:SYMBOL"
            )),
        }
    }

    /// The scope as [`Names::scope`] reads it.
    pub fn scope_text(&self, scope: Scope) -> String {
        match scope {
            Scope::All => "all".to_string(),
            Scope::Venue(code) => {
                let name = Venue::from_code(code).map(Venue::name);
                format!("venue:{}", name.map_or_else(|| code.to_string(), ToString::to_string))
            }
            Scope::Strategy(number) => format!("strategy:{}", self.strategy_name(number)),
            Scope::Instrument(index) => format!("instrument:{}", self.symbol(index)),
        }
    }

    /// Text of a scope's tag.
    pub fn scope_of_tag(&self, tag: u32) -> String {
        Scope::from_tag(tag)
            .map_or_else(|| format!("scope {tag:#x}"), |scope| self.scope_text(scope))
    }

    /// A price of that instrument as decimal text.
    pub fn price_text(&self, index: u16, price: i64) -> String {
        let scale = self.instruments.get(index).map_or(0, |it| it.price_scale);
        format_scaled(price, scale)
    }

    /// A quantity of that instrument as decimal text.
    pub fn quantity_text(&self, index: u16, quantity: i64) -> String {
        let scale = self.instruments.get(index).map_or(0, |it| it.quantity_scale);
        format_scaled(quantity, scale)
    }
}

/// Decimal text above zero, in units of 10^-`scale`.
pub fn parse_positive(what: &str, text: &str, scale: u8) -> Result<i64, String> {
    let value = parse_scaled(text.as_bytes(), scale).map_err(|error| format!("{what}: {error}"))?;
    if value <= 0 {
        return Err(format!("{what} {text}: must be above zero"));
    }
    Ok(value)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use engine::money::Money;

    pub(crate) fn names() -> Names {
        let instrument = |symbol: &str| Instrument {
            venue: Venue::BinanceSpot,
            symbol: symbol.to_string(),
            price_scale: 2,
            quantity_scale: 5,
            tick: 1,
            lot: 1,
            notional_min: Money::ZERO,
            maker_fee_e8: 0,
            taker_fee_e8: 0,
            multiplier: 1,
        };
        let table = vec![instrument("BTCUSDT"), instrument("ETHUSDT")];
        Names {
            instruments: InstrumentTable::new(table).unwrap(),
            strategies: vec!["maker".to_string(), "taker".to_string()],
        }
    }

    #[test]
    fn a_scope_is_text_and_back() {
        let names = names();
        for text in ["all", "venue:binance-spot", "strategy:taker", "instrument:ETHUSDT"] {
            assert_eq!(names.scope_text(names.scope(text).unwrap()), text);
        }
        for (text, words) in [
            ("", "must be all"),
            ("everything", "must be all"),
            ("All", "must be all"),
            ("strategy:", "there are maker, taker"),
            ("strategy:fader", "there are maker, taker"),
            ("instrument:btcusdt", "there are BTCUSDT, ETHUSDT"),
            ("venue:synthetic", "there are binance-spot"),
            ("desk:1", "must be all"),
        ] {
            let error = names.scope(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
        assert_eq!(names.scope_of_tag(9 << 16), "scope 0x90000");
    }

    #[test]
    fn quantities_are_exact_and_above_zero() {
        assert_eq!(parse_positive("quantity", "0.00001", 5), Ok(1));
        for text in ["0", "-1", "0.000001", "1e3", "", ".", "1.2.3", "99999999999999999999"] {
            assert!(parse_positive("quantity", text, 5).is_err(), "{text}");
        }
    }
}
