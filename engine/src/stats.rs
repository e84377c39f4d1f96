//! Shared-memory statistics: what an engine is doing, for anybody who looks, at no cost to it.
//!
//! ```text
//!  engine --stores--> [ stats file ] --loads--> tickwheel stat, exporter, console
//! ```
//!
//! One mapped file per instance holds who the engine is, a heartbeat per thread, counters with
//! unit and limit, a latency histogram per hop, each distinct error once, the newest stalls with
//! their causes, and a row per instrument and strategy. It is read while the engine runs and
//! after it died. The bytes are drawn in `stats/layout.rs`.
//!
//! **Invariant:** nothing that a reader does can be noticed by the engine.
//!
//! **Invariant:** statistics are never input: no decision of the engine reads them.

mod errors;
pub mod flag;
mod histogram;
mod layout;
mod memory;
mod process;
mod reader;
mod registry;
mod rows;
#[cfg(test)]
mod tests;
mod thresholds;
mod writer;

pub use errors::{ERROR_TEXT_BYTES_MAX, ErrorRow};
pub use flag::{FLAG_FILE_NAME, FlagError, FlagSet, KillFlag};
pub use histogram::{Counts, SIGNIFICANT_DIGITS, VALUE_NS_MAX, bucket_index, bucket_range};
pub use layout::{
    BUCKET_MAX, COUNTER_MAX, ERROR_MAX, ERROR_TEXTS_PER_CODE_MAX, FILE_BYTES, HOP_MAX,
    INSTRUMENT_MAX, MAGIC, STALL_MAX, STRATEGY_MAX, THREAD_MAX, VERSION,
};
pub use process::ProcessId;
pub use reader::{
    CounterRow, EngineRow, HopRow, Liveness, Pulse, Snapshot, StatsDamage, StatsReadError,
    StatsReader, ThreadRow, parse_bytes,
};
pub use registry::{
    BookState, CounterId, HopId, Kind, RunState, StallCause, StrategyState, ThreadState, Unit,
    Writer,
};
pub use rows::{InstrumentRow, InstrumentValues, Stall, StrategyRow, StrategyValues};
pub use thresholds::{FILL_NS_CRITICAL, FILL_NS_WARNING, judge_fill};
pub use writer::{FILE_NAME, Heartbeat, Identity, StatsCreateError, StatsHandle, StatsWriter};
