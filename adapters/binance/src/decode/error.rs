//! Why a frame is refused: one number each for journals and statistics, text for people.

use engine::money::DecimalError;

/// A frame that gave no events. [`DecodeError::code`] is what a `quarantine` event carries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than the decoder takes.
    #[error("frame has {size_bytes} bytes, at most {size_bytes_max} are taken")]
    FrameTooLong {
        /// How long it is.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
    /// Not JSON, or nested too deeply.
    #[error("broken JSON at byte {offset}")]
    BrokenJson {
        /// Where the parser gave up.
        offset: usize,
    },
    /// JSON, but not an object.
    #[error("frame is not a JSON object")]
    NotAnObject,
    /// A message that this decoder does not know.
    #[error("unknown message kind \"{kind}\"")]
    UnknownKind {
        /// What the message calls itself, cut to 40 bytes; empty when it does not say.
        kind: String,
    },
    /// A field that the kind needs is not there.
    #[error("field \"{field}\" is missing")]
    FieldMissing {
        /// Its name.
        field: &'static str,
    },
    /// A field of another type than documented.
    #[error("field \"{field}\" is not {must}")]
    FieldType {
        /// Its name.
        field: &'static str,
        /// What it must be.
        must: &'static str,
    },
    /// A field that is there twice.
    #[error("field \"{field}\" is there twice")]
    FieldTwice {
        /// Its name.
        field: &'static str,
    },
    /// A symbol that is not configured at this venue.
    #[error("symbol \"{symbol}\" is not configured")]
    UnknownSymbol {
        /// The symbol, cut to 40 bytes.
        symbol: String,
    },
    /// A message without a symbol, and no instrument was named for such messages.
    #[error("message names no symbol and no instrument is set for it")]
    NoInstrument,
    /// A text that is no number of the instrument's scale.
    #[error("field \"{field}\": {source}")]
    Decimal {
        /// Name of the field.
        field: &'static str,
        /// What is wrong with it; holds the text.
        source: DecimalError,
    },
    /// A number that the field cannot have.
    #[error("field \"{field}\" must be {must}")]
    Range {
        /// Name of the field.
        field: &'static str,
        /// What it must be.
        must: &'static str,
    },
    /// More levels than one update may have.
    #[error("update has {level_count} levels, at most {levels_max} are taken")]
    TooManyLevels {
        /// How many.
        level_count: usize,
        /// The limit.
        levels_max: usize,
    },
}

impl DecodeError {
    /// Stable number, below 32. Never renumbered; [`crate::LineError`] has the numbers from 32.
    pub const fn code(&self) -> u16 {
        match self {
            DecodeError::FrameTooLong { .. } => 1,
            DecodeError::BrokenJson { .. } => 2,
            DecodeError::NotAnObject => 3,
            DecodeError::UnknownKind { .. } => 4,
            DecodeError::FieldMissing { .. } => 5,
            DecodeError::FieldType { .. } => 6,
            DecodeError::FieldTwice { .. } => 7,
            DecodeError::UnknownSymbol { .. } => 8,
            DecodeError::NoInstrument => 9,
            DecodeError::Decimal { source: DecimalError::NotANumber { .. }, .. } => 10,
            DecodeError::Decimal { source: DecimalError::OffScale { .. }, .. } => 11,
            DecodeError::Decimal { source: DecimalError::OutOfRange { .. }, .. } => 12,
            DecodeError::Range { .. } => 13,
            DecodeError::TooManyLevels { .. } => 14,
        }
    }
}
