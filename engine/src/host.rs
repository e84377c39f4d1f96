//! Whether this host is fit for an engine: facts, and a finding with an action for each.

mod facts;
mod judge;
#[cfg(test)]
mod tests;
mod usage;

pub use facts::{HostFacts, Space};
pub use judge::{Finding, Level, bytes_text, judge, worst};
pub use usage::{ThreadProbe, ThreadUsage};
