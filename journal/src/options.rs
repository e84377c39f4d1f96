//! How a journal is made and written, and what of it stands in each segment's header.

use std::sync::Arc;

use crate::faults::Faults;
use crate::layout::{Identity, SegmentHeader};
use crate::status::Durability;

/// How a journal is made and written.
#[derive(Clone, Debug)]
pub struct Options {
    /// What an acknowledged record survives.
    pub durability: Durability,
    /// Records in a segment: a power of two, `[64, 2^26]`. Read from the files when a journal is continued.
    pub segment_records: u64,
    /// Records in a block of the hash chain: a power of two, at most `segment_records`. Read from the files
    /// when a journal is continued.
    pub block_records: u32,
    /// Segments kept ready, at least 1.
    pub prepared_ahead: usize,
    /// Tells this journal from every other. Read from the files when a journal is continued.
    pub journal_id: [u8; 16],
    /// Time of the session's start, for the headers of the segments that it makes.
    pub created_ns: u64,
    /// Version of the engine, at most 64 bytes.
    pub engine_version: String,
    /// Commit of the engine, at most 64 bytes.
    pub git_commit: String,
    /// Hash of the session's configuration.
    pub config_hash: [u8; 32],
    /// Turns that an append spins for a late segment before it yields.
    pub roll_spins_max: u32,
    /// Turns that an append yields for a late segment before it gives up.
    pub roll_yields_max: u32,
    /// Faults to play, for tests and drills.
    pub faults: Arc<Faults>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Process,
            segment_records: 1 << 20,
            block_records: 4096,
            // At 15 M records/s a segment lasts 70 ms and takes about 20 ms to make: two hide one slow sync.
            prepared_ahead: 2,
            journal_id: [0; 16],
            created_ns: 0,
            engine_version: String::new(),
            git_commit: String::new(),
            config_hash: [0; 32],
            // About 50 us, then some tens of ms: both are far from what a prepared segment needs, none.
            roll_spins_max: 2_000,
            roll_yields_max: 200_000,
            faults: Arc::default(),
        }
    }
}

/// The header of a segment that this session makes.
pub(crate) fn header_of(identity: Identity, index: u64, options: &Options) -> SegmentHeader {
    SegmentHeader {
        identity,
        segment_index: index,
        first_sequence: identity.first_sequence_of(index),
        durability: options.durability,
        created_ns: options.created_ns,
        config_hash: options.config_hash,
        engine_version: options.engine_version.clone(),
        git_commit: options.git_commit.clone(),
    }
}
