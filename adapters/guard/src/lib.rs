//! The guard: a small process beside an engine that cancels its orders when it is dead or stuck.
//!
//! ```text
//!   stats file (heartbeats, run state) --+
//!   process table                        +--> watch --dead, stuck--> cancel --> line --> venue (REST, own session)
//!   session.json (where, whose) ---------+       ^                     |
//!                                                +--- it came back ----+--> guard.log, alarms/guard.jsonl
//! ```
//! [`watch`] and [`cancel`] are machines without clocks and sockets; [`mod@line`] speaks to the venue,
//! [`patrol`] is the loop.
//!
//! **Invariant:** an engine that ended in order, or that works again, is left alone.
//!
//! **Invariant:** on a shared account no order is touched whose name is not of this engine.

pub mod beat;
pub mod cancel;
pub mod line;
pub mod patrol;
pub mod record;
pub mod session;
pub mod watch;
