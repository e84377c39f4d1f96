//! The rivals: `serde_json` into typed borrowed structs, and a scanner that trusts the venue.

use anyhow::Context as _;
use binance::decode::parse_decimal;
use engine::event::market::{self, DepthIds};
use engine::event::{Event, Side, flags};
use engine::instrument::Venue;
use engine::money::parse_scaled;
use serde::Deserialize;

use super::sets::{Set, Shape};
use super::{Places, Way};

fn finish_depth(events: &mut [Event]) -> anyhow::Result<()> {
    // The header was made without knowing its levels, as if it were alone.
    let level_count = u32::try_from(events.len() - 1)?;
    let header = events.first_mut().context("header")?;
    header.flags &= !flags::LAST;
    header.tag = level_count;
    events.last_mut().context("header")?.flags |= flags::LAST;
    Ok(())
}

#[derive(Deserialize)]
struct Combined<T> {
    data: T,
}

#[derive(Deserialize)]
struct Trade<'a> {
    #[serde(rename = "s")]
    symbol: &'a str,
    #[serde(rename = "t")]
    id: u64,
    #[serde(rename = "p")]
    price: &'a str,
    #[serde(rename = "q")]
    quantity: &'a str,
    #[serde(rename = "m")]
    is_buyer_maker: bool,
}

#[derive(Deserialize)]
struct Quote<'a> {
    #[serde(rename = "s")]
    symbol: &'a str,
    #[serde(rename = "u")]
    id: u64,
    #[serde(rename = "b")]
    bid: &'a str,
    #[serde(rename = "B")]
    bid_quantity: &'a str,
    #[serde(rename = "a")]
    ask: &'a str,
    #[serde(rename = "A")]
    ask_quantity: &'a str,
}

