//! What the gate remembers of breakers: one state a scope, told by `BREAKER` events.

use crate::event::{BreakerState, Event, Scope};
use crate::instrument::{VENUE_COUNT_MAX, Venue};
use crate::state::{LoadError, Loader, Saver, State, mix};

/// States by scope; a scope that was never told of is normal.
#[derive(Debug)]
pub(super) struct Breakers {
    /// How many scopes are not normal; 0 answers every question at once.
    tripped_count: u32,
    all: BreakerState,
    venues: [BreakerState; VENUE_COUNT_MAX],
    /// The last one is the operator's own row.
    strategies: Box<[BreakerState]>,
    instruments: Box<[BreakerState]>,
}

impl Breakers {
    pub(super) fn new(row_count: usize, instrument_count: usize) -> Breakers {
        Breakers {
            tripped_count: 0,
            all: BreakerState::Normal,
            venues: [BreakerState::Normal; VENUE_COUNT_MAX],
            strategies: vec![BreakerState::Normal; row_count].into_boxed_slice(),
            instruments: vec![BreakerState::Normal; instrument_count].into_boxed_slice(),
        }
    }

    fn slot(&mut self, scope: Scope) -> Option<&mut BreakerState> {
        match scope {
            Scope::All => Some(&mut self.all),
            Scope::Venue(number) => {
                let venue = Venue::from_code(number)?;
                self.venues.get_mut(venue.index())
            }
            Scope::Strategy(number) => self.strategies.get_mut(usize::from(number)),
            Scope::Instrument(number) => self.instruments.get_mut(usize::from(number)),
        }
    }

    /// Takes over what a `BREAKER` event says. Words that no scope or state has change nothing.
    pub(super) fn follow(&mut self, event: &Event) {
        let state = BreakerState::from_code(u16::from(event.code.to_le_bytes()[0]));
        let (Some(scope), Some(state)) = (Scope::from_tag(event.tag), state) else { return };
        let Some(slot) = self.slot(scope) else { return };
        let before = *slot;
        *slot = state;
        if before != BreakerState::Normal {
            self.tripped_count -= 1;
        }
        if state != BreakerState::Normal {
            self.tripped_count += 1;
        }
    }

    /// Whether every scope is normal.
    #[inline(always)]
    pub(super) fn are_normal(&self) -> bool {
        self.tripped_count == 0
    }

    /// The strictest state of every scope that an order of this venue, strategy and instrument is in.
    #[inline]
    pub(super) fn strictest(&self, venue: Venue, source: u16, instrument: u16) -> BreakerState {
        if self.tripped_count == 0 {
            return BreakerState::Normal;
        }
        let of = |states: &[BreakerState], index: u16| {
            states.get(usize::from(index)).copied().unwrap_or(BreakerState::Normal)
        };
        self.all
            .max(self.venues[venue.index()])
            .max(of(&self.strategies, source))
            .max(of(&self.instruments, instrument))
    }

    fn every(&self) -> impl Iterator<Item = &BreakerState> {
        std::iter::once(&self.all)
            .chain(&self.venues)
            .chain(&self.strategies)
            .chain(&self.instruments)
    }

    fn every_mut(&mut self) -> impl Iterator<Item = &mut BreakerState> {
        std::iter::once(&mut self.all)
            .chain(&mut self.venues)
            .chain(&mut self.strategies)
            .chain(&mut self.instruments)
    }

    /// `hash` as it is when every scope is normal: journals of before breakers hold hashes without them.
    pub(super) fn mix_into(&self, hash: u64) -> u64 {
        if self.tripped_count == 0 {
            return hash;
        }
        self.every().fold(hash, |hash, state| mix(hash, u64::from(state.code())))
    }
}

impl State for Breakers {
    fn save(&self, out: &mut Saver) {
        out.count(self.strategies.len());
        out.count(self.instruments.len());
        for state in self.every() {
            out.u16(state.code());
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        let (rows, instruments) = (self.strategies.len(), self.instruments.len());
        if from.count(rows)? != rows || from.count(instruments)? != instruments {
            return Err(from.invalid("number of breakers"));
        }
        let mut tripped_count = 0;
        for slot in self.every_mut() {
            *slot = BreakerState::from_code(from.u16()?)
                .ok_or_else(|| from.invalid("breaker state"))?;
            tripped_count += u32::from(*slot != BreakerState::Normal);
        }
        self.tripped_count = tripped_count;
        Ok(())
    }
}
