//! Secrets: where keys, tokens and passwords come from, and how they are held.
//!
//! ```text
//!   secrets.key = "vault:secret/data/tickwheel#key" --> SecretUri
//!                                                          |
//!   file, environment, systemd, Vault <--fetch-- SecretStore (cache, TTL, strictness) --> Secret
//! ```
//!
//! **Invariant:** no secret is ever printed: `Debug`, `Display` and errors hold none of its bytes.
//! **Invariant:** what cannot be trusted is refused, not warned about: a file that others can read, a
//! variable in live mode, a Vault without TLS that is not on this machine.
//!
//! Everything here may block on a disk or a socket; nothing here runs on the core thread.

pub mod environment;
pub mod error;
pub mod file;
pub mod harden;
pub mod key;
pub mod provider;
pub mod store;
pub mod systemd;
pub mod text;
pub mod uri;
pub mod vault;

pub use error::SecretError;
pub use provider::{Fetched, SecretProvider};
pub use store::{SecretStore, StoreSettings, Strictness};
pub use text::Secret;
pub use uri::SecretUri;
