//! Protocol of the operator socket: one JSON object a line, a request and its replies.
//!
//! ```text
//!   -> {"version":1,"verb":"kill","reason":"the maker runs away","arguments":{"scope":"all"}}
//!   <- {"version":1,"final":false,"outcome":"progress","command":17,"text":"blocked","data":{..}}
//!   <- {"version":1,"final":true,"outcome":"done","command":17,"text":"..","data":{"state":"KILLED",..}}
//! ```
//! A connection asks one thing at a time; it may ask again after the final reply. Prices and quantities
//! are decimal text, because JSON numbers are floats in too many languages.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the protocol. A request of another version is refused with both numbers.
pub const VERSION: u32 = 1;
/// Longest request, bytes without the line end.
pub const REQUEST_SIZE_BYTES_MAX: usize = 8 * 1024;
/// Longest reply, bytes.
pub const REPLY_SIZE_BYTES_MAX: usize = 4 << 20;
/// Longest reason, bytes: with the rest of a command it must fit into one run of events.
pub const REASON_SIZE_BYTES_MAX: usize = 300;
/// Longest time that a request may wait for its answer, ms.
pub const WAIT_MS_MAX: u64 = 600_000;
/// Time that a request waits when it does not say.
pub const WAIT_MS: u64 = 10_000;

/// A key as it comes over the socket. Never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub String);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`VERSION`].
    pub version: u32,
    /// Name of a [`crate::Verb`].
    pub verb: String,
    /// Who asks; needed where several operators share a uid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The operator's key, where one is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Why; needed for everything that changes something.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How long to wait for the answer, ms; [`WAIT_MS`] when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// What the verb needs.
    #[serde(default)]
    pub arguments: Arguments,
}

impl Request {
    /// A request without operator, key and reason.
    pub fn new(verb: crate::Verb, arguments: Arguments) -> Request {
        Request {
            version: VERSION,
            verb: verb.name().to_string(),
            operator: None,
            key: None,
            reason: String::new(),
            wait_ms: None,
            arguments,
        }
    }
}

macro_rules! arguments {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        /// Arguments of the verbs; each takes what it needs and refuses what it does not know.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Arguments {
            $(
                $(#[$doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $name: Option<$type>,
            )*
        }

        impl Arguments {
            /// Names of those that are given.
            pub fn given(&self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if self.$name.is_some() { names.push(stringify!($name)); })*
                names
            }
        }
    };
}

arguments! {
    /// `all`, `venue:NAME`, `strategy:NAME` or `instrument:SYMBOL`.
    scope: String;
    /// Name of a strategy.
    strategy: String;
    /// Symbol of an instrument.
    instrument: String;
    /// Name of a venue.
    venue: String;
    /// Number of a trip.
    trip: u64;
    /// `kill`: close the positions too.
    flatten: bool;
    /// `rearm`: equity begins a new peak.
    new_peak: bool;
    /// `resume`: lift the halt of the gate, whatever is paused.
    halt: bool;
    /// Key of a limit.
    limit: String;
    /// New value of the limit, decimal text in its unit.
    value: String;
    /// `buy` or `sell`.
    side: String;
    /// Price, decimal text.
    price: String;
    /// Quantity, decimal text.
    quantity: String;
    /// `gtc`, `ioc` or `fok`.
    time_in_force: String;
    /// Reject the order if it would trade at once.
    post_only: bool;
    /// The order may only bring a position nearer to zero.
    reduce_only: bool;
    /// Order id, 16 hexadecimal digits.
    order: String;
    /// Number of a command.
    command: u64;
    /// Number of an alarm.
    alarm: u64;
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Not over yet.
    Progress,
    /// Done, or shown.
    Done,
    /// Accepted; it waits for a second person.
    NeedsConfirm,
    /// The engine said no, or cannot in its present state.
    Refused,
    /// It did not finish in the time that was given; it goes on.
    Late,
    /// The engine did not answer in time; it may still do it.
    Unanswered,
    /// The operator may not, or is not known.
    NotPermitted,
    /// Not a request, or arguments that say nothing.
    Invalid,
}

/// A line back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// [`VERSION`].
    pub version: u32,
    /// Nothing more comes for this request.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// What became of it.
    pub outcome: Outcome,
    /// Number of the command in the journal, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<u64>,
    /// In words.
    pub text: String,
    /// What the verb gives.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

impl Reply {
    /// A final reply without a command.
    pub fn last(outcome: Outcome, text: impl Into<String>, data: Value) -> Reply {
        Reply { version: VERSION, is_final: true, outcome, command: None, text: text.into(), data }
    }

    /// The line that goes over the socket, with its end. A reply too long to be read is replaced by one
    /// that says so.
    pub fn to_line(&self) -> Vec<u8> {
        let line = serde_json::to_vec(self).ok().filter(|line| line.len() < REPLY_SIZE_BYTES_MAX);
        let mut line = line.unwrap_or_else(|| {
            br#"{"version":1,"final":true,"outcome":"refused","text":"the reply is too long"}"#
                .to_vec()
        });
        line.push(b'\n');
        line
    }

    /// The reply of such a line.
    pub fn from_line(line: &[u8]) -> Result<Reply, String> {
        let reply: Reply = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if reply.version != VERSION {
            return Err(other_version(reply.version));
        }
        Ok(reply)
    }
}

fn other_version(found: u32) -> String {
    format!("protocol version {found}; this program speaks version {VERSION}")
}

impl Request {
    /// The request of a line; the error says what is wrong with it. Any bytes may come.
    pub fn from_line(line: &[u8]) -> Result<Request, String> {
        if REQUEST_SIZE_BYTES_MAX < line.len() {
            return Err(format!("longer than {REQUEST_SIZE_BYTES_MAX} bytes"));
        }
        // The version first: what another version calls its fields is not known here.
        let value: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        match value.get("version").and_then(Value::as_u64) {
            Some(found) if found == u64::from(VERSION) => {}
            Some(found) => {
                return Err(other_version(u32::try_from(found).unwrap_or(u32::MAX)));
            }
            None => return Err("no protocol version".to_string()),
        }
        let request: Request = serde_json::from_value(value).map_err(|error| error.to_string())?;
        if request.wait_ms.is_some_and(|ms| WAIT_MS_MAX < ms) {
            return Err(format!("wait_ms is beyond {WAIT_MS_MAX}"));
        }
        Ok(request)
    }

    /// The line that goes over the socket, with its end.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// Why a reason is none.
pub fn check_reason(reason: &str) -> Result<(), String> {
    if reason.trim().is_empty() {
        return Err("a reason is needed: --reason TEXT".to_string());
    }
    if REASON_SIZE_BYTES_MAX < reason.len() {
        return Err(format!("the reason is longer than {REASON_SIZE_BYTES_MAX} bytes"));
    }
    if reason.chars().any(char::is_control) {
        return Err("the reason holds a control character".to_string());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
