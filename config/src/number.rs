//! Exact decimal numbers in configuration: written as text, so that no float stands in between.

use engine::money::{DecimalError, Money, scaled_i64_from_decimal};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A decimal number. In TOML a string (`"0.001"`) or an integer (`5`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(pub Decimal);

impl Number {
    /// As an integer in units of 10^-`scale`; an error when finer.
    pub fn scaled(self, scale: u8) -> Result<i64, DecimalError> {
        scaled_i64_from_decimal(self.0, scale)
    }

    /// As money; an error when finer than 10^-12.
    pub fn money(self) -> Result<Money, DecimalError> {
        Money::from_decimal(self.0)
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Number {
    type Err = String;

    fn from_str(text: &str) -> Result<Number, String> {
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
        if !plain {
            return Err(format!("\"{text}\" is not a decimal number"));
        }
        Decimal::from_str_exact(text)
            .map(Number)
            .map_err(|error| format!("\"{text}\" is not a decimal number: {error}"))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Number;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a decimal number in quotes, such as \"0.001\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number(Decimal::from(value)))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(Decimal::from(value)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
