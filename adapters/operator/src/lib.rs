//! Operators' door into a running engine: a Unix-domain socket with named operators and roles.
//!
//! ```text
//!   tickwheel ctl --line of JSON--> [ server ] -> [ desk ] --TEXT run + COMMAND--> inbound ring -> core
//!        ^                                          |  ^                                            |
//!        +---------- reply, progress ---------------+  +---- view, answers <---- journal <----------+
//! ```
//! The desk decides who may ask for what; what becomes of a command the core alone decides. A command and
//! its actor and reason are one run of inbound events, so they are journaled and replayed like a trade. A
//! refusal at the desk is journaled too.
//!
//! **Invariant:** nothing of the engine changes but by an inbound event.
//!
//! **Invariant:** no bytes from a socket panic, and none of them wait for more than a bounded time or take
//! more than a bounded space.
//!
//! **Invariant:** a key is never shown, logged or journaled.

pub mod client;
pub mod command;
pub mod desk;
pub mod names;
pub mod peer;
pub mod protocol;
pub mod role;
pub mod roster;
pub mod server;
pub mod socket;
pub mod view;

pub use client::{Client, ClientError};
pub use desk::{Desk, Edge};
pub use names::Names;
pub use peer::{Credentials, KernelCredentials, Peer};
pub use protocol::{Arguments, Outcome, Reply, Request};
pub use role::{Role, Verb};
pub use roster::{Operator, Roster};
pub use server::Server;
pub use view::View;
