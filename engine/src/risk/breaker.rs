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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;

    const SAFE: BreakerState = BreakerState::Safe;

    /// Three rows (the last one is the operator's), two instruments.
    fn breakers() -> Breakers {
        Breakers::new(3, 2)
    }

    fn tell(breakers: &mut Breakers, scope: Scope, state: BreakerState) {
        let mut event = Event::new(Kind::BREAKER);
        // The state before stands in the high byte and is nobody's affair here.
        (event.tag, event.code) = (scope.tag(), state.code() | 2 << 8);
        breakers.follow(&event);
    }

    /// Every scope that exists, everything first.
    fn scopes() -> Vec<Scope> {
        let venues = Venue::ALL.iter().map(|venue| Scope::Venue(*venue as u8));
        let strategies = (0..3).map(Scope::Strategy);
        let instruments = (0..2).map(Scope::Instrument);
        [Scope::All].into_iter().chain(venues).chain(strategies).chain(instruments).collect()
    }

    /// What orders of every venue, row and instrument are answered, against the plain rule.
    #[track_caller]
    fn check(breakers: &Breakers, told: &[(Scope, BreakerState)]) {
        for venue in Venue::ALL {
            for (source, instrument) in (0..4).flat_map(|source| (0..3).map(move |i| (source, i))) {
                let of = told
                    .iter()
                    .filter(|(scope, _)| scope.covers(venue as u8, source, instrument))
                    .map(|(_, state)| *state);
                let wanted = of.max().unwrap_or(BreakerState::Normal);
                let found = breakers.strictest(venue, source, instrument);
                assert_eq!(found, wanted, "{venue:?} {source} {instrument}: {told:?}");
            }
        }
    }

    fn saved(breakers: &Breakers) -> Vec<u8> {
        let mut saver = Saver::new();
        breakers.save(&mut saver);
        saver.into_bytes()
    }

    #[test]
    fn the_strictest_scope_that_an_order_is_in_counts() {
        for first in scopes() {
            for second in scopes().into_iter().filter(|scope| *scope != first) {
                let mut breakers = breakers();
                check(&breakers, &[]);
                tell(&mut breakers, first, SAFE);
                check(&breakers, &[(first, SAFE)]);
                tell(&mut breakers, second, BreakerState::Killed);
                check(&breakers, &[(first, SAFE), (second, BreakerState::Killed)]);
                tell(&mut breakers, second, SAFE);
                check(&breakers, &[(first, SAFE), (second, SAFE)]);
                tell(&mut breakers, first, BreakerState::Normal);
                check(&breakers, &[(second, SAFE)]);
                tell(&mut breakers, second, BreakerState::Normal);
                check(&breakers, &[]);
            }
        }
    }

    #[test]
    fn words_that_no_scope_or_state_has_change_nothing() {
        let mut breakers = breakers();
        for scope in [Scope::Venue(0), Scope::Venue(4), Scope::Strategy(3), Scope::Instrument(2)] {
            tell(&mut breakers, scope, SAFE);
        }
        for (tag, code) in [(1, 2), (4 << 16, 2), (0, 0), (0, 4), (0, 2 << 8)] {
            let mut event = Event::new(Kind::BREAKER);
            (event.tag, event.code) = (tag, code);
            breakers.follow(&event);
        }
        assert_eq!(breakers.tripped_count, 0);
        assert_eq!(saved(&breakers), saved(&self::breakers()));
    }

    #[test]
    fn a_hash_is_left_alone_until_a_scope_is_not_normal() {
        let mut hashes = vec![7];
        let mut breakers = breakers();
        assert_eq!(breakers.mix_into(7), 7);
        for scope in scopes() {
            for state in [SAFE, BreakerState::Killed] {
                tell(&mut breakers, scope, state);
                hashes.push(breakers.mix_into(7));
                assert_ne!(breakers.mix_into(7), breakers.mix_into(8), "{scope:?}");
            }
            tell(&mut breakers, scope, BreakerState::Normal);
            assert_eq!(breakers.mix_into(7), 7, "{scope:?}");
        }
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count, "every scope and state gives another hash");
    }

    #[test]
    fn what_was_saved_is_loaded_and_counted() {
        for scope in scopes() {
            let mut first = breakers();
            tell(&mut first, scope, SAFE);
            let mut second = breakers();
            // What it was before does not matter.
            tell(&mut second, Scope::All, BreakerState::Killed);
            let bytes = saved(&first);
            let mut loader = Loader::new(&bytes);
            second.load(&mut loader).unwrap();
            loader.finish().unwrap();
            check(&second, &[(scope, SAFE)]);
            assert_eq!(saved(&second), bytes);
            assert_eq!(second.mix_into(7), first.mix_into(7));
            tell(&mut second, scope, BreakerState::Normal);
            assert_eq!(second.tripped_count, 0, "{scope:?}");
        }
    }

    #[test]
    fn saved_bytes_of_another_size_or_with_a_foreign_state_are_refused() {
        let load = |bytes: &[u8]| breakers().load(&mut Loader::new(bytes)).unwrap_err();
        for (rows, instruments) in [(2, 2), (3, 1), (2, 3), (2, 1)] {
            let error = load(&saved(&Breakers::new(rows, instruments)));
            assert!(matches!(error, LoadError::Invalid { .. }), "{rows} {instruments}: {error}");
        }
        let bytes = saved(&breakers());
        for length in 0..bytes.len() {
            assert!(matches!(load(&bytes[..length]), LoadError::Short { .. }), "{length}");
        }
        for at in (16..bytes.len()).step_by(2) {
            for code in [0, 4] {
                let mut wrong = bytes.clone();
                wrong[at] = code;
                let what = "breaker state";
                assert_eq!(load(&wrong), LoadError::Invalid { offset: at + 2, what });
            }
        }
    }
}
