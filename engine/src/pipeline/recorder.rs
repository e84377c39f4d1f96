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
}

impl JournalRecorder {
    /// Records to `writer`. With `Durability::Power` outbound events wait for the disk.
    pub fn new(writer: journal::Writer, durability: journal::Durability) -> JournalRecorder {
        JournalRecorder { writer, durability, error: None }
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
            Err(error) => {
                self.error = Some(error);
                false
            }
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
