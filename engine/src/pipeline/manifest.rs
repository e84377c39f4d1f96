//! The session manifest: everything that is needed to build the same engine again, as records.
//!
//! ```text
//!  text run (config) | text run (build) | text run (input) | instrument runs | session start
//! ```
//! The first event of a text run has `source` 1, so that a manifest which a crash cut short is told
//! apart from the whole one that follows it.

use crate::event::{Event, Kind, Mode, TextTopic, session};
use crate::instrument::{Instrument, InstrumentError, InstrumentTable};

/// Longest text of a manifest, bytes.
pub const TEXT_LENGTH_MAX: usize = 1 << 20;

/// Everything that makes a session what it is, besides its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The effective configuration, as TOML.
    pub config: String,
    /// Version and commit of the engine.
    pub build: String,
    /// Where the input comes from.
    pub input: String,
    /// Instruments.
    pub instruments: InstrumentTable,
    /// Number of the session in this journal, from 1.
    pub session: u64,
    /// Mode of the session.
    pub mode: Mode,
}

/// A manifest that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// A session starts without the records that must stand before it.
    #[error("session start at {sequence} without {what}")]
    Missing {
        /// Where.
        sequence: u64,
        /// What is not there.
        what: &'static str,
    },
    /// A text that is not UTF-8 or too long, or an unknown code.
    #[error("manifest record {sequence}: {what}")]
    Damaged {
        /// Where.
        sequence: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// An instrument that is not one.
    #[error(transparent)]
    Instrument(#[from] InstrumentError),
}

impl Manifest {
    /// The records of the manifest; the last one is the session start.
    pub fn to_events(&self) -> Vec<Event> {
        let mut events = session::text(TextTopic::Config, &self.config);
        events.extend(session::text(TextTopic::Build, &self.build));
        events.extend(session::text(TextTopic::Input, &self.input));
        for (index, instrument) in self.instruments.iter() {
            events.extend(instrument.to_events(index));
        }
        events.push(session::session_start(self.session, self.mode));
        events
    }
}

/// Whether an event belongs to a manifest, its session start excepted.
pub fn is_part(event: &Event) -> bool {
    let topics = [TextTopic::Config, TextTopic::Build, TextTopic::Input];
    event.kind == Kind::INSTRUMENT
        || (event.kind == Kind::TEXT && topics.iter().any(|topic| *topic as u16 == event.code))
}

/// Collects a manifest from the records as they come.
#[derive(Debug, Default)]
pub struct Collector {
    first_sequence: u64,
    /// A manifest has begun and its session has not.
    is_open: bool,
    texts: [Vec<u8>; 3],
    parts: Vec<Event>,
}

impl Collector {
    /// Sequence of the first record of the manifest in progress; 0 before the first.
    pub fn first_sequence(&self) -> u64 {
        self.first_sequence
    }

    /// Whether it is in the middle of a manifest.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Takes a `TEXT` or `INSTRUMENT` record; others are none of its business.
    pub fn take(&mut self, event: &Event) -> Result<(), ManifestError> {
        if event.kind == Kind::INSTRUMENT {
            self.parts.push(*event);
        }
        if event.kind != Kind::TEXT {
            return Ok(());
        }
        let index = match event.code {
            1 => 0,
            2 => 1,
            3 => 2,
            _ => return Ok(()), // A topic of a later version.
        };
        if event.source == session::TEXT_FIRST {
            self.texts[index].clear();
            if index == 0 {
                self.first_sequence = event.sequence;
                self.is_open = true;
                self.parts.clear();
            }
        }
        if TEXT_LENGTH_MAX < self.texts[index].len() {
            let what = "text is too long";
            return Err(ManifestError::Damaged { sequence: event.sequence, what });
        }
        self.texts[index].extend_from_slice(session::text_chunk(event));
        Ok(())
    }

    /// The manifest that ends with the `SESSION_START` record `start`.
    pub fn finish(&mut self, start: &Event) -> Result<Manifest, ManifestError> {
        let sequence = start.sequence;
        if self.first_sequence == 0 {
            return Err(ManifestError::Missing { sequence, what: "configuration" });
        }
        let text = |bytes: &Vec<u8>| {
            let what = "text is not UTF-8";
            String::from_utf8(bytes.clone()).map_err(|_| ManifestError::Damaged { sequence, what })
        };
        let mut instruments = Vec::new();
        for run in self.parts.chunks(3) {
            let what = "instrument is incomplete";
            let run: &[Event; 3] =
                run.try_into().map_err(|_| ManifestError::Damaged { sequence, what })?;
            instruments.push(Instrument::from_events(run)?);
        }
        let what = "unknown mode";
        let manifest = Manifest {
            config: text(&self.texts[0])?,
            build: text(&self.texts[1])?,
            input: text(&self.texts[2])?,
            instruments: InstrumentTable::new(instruments)?,
            session: start.id,
            mode: Mode::from_code(start.code).ok_or(ManifestError::Damaged { sequence, what })?,
        };
        self.parts.clear();
        self.is_open = false;
        Ok(manifest)
    }
}
