//! Typed, validated configuration: what a session may be told, and what it then is.
//!
//! A configuration is TOML. Unknown keys, missing limits and values out of range are errors that name
//! the key, the value and the range. The effective configuration (profile, file and command line laid
//! over each other) is written to the journal as text and read again by replay, so [`Config::parse`]
//! and [`Config::to_toml`] are inverse.

pub mod alarm;
pub mod audit;
pub mod control;
pub mod guard;
pub mod live;
pub mod monitor;
pub mod number;
pub mod operator;
pub mod risk;
pub mod schema;
pub mod secrets;
#[cfg(test)]
mod tests;
mod validate;
pub mod wire;

pub use number::Number;
pub use schema::Config;

/// Built-in profiles: name and text. The files are compiled in, so that the binary runs anywhere.
pub const PROFILES: &[(&str, &str)] = &[
    ("paper", include_str!("../profiles/paper.toml")),
    ("generated", include_str!("../profiles/generated.toml")),
    ("live-first-day", include_str!("../profiles/live-first-day.toml")),
    ("owner", include_str!("../profiles/owner.toml")),
    ("starter", include_str!("../profiles/starter.toml")),
    ("backtest-spot", include_str!("../profiles/backtest-spot.toml")),
    ("backtest-usdm", include_str!("../profiles/backtest-usdm.toml")),
];

/// Text of a built-in profile.
pub fn profile(name: &str) -> Option<&'static str> {
    PROFILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("{origin}: {message}")]
    Parse {
        /// File or profile.
        origin: String,
        /// With line and column.
        message: String,
    },
    /// A value outside its range.
    #[error("{origin}: {key} = {value}: must be {must}")]
    Range {
        /// File or profile.
        origin: String,
        /// Dotted key.
        key: String,
        /// What it is.
        value: String,
        /// What it must be.
        must: String,
    },
    /// Keys that do not fit each other.
    #[error("{origin}: {what}")]
    Conflict {
        /// File or profile.
        origin: String,
        /// In words.
        what: String,
    },
}

/// Hash of a file, such as a binary that was approved.
pub fn hash_file(path: &std::path::Path) -> std::io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(path)?)?;
    Ok(*hasher.finalize().as_bytes())
}

/// Hash of a configuration text, as kept in the journal's segment headers.
pub fn hash(text: &str) -> [u8; 32] {
    *blake3::hash(text.as_bytes()).as_bytes()
}
