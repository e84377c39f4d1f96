//! A refused request: code, message and HTTP status.

use crate::api::json::Object;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// HTTP status.
    pub(crate) status: u16,
    /// The code of the documents.
    pub(crate) code: i32,
    /// The message of the documents.
    pub(crate) message: String,
    /// More, as JSON.
    pub(crate) data: Option<String>,
    /// When the client may come again.
    pub(crate) retry_after_ns: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: i32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), data: None, retry_after_ns: None }
    }

    /// Status 400.
    pub(crate) fn bad(code: i32, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// The matching engine refuses an order.
    pub(crate) fn rejected(message: &str) -> Self {
        Self::bad(-2010, message)
    }

    /// The matching engine refuses a cancel.
    pub(crate) fn not_cancelled(message: &str) -> Self {
        Self::bad(-2011, message)
    }

    /// A filter refuses an order.
    pub(crate) fn filter(name: &str) -> Self {
        Self::bad(-1013, format!("Filter failure: {name}"))
    }

    /// A parameter is missing.
    pub(crate) fn missing(name: &str) -> Self {
        let message =
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
        Self::bad(-1102, message)
    }

    /// A parameter has characters that it must not have.
    pub(crate) fn illegal(name: &str, range: &str) -> Self {
        let message =
            format!("Illegal characters found in parameter '{name}'; legal range is '{range}'.");
        Self::bad(-1100, message)
    }

    /// A parameter does not belong there.
    pub(crate) fn not_required(name: &str) -> Self {
        Self::bad(-1106, format!("Parameter '{name}' sent when not required."))
    }

    /// The body of REST, the `error` of the WS API.
    pub(crate) fn json(&self) -> String {
        let object = Object::new().number("code", self.code).text("msg", &self.message);
        match &self.data {
            Some(data) => object.raw("data", data).end(),
            None => object.end(),
        }
    }
}
