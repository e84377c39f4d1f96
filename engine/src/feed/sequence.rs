//! The venues' sequence rules: which update fits the book, which is old, what is missing.
//!
//! Spot (`U` first id, `u` final id, `L` last id of the book): an update with `u <= L` is old; it fits
//! when `U <= L + 1`; else something is missing. USD-M futures: after a snapshot `L` the first update
//! that fits has `U <= L <= u`; from then on `pu` must be the `u` before it.
//! Source: the venues' documents on keeping a local book (spot text of 2025-11-12).

use crate::event::market::DepthIds;
use crate::instrument::Venue;
use crate::state::{LoadError, Loader, Saver, State};

/// What to do with a depth update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It is the next one.
    Apply,
    /// The book already has it.
    Old,
    /// Something between the book and it is missing.
    Missing {
        /// Id that should have come.
        expected: i64,
        /// Id that came.
        received: i64,
    },
    /// There is no snapshot yet.
    AwaitSnapshot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    NoSnapshot,
    Snapshot,
    Joined,
}

/// Sequence state of one book.
#[derive(Clone, Copy, Debug)]
pub struct SequenceRule {
    venue: Venue,
    stage: Stage,
    last_id: i64,
}

impl SequenceRule {
    /// The rule of `venue`, before any snapshot.
    pub fn new(venue: Venue) -> SequenceRule {
        SequenceRule { venue, stage: Stage::NoSnapshot, last_id: 0 }
    }

    /// Forgets the snapshot.
    pub fn reset(&mut self) {
        self.stage = Stage::NoSnapshot;
        self.last_id = 0;
    }

    /// A snapshot with that id was applied.
    pub fn snapshot(&mut self, last_id: i64) {
        self.stage = Stage::Snapshot;
        self.last_id = last_id;
    }

    /// An update with that final id was applied.
    #[inline]
    pub fn applied(&mut self, last_id: i64) {
        self.stage = Stage::Joined;
        self.last_id = last_id;
    }

    /// Id up to which the book is whole; 0 before the first snapshot.
    #[inline]
    pub fn last_id(&self) -> i64 {
        self.last_id
    }

    /// Whether a snapshot was applied.
    pub fn has_snapshot(&self) -> bool {
        self.stage != Stage::NoSnapshot
    }

    /// Whether an update was applied on top of the snapshot.
    pub fn is_joined(&self) -> bool {
        self.stage == Stage::Joined
    }

    /// Judges an update by its ids.
    #[inline]
    pub fn judge(&self, ids: &DepthIds) -> Ruling {
        if self.stage == Stage::NoSnapshot {
            return Ruling::AwaitSnapshot;
        }
        match self.venue {
            Venue::Synthetic | Venue::BinanceSpot => {
                let expected = self.last_id.saturating_add(1);
                if ids.last <= self.last_id {
                    Ruling::Old
                } else if ids.first <= expected {
                    Ruling::Apply
                } else {
                    Ruling::Missing { expected, received: ids.first }
                }
            }
            Venue::BinanceUsdm => self.judge_futures(ids),
        }
    }

    fn judge_futures(&self, ids: &DepthIds) -> Ruling {
        let expected = self.last_id;
        if self.stage == Stage::Snapshot {
            return if ids.last < self.last_id {
                Ruling::Old
            } else if ids.first <= self.last_id || ids.previous == self.last_id {
                Ruling::Apply
            } else {
                Ruling::Missing { expected, received: ids.first }
            };
        }
        if ids.previous == self.last_id {
            Ruling::Apply
        } else if ids.last <= self.last_id {
            Ruling::Old
        } else {
            Ruling::Missing { expected, received: ids.previous }
        }
    }
}

impl State for SequenceRule {
    fn save(&self, out: &mut Saver) {
        out.u8(match self.stage {
            Stage::NoSnapshot => 0,
            Stage::Snapshot => 1,
            Stage::Joined => 2,
        });
        out.i64(self.last_id);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.stage = match from.u8()? {
            0 => Stage::NoSnapshot,
            1 => Stage::Snapshot,
            2 => Stage::Joined,
            _ => return Err(from.invalid("sequence stage")),
        };
        self.last_id = from.i64()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines: venue, what the book had last (`snapshot L` or `update L`), `U-u` and `pu`, ruling.
    #[track_caller]
    fn check(table: &str) {
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [venue, stage, last_id, ids, previous, want] = words[..] else {
                panic!("six columns: {line}")
            };
            let mut rule = SequenceRule::new(Venue::from_name(venue).unwrap());
            match stage {
                "snapshot" => rule.snapshot(last_id.parse().unwrap()),
                "update" => rule.applied(last_id.parse().unwrap()),
                _ => {}
            }
            let (first, last) = ids.split_once('-').unwrap();
            let ids = DepthIds {
                first: first.parse().unwrap(),
                last: last.parse().unwrap(),
                previous: previous.parse().unwrap(),
            };
            let got = match rule.judge(&ids) {
                Ruling::Apply => "apply".to_string(),
                Ruling::Old => "old".to_string(),
                Ruling::Missing { expected, received } => format!("missing:{expected}:{received}"),
                Ruling::AwaitSnapshot => "await".to_string(),
            };
            assert_eq!(got, want, "{line}");
        }
    }

    #[test]
    fn each_venue_has_its_own_rule_for_the_next_update() {
        check(
            "binance-spot none     0   1-5     -1  await
             binance-spot snapshot 100 90-99   -1  old
             binance-spot snapshot 100 90-100  -1  old
             binance-spot snapshot 100 99-101  -1  apply
             binance-spot snapshot 100 101-105 -1  apply
             binance-spot snapshot 100 102-105 -1  missing:101:102
             binance-spot update   100 101-101 -1  apply
             binance-spot update   100 95-103  -1  apply
             binance-spot update   100 99-100  -1  old
             binance-spot update   100 105-106 -1  missing:101:105
             binance-usdm snapshot 100 90-99   89  old
             binance-usdm snapshot 100 90-100  89  apply
             binance-usdm snapshot 100 100-110 97  apply
             binance-usdm snapshot 100 103-110 100 apply
             binance-usdm snapshot 100 101-110 99  missing:100:101
             binance-usdm update   100 120-130 100 apply
             binance-usdm update   100 90-99   80  old
             binance-usdm update   100 120-130 110 missing:100:110
             synthetic    update   100 101-104 -1  apply",
        );
    }
}
