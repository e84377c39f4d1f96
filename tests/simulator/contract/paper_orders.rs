//! The double of the paper venue: in the process, by event time, without a connection.

use engine::event::market::{DepthIds, depth, level, trade};
use engine::event::{Event, FeedCode, Mode, Side, flags, market};
use engine::instrument::Venue;
use paper::{PaperConfig, PaperVenue};

use super::broker::{
    BrokerDouble, BrokerEars, BrokerTrouble, Golden, INSTRUMENT, Prices, SeenOrder,
};
use super::feed::table;
use super::{Held, MS_NS, Stop};

/// Why nothing can be lost here.
pub const NO_CONNECTION: &str = "requests and reports are calls: nothing is lost, late or repeated";
/// Why nothing is pulled here.
pub const NO_ACCOUNT: &str = "it has no account: no balances, no orders of others, no pull";
/// Why nothing is signed here.
pub const NO_KEYS: &str = "it has no keys";

/// Event time of a turn.
const TURN_NS: u64 = MS_NS / 2;
const REST: i64 = 10_000;
const TAKE: i64 = 10_100;

/// The paper venue with a thin book.
#[derive(Debug)]
pub struct PaperOrders {
    venue: PaperVenue,
    now_ns: u64,
    update_id: i64,
    trade_id: u64,
    /// What was asked for, by id: price, quantity.
    asked: Vec<Event>,
    told: BrokerEars,
}

impl PaperOrders {
    /// Tells the venue that the market still stands where it stood.
    fn market(&mut self) {
        self.update_id += 1;
        let ids = DepthIds { first: self.update_id, last: self.update_id, previous: -1 };
        let mut head = depth(INSTRUMENT, ids, 2, true);
        head.flags |= flags::SNAPSHOT;
        let bid = level(INSTRUMENT, Side::Buy, REST - 100, 5_000, false);
        let ask = level(INSTRUMENT, Side::Sell, TAKE, 5_000, true);
        for event in [head, bid, ask] {
            self.venue.on_market(&event.at(self.now_ns));
        }
    }
}

impl BrokerDouble for PaperOrders {
    fn start() -> Result<PaperOrders, Stop> {
        let venue = PaperVenue::new(PaperConfig::default(), table(Venue::BinanceSpot), Mode::Paper)
            .map_err(|error| Stop::Broken(error.to_string()))?;
        let mut double = PaperOrders {
            venue,
            now_ns: 1_000 * MS_NS,
            update_id: 0,
            trade_id: 0,
            asked: Vec::new(),
            told: BrokerEars::default(),
        };
        let open = market::feed(INSTRUMENT, FeedCode::Connected, 0).at(double.now_ns);
        double.venue.on_market(&open);
        double.market();
        Ok(double)
    }

    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn ask(&mut self, event: &Event) {
        self.asked.push(*event);
        self.venue.on_request(event, self.now_ns);
    }

    fn turn(&mut self, ears: &mut BrokerEars) {
        self.now_ns += TURN_NS;
        let told = &mut self.told;
        self.venue.advance(self.now_ns, &mut |event| {
            ears.take(&[event]);
            told.take(&[event]);
        });
        self.market();
    }

    fn prices(&self) -> Prices {
        Prices { rest: REST, take: TAKE, quantity: 200, refused_quantity: 0 }
    }

    fn sell_to_us(&mut self, quantity: i64) {
        self.trade_id += 1;
        let event = trade(INSTRUMENT, Side::Sell, REST, quantity, self.trade_id);
        self.venue.on_market(&event.at(self.now_ns));
    }

    /// It has no list of its orders; what it told is all that there is.
    fn orders(&self) -> Vec<SeenOrder> {
        let mut seen = Vec::new();
        for event in self.asked.iter().filter(|event| event.kind == engine::event::Kind::SEND_NEW) {
            seen.extend(self.seen(event));
        }
        seen.dedup();
        seen
    }

    fn trouble(&mut self, _: BrokerTrouble) -> Held {
        Err(Stop::NotHere(NO_CONNECTION))
    }

    fn has_happened(&self) -> bool {
        true
    }

    fn has_link() -> Held {
        Err(Stop::NotHere(NO_CONNECTION))
    }

    fn reborn(&mut self) -> Held {
        Err(Stop::NotHere(NO_CONNECTION))
    }

    fn stranger(&mut self) -> Held {
        Err(Stop::NotHere(NO_ACCOUNT))
    }

    fn golden() -> Result<Vec<Golden>, Stop> {
        Err(Stop::NotHere(NO_KEYS))
    }
}

impl PaperOrders {
    /// An order as its reports tell it.
    fn seen(&self, asked: &Event) -> Option<SeenOrder> {
        use engine::event::ReportCode::{Acked, Cancelled, Expired, Rejected, Replaced};
        let id = asked.id;
        let executed = self.told.traded(id);
        if (self.told.did_say(id, Rejected) && executed == 0) && !self.told.did_say(id, Acked) {
            return None;
        }
        let newest = self.told.last(id, Replaced).unwrap_or(asked);
        let is_over = self.told.did_say(id, Cancelled) || self.told.did_say(id, Expired);
        Some(SeenOrder {
            id,
            price: newest.price,
            quantity: newest.quantity,
            executed,
            is_open: !is_over && executed < newest.quantity,
        })
    }
}
