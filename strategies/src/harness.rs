//! A scripted desk for tests: a fake market, a fake OMS, one strategy.
//!
//! The desk answers like the real OMS: fills are told before states, an intent is answered in the same
//! breath, ids come with the first state. What the venue does is up to the test.

use std::collections::BTreeMap;

use engine::event::{BookState, Event, Kind, OrderState, OrderTerms, Side, flags};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::market::{Market, Top};
use engine::money::Money;
use engine::state::{Loader, Saver};
use engine::strategy::{Intents, MarketChange, OrderUpdate, Strategy, View};

/// An order at the desk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeskOrder {
    pub(crate) tag: u32,
    /// Id of its parent, or 0.
    pub(crate) parent: u64,
    pub(crate) side: Side,
    pub(crate) state: OrderState,
    pub(crate) price: i64,
    pub(crate) total: i64,
    pub(crate) filled: i64,
    /// Terms of a replace on its way.
    pub(crate) next: Option<(i64, i64)>,
}

impl DeskOrder {
    pub(crate) fn leaves(&self) -> i64 {
        if self.state.is_terminal() { 0 } else { (self.total - self.filled).max(0) }
    }

    fn rest(&self) -> OrderState {
        if 0 < self.filled { OrderState::PartiallyFilled } else { OrderState::Acked }
    }
}

/// What the desk does with new intents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Takes them up and lets the venue wait.
    Wait,
    /// Takes them up; the venue agrees at once.
    Agree,
    /// The risk gate refuses all but cancels.
    Refuse,
    /// The venue rejects new orders.
    Reject,
    /// Nobody hears them.
    Lose,
}

pub(crate) struct Desk {
    pub(crate) now_ns: u64,
    pub(crate) market: Market,
    pub(crate) instruments: InstrumentTable,
    pub(crate) positions: Vec<i64>,
    pub(crate) orders: BTreeMap<u64, DeskOrder>,
    /// Open parents: side and total.
    pub(crate) parents: BTreeMap<u64, (Side, i64)>,
    pub(crate) answer: Answer,
    /// Every record the strategy sent, in order.
    pub(crate) sent: Vec<Event>,
    pub(crate) strategy: Box<dyn Strategy>,
    intents: Intents,
    next_id: u64,
}

/// An instrument whose tick is `tick` and whose lot is 1.
pub(crate) fn instruments(tick: i64) -> InstrumentTable {
    let instrument = Instrument {
        venue: Venue::Synthetic,
        symbol: "TEST".to_string(),
        price_scale: 2,
        quantity_scale: 3,
        tick,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    };
    InstrumentTable::new(vec![instrument]).unwrap()
}

impl Desk {
    pub(crate) fn new(strategy: Box<dyn Strategy>, instruments: InstrumentTable) -> Desk {
        Desk {
            now_ns: 1_000_000_000,
            market: Market::new(1),
            instruments,
            positions: vec![0],
            orders: BTreeMap::new(),
            parents: BTreeMap::new(),
            answer: Answer::Agree,
            sent: Vec::new(),
            strategy,
            intents: Intents::new(),
            next_id: 1,
        }
    }

    pub(crate) fn pass(&mut self, duration_ns: u64) {
        self.now_ns += duration_ns;
    }

    /// A live book with this touch.
    pub(crate) fn book(&mut self, bid: i64, ask: i64) {
        self.touch(bid, 100, ask, 100);
    }

    pub(crate) fn touch(&mut self, bid: i64, bid_quantity: i64, ask: i64, ask_quantity: i64) {
        let market = self.market.get_mut(0).unwrap();
        market.state = BookState::Live;
        market.top = Top {
            bid_price: bid,
            bid_quantity,
            ask_price: ask,
            ask_quantity,
            update_id: market.top.update_id + 1,
        };
        self.on_market(MarketChange::Book);
    }

    pub(crate) fn state(&mut self, state: BookState) {
        self.market.get_mut(0).unwrap().state = state;
        self.on_market(MarketChange::State(state));
    }

    pub(crate) fn trade(&mut self, price: i64, aggressor: Side) {
        self.on_market(MarketChange::Trade { price, quantity: 1, aggressor });
    }

    pub(crate) fn clock(&mut self) {
        let (view, intents) = view(
            self.now_ns,
            (&self.market, &self.instruments, &self.positions),
            &mut self.intents,
        );
        self.strategy.on_clock(&view, intents);
        self.answer();
    }

    fn on_market(&mut self, change: MarketChange) {
        let (view, intents) = view(
            self.now_ns,
            (&self.market, &self.instruments, &self.positions),
            &mut self.intents,
        );
        self.strategy.on_market(&view, 0, change, intents);
        self.answer();
    }

