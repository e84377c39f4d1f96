//! Measuring inside the core loop: sampled hops, and a tally of what was recorded.

use crate::clock::Clock;
use crate::event::kind::KindSet;
use crate::event::{DifferenceCode, Event, Kind, OrderState, flags};
use crate::feed::Feed;
use crate::gateway::Gateway;
use crate::oms::Oms;
use crate::pipeline::probe::{Hop, Probe};
use crate::pipeline::{Pipeline, Recorder};
use crate::risk::Gate;
use crate::stats::{CounterId, HopId, StatsWriter};
use crate::strategy::Host;

/// Times hops on every `sample_interval`th event, and every event that leads to an order.
pub(super) struct StatsProbe<'a> {
    stats: &'a StatsWriter,
    clock: &'a Clock,
    /// When the batch was polled.
    poll_raw: u64,
    poll_ns: u64,
    sample_mask: u64,
    sampled: bool,
    last_raw: u64,
    hop_raw: [u64; Hop::ALL.len()],
}

impl<'a> StatsProbe<'a> {
    pub(super) fn new(
        stats: &'a StatsWriter,
        clock: &'a Clock,
        poll_raw: u64,
        sample_interval: u64,
    ) -> StatsProbe<'a> {
        StatsProbe {
            stats,
            clock,
            poll_raw,
            poll_ns: 0,
            sample_mask: sample_interval - 1,
            sampled: false,
            last_raw: 0,
            hop_raw: [0; Hop::ALL.len()],
        }
    }
}

const fn hop_id(hop: Hop) -> HopId {
    match hop {
        Hop::Feed => HopId::Feed,
        Hop::Strategy => HopId::Strategy,
        Hop::Risk => HopId::Risk,
        Hop::Oms => HopId::Oms,
        Hop::Gateway => HopId::Gateway,
        Hop::Journal => HopId::Journal,
    }
}

impl Probe for StatsProbe<'_> {
    #[inline]
    fn begin(&mut self, sequence: u64) {
        self.sampled = sequence & self.sample_mask == 0;
        if self.sampled {
            self.hop_raw = [0; Hop::ALL.len()];
            self.last_raw = self.clock.raw();
        }
    }

    #[inline]
    fn mark(&mut self, hop: Hop) {
        if self.sampled {
            let now_raw = self.clock.raw();
            self.hop_raw[hop as usize] += now_raw.saturating_sub(self.last_raw);
            self.last_raw = now_raw;
        }
    }

    #[inline]
    fn released(&mut self, time_ns: u64) {
        // From the receive stamp, not from the poll: what waited in the ring or for the disk is in it.
        let ns = self.clock.now_ns().saturating_sub(time_ns);
        self.stats.record(HopId::TickToOrder, ns);
    }

    #[inline]
    fn end(&mut self, _sequence: u64, time_ns: u64) {
        if !self.sampled {
            return;
        }
        for hop in Hop::ALL {
            let ns = self.clock.elapsed_ns(0, self.hop_raw[hop as usize]);
            self.stats.record(hop_id(hop), ns);
        }
        if self.poll_ns == 0 {
            let since_poll = self.clock.elapsed_ns(self.poll_raw, self.clock.raw());
            self.poll_ns = self.clock.now_ns().saturating_sub(since_poll);
        }
        self.stats.record(HopId::InboundWait, self.poll_ns.saturating_sub(time_ns));
    }
}

const KIND_COUNT: usize = 256;
const STATE_COUNT: usize = OrderState::ALL.len() + 1;

/// Counts of the strategies' doings.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StrategyTally {
    pub(super) intents: u64,
    pub(super) refused: u64,
    pub(super) orders: u64,
    pub(super) fills: u64,
}

/// Counts records by kind as they pass to the journal; published a thousand times a second.
pub(super) struct Tally {
    kinds: [u64; KIND_COUNT],
    order_states: [u64; STATE_COUNT],
    quotes: u64,
    orders_strange: u64,
    /// Fills that are fees: nothing traded.
    fees_in_kind: u64,
    pub(super) strategies: Vec<StrategyTally>,
}

impl Tally {
    pub(super) fn new(pipeline: &Pipeline) -> Box<Tally> {
        let strategies = vec![StrategyTally::default(); pipeline.host().count()];
        let (kinds, order_states) = ([0; KIND_COUNT], [0; STATE_COUNT]);
        Box::new(Tally {
            kinds,
            order_states,
            quotes: 0,
            orders_strange: 0,
            fees_in_kind: 0,
            strategies,
        })
    }

    pub(super) fn tap<'a, R: Recorder>(&'a mut self, inner: &'a mut R) -> Tap<'a, R> {
        Tap { tally: self, inner }
    }

