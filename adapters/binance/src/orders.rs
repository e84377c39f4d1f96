//! Order entry.
pub mod client_id;