    fn tell(&mut self, update: OrderUpdate) {
        let (view, intents) = view(
            self.now_ns,
            (&self.market, &self.instruments, &self.positions),
            &mut self.intents,
        );
        self.strategy.on_order(&view, &update, intents);
        self.answer();
    }

    fn tell_state(&mut self, id: u64) {
        let order = self.orders[&id];
        self.tell(OrderUpdate::State {
            order_id: id,
            tag: order.tag,
            instrument: 0,
            side: order.side,
            state: order.state,
            price: order.price,
            leaves: order.leaves(),
        });
    }

    /// The order has that state from now on.
    pub(crate) fn become_state(&mut self, id: u64, state: OrderState) {
        self.orders.get_mut(&id).unwrap().state = state;
        self.tell_state(id);
    }

    /// The venue agrees to what is on its way.
    pub(crate) fn agree(&mut self, id: u64) {
        let order = self.orders.get_mut(&id).unwrap();
        match order.state {
            // Found working: on the new terms, if a replace was on its way (see `deny` for the old ones).
            OrderState::PendingReplace | OrderState::Unknown => {
                (order.price, order.total) =
                    order.next.take().unwrap_or((order.price, order.total));
                order.state =
                    if order.filled < order.total { order.rest() } else { OrderState::Filled };
            }
            OrderState::PendingCancel => order.state = OrderState::Cancelled,
            OrderState::New | OrderState::Pending => order.state = order.rest(),
            OrderState::Acked
            | OrderState::PartiallyFilled
            | OrderState::Filled
            | OrderState::Cancelled
            | OrderState::Rejected
            | OrderState::Expired => return,
        }
        self.tell_state(id);
    }

    /// The venue refuses the cancel or replace on its way.
    pub(crate) fn deny(&mut self, id: u64) {
        let order = self.orders.get_mut(&id).unwrap();
        order.next = None;
        order.state = order.rest();
        self.tell_state(id);
    }

    /// `quantity` of the order trades, at most what is left.
    pub(crate) fn fill(&mut self, id: u64, quantity: i64) {
        let order = self.orders.get_mut(&id).unwrap();
        let quantity = quantity.min(order.leaves());
        if quantity < 1 {
            return;
        }
        order.filled += quantity;
        if order.total == order.filled {
            order.state = OrderState::Filled;
        } else if matches!(order.state, OrderState::Pending | OrderState::Acked) {
            order.state = OrderState::PartiallyFilled;
        }
        let (tag, side, price) = (order.tag, order.side, order.price);
        self.positions[0] += side.sign() * quantity;
        self.tell(OrderUpdate::Fill {
            order_id: id,
            tag,
            instrument: 0,
            side,
            price,
            quantity,
            maker: true,
        });
        self.tell_state(id);
    }

    /// Live orders of a side.
    pub(crate) fn open(&self, side: Side) -> Vec<u64> {
        let live = |order: &DeskOrder| order.side == side && !order.state.is_terminal();
        self.orders.iter().filter(|(_, order)| live(order)).map(|(id, _)| *id).collect()
    }

    /// The one live order of a side.
    #[track_caller]
    pub(crate) fn only(&self, side: Side) -> u64 {
        let open = self.open(side);
        assert_eq!(open.len(), 1, "{side:?}: {:?}", self.orders);
        open[0]
    }

    pub(crate) fn order(&self, id: u64) -> DeskOrder {
        self.orders[&id]
    }