    #[inline]
    fn count(&mut self, event: &Event) {
        self.kinds[usize::from(event.kind.0)] += 1;
        if event.kind < Kind::INTENT {
            self.quotes += u64::from(event.kind == Kind::QUOTE && event.is_last());
            return;
        }
        if event.kind == Kind::ORDER {
            let state = usize::from(event.code & 0xff);
            if let Some(count) = self.order_states.get_mut(state) {
                *count += 1;
            }
        }
        if event.kind == Kind::DIFFERENCE {
            let code = DifferenceCode::from_code(event.code);
            let strange = [DifferenceCode::OrderStrange, DifferenceCode::OrderForgotten];
            self.orders_strange += u64::from(code.is_some_and(|code| strange.contains(&code)));
        }
        self.fees_in_kind += u64::from(event.kind == Kind::FILL && event.has(flags::IN_KIND));
        let Some(strategy) = self.strategies.get_mut(usize::from(event.source)) else { return };
        match event.kind {
            Kind::INTENT | Kind::INTENT_CANCEL | Kind::INTENT_REPLACE => strategy.intents += 1,
            Kind::REFUSED => strategy.refused += 1,
            Kind::SEND_NEW => strategy.orders += 1,
            Kind::FILL if !event.has(flags::IN_KIND) => strategy.fills += 1,
            _ => {}
        }
    }

    fn kind(&self, kind: Kind) -> u64 {
        self.kinds[usize::from(kind.0)]
    }

    /// Records that a stage has looked at.
    fn seen(&self, interest: KindSet) -> u64 {
        (0..=127)
            .filter(|code| interest.contains(Kind(*code)))
            .map(|code| self.kind(Kind(code)))
            .sum()
    }

    fn state(&self, state: OrderState) -> u64 {
        self.order_states[usize::from(state.code())]
    }

    /// Writes the counts to the stats file.
    pub(super) fn publish(&self, stats: &StatsWriter) {
        let total: u64 = self.kinds.iter().sum();
        let inbound: u64 = self.kinds.iter().take(64).sum();
        let intents = self.kind(Kind::INTENT) + self.kind(Kind::INTENT_REPLACE);
        let approved = self.kind(Kind::APPROVED) + self.kind(Kind::APPROVED_REPLACE);
        let cancels = self.kind(Kind::SEND_CANCEL);
        for (id, value) in [
            (CounterId::InboundConsumed, inbound),
            (CounterId::TimersFired, self.kind(Kind::CLOCK)),
            (CounterId::CommandsApplied, self.kind(Kind::COMMAND)),
            (CounterId::FeedEvents, self.seen(Feed::INTEREST)),
            (CounterId::StrategyEvents, self.seen(Host::INTEREST)),
            (CounterId::RiskEvents, self.seen(Gate::INTEREST)),
            (CounterId::OmsEvents, self.seen(Oms::INTEREST)),
            (CounterId::JournalEvents, total),
            (CounterId::GatewayEvents, self.seen(Gateway::INTEREST)),
            (CounterId::BookUpdates, self.kind(Kind::LEVEL)),
            (CounterId::Trades, self.kind(Kind::TRADE)),
            (CounterId::BookTops, self.quotes),
            (CounterId::Signals, self.kind(Kind::SIGNAL)),
            (CounterId::Intents, intents),
            (CounterId::RiskPassed, approved),
            (CounterId::RiskRejected, self.kind(Kind::REFUSED)),
            (CounterId::OrdersSent, self.kind(Kind::SEND_NEW)),
            (CounterId::AmendsSent, cancels + self.kind(Kind::SEND_REPLACE)),
            (CounterId::CancelsSent, cancels),
            (CounterId::Fills, self.kind(Kind::FILL) - self.fees_in_kind),
            (CounterId::OrdersAcked, self.state(OrderState::Acked)),
            (CounterId::OrdersFilled, self.state(OrderState::Filled)),
            (CounterId::OrdersRejected, self.state(OrderState::Rejected)),
            (CounterId::OrdersCancelled, self.state(OrderState::Cancelled)),
            (CounterId::OrdersExpired, self.state(OrderState::Expired)),
            (CounterId::ReportsOdd, self.kind(Kind::ANOMALY)),
            (CounterId::Pulls, self.kind(Kind::SEND_PULL)),
            (CounterId::Differences, self.kind(Kind::DIFFERENCE)),
            (CounterId::OrdersStrange, self.orders_strange),
        ] {
            stats.set(id, value);
        }
    }
}

/// A recorder that counts what passes.
pub(super) struct Tap<'a, R> {
    tally: &'a mut Tally,
    inner: &'a mut R,
}

impl<R: Recorder> Recorder for Tap<'_, R> {
    #[inline]
    fn record(&mut self, event: &Event) -> bool {
        self.tally.count(event);
        self.inner.record(event)
    }

    #[inline]
    fn durable(&self) -> u64 {
        self.inner.durable()
    }
}
