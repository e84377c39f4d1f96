//! Brokers and feeds that break a promise on purpose: a clause that cannot fail says nothing.

use engine::event::{Event, Kind, LinkCode, ReportCode};
use simulator::contract::broker::{
    BrokerDouble, BrokerEars, BrokerTrouble, Golden, Prices, SeenOrder,
};
use simulator::contract::feed::{FeedDouble, FeedEars, FeedStart, FeedTrouble, Levels};
use simulator::contract::{Held, Stop};

use super::skeleton::{SkeletonBroker, SkeletonFeed};

/// A broker with a vice.
pub(crate) struct Broken<const VICE: u8> {
    broker: SkeletonBroker,
}

/// Tells every fill twice.
pub(crate) const FILLS_TWICE: u8 = 0;
/// Takes what was not answered for refused.
pub(crate) const GUESSES: u8 = 1;
/// Sends again what was not answered, as a new order of another id.
pub(crate) const SENDS_AGAIN: u8 = 2;
/// Acknowledges every order twice.
pub(crate) const ACKS_TWICE: u8 = 3;

impl<const VICE: u8> Broken<VICE> {
    fn distort(&mut self, event: &Event) -> Vec<Event> {
        let code = ReportCode::from_code(event.code).filter(|_| event.kind == Kind::REPORT);
        match (VICE, code) {
            (ACKS_TWICE, Some(ReportCode::Acked)) => vec![*event, *event],
            (GUESSES, Some(ReportCode::OutcomeUnknown)) => {
                let code = ReportCode::Rejected as u16;
                vec![Event { code, ..*event }]
            }
            (SENDS_AGAIN, Some(ReportCode::OutcomeUnknown)) => {
                let mut again = Event { kind: Kind::SEND_NEW, id: event.id + 1_000, ..*event };
                let prices = self.broker.prices();
                (again.price, again.quantity) = (prices.rest, prices.quantity);
                self.broker.ask(&again);
                vec![*event]
            }
            _ => vec![*event],
        }
    }
}

impl<const VICE: u8> BrokerDouble for Broken<VICE> {
    fn start() -> Result<Self, Stop> {
        Ok(Broken { broker: SkeletonBroker::start()? })
    }

    fn now_ns(&self) -> u64 {
        self.broker.now_ns()
    }

    fn ask(&mut self, event: &Event) {
        self.broker.ask(event);
    }

    fn turn(&mut self, ears: &mut BrokerEars) {
        let mut heard = BrokerEars::default();
        self.broker.turn(&mut heard);
        let is_fill = heard.heard.iter().any(|event| event.kind == Kind::REPORT_DETAIL);
        for event in &heard.heard {
            ears.take(&self.distort(event));
        }
        if VICE == FILLS_TWICE && is_fill {
            ears.take(&heard.heard);
        }
        assert!(heard.link_count(LinkCode::Down, 0) == 0);
    }

    fn prices(&self) -> Prices {
        self.broker.prices()
    }

    fn sell_to_us(&mut self, quantity: i64) {
        self.broker.sell_to_us(quantity);
    }

    /// An order that was sent again is the same order to its owner.
    fn orders(&self) -> Vec<SeenOrder> {
        let mut orders = self.broker.orders();
        for order in &mut orders {
            let counter = engine::ids::counter(order.id);
            order.id -= if 1_000 < counter { 1_000 } else { 0 };
        }
        orders
    }

    fn trouble(&mut self, trouble: BrokerTrouble) -> Held {
        self.broker.trouble(trouble)
    }

    fn has_happened(&self) -> bool {
        self.broker.has_happened()
    }

    fn has_link() -> Held {
        SkeletonBroker::has_link()
    }

    fn reborn(&mut self) -> Held {
        self.broker.reborn()
    }

    fn stranger(&mut self) -> Held {
        self.broker.stranger()
    }

    fn golden() -> Result<Vec<Golden>, Stop> {
        Ok(vec![("planted", "a".to_string(), "b".to_string())])
    }
}

/// A feed whose venue has another book than it tells.
pub(crate) struct Liar {
    feed: SkeletonFeed,
}

impl FeedDouble for Liar {
    fn start(start: FeedStart) -> Result<Self, Stop> {
        Ok(Liar { feed: SkeletonFeed::start(start)? })
    }

    fn now_ns(&self) -> u64 {
        self.feed.now_ns()
    }

    fn turn(&mut self, ears: &mut FeedEars) {
        self.feed.turn(ears);
    }

    fn move_market(&mut self) {
        self.feed.move_market();
    }

    fn truth(&self) -> Levels {
        let mut truth = self.feed.truth();
        truth[0].insert(1, 1);
        truth
    }

    fn trouble(&mut self, trouble: FeedTrouble) -> Held {
        self.feed.trouble(trouble)
    }

    fn has_happened(&self) -> bool {
        self.feed.has_happened()
    }

    fn stop(&mut self, _: &mut FeedEars) -> Held {
        Ok(())
    }
}
