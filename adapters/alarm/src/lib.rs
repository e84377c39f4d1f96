//! Alarms: what happened in an engine that a person must know of, told once, to those who should know.
//!
//! ```text
//!   journal --Tail--> rules --signals--> board --notices--> history (alarms/alarms.jsonl)
//!   stats file ------->                    ^                   |
//!   COMMAND acknowledge -------------------+                   +--> channels: console, webhook, SMTP
//! ```
//!
//! **Invariant:** the engine knows nothing of it: it reads the journal and the stats file, and writes only in
//! its own directory.
//!
//! **Invariant:** a notice stands in the history exactly once, over crashes and restarts; a channel gets it
//! at least once, with its number, and twice only where the answer to the first was lost.
//!
//! **Invariant:** nothing waits for a channel.

pub mod board;
pub mod catalogue;
pub mod channel;
pub mod notice;
pub mod rules;
pub mod store;
pub mod subject;
pub mod watch;
mod words;

pub use catalogue::{Code, Ending, Severity};
pub use notice::{Notice, Signal, What};
pub use subject::{Names, Subject};
pub use watch::{Watch, WatchError, WatchSettings};
