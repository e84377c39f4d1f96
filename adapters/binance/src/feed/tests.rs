//! The feed link without sockets: scripts of connections and frames, and what the engine's book makes of it.

mod captures;
mod property;
mod rig;
mod scripts;
