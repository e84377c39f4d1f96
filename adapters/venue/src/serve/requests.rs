//! Names of requests, and the answers that faults put in the place of true ones.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::exchange::{RestAnswer, WsOptions};
use crate::fault::{Action, Garbage};
use crate::order::TimeUnit;

/// An HTTP request as the venue sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpRequest<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) api_key: Option<&'a str>,
    pub(crate) microseconds: bool,
    /// Whom the limits of an address count against.
    pub(crate) client: u64,
    /// Whether it comes from this machine.
    pub(crate) is_local: bool,
}

impl<'a> HttpRequest<'a> {
    /// Path and query.
    pub(crate) fn parts(&self) -> (&'a str, &'a str) {
        self.target.split_once('?').unwrap_or((self.target, ""))
    }

    pub(crate) fn time_unit(&self) -> TimeUnit {
        if self.microseconds { TimeUnit::Microsecond } else { TimeUnit::Millisecond }
    }
}

/// The WS API's name of a REST request: faults name both by it.
#[rustfmt::skip]
pub(crate) fn request_name(method: &str, path: &str) -> String {
    let path = path.strip_prefix("/api/v3/").unwrap_or(path);
    let name = match (method, path) {
        ("POST", "order") => "order.place",
        ("DELETE", "order") => "order.cancel",
        ("GET", "order") => "order.status",
        ("POST", "order/test") => "order.test",
        ("POST", "order/cancelReplace") => "order.cancelReplace",
        ("PUT", "order/amend/keepPriority") => "order.amend.keepPriority",
        ("GET", "openOrders") => "openOrders.status",
        ("DELETE", "openOrders") => "openOrders.cancelAll",
        ("GET", "account") => "account.status",
        ("GET", "account/commission") => "account.commission",
        ("GET", "rateLimit/order") => "account.rateLimits.orders",
        (_, other) => return other.replace('/', "."),
    };
    name.to_string()
}

/// What faults and the server look at in a message of the WS API.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WsCall {
    pub(crate) method: String,
    pub(crate) id: Value,
}

/// The options in the target of a WS API connection; `None` where it is no such target.
pub(crate) fn ws_api_options(target: &str, client: u64) -> Option<WsOptions> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path.trim_end_matches('/') != "/ws-api/v3" {
        return None;
    }
    let mut options = WsOptions { client, ..WsOptions::default() };
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("timeUnit", unit)) if unit.eq_ignore_ascii_case("microsecond") => {
                options.time_unit = TimeUnit::Microsecond;
            }
            Some(("returnRateLimits", "false")) => options.return_rate_limits = false,
            Some(_) | None => {}
        }
    }
    Some(options)
}

/// The answer of REST that a fault makes; `None` where the fault is of another kind.
pub(crate) fn rest_fault(action: &Action) -> Option<RestAnswer> {
    let Action::Answer { status, code, message, retry_after_s, .. } = action else { return None };
    let mut headers = Vec::new();
    if let Some(seconds) = retry_after_s {
        headers.push(("Retry-After".to_string(), seconds.to_string()));
    }
    let body = json!({ "code": code, "msg": message }).to_string();
    Some(RestAnswer { status: *status, headers, body })
}

/// The same for the WS API.
pub(crate) fn ws_fault(action: &Action, id: &Value, now_ns: u64) -> Option<String> {
    let Action::Answer { status, code, message, retry_after_s, .. } = action else { return None };
    let mut error = json!({ "code": code, "msg": message });
    if let Some(seconds) = retry_after_s {
        let now_ms = now_ns / 1_000_000;
        let retry_ms = now_ms.saturating_add(seconds.saturating_mul(1_000));
        error["data"] = json!({ "serverTime": now_ms, "retryAfter": retry_ms });
    }
    Some(json!({ "id": id, "status": status, "error": error, "rateLimits": [] }).to_string())
}

/// Bytes that mean nothing to the other side.
pub(crate) fn garbage(kind: Garbage) -> Vec<u8> {
    match kind {
        Garbage::Json => {
            let text = br#"{"e":"trade","p":"61"#;
            let mut frame = vec![0x81, u8::try_from(text.len()).expect("a short text")];
            frame.extend_from_slice(text);
            frame
        }
        Garbage::Utf8 => vec![0x81, 4, b'{', 0xff, 0xfe, b'}'],
        // Final, reserved opcode 0xb.
        Garbage::Opcode => vec![0x8b, 2, b'{', b'}'],
        Garbage::Http => vec![0xff; 64],
    }
}

/// The type of an event of user data, with the execution type: `executionReport/NEW`.
pub(crate) fn event_name(json: &str) -> String {
    let word = |key: &str| {
        let at = json.find(key)? + key.len();
        json[at..].split('"').next()
    };
    match (word(r#""e":""#), word(r#""x":""#)) {
        (Some(kind), Some(execution)) => format!("{kind}/{execution}"),
        (Some(kind), None) => kind.to_string(),
        (None, _) => String::new(),
    }
}
