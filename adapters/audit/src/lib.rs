//! Signed checkpoints of the journal's hash chain, their verification, and the export of decisions.
//!
//! ```text
//!   journal: records --hash chain--> chain.twc
//!                                       |  Keeper (a thread beside the engine; reads, never writes there)
//!                                       v
//!   audit/checkpoints.jsonl   signed lines, each naming the one before  --> anchors: another disk, a program
//!                                       |                                       |
//!   verify: records = chain?   chain = checkpoints?   checkpoints = anchor? <---+
//! ```
//!
//! **Invariant:** nothing here writes into a journal.
//!
//! **Invariant:** what a checkpoint signs was on disk before it was signed, so that no crash looks like a forgery.
//!
//! The forms, and what an attacker with which rights can do, are in `docs/AUDIT.md`.

mod anchor;
mod calendar;
mod checkpoint;
mod export;
mod files;
mod keeper;
mod key;
mod log;
mod report;
#[cfg(test)]
mod rig;
mod verify;

pub use anchor::{ANCHOR_COUNT_MAX, Anchor, AnchorError};
pub use calendar::{format_time, parse_time};
pub use checkpoint::{Checkpoint, CheckpointKind};
pub use export::{
    Completeness, ExportError, ExportOptions, ExportReport, Exported, Format, MANIFEST_FILE,
    SIGNATURE_FILE, StrategyNames, export, sequence_at, verify_export,
};
pub use files::IoError;
pub use keeper::{Keeper, KeeperError, KeeperSettings, Progress, rotate, sign_repair};
pub use key::{KEY_FILE, KeyError, PUBLIC_KEY_FILE, PublicKey, SigningKey};
pub use log::{CHECKPOINT_FILE, LogError};
pub use report::{AuditReport, Finding, RepairSeen, code};
pub use verify::{VerifyError, VerifyOptions, verify};
