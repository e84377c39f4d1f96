//! The market as its callers see it: when the next thing happens, and what.

use engine::event::Event;
use engine::instrument::{InstrumentIndex, InstrumentTable};

use crate::config::{SyntheticConfig, SyntheticError};
use crate::drivers::{Common, STEP_NS};
use crate::flow::Flow;

/// The synthetic market.
#[derive(Debug)]
pub struct SyntheticMarket {
    common: Common,
    flows: Vec<(InstrumentIndex, Flow)>,
    /// When the drivers move next.
    drive_ns: u64,
}

impl SyntheticMarket {
    /// A market that begins at `config.start_ns`.
    pub fn new(
        config: &SyntheticConfig,
        table: &InstrumentTable,
    ) -> Result<SyntheticMarket, SyntheticError> {
        config.check(table)?;
        let flows = config
            .instruments
            .iter()
            .map(|section| Flow::new(config, section, table).map(|flow| (section.index, flow)));
        Ok(SyntheticMarket {
            common: Common::new(config.seed),
            flows: flows.collect::<Result<_, _>>()?,
            drive_ns: config.start_ns.saturating_add(STEP_NS),
        })
    }

    /// Time of the next thing that happens, ns.
    pub fn next_ns(&self) -> u64 {
        self.flows.iter().map(|(_, flow)| flow.next_ns()).min().unwrap_or(u64::MAX)
    }

    /// Lets it happen and hands its events to `sink`: whole runs, all with the time that
    /// [`SyntheticMarket::next_ns`] said. An order that changes nothing has no event.
    pub fn step(&mut self, sink: &mut impl FnMut(Event)) {
        let next_ns = self.next_ns();
        while self.drive_ns <= next_ns && self.drive_ns != u64::MAX {
            let shock = self.common.step();
            for (_, flow) in &mut self.flows {
                flow.drive(shock);
            }
            self.drive_ns = self.drive_ns.saturating_add(STEP_NS);
        }
        if let Some((_, flow)) = self.flows.iter_mut().min_by_key(|(_, flow)| flow.next_ns()) {
            flow.step(sink);
        }
    }

    /// Fair price of an instrument, price units: where a later session may go on.
    pub fn fair_price(&self, instrument: InstrumentIndex) -> Option<i64> {
        let (_, flow) = self.flows.iter().find(|(index, _)| *index == instrument)?;
        Some(flow.fair_price())
    }
}
