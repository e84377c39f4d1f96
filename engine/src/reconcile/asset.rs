//! Balances: what the engine did to each, what is not its doing, and what the venue says.
//!
//! All sums are in units of 10^-12 of the asset, so that a run may mix quantity units of several scales
//! with units of 10^-8. An asset is known by the first instrument of its run and its side there.

use crate::event::{BalanceCode, DifferenceCode, Event, Kind, flags};
use crate::instrument::{InstrumentIndex, InstrumentTable, Venue};
use crate::money::{EVENT_MONEY_SCALE, MONEY_SCALE, Money};
use crate::state::mix;

/// Units of 10^-12 in one unit of a balance.
pub(super) fn unit(code: BalanceCode, quantity_scale: u8) -> i128 {
    let scale = match code {
        BalanceCode::Base => quantity_scale,
        BalanceCode::Quote => EVENT_MONEY_SCALE,
    };
    10_i128.pow(u32::from(MONEY_SCALE.saturating_sub(scale)))
}

/// A sum in the unit of an event, rounded towards minus infinity.
pub(super) fn floored(sum: i128, unit: i128) -> i64 {
    let value = sum.div_euclid(unit);
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// The balance events of one asset, summed while they come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Number of the asset in the pull; meaningless before the first event.
    pub(super) asset: u64,
    pub(super) is_begun: bool,
    /// Of the first event; that is how the asset is known.
    pub(super) instrument: InstrumentIndex,
    pub(super) code: BalanceCode,
    /// What the venue has, in the unit of the first event.
    pub(super) total: i64,
    /// What the engine did, over all instruments of the run.
    pub(super) flow: i128,
}

impl Run {
    pub(super) const NONE: Run = Run {
        asset: 0,
        is_begun: false,
        instrument: 0,
        code: BalanceCode::Base,
        total: 0,
        flow: 0,
    };

    /// Takes one event of a run; one of another asset begins anew.
    pub(super) fn add(&mut self, event: &Event, code: BalanceCode, flow: i128) {
        if !self.is_begun || self.asset != event.id {
            *self = Run {
                asset: event.id,
                is_begun: true,
                instrument: event.instrument,
                code,
                total: event.price,
                flow: 0,
            };
        }
        self.flow = self.flow.saturating_add(flow);
    }

    fn event(&self, kind: Kind, venue: Venue) -> Event {
        let mut event = Event::new(kind);
        event.instrument = self.instrument;
        event.id = self.asset;
        event.tag = u32::from(venue as u8);
        event.flags = flags::LAST;
        event
    }

    pub(super) fn baseline_event(&self, venue: Venue, before: i64, now: i64) -> Event {
        let code = self.code as u16;
        Event { code, price: before, quantity: now, ..self.event(Kind::BASELINE, venue) }
    }

    pub(super) fn difference_event(&self, venue: Venue, ours: i64, theirs: i64) -> Event {
        let code = match self.code {
            BalanceCode::Base => DifferenceCode::BalanceBase,
            BalanceCode::Quote => DifferenceCode::BalanceQuote,
        };
        let code = code.code();
        Event { code, price: ours, quantity: theirs, ..self.event(Kind::DIFFERENCE, venue) }
    }

    pub(super) fn digest(&self) -> u64 {
        if !self.is_begun {
            return 0;
        }
        let hash =
            mix(self.asset, u64::from(self.instrument) | (u64::from(self.code as u16) << 16));
        mix_wide(mix(hash, self.total.cast_unsigned()), self.flow)
    }
}

/// A balance that differed in the last pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) run: Run,
    /// The baseline with which it would not differ.
    pub(super) share: i128,
    /// What it should have been, in the unit of the run.
    pub(super) ours: i64,
}

/// One side of one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asset {
    /// What is not the engine's doing; `None` before the first pull, or where another instrument of
    /// the run stands for the asset.
    pub(super) baseline: Option<i128>,
    pub(super) open: Option<Open>,
}

/// What the engine's fills and fees did, by instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) quantity: i128,
    pub(super) cash: Money,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Assets {
    pub(super) flows: Box<[Flow]>,
    /// Two an instrument: base, then quote.
    pub(super) assets: Box<[Asset]>,
}

fn index(instrument: InstrumentIndex, code: BalanceCode) -> usize {
    let side = match code {
        BalanceCode::Base => 0,
        BalanceCode::Quote => 1,
    };
    2 * usize::from(instrument) + side
}