#[derive(Deserialize)]
struct Depth<'a> {
    #[serde(rename = "s")]
    symbol: &'a str,
    #[serde(rename = "U")]
    first: i64,
    #[serde(rename = "u")]
    last: i64,
    #[serde(rename = "pu", default = "no_previous")]
    previous: i64,
    #[serde(rename = "b", borrow)]
    bids: Vec<[&'a str; 2]>,
    #[serde(rename = "a", borrow)]
    asks: Vec<[&'a str; 2]>,
}

fn no_previous() -> i64 {
    DepthIds::NO_PREVIOUS
}

#[derive(Deserialize)]
struct Snapshot<'a> {
    #[serde(rename = "lastUpdateId")]
    id: i64,
    #[serde(borrow)]
    bids: Vec<[&'a str; 2]>,
    #[serde(borrow)]
    asks: Vec<[&'a str; 2]>,
}

/// `serde_json`, told the shape.
pub(crate) struct Serde {
    shape: Shape,
    is_combined: bool,
    symbol: &'static str,
    places: Places,
    events: Vec<Event>,
}

impl Serde {
    pub(crate) fn new(set: &Set) -> Serde {
        let Set { shape, is_combined, symbol, places, .. } = *set;
        Serde { shape, is_combined, symbol, places, events: Vec::with_capacity(1 << 15) }
    }

    fn parse<'a, T: Deserialize<'a>>(&self, frame: &'a [u8]) -> anyhow::Result<T> {
        if self.is_combined {
            return Ok(serde_json::from_slice::<Combined<T>>(frame)?.data);
        }
        Ok(serde_json::from_slice(frame)?)
    }

    fn check(&self, symbol: &str) -> anyhow::Result<()> {
        anyhow::ensure!(symbol == self.symbol, "another symbol");
        Ok(())
    }

    fn price(&self, text: &str) -> anyhow::Result<i64> {
        Ok(parse_decimal(text.as_bytes(), self.places.price)?)
    }

    fn quantity(&self, text: &str) -> anyhow::Result<i64> {
        Ok(parse_decimal(text.as_bytes(), self.places.quantity)?)
    }

    fn book(
        &mut self,
        ids: DepthIds,
        lists: [&[[&str; 2]]; 2],
        is_whole: bool,
    ) -> anyhow::Result<()> {
        self.events.push(market::depth(0, ids, 0, is_whole));
        for (side, list) in [Side::Buy, Side::Sell].into_iter().zip(lists) {
            for [price, quantity] in list {
                let (price, quantity) = (self.price(price)?, self.quantity(quantity)?);
                self.events.push(market::level(0, side, price, quantity, false));
            }
        }
        finish_depth(&mut self.events)
    }
}

impl Way for Serde {
    fn decode<'a>(&'a mut self, frame: &'a mut [u8]) -> anyhow::Result<&'a [Event]> {
        self.events.clear();
        match self.shape {
            Shape::Trade => {
                let trade: Trade<'_> = self.parse(frame)?;
                self.check(trade.symbol)?;
                let (price, quantity) = (self.price(trade.price)?, self.quantity(trade.quantity)?);
                let side = if trade.is_buyer_maker { Side::Sell } else { Side::Buy };
                self.events.push(market::trade(0, side, price, quantity, trade.id));
            }
            Shape::Quote => {
                let quote: Quote<'_> = self.parse(frame)?;
                self.check(quote.symbol)?;
                for (side, price, quantity) in [
                    (Side::Buy, quote.bid, quote.bid_quantity),
                    (Side::Sell, quote.ask, quote.ask_quantity),
                ] {
                    let (price, quantity) = (self.price(price)?, self.quantity(quantity)?);
                    self.events.push(market::quote(0, side, price, quantity, quote.id));
                }
            }
            Shape::Depth => {
                let depth: Depth<'_> = self.parse(frame)?;
                self.check(depth.symbol)?;
                let Depth { first, last, previous, .. } = depth;
                self.book(DepthIds { first, last, previous }, [&depth.bids, &depth.asks], false)?;
            }
            Shape::Snapshot => {
                let book: Snapshot<'_> = self.parse(frame)?;
                let previous = DepthIds::NO_PREVIOUS;
                let ids = DepthIds { first: book.id, last: book.id, previous };
                self.book(ids, [&book.bids, &book.asks], true)?;
            }
        }
        Ok(&self.events)
    }
}

/// Byte by byte, trusting the order of the fields.
pub(crate) struct Trusting {
    venue: Venue,
    shape: Shape,
    places: Places,
    events: Vec<Event>,
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// Goes behind the next `mark`.
    fn skip_to(&mut self, mark: &[u8]) -> anyhow::Result<()> {
        let at = self.0.windows(mark.len()).position(|part| part == mark).context("mark")?;
        self.0 = &self.0[at + mark.len()..];
        Ok(())
    }

    /// What stands before the next quote; goes behind the quote.
    fn until_quote(&mut self) -> anyhow::Result<&'a [u8]> {
        let at = self.0.iter().position(|byte| *byte == b'"').context("quote")?;
        let text = &self.0[..at];
        self.0 = &self.0[at + 1..];
        Ok(text)
    }

    fn decimal(&mut self, mark: &[u8], places: u8) -> anyhow::Result<i64> {
        self.skip_to(mark)?;
        Ok(parse_decimal(self.until_quote()?, places)?)
    }

    fn number(&mut self, mark: &[u8]) -> anyhow::Result<i64> {
        self.skip_to(mark)?;
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = parse_scaled(&self.0[..length], 0)?;
        self.0 = &self.0[length..];
        Ok(number)
    }

    fn levels(
        &mut self,
        side: Side,
        places: Places,
        events: &mut Vec<Event>,
    ) -> anyhow::Result<()> {
        while self.0.first() != Some(&b']') {
            self.0 = &self.0[usize::from(self.0.first() == Some(&b',')) + 2..];
            let price = parse_decimal(self.until_quote()?, places.price)?;
            self.0 = &self.0[2..];
            let quantity = parse_decimal(self.until_quote()?, places.quantity)?;
            self.0 = &self.0[1..];
            events.push(market::level(0, side, price, quantity, false));
        }
        Ok(())
    }
}

impl Trusting {
    pub(crate) fn new(set: &Set) -> Trusting {
        let Set { venue, shape, places, .. } = *set;
        Trusting { venue, shape, places, events: Vec::with_capacity(1 << 15) }
    }

    fn trade(&mut self, mut cursor: Cursor<'_>) -> anyhow::Result<()> {
        let id = cursor.number(b"\"t\":")?.cast_unsigned();
        let price = cursor.decimal(b"\"p\":\"", self.places.price)?;
        let quantity = cursor.decimal(b"\"q\":\"", self.places.quantity)?;
        cursor.skip_to(b"\"m\":")?;
        let side = if cursor.0.first() == Some(&b't') { Side::Sell } else { Side::Buy };
        self.events.push(market::trade(0, side, price, quantity, id));
        Ok(())
    }

    fn quote(&mut self, mut cursor: Cursor<'_>) -> anyhow::Result<()> {
        let id = cursor.number(b"\"u\":")?.cast_unsigned();
        for (side, price, quantity) in
            [(Side::Buy, b"\"b\":\"", b"\"B\":\""), (Side::Sell, b"\"a\":\"", b"\"A\":\"")]
        {
            let price = cursor.decimal(price, self.places.price)?;
            let quantity = cursor.decimal(quantity, self.places.quantity)?;
            self.events.push(market::quote(0, side, price, quantity, id));
        }
        Ok(())
    }

    fn book(&mut self, mut cursor: Cursor<'_>) -> anyhow::Result<()> {
        let is_whole = self.shape == Shape::Snapshot;
        let mut previous = DepthIds::NO_PREVIOUS;
        let (first, last) = if is_whole {
            let id = cursor.number(b"\"lastUpdateId\":")?;
            (id, id)
        } else {
            (cursor.number(b"\"U\":")?, cursor.number(b"\"u\":")?)
        };
        if self.venue == Venue::BinanceUsdm {
            previous = cursor.number(b"\"pu\":")?;
        }
        self.events.push(market::depth(0, DepthIds { first, last, previous }, 0, is_whole));
        let [bids, asks]: [&[u8]; 2] =
            if is_whole { [b"\"bids\":[", b"\"asks\":["] } else { [b"\"b\":[", b"\"a\":["] };
        cursor.skip_to(bids)?;
        cursor.levels(Side::Buy, self.places, &mut self.events)?;
        cursor.skip_to(asks)?;
        cursor.levels(Side::Sell, self.places, &mut self.events)?;
        finish_depth(&mut self.events)
    }
}

impl Way for Trusting {
    fn decode<'a>(&'a mut self, frame: &'a mut [u8]) -> anyhow::Result<&'a [Event]> {
        self.events.clear();
        let cursor = Cursor(frame);
        match self.shape {
            Shape::Trade => self.trade(cursor)?,
            Shape::Quote => self.quote(cursor)?,
            Shape::Depth | Shape::Snapshot => self.book(cursor)?,
        }
        Ok(&self.events)
    }
}
