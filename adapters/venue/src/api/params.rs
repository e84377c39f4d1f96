//! Parameters of a request: from query and form, or from the `params` of the WS API.
//!
//! **Invariant:** a parameter that no one read is found, and two of one name are refused.

use std::cell::Cell;

use crate::api::error::ApiError;
use crate::api::json;
use crate::money::{self, Money, MoneyError};

/// Most parameters of a request.
const COUNT_MAX: usize = 64;

#[derive(Debug)]
struct Param {
    key: String,
    value: String,
    is_read: Cell<bool>,
}

/// The parameters of one request.
#[derive(Debug, Default)]
pub(crate) struct Params {
    found: Vec<Param>,
}

impl Params {
    /// From a query string and a form; the query wins.
    pub(crate) fn of_rest(query: &str, body: &str) -> Result<Self, ApiError> {
        let mut params = Self::default();
        for (text, is_form) in [(query, false), (body, true)] {
            let before = params.found.len();
            for pair in text.split('&').filter(|pair| !pair.is_empty()) {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                let key = decoded(key, true)?;
                let value = decoded(value, key != "signature")?;
                if is_form && params.found[..before].iter().any(|param| param.key == key) {
                    continue;
                }
                params.push(key, value)?;
            }
        }
        Ok(params)
    }

    /// From the members of a JSON object; numbers keep their text, `null` is nothing.
    pub(crate) fn of_json(text: &str) -> Result<Self, ApiError> {
        let invalid = || ApiError::bad(-1135, "Invalid JSON Request");
        let mut params = Self::default();
        for (key, value) in json::members(text).ok_or_else(invalid)? {
            let value = match value.bytes().next() {
                Some(b'"') => serde_json::from_str(value).map_err(|_| invalid())?,
                Some(_) if value == "null" => continue,
                Some(_) => value.to_string(),
                None => return Err(invalid()),
            };
            params.push(key, value)?;
        }
        Ok(params)
    }

    fn push(&mut self, key: String, value: String) -> Result<(), ApiError> {
        if self.found.iter().any(|param| param.key == key) {
            return Err(ApiError::bad(-1101, "Duplicate values for a parameter detected."));
        }
        if COUNT_MAX <= self.found.len() {
            let message = format!(
                "Too many parameters; expected '{COUNT_MAX}' and received '{}'.",
                self.found.len() + 1
            );
            return Err(ApiError::bad(-1101, message));
        }
        self.found.push(Param { key, value, is_read: Cell::new(false) });
        Ok(())
    }

    /// The payload that the WS API signs: all but the signature, by name.
    pub(crate) fn payload(&self) -> String {
        let signed = self.found.iter().filter(|param| param.key != "signature");
        let mut pairs: Vec<(&str, &str)> =
            signed.map(|param| (param.key.as_str(), param.value.as_str())).collect();
        pairs.sort_unstable();
        let pairs: Vec<String> =
            pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join("&")
    }

    /// The value as sent, empty too.
    pub(crate) fn peek(&self, name: &str) -> Option<&str> {
        let param = self.found.iter().find(|param| param.key == name)?;
        param.is_read.set(true);
        Some(&param.value)
    }

    /// A text that is not empty.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.peek(name) {
            Some("") => Err(ApiError::bad(-1105, format!("Parameter '{name}' was empty."))),
            found => Ok(found),
        }
    }

    /// A text that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.peek(name).filter(|value| !value.is_empty()).ok_or_else(|| ApiError::missing(name))
    }

    /// Money.
    pub(crate) fn money(&self, name: &str) -> Result<Option<Money>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        money::parse(text).map(Some).map_err(|error| match error {
            MoneyError::Malformed => ApiError::illegal(name, "^([0-9]{1,20})(\\.[0-9]{1,20})?$"),
            MoneyError::TooPrecise => {
                ApiError::bad(-1111, format!("Parameter '{name}' has too much precision."))
            }
            MoneyError::TooLarge => ApiError::bad(-1108, format!("Parameter '{name}' overflowed.")),
        })
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let is_plain = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_plain {
            return Err(ApiError::illegal(name, "^[0-9]{1,20}$"));
        }
        let overflow = |_| ApiError::bad(-1108, format!("Parameter '{name}' overflowed."));
        text.parse().map(Some).map_err(overflow)
    }

    /// How many entries are asked for.
    pub(crate) fn limit(&self, default: usize, most: usize) -> Result<usize, ApiError> {
        let Some(limit) = self.number("limit")? else { return Ok(default) };
        match usize::try_from(limit) {
            Ok(0) => Err(ApiError::bad(-1130, "Data sent for parameter 'limit' is not valid.")),
            Ok(limit) => Ok(limit.min(most)),
            Err(_) => Ok(most),
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, ApiError> {
        match self.text(name)? {
            None => Ok(default),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(invalid(name)),
        }
    }

    /// A word of a closed set.
    pub(crate) fn word<T>(
        &self,
        name: &str,
        from_word: impl Fn(&str) -> Option<T>,
        error: impl Fn() -> ApiError,
    ) -> Result<Option<T>, ApiError> {
        match self.text(name)? {
            None => Ok(None),
            Some(word) => from_word(word).map(Some).ok_or_else(error),
        }
    }

    /// A client order id.
    pub(crate) fn client_id(&self, name: &str) -> Result<Option<String>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if 36 < text.len() || !text.bytes().all(is_good) {
            return Err(ApiError::illegal(name, "^[a-zA-Z0-9-_]{1,36}$"));
        }
        Ok(Some(text.to_string()))
    }

    /// Refuses parameters that no one read.
    pub(crate) fn finish(&self) -> Result<(), ApiError> {
        let (sent, read) =
            (self.found.len(), self.found.iter().filter(|param| param.is_read.get()).count());
        if read == sent {
            return Ok(());
        }
        let message = format!(
            "Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."
        );
        Err(ApiError::bad(-1104, message))
    }
}

/// A parameter with a value that means nothing.
pub(crate) fn invalid(name: &str) -> ApiError {
    ApiError::bad(-1130, format!("Data sent for parameter '{name}' is not valid."))
}

/// The text of a percent-encoded one.
fn decoded(text: &str, plus_is_space: bool) -> Result<String, ApiError> {
    let bad = || ApiError::bad(-1100, "Illegal characters found in a parameter.");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let high = rest.next().and_then(digit).ok_or_else(bad)?;
                let low = rest.next().and_then(digit).ok_or_else(bad)?;
                bytes.push(high * 16 + low);
            }
            b'+' if plus_is_space => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}