impl Assets {
    pub(super) fn new(instrument_count: usize) -> Assets {
        Assets {
            flows: vec![Flow::default(); instrument_count].into_boxed_slice(),
            assets: vec![Asset::default(); 2 * instrument_count].into_boxed_slice(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.assets.len()
    }

    #[inline]
    pub(super) fn flow(&mut self, instrument: InstrumentIndex, quantity: i64, cash: Money) {
        if let Some(flow) = self.flows.get_mut(usize::from(instrument)) {
            flow.quantity = flow.quantity.saturating_add(i128::from(quantity));
            flow.cash = flow.cash.plus(cash);
        }
    }

    /// What the engine did to one side of an instrument.
    pub(super) fn flow_of(
        &self,
        instrument: InstrumentIndex,
        code: BalanceCode,
        quantity_scale: u8,
    ) -> i128 {
        let flow = self.flows.get(usize::from(instrument)).copied().unwrap_or_default();
        match code {
            BalanceCode::Base => flow.quantity.saturating_mul(unit(code, quantity_scale)),
            BalanceCode::Quote => flow.cash.0,
        }
    }

    pub(super) fn baseline(&self, instrument: InstrumentIndex, code: BalanceCode) -> Option<i128> {
        self.assets.get(index(instrument, code))?.baseline
    }

    pub(super) fn set_baseline(
        &mut self,
        instrument: InstrumentIndex,
        code: BalanceCode,
        share: i128,
    ) {
        if let Some(asset) = self.assets.get_mut(index(instrument, code)) {
            asset.baseline = Some(share);
        }
    }

    /// A pull begins: what differed in the one before is looked at again.
    pub(super) fn begin(&mut self, venue: Venue, instruments: &InstrumentTable) {
        for (at, asset) in self.assets.iter_mut().enumerate() {
            if is_at(at, venue, instruments) {
                asset.open = None;
            }
        }
    }

    pub(super) fn open(&mut self, run: &Run, share: i128, ours: i64) {
        if let Some(asset) = self.assets.get_mut(index(run.instrument, run.code)) {
            asset.open = Some(Open { run: *run, share, ours });
        }
    }

    pub(super) fn open_at(
        &self,
        at: usize,
        venue: Venue,
        instruments: &InstrumentTable,
    ) -> Option<Open> {
        self.assets.get(at)?.open.filter(|_| is_at(at, venue, instruments))
    }

    pub(super) fn opens(
        &self,
        venue: Venue,
        instruments: &InstrumentTable,
    ) -> impl Iterator<Item = Open> {
        (0..self.assets.len()).filter_map(move |at| self.open_at(at, venue, instruments))
    }

    pub(super) fn open_count(&self, venue: Venue, instruments: &InstrumentTable) -> usize {
        self.opens(venue, instruments).count()
    }

    /// Takes the venue's side of what differs; the baseline before.
    pub(super) fn accept(&mut self, at: usize) -> Option<i128> {
        let asset = self.assets.get_mut(at)?;
        let open = asset.open.take()?;
        asset.baseline.replace(open.share)
    }

    pub(super) fn digest(&self) -> u64 {
        let mut hash = 0;
        for flow in self.flows.iter().filter(|flow| **flow != Flow::default()) {
            hash = mix_wide(mix_wide(hash, flow.quantity), flow.cash.0);
        }
        for asset in self.assets.iter().filter(|asset| **asset != Asset::default()) {
            hash = mix_wide(hash, asset.baseline.unwrap_or(i128::MIN));
            if let Some(open) = &asset.open {
                hash = mix_wide(mix(hash, open.run.digest()), open.share);
            }
        }
        hash
    }
}

fn is_at(at: usize, venue: Venue, instruments: &InstrumentTable) -> bool {
    let instrument = InstrumentIndex::try_from(at / 2).ok().and_then(|at| instruments.get(at));
    instrument.is_some_and(|instrument| instrument.venue == venue)
}

/// Both halves of a wide word.
fn mix_wide(hash: u64, word: i128) -> u64 {
    let bytes = word.to_le_bytes();
    let (low, high) = bytes.split_at(8);
    let half = |half: &[u8]| u64::from_le_bytes(half.try_into().expect("a half has eight bytes"));
    mix(mix(hash, half(low)), half(high))
}
