//! Where records go: the journal, a comparison with an older journal, or nowhere.

use crate::event::Event;

/// Takes every record of the core, inputs and decisions, in order of sequence.
pub trait Recorder {
    /// Takes one record. False when it cannot: the core stops.
    fn record(&mut self, event: &Event) -> bool;
    /// Up to which sequence records are as durable as the session promised.
    fn durable(&self) -> u64;
}

/// Keeps nothing; everything counts as durable. For floors in benches and for unit tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRecorder;

impl Recorder for NoRecorder {
    #[inline]
    fn record(&mut self, _event: &Event) -> bool {
        true
    }

    #[inline]
    fn durable(&self) -> u64 {
        u64::MAX
    }
}

/// Keeps records in memory. For tests and tools.
#[derive(Clone, Debug, Default)]
pub struct MemoryRecorder {
    /// What was recorded.
    pub events: Vec<Event>,
}

impl Recorder for MemoryRecorder {
    fn record(&mut self, event: &Event) -> bool {
        self.events.push(*event);
        true
    }

    fn durable(&self) -> u64 {
        u64::MAX
    }
}

/// The journal as a recorder.
#[derive(Debug)]
pub struct JournalRecorder {
    writer: journal::Writer,
    durability: journal::Durability,
    error: Option<journal::AppendError>,
    late_count: u64,
}

/// Tries for a segment that is late, each with the writer's own bounded wait (tens of ms by default):
/// about a second in all. A disk that takes longer for 64 MiB is not one to trade on.
const LATE_TRY_COUNT_MAX: u32 = 20;

impl JournalRecorder {
    /// Records to `writer`. With `Durability::Power` outbound events wait for the disk.
    pub fn new(writer: journal::Writer, durability: journal::Durability) -> JournalRecorder {
        JournalRecorder { writer, durability, error: None, late_count: 0 }
    }

    /// A record that was refused with `error`. A late segment (a slow disk) delays the core, it does not
    /// end the session; whatever else is wrong does.
    #[cold]
    #[inline(never)]
    fn append_late(&mut self, event: &Event, error: journal::AppendError) -> bool {
        let mut error = error;
        for _ in 0..LATE_TRY_COUNT_MAX {
            if error != journal::AppendError::NextSegmentLate {
                break;
            }
            self.late_count += 1;
            match self.writer.append(bytemuck::cast_ref(event)) {
                Ok(()) => return true,
                Err(next) => error = next,
            }
        }
        self.error = Some(error);
        false
    }

    /// How often a record had to wait longer than one append waits for its segment.
    pub fn late_count(&self) -> u64 {
        self.late_count
    }

    /// Why the last record was refused.
    pub fn error(&self) -> Option<&journal::AppendError> {
        self.error.as_ref()
    }

    /// The writer, for status.
    pub fn writer(&self) -> &journal::Writer {
        &self.writer
    }

    /// The writer, to close it.
    pub fn into_writer(self) -> journal::Writer {
        self.writer
    }
}

impl Recorder for JournalRecorder {
    #[inline]
    fn record(&mut self, event: &Event) -> bool {
        match self.writer.append(bytemuck::cast_ref(event)) {
            Ok(()) => true,
            Err(error) => self.append_late(event, error),
        }
    }

    #[inline]
    fn durable(&self) -> u64 {
        match self.durability {
            journal::Durability::Process => self.writer.appended(),
            journal::Durability::Power => self.writer.synced(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::session;

    fn recorder(
        dir: &std::path::Path,
        roll_yields_max: u32,
    ) -> (JournalRecorder, journal::Options) {
        let options = journal::Options {
            segment_records: 64,
            block_records: 64,
            prepared_ahead: 1,
            roll_spins_max: 10,
            roll_yields_max,
            ..journal::Options::default()
        };
        let writer = journal::Writer::create(dir, options.clone()).unwrap();
        (JournalRecorder::new(writer, options.durability), options)
    }

    /// Records until the helper, which stalls, has left no segment: returns how many were taken.
    fn fill(recorder: &mut JournalRecorder, count: u64) -> u64 {
        let first = recorder.writer().next_sequence();
        (first..first + count)
            .take_while(|sequence| {
                recorder.record(&Event { sequence: *sequence, ..session::clock() })
            })
            .fold(0, |taken, _| taken + 1)
    }

    #[test]
    fn a_segment_that_comes_late_delays_and_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (mut recorder, options) = recorder(dir.path(), 200_000);
        options.faults.set_helper_stalls(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::park_timeout(Duration::from_millis(150));
                options.faults.set_helper_stalls(false);
            });
            assert_eq!(fill(&mut recorder, 400), 400);
        });
        assert_eq!((recorder.error(), recorder.durable()), (None, 400));
    }

    #[test]
    fn a_segment_that_never_comes_ends_the_wait_and_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (mut recorder, options) = recorder(dir.path(), 10);
        options.faults.set_helper_stalls(true);
        let taken = fill(&mut recorder, 400);
        assert!((64..400).contains(&taken), "{taken}");
        assert_eq!(recorder.error(), Some(&journal::AppendError::NextSegmentLate));
        assert_eq!(recorder.late_count(), u64::from(LATE_TRY_COUNT_MAX));
        assert_eq!(recorder.durable(), taken);
        options.faults.set_helper_stalls(false);
    }
}
