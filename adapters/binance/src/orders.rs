//! Order entry: brings the engine's requests to the venue, and what becomes of them back.
pub mod client_id;
pub mod config;
pub mod limits;
pub mod machine;
pub mod outbox;
pub mod tracked;
pub mod window;
