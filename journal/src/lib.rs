//! Append-only journal of 64-byte records in memory-mapped, preallocated segments. Knows no trading.
//!
//! ```text
//!   core thread --append--> [ mapped segment ] --msync--> disk        Writer    (never blocks, no syscall)
//!                                  |     ^
//!                                  |     | next segment, sync, chain, heartbeat
//!                                  |   helper thread `tw-journal`
//!                                  +--cast--> readers, tailers        Reader, Tail (never write)
//! ```
//!
//! **Invariant:** one writer a directory; a record is true when its first word is not zero.
//!
//! **Invariant:** the append path makes no system call, takes no lock, allocates nothing and reads no clock.
//!
//! **Invariant:** recovery never drops a record that may have been acknowledged; [`repair()`] does, on order.
//!
//! The format, the durability contract and every recovery case are in `docs/JOURNAL_FORMAT.md`.

mod case;
mod chain;
mod crc;
mod entries;
mod faults;
mod files;
mod helper;
mod layout;
mod options;
mod reader;
mod record;
mod recovery;
mod repair;
mod scan;
mod segment;
pub mod snapshot;
mod status;
mod tail;
mod verify;
mod writer;

pub use case::{After, Case, Situation, StopKind, decide};
pub use chain::{CHAIN_FILE, ChainFault, ChainSummary, scan_chain_bytes};
pub use crc::{crc32c, crc32c_software};
pub use entries::{ChainPoint, ChainTail};
pub use faults::Faults;
pub use files::{FileError, segment_file_name};
pub use layout::{
    CHAIN_ENTRY_SIZE_BYTES, FORMAT_VERSION, HEADER_SIZE_BYTES, HeaderFault, Identity,
    RECORD_SIZE_BYTES, SegmentHeader, check_header_page,
};
pub use options::Options;
pub use reader::{Reader, ReaderError, RecordsFrom, Segments};
pub use record::Record;
pub use recovery::{Finding, RecoverError, Recovery, SegmentInfo, What, inspect, recover};
pub use repair::{RepairError, RepairPlan, RepairReport, RepairStep, propose_repair, repair};
pub use scan::{Scan, Stop, scan_bytes};
pub use status::{Durability, HelperState, Status, Watch};
pub use tail::{Tail, TailError};
pub use verify::{Damage, VerifyError, VerifyReport, verify};
pub use writer::{AppendError, CloseError, Writer, WriterError};
