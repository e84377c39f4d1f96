//! The spine of Tickwheel.

pub mod clock;
pub mod host;
pub mod stats;
