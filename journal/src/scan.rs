//! Reads records in order and says where the good ones end and what lies behind. Pure: no files, no maps.

use crate::case::{After, StopKind};
use crate::record::Record;

/// The first place that does not hold its good record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The sequence that the place should hold.
    pub sequence: u64,
    /// What it holds.
    pub kind: StopKind,
}

/// Progress of a scan over all places from `first_sequence` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    first_sequence: u64,
    /// Sequence of the next place to look at.
    next_sequence: u64,
    stop: Option<Stop>,
    good_after: u64,
    pieces_after: u64,
    stray_after: u64,
    first_after: u64,
    last_after: u64,
}

impl Scan {
    /// A scan whose first place is that of `first_sequence`.
    pub fn new(first_sequence: u64) -> Self {
        assert!(0 < first_sequence);
        Self {
            first_sequence,
            next_sequence: first_sequence,
            stop: None,
            good_after: 0,
            pieces_after: 0,
            stray_after: 0,
            first_after: 0,
            last_after: 0,
        }
    }

    /// Looks at the next places.
    pub fn feed(&mut self, records: &[Record]) {
        let mut records = records;
        if self.stop.is_none() {
            let good = records
                .iter()
                .zip(self.next_sequence..)
                .take_while(|(record, sequence)| record.is_good(*sequence))
                .count();
            self.next_sequence += crate::layout::to_u64(good);
            records = &records[good..];
            let Some((first, rest)) = records.split_first() else {
                return;
            };
            let sequence = self.next_sequence;
            self.stop = Some(Stop { sequence, kind: judge(first, sequence) });
            self.next_sequence += 1;
            records = rest;
        }
        for record in records {
            let sequence = self.next_sequence;
            self.next_sequence += 1;
            if !record.is_blank() {
                self.note_after(record, sequence);
            }
        }
    }

    fn note_after(&mut self, record: &Record, sequence: u64) {
        if record.is_good(sequence) {
            self.good_after += 1;
        } else if record.sequence == 0 {
            self.pieces_after += 1;
        } else {
            self.stray_after += 1;
        }
        if self.first_after == 0 {
            self.first_after = sequence;
        }
        self.last_after = sequence;
    }

    /// Sequence of the last good record; `first_sequence - 1` when there is none.
    pub fn last_good(&self) -> u64 {
        self.stop.map_or(self.next_sequence, |stop| stop.sequence) - 1
    }

    /// Good records before the stop.
    pub fn good_count(&self) -> u64 {
        self.last_good() + 1 - self.first_sequence
    }

    /// The first place without its good record, if the places did not end before.
    pub fn stop(&self) -> Option<Stop> {
        self.stop
    }

    /// What lies behind the stop.
    pub fn after(&self) -> After {
        if 0 < self.stray_after {
            After::Stray
        } else if 0 < self.good_after {
            After::Records
        } else if 0 < self.pieces_after {
            After::Pieces
        } else {
            After::Nothing
        }
    }

    /// Intact records behind the stop: what a cut there gives up.
    pub fn good_after_count(&self) -> u64 {
        self.good_after
    }

    /// First and last place behind the stop that is not blank.
    pub fn after_range(&self) -> Option<(u64, u64)> {
        (self.first_after != 0).then_some((self.first_after, self.last_after))
    }

    /// Sequence of the next place to look at.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// What the table needs to know.
    pub fn situation(&self) -> Option<(StopKind, After)> {
        self.stop.map(|stop| (stop.kind, self.after()))
    }
}

/// What stands in a place that does not hold its good record.
fn judge(record: &Record, sequence: u64) -> StopKind {
    if record.is_blank() {
        StopKind::Blank
    } else if record.sequence == 0 {
        if record.is_whole_but_uncommitted(sequence) { StopKind::Whole } else { StopKind::Torn }
    } else if record.is_intact() {
        StopKind::SequenceBreak(record.sequence)
    } else {
        StopKind::BadCheck
    }
}

/// Scans the record area of one segment given as bytes of any alignment; a last incomplete record is ignored.
pub fn scan_bytes(bytes: &[u8], first_sequence: u64) -> Scan {
    // Half the range is left to count on in; no journal comes near it.
    let mut scan = Scan::new(first_sequence.clamp(1, u64::MAX / 2));
    for chunk in bytes.chunks_exact(64) {
        scan.feed(&[bytemuck::pod_read_unaligned(chunk)]);
    }
    scan
}

#[cfg(test)]
mod tests;
