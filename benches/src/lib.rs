//! What the benches share: a seeded market, a small desk that trades it, threads and clocks, reports.
//!
//! Floats are for reports only; nothing of them reaches an event.

pub mod desk;
pub mod host;
pub mod latency;
pub mod report;
pub mod rig;
pub mod wire;
pub mod workload;

/// True under `cargo bench`; `cargo test --benches` runs the same code in a tiny mode.
pub fn is_measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// The value after `name` on the command line.
pub fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}
