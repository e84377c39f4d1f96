//! Reports on their way to us: latency, order of delivery, fees, execution ids.

use std::collections::VecDeque;

use engine::event::order::{Execution, fill_report, report};
use engine::event::{Event, ReportCode};
use engine::instrument::Instrument;

use crate::config::PaperConfig;
use crate::counters::PaperCounters;
use crate::desk::Working;
use crate::random::SplitMix;

/// Reports that were made and not yet delivered, in the order of delivery.
#[derive(Debug)]
pub(crate) struct Outbox {
    source: u16,
    latency_ns: u64,
    jitter_ns: u64,
    jitter: SplitMix,
    reports: VecDeque<Event>,
    /// When the newest report is delivered; no later one overtakes it.
    last_due_ns: u64,
    execution_id: u64,
    pub(crate) counters: PaperCounters,
}

impl Outbox {
    pub(crate) fn new(config: &PaperConfig) -> Outbox {
        Outbox {
            source: config.source,
            latency_ns: config.latency_in_ns,
            jitter_ns: config.latency_jitter_ns,
            jitter: SplitMix::new(config.seed ^ 0x0069_6e62_6f75_6e64),
            reports: VecDeque::new(),
            last_due_ns: 0,
            execution_id: 0,
            counters: PaperCounters::default(),
        }
    }

    /// Sends a report that stands alone; `price` and `quantity` are new terms, or what traded so far.
    pub(crate) fn tell(
        &mut self,
        venue_ns: u64,
        instrument: u16,
        order_id: u64,
        (code, venue_code): (ReportCode, u32),
        (price, quantity): (i64, i64),
    ) {
        let due_ns = self.due(venue_ns);
        let mut event = report(instrument, order_id, code, venue_code);
        event.price = price;
        event.quantity = quantity;
        self.push(event, due_ns);
    }

    /// Sends the report of a fill that `order` already contains.
    pub(crate) fn fill(
        &mut self,
        venue_ns: u64,
        instrument: &Instrument,
        order: &Working,
        (price, quantity): (i64, i64),
        maker: bool,
    ) {
        // After a restart ids must not repeat; event time goes on, a counter would start again.
        self.execution_id = venue_ns.max(self.execution_id.saturating_add(1));
        self.counters.fills += 1;
        self.counters.maker_fills += u64::from(maker);
        let execution = Execution {
            order_id: order.id,
            side: order.side,
            price,
            quantity,
            cumulative_quantity: order.filled,
            fee_e8: instrument.fee_e8(price, quantity, maker),
            execution_id: self.execution_id,
            maker,
        };
        let due_ns = self.due(venue_ns);
        for event in fill_report(order.instrument, &execution) {
            self.push(event, due_ns);
        }
    }

    fn due(&mut self, venue_ns: u64) -> u64 {
        let delay_ns = self.latency_ns + self.jitter.up_to(self.jitter_ns);
        self.last_due_ns = self.last_due_ns.max(venue_ns.saturating_add(delay_ns));
        self.last_due_ns
    }

    fn push(&mut self, mut event: Event, due_ns: u64) {
        event.source = self.source;
        event.time_ns = due_ns;
        self.reports.push_back(event);
    }

    /// When the next report is delivered.
    pub(crate) fn next_due_ns(&self) -> Option<u64> {
        self.reports.front().map(|event| event.time_ns)
    }

    /// Delivers what is due at `time_ns`, never with a time before `present_ns`.
    pub(crate) fn deliver(&mut self, time_ns: u64, present_ns: u64, sink: &mut impl FnMut(Event)) {
        while let Some(event) = self.reports.front()
            && event.time_ns <= time_ns
        {
            sink(event.at(event.time_ns.max(present_ns)));
            self.reports.pop_front();
        }
    }
}
