//! Why a strategy's configuration is refused.

use crate::numeric::quantise::QuantiseError;

/// A configuration that no strategy is built from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A field is outside its range.
    #[error("strategy {strategy}: {field} is {value}, must be {must}")]
    Field {
        /// Name of the strategy.
        strategy: String,
        /// Name of the field.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        must: &'static str,
    },
    /// A constant that follows from several fields cannot be held as an integer.
    #[error("strategy {strategy}: {what} cannot be held as an integer: {source}")]
    Constant {
        /// Name of the strategy.
        strategy: String,
        /// Which constant.
        what: &'static str,
        /// Why not.
        source: QuantiseError,
    },
}

/// Collects the ranges of a configuration; remembers the first field that is outside.
pub(crate) struct Check<'a> {
    strategy: &'a str,
    failed: Option<ConfigError>,
}

impl<'a> Check<'a> {
    pub(crate) fn new(strategy: &'a str) -> Check<'a> {
        Check { strategy, failed: None }
    }

    /// `good` must hold for `value` of `field`.
    pub(crate) fn field(
        &mut self,
        field: &'static str,
        value: &dyn std::fmt::Display,
        good: bool,
        must: &'static str,
    ) {
        if !good && self.failed.is_none() {
            let strategy = self.strategy.to_string();
            self.failed =
                Some(ConfigError::Field { strategy, field, value: value.to_string(), must });
        }
    }

    pub(crate) fn finish(self) -> Result<(), ConfigError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
