//! Faults that the venue makes on purpose: what, where and when, from a script or by command.
//!
//! A script has one JSON object a line; empty lines and lines that begin with `#` say nothing:
//!
//! ```text
//! {"on":"request","method":"order.place","nth":2,"do":"status","status":503,"accepted":true}
//! {"on":"stream","stream":"btcusdt@depth*","probability_ppm":10000,"do":"drop"}
//! {"on":"user","event":"executionReport/TRADE","nth":1,"do":"delay","ms":20}
//! {"on":"time","at_ms":500,"do":"cut","scope":"stream"}
//! ```
//!
//! **Where** (`on`): `request` (`method` is a WS API name; REST calls go by the same names, see
//! [`crate::serve`]; `channel` is `rest`, `ws_api` or absent), `stream` (a frame of market data),
//! `user` (an event of user data: `event` is its type, `executionReport/NEW` names the execution
//! type too), `open` (a WebSocket opens; `path`), `time` (by itself, at `at_ms`).
//! A name that ends in `*` is a beginning; no name is any name.
//!
//! **When**: `nth` (that match, from 1), `every` (each so many matches), `probability_ppm`, between
//! `after_ms` and `until_ms` since the start, `count` times (default 1 with `nth`, `time` or
//! nothing else; unlimited with `every` and `probability_ppm`).
//!
//! **What** (`do`) with its words:
//!
//! | do | words | meaning |
//! |---|---|---|
//! | `delay` | `ms` or `us` | the answer or frame leaves later; frames behind it wait |
//! | `drop` | `accepted` | a frame never leaves; a request, done or not, has no answer |
//! | `duplicate` | `frames` | the frame leaves so many times more (default 1) |
//! | `reorder` | `ms` | the frame leaves after the next one, at the latest after `ms` |
//! | `gap` | `frames` | this and the following frames of that stream are skipped (default 1) |
//! | `cut` | `accepted`, `scope` | the connection is reset |
//! | `half` | `scope` | the first half of a frame, then the connection is reset |
//! | `garbage` | `kind`, `scope` | `json`, `utf8`, `opcode` or `http` instead of the frame |
//! | `mute` | `ms`, `pings`, `scope` | nothing leaves for so long; with `pings` only they do |
//! | `deaf` | `ms`, `scope` | the server does not read for so long |
//! | `status` | see below | this answer instead; with `accepted` the request is done first |
//! | `clock` | `offset_ms` | the server's clock is wrong by so much from now on |
//! | `restart` | | state is saved and loaded, generated orders are lost, all sockets are cut |
//! | `shutdown` | `ms` | `serverShutdown` to every WebSocket, which are closed after `ms` |
//! | `expire` | `scope` | the connection has reached its 24 hours |
//!
//! Words of `status`: `status` (503), `code`, `message`, `retry_after_s`, `accepted` (false).
//!
//! **Invariant:** the same script, seed and order of matches give the same faults.

mod rules;
#[cfg(test)]
mod tests;

use serde::Deserialize;

pub use rules::{FaultId, Faults};

/// Most rules of a plan.
pub const RULE_COUNT_MAX: usize = 1024;
/// Most bytes of a script.
pub const SCRIPT_SIZE_BYTES_MAX: usize = 1 << 20;
const MILLISECOND_NS: u64 = 1_000_000;
const MICROSECOND_NS: u64 = 1_000;
/// Longest wait that a script may name: a day.
const WAIT_MS_MAX: u64 = 86_400_000;

/// Where a fault sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A request, REST or WS API.
    Request,
    /// A frame of market data.
    Stream,
    /// An event of user data.
    User,
    /// The opening of a WebSocket.
    Open,
    /// By itself, at a time.
    Time,
}

/// The way by which a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// HTTP.
    Rest,
    /// The WebSocket API.
    WsApi,
}

/// Which connections a fault without a connection of its own hits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The connection of the match; all of them where there is none.
    #[default]
    Own,
    /// Connections of market data.
    Stream,
    /// Connections of the WS API.
    WsApi,
    /// Connections that speak HTTP.
    Rest,
    /// Every connection.
    All,
}