    /// Records of a kind since the last call of `forget`.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.sent.iter().filter(|event| event.kind == kind).count()
    }

    /// Orders, replaces and cancels since the last call of `forget`.
    pub(crate) fn amendments(&self) -> usize {
        self.sent.iter().filter(|event| event.kind != Kind::SIGNAL).count()
    }

    pub(crate) fn forget(&mut self) {
        self.sent.clear();
    }

    pub(crate) fn saved(&self) -> Vec<u8> {
        let mut saver = Saver::new();
        self.strategy.save(&mut saver);
        saver.into_bytes()
    }

    /// Puts a fresh strategy in the place of the old one, with what the old one saved.
    pub(crate) fn swap(&mut self, mut fresh: Box<dyn Strategy>) {
        let bytes = self.saved();
        for length in 0..bytes.len() {
            assert!(fresh.load(&mut Loader::new(&bytes[..length])).is_err(), "cut at {length}");
        }
        let mut loader = Loader::new(&bytes);
        fresh.load(&mut loader).unwrap();
        loader.finish().unwrap();
        self.strategy = fresh;
        assert_eq!(self.saved(), bytes);
    }

    /// Answers what the strategy wants, as often as it wants something. A strategy that never ends
    /// wanting fails here.
    fn answer(&mut self) {
        let wanted: Vec<Event> = self.intents.events().to_vec();
        assert_eq!(self.intents.dropped_count(), 0);
        self.intents.clear();
        self.sent.extend(&wanted);
        assert!(self.sent.len() < 1_000_000, "the strategy never comes to rest");
        for event in wanted {
            if self.answer == Answer::Lose {
                continue;
            }
            match event.kind {
                Kind::SIGNAL => {}
                Kind::PARENT => self.take_parent(&event),
                Kind::INTENT => self.take_order(&event),
                Kind::INTENT_REPLACE => self.take_replace(&event),
                Kind::INTENT_CANCEL => self.take_cancel(&event),
                other => panic!("a strategy sent {other:?}"),
            }
        }
    }

    fn refuse(&mut self, event: &Event) {
        self.tell(OrderUpdate::Refused {
            tag: event.tag,
            order_id: event.id,
            instrument: 0,
            rule: 1,
        });
    }

    fn take_parent(&mut self, event: &Event) {
        if event.quantity == 0 {
            assert!(self.parents.remove(&event.id).is_some(), "closes a parent that is open");
            return;
        }
        let newest = self.parents.keys().next_back().copied().unwrap_or(0);
        assert!(newest < event.id, "ids ascend");
        self.parents.insert(event.id, (event.side(), event.quantity));
    }

    /// What children of a parent traded and may still trade stays within it.
    fn check_child(&self, event: &Event) {
        if event.id == 0 {
            return;
        }
        let (side, total) = self.parents[&event.id];
        let children = self.orders.values().filter(|order| order.parent == event.id);
        let used: i64 = children.map(|order| order.filled + order.leaves()).sum();
        assert_eq!(side, event.side());
        assert!(used + event.quantity <= total, "{used} used of {total}: {event:?}");
    }

    fn take_order(&mut self, event: &Event) {
        self.check_order(event);
        self.check_child(event);
        if self.answer == Answer::Refuse {
            self.refuse(event);
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        let order = DeskOrder {
            tag: event.tag,
            parent: event.id,
            side: event.side(),
            state: OrderState::New,
            price: event.price,
            total: event.quantity,
            filled: 0,
            next: None,
        };
        self.orders.insert(id, order);
        self.tell_state(id);
        if self.orders[&id].state == OrderState::New {
            self.become_state(id, OrderState::Pending);
        }
        match self.answer {
            Answer::Reject => self.become_state(id, OrderState::Rejected),
            Answer::Agree if event.code == OrderTerms::LIMIT_GTC.code() => self.agree(id),
            Answer::Agree | Answer::Wait | Answer::Refuse | Answer::Lose => {}
        }
    }

    /// What every order must be: on tick, above zero, and resting ones away from the touch and each other.
    fn check_order(&self, event: &Event) {
        let tick = self.instruments.get(0).unwrap().tick;
        assert_eq!(event.price % tick, 0);
        assert!(0 < event.price);
        assert!(0 < event.quantity);
        assert!(self.market.get(0).unwrap().is_live(), "an order on a book that is not live");
        if !event.has(flags::POST_ONLY) {
            return;
        }
        let top = self.market.get(0).unwrap().top;
        let side = event.side();
        let away = |limit: i64| match side {
            Side::Buy => event.price < limit,
            Side::Sell => limit < event.price,
        };
        assert!(away(top.price(side.opposite()).unwrap()), "crosses the touch: {event:?}");
        for id in self.open(side.opposite()) {
            assert!(away(self.orders[&id].price), "crosses our own order: {event:?}");
            if let Some((price, _)) = self.orders[&id].next {
                assert!(away(price), "crosses where our own order goes: {event:?}");
            }
        }
    }

    fn take_replace(&mut self, event: &Event) {
        self.check_order(event);
        if self.answer == Answer::Refuse {
            self.refuse(event);
            return;
        }
        let order = self.orders.get_mut(&event.id).expect("replaces one of its orders");
        assert_eq!(order.side, event.side());
        if !matches!(order.state, OrderState::Acked | OrderState::PartiallyFilled) {
            return;
        }
        order.next = Some((event.price, event.quantity));
        order.state = OrderState::PendingReplace;
        self.tell_state(event.id);
        if self.answer != Answer::Wait {
            self.agree(event.id);
        }
    }

    fn take_cancel(&mut self, event: &Event) {
        let order = self.orders.get_mut(&event.id).expect("cancels one of its orders");
        if order.state.is_terminal() || order.state == OrderState::PendingCancel {
            return;
        }
        order.state = OrderState::PendingCancel;
        self.tell_state(event.id);
        if self.answer != Answer::Wait {
            self.agree(event.id);
        }
    }
}

fn view<'a>(
    time_ns: u64,
    (market, instruments, positions): (&'a Market, &'a InstrumentTable, &'a [i64]),
    intents: &'a mut Intents,
) -> (View<'a>, &'a mut Intents) {
    (View { time_ns, market, instruments, positions }, intents)
}
