//! Fuzz targets as plain functions: everything that reads bytes of others, and what must hold for any bytes.
//!
//! ```text
//!   tests/fuzz (cargo-fuzz, libFuzzer)  --any bytes-->  Target::run  <--seeds and mutations--  cargo test
//! ```
//!
//! **Invariant:** a target panics when, and only when, a promise of the reader under test is broken. Foreign
//! bytes are refused, never a panic, and never a request for memory that they did not pay for.

mod config_text;
mod engine_state;
mod journal_bytes;
mod mutate;
mod stats_file;
mod venue;

use std::fs;
use std::path::PathBuf;

pub use mutate::mutate;

/// One reader of foreign bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the target for cargo-fuzz, and of its folder of seeds.
    pub name: &'static str,
    /// Judges one input; panics when a promise is broken.
    pub run: fn(&[u8]),
    /// Seeds that are too large or too binary to be kept as files.
    pub built_seeds: fn() -> Vec<Vec<u8>>,
    /// What one run costs, in runs of the cheapest target: dear ones get fewer mutations.
    pub cost: u64,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "decode", run: venue::decode, built_seeds: Vec::new, cost: 1 },
    Target { name: "capture", run: venue::capture, built_seeds: venue::capture_seeds, cost: 4 },
    Target {
        name: "journal_scan",
        run: journal_bytes::scan,
        built_seeds: journal_bytes::segment_seeds,
        cost: 1,
    },
    Target {
        name: "journal_header",
        run: journal_bytes::header,
        built_seeds: journal_bytes::header_seeds,
        cost: 1,
    },
    Target {
        name: "journal_chain",
        run: journal_bytes::chain,
        built_seeds: journal_bytes::chain_seeds,
        cost: 1,
    },
    Target {
        name: "snapshot",
        run: journal_bytes::snapshot,
        built_seeds: journal_bytes::snapshot_seeds,
        cost: 1,
    },
    Target {
        name: "config",
        run: config_text::parse,
        built_seeds: config_text::profile_seeds,
        cost: 10,
    },
    Target { name: "stats", run: stats_file::read, built_seeds: stats_file::seeds, cost: 20 },
    Target { name: "state", run: engine_state::load, built_seeds: engine_state::seeds, cost: 20 },
];

impl Target {
    /// The target of that name.
    pub fn find(name: &str) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Seeds from `tests/fuzz/seeds/NAME` (in the order of their names), then those that are built.
    pub fn seeds(&self) -> Vec<(String, Vec<u8>)> {
        let mut seeds = Vec::new();
        if let Ok(entries) = fs::read_dir(seed_dir(self.name)) {
            for entry in entries {
                let path = entry.expect("an entry of the seeds can be read").path();
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                let bytes = fs::read(&path).expect("a seed can be read");
                seeds.push((name.unwrap_or_default(), bytes));
            }
        }
        seeds.sort();
        let built = (self.built_seeds)().into_iter().enumerate();
        seeds.extend(built.map(|(index, bytes)| (format!("built-{index}"), bytes)));
        seeds
    }
}

/// Where the seeds of a target are kept. A crash that was found is put there when it is mended.
pub fn seed_dir(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name)
}