/// What garbage looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Garbage {
    /// A text that is not JSON.
    #[default]
    Json,
    /// A text frame that is not UTF-8.
    Utf8,
    /// A frame with a reserved opcode.
    Opcode,
    /// Bytes that are neither a frame nor a head.
    Http,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Later by so much.
    Delay {
        /// How much.
        wait_ns: u64,
    },
    /// A frame that never leaves, or a request without an answer.
    Drop {
        /// A request is done nevertheless.
        accepted: bool,
    },
    /// The frame leaves more than once.
    Duplicate {
        /// Further copies.
        copy_count: u32,
    },
    /// The frame leaves after the next one.
    Reorder {
        /// Longest wait for a next one.
        wait_ns: u64,
    },
    /// Frames of a stream are skipped.
    Gap {
        /// How many.
        frame_count: u32,
    },
    /// The connection is reset.
    Cut {
        /// A request is done nevertheless.
        accepted: bool,
        /// Whose connection.
        scope: Scope,
    },
    /// Half a frame, then a reset.
    Half {
        /// Whose connection.
        scope: Scope,
    },
    /// Bytes that mean nothing.
    Garbage {
        /// How they are wrong.
        kind: Garbage,
        /// Whose connection.
        scope: Scope,
    },
    /// The connection stays open and nothing leaves.
    Mute {
        /// How long.
        wait_ns: u64,
        /// Pings still leave.
        with_pings: bool,
        /// Whose connection.
        scope: Scope,
    },
    /// The server does not read.
    Deaf {
        /// How long.
        wait_ns: u64,
        /// Whose connection.
        scope: Scope,
    },
    /// Another answer than the true one.
    Answer {
        /// Status of HTTP and of the WS API.
        status: u16,
        /// Code of the error.
        code: i32,
        /// Its text.
        message: String,
        /// Header `Retry-After`, seconds.
        retry_after_s: Option<u64>,
        /// The request is done nevertheless.
        accepted: bool,
    },
    /// The server's clock is wrong from now on.
    Clock {
        /// By how much, milliseconds.
        offset_ms: i64,
    },
    /// Saved, loaded, every socket cut.
    Restart,
    /// Notice to every WebSocket, which is closed later.
    Shutdown {
        /// How much later.
        wait_ns: u64,
    },
    /// The connection has reached its largest age.
    Expire {
        /// Whose connection.
        scope: Scope,
    },
}

/// A fault: where, when and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// Name of the method, stream, event or path; empty for any; a final `*` makes it a beginning.
    pub name: String,
    /// Only requests that came by this way.
    pub channel: Option<Channel>,
    /// Only this match, from 1; 0 for any.
    pub nth: u64,
    /// Only each so many matches; 0 for all.
    pub every: u64,
    /// Chance of each match in parts per million.
    pub probability_ppm: u32,
    /// Not before, since the start.
    pub after_ns: u64,
    /// Not from here on, since the start.
    pub until_ns: u64,
    /// So many times at most.
    pub count_max: u64,
    /// What.
    pub action: Action,
}

impl Fault {
    /// A fault at the next match of `name` (empty: any) at `place`.
    pub fn new(place: Place, name: &str, action: Action) -> Fault {
        Fault {
            place,
            name: name.to_string(),
            channel: None,
            nth: 0,
            every: 0,
            probability_ppm: 1_000_000,
            after_ns: 0,
            until_ns: u64::MAX,
            count_max: 1,
            action,
        }
    }

    /// The same at the `nth` match, from 1.
    #[must_use]
    pub fn nth(self, nth: u64) -> Fault {
        Fault { nth, ..self }
    }

    /// The same at most so many times.
    #[must_use]
    pub fn times(self, count_max: u64) -> Fault {
        Fault { count_max, ..self }
    }

    /// The same at each match with this chance, without an end.
    #[must_use]
    pub fn with_chance(self, probability_ppm: u32) -> Fault {
        Fault { probability_ppm, count_max: u64::MAX, ..self }
    }

    /// The same for requests that come by this way.
    #[must_use]
    pub fn by(self, channel: Channel) -> Fault {
        Fault { channel: Some(channel), ..self }
    }

    /// The same at a time after the start.
    #[must_use]
    pub fn after(self, after_ns: u64) -> Fault {
        Fault { after_ns, ..self }
    }
}

/// Why a script is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// Not a line of a script.
    #[error("line {line}: {reason}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// More rules than [`RULE_COUNT_MAX`].
    #[error("{count} faults, {RULE_COUNT_MAX} at most")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// A script larger than [`SCRIPT_SIZE_BYTES_MAX`].
    #[error("a script of {size_bytes} bytes, {SCRIPT_SIZE_BYTES_MAX} at most")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
    },
}

/// Faults in the order in which they are asked: at each match the first that fires wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// The faults.
    pub faults: Vec<Fault>,
}

impl FaultPlan {
    /// Reads a script.
    pub fn parse(text: &str) -> Result<FaultPlan, FaultError> {
        if SCRIPT_SIZE_BYTES_MAX < text.len() {
            return Err(FaultError::TooLarge { size_bytes: text.len() });
        }
        let mut faults = Vec::new();
        for (place, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fault =
                parse_line(line).map_err(|reason| FaultError::Line { line: place + 1, reason })?;
            faults.push(fault);
        }
        if RULE_COUNT_MAX < faults.len() {
            return Err(FaultError::TooMany { count: faults.len() });
        }
        Ok(FaultPlan { faults })
    }
}

/// A line as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Line {
    on: Option<Place>,
    method: Option<String>,
    stream: Option<String>,
    event: Option<String>,
    path: Option<String>,
    channel: Option<Channel>,
    nth: Option<u64>,
    every: Option<u64>,
    probability_ppm: Option<u32>,
    at_ms: Option<u64>,
    after_ms: Option<u64>,
    until_ms: Option<u64>,
    count: Option<u64>,
    #[serde(rename = "do")]
    what: Option<String>,
    ms: Option<u64>,
    us: Option<u64>,
    accepted: Option<bool>,
    frames: Option<u32>,
    scope: Option<Scope>,
    kind: Option<Garbage>,
    pings: Option<bool>,
    status: Option<u16>,
    code: Option<i32>,
    message: Option<String>,
    retry_after_s: Option<u64>,
    offset_ms: Option<i64>,
}

