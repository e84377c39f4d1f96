//! Memory of the last executions, so that none is booked twice. Exact for the last 16,384.
//!
//! ```text
//!  heads: bucket -> newest position      entries: position & mask -> (execution, previous position)
//! ```
//! Positions only grow, so a chain is walked until it meets a position that has been overwritten;
//! nothing is ever unlinked. The order is part of the key: when two orders of ours meet, both of them
//! trade in one execution.

use crate::state::{LoadError, Loader, Saver, State, mix};

/// How many executions are remembered: hours of a busy account; a venue repeats within seconds.
pub const EXECUTION_COUNT_MAX: usize = 1 << 14;
const MASK: u64 = (1 << 14) - 1;
const _: () = assert!(EXECUTION_COUNT_MAX.is_power_of_two());

#[derive(Clone, Copy, Debug)]
struct Entry {
    execution_id: u64,
    order_id: u64,
    previous: u64,
    instrument: u16,
}

#[derive(Debug)]
pub(super) struct Executions {
    heads: Box<[u64]>,
    entries: Box<[Entry]>,
    /// Position of the newest entry; positions run from 1.
    newest: u64,
    digest: u64,
}

#[inline]
fn index(value: u64) -> usize {
    (value & MASK) as usize
}

impl Executions {
    pub(super) fn new() -> Executions {
        let empty = Entry { execution_id: 0, order_id: 0, previous: 0, instrument: 0 };
        Executions {
            heads: vec![0; EXECUTION_COUNT_MAX].into_boxed_slice(),
            entries: vec![empty; EXECUTION_COUNT_MAX].into_boxed_slice(),
            newest: 0,
            digest: 0,
        }
    }

    /// Remembers an execution; false when it was remembered already.
    #[inline]
    pub(super) fn remember(&mut self, instrument: u16, order_id: u64, execution_id: u64) -> bool {
        let hash = mix(mix(u64::from(instrument), order_id), execution_id);
        let bucket = index(hash);
        let forgotten = self.newest.saturating_sub(MASK + 1);
        let mut position = self.heads[bucket];
        while forgotten < position {
            let entry = &self.entries[index(position)];
            let key = (entry.instrument, entry.order_id, entry.execution_id);
            if key == (instrument, order_id, execution_id) {
                return false;
            }
            position = entry.previous;
        }
        self.newest += 1;
        let previous = self.heads[bucket];
        self.entries[index(self.newest)] = Entry { execution_id, order_id, previous, instrument };
        self.heads[bucket] = self.newest;
        self.digest = mix(self.digest, hash);
        true
    }

    /// Hash of all executions so far.
    pub(super) fn digest(&self) -> u64 {
        self.digest
    }
}

impl State for Executions {
    fn save(&self, out: &mut Saver) {
        let oldest = self.newest.saturating_sub(MASK + 1) + 1;
        out.u64(self.newest + 1 - oldest);
        for position in oldest..=self.newest {
            let entry = &self.entries[index(position)];
            out.u16(entry.instrument);
            out.u64(entry.order_id);
            out.u64(entry.execution_id);
        }
        out.u64(self.digest);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.heads.fill(0);
        self.newest = 0;
        for _ in 0..from.count(EXECUTION_COUNT_MAX)? {
            let (instrument, order_id) = (from.u16()?, from.u64()?);
            if !self.remember(instrument, order_id, from.u64()?) {
                return Err(from.invalid("execution remembered twice"));
            }
        }
        self.digest = from.u64()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_known_until_16384_newer_ones_came() {
        let mut memory = Executions::new();
        assert!(memory.remember(1, 5, 7));
        assert!(!memory.remember(1, 5, 7));
        assert!(memory.remember(2, 5, 7), "ids are unique per instrument only");
        for id in 100..100 + MASK - 1 {
            assert!(memory.remember(1, 5, id));
        }
        assert!(!memory.remember(1, 5, 7), "still the oldest of the last 16384");
        assert!(memory.remember(1, 6, 7));
        assert!(memory.remember(1, 5, 7), "forgotten");
    }

    #[test]
    fn a_loaded_memory_knows_and_forgets_the_same() {
        let mut memory = Executions::new();
        for id in 0..20_000 {
            memory.remember(3, 5, id);
        }
        let mut saver = Saver::new();
        memory.save(&mut saver);
        let bytes = saver.into_bytes();
        let mut other = Executions::new();
        let mut loader = Loader::new(&bytes);
        other.load(&mut loader).unwrap();
        loader.finish().unwrap();
        for id in [0, 3_615, 3_616, 19_999, 20_000, 3_616] {
            assert_eq!(memory.remember(3, 5, id), other.remember(3, 5, id), "id {id}");
            assert_eq!(memory.digest(), other.digest());
        }
    }
}