fn parse_line(text: &str) -> Result<Fault, String> {
    let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let action = line.action()?;
    let place = line.on.unwrap_or(Place::Time);
    let names = [
        (Place::Request, &line.method, "method"),
        (Place::Stream, &line.stream, "stream"),
        (Place::User, &line.event, "event"),
        (Place::Open, &line.path, "path"),
    ];
    let mut name = String::new();
    for (at, given, key) in names {
        match given {
            Some(given) if at == place => name.clone_from(given),
            Some(_) => return Err(format!("`{key}` does not go with this `on`")),
            None => {}
        }
    }
    if line.nth == Some(0) || line.every == Some(0) || line.count == Some(0) {
        return Err("`nth`, `every` and `count` begin at 1".to_string());
    }
    if line.probability_ppm.is_some_and(|chance| 1_000_000 < chance) {
        return Err("`probability_ppm` is at most 1000000".to_string());
    }
    let repeats = line.every.is_some() || line.probability_ppm.is_some();
    let after_ms = line.at_ms.or(line.after_ms).unwrap_or(0);
    if WAIT_MS_MAX < after_ms || line.until_ms.is_some_and(|until| WAIT_MS_MAX < until) {
        return Err(format!("a time is at most {WAIT_MS_MAX} ms"));
    }
    Ok(Fault {
        place,
        name,
        channel: line.channel,
        nth: line.nth.unwrap_or(0),
        every: line.every.unwrap_or(0),
        probability_ppm: line.probability_ppm.unwrap_or(1_000_000),
        after_ns: after_ms * MILLISECOND_NS,
        until_ns: line.until_ms.map_or(u64::MAX, |until| until * MILLISECOND_NS),
        count_max: line.count.unwrap_or(if repeats { u64::MAX } else { 1 }),
        action,
    })
}

impl Line {
    fn wait_ns(&self, default_ms: Option<u64>) -> Result<u64, String> {
        if let Some(us) = self.us {
            return Ok(us.min(WAIT_MS_MAX * 1_000) * MICROSECOND_NS);
        }
        let ms = self.ms.or(default_ms).ok_or("`ms` is missing")?;
        if WAIT_MS_MAX < ms {
            return Err(format!("`ms` is at most {WAIT_MS_MAX}"));
        }
        Ok(ms * MILLISECOND_NS)
    }

    fn action(&self) -> Result<Action, String> {
        let what = self.what.as_deref().ok_or("`do` is missing")?;
        let scope = self.scope.unwrap_or_default();
        let accepted = self.accepted.unwrap_or(false);
        Ok(match what {
            "delay" => Action::Delay { wait_ns: self.wait_ns(None)? },
            "drop" => Action::Drop { accepted },
            "duplicate" => Action::Duplicate { copy_count: self.frames.unwrap_or(1).min(100) },
            "reorder" => Action::Reorder { wait_ns: self.wait_ns(Some(50))? },
            "gap" => Action::Gap { frame_count: self.frames.unwrap_or(1) },
            "cut" => Action::Cut { accepted, scope },
            "half" => Action::Half { scope },
            "garbage" => Action::Garbage { kind: self.kind.unwrap_or_default(), scope },
            "mute" => Action::Mute {
                wait_ns: self.wait_ns(None)?,
                with_pings: self.pings.unwrap_or(false),
                scope,
            },
            "deaf" => Action::Deaf { wait_ns: self.wait_ns(None)?, scope },
            "status" => self.answer(accepted),
            "clock" => {
                let offset_ms = self.offset_ms.ok_or("`offset_ms` is missing")?;
                let limit = i64::try_from(WAIT_MS_MAX).expect("a day fits");
                Action::Clock { offset_ms: offset_ms.clamp(-limit, limit) }
            }
            "restart" => Action::Restart,
            "shutdown" => Action::Shutdown { wait_ns: self.wait_ns(Some(1_000))? },
            "expire" => Action::Expire { scope },
            other => return Err(format!("`do` does not know {other:?}")),
        })
    }

    /// The error that goes with a status where the script does not name it.
    fn answer(&self, accepted: bool) -> Action {
        let status = self.status.unwrap_or(503);
        let (code, message) = match (self.code, status) {
            (Some(-1006), _) => {
                (-1006, "An unexpected response was received from the message bus.")
            }
            (Some(-1007), _) => (-1007, "Timeout waiting for response from backend server."),
            (Some(-1008), _) => (-1008, "Server is currently overloaded."),
            (Some(code), _) => (code, "An unknown error occurred while processing the request."),
            (None, 418 | 429) => (-1003, "Too many requests; current limit is exceeded."),
            (None, _) => (-1000, "An unknown error occurred while processing the request."),
        };
        let is_limit = matches!(status, 418 | 429);
        Action::Answer {
            status,
            code,
            message: self.message.clone().unwrap_or_else(|| message.to_string()),
            retry_after_s: self.retry_after_s.or(is_limit.then_some(1)),
            accepted,
        }
    }
}
