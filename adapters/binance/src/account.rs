//! One signed question about the account, outside the loops: does this key work, and what may it do?

use std::io;
use std::time::Duration;

use engine::clock::Clock;
use serde::Deserialize;
use wire::endpoint::{Endpoint, EndpointError};
use wire::http::{HttpAnswer, HttpConfig, HttpId, HttpRequest};
use wire::poller::{Poller, Turn};
use wire::session::{ConfigError, Frame, Handler, SendError, SessionEvent, SessionId};

use crate::request::{Method, RequestWriter, Seal};
use crate::sign::Signer;

/// Longest wait of one turn.
const TURN_NS_MAX: u64 = 50_000_000;
/// How old the question may be when it reaches the venue, ms.
const RECV_WINDOW_MS: u64 = 5_000;
/// What of the venue's own words is repeated.
const MESSAGE_SIZE_BYTES_MAX: usize = 120;

/// Why the account did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// A URL that is none, or whose host has no address.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Settings of the HTTP client.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The request is not taken.
    #[error("cannot ask {url} for the account: {source}")]
    Send {
        /// Whom.
        url: String,
        /// Why.
        source: SendError,
    },
    /// The system gives no poll.
    #[error("cannot wait for the account: {0}")]
    Io(#[from] io::Error),
    /// No answer, or one that cannot be read.
    #[error("{url} does not tell its account: {detail}")]
    NoAnswer {
        /// Whom.
        url: String,
        /// What came instead.
        detail: String,
    },
    /// The venue says no: the key is wrong, revoked, or may not do this from here.
    #[error("{url} refuses the key: {status}, code {code}, {message}")]
    Refused {
        /// Whom.
        url: String,
        /// Status code.
        status: u16,
        /// The venue's code, 0 where it says none.
        code: i64,
        /// Its words.
        message: String,
    },
}

impl AccountError {
    /// Whether the same key may get another answer a moment later.
    pub fn is_retryable(&self) -> bool {
        match self {
            AccountError::Refused { status, code, .. } => {
                matches!(status, 418 | 429 | 500..) || *code == -1021
            }
            AccountError::Io(_) | AccountError::NoAnswer { .. } | AccountError::Send { .. } => true,
            AccountError::Endpoint(_) | AccountError::Config(_) => false,
        }
    }
}

/// Who asks whom.
#[derive(Debug)]
pub struct AccountQuery<'a> {
    /// Base URL of REST.
    pub rest_url: &'a str,
    /// The client; with TLS for `https://`.
    pub http: HttpConfig,
    /// What signs.
    pub signer: &'a Signer,
    /// Name of the key.
    pub api_key: &'a str,
    /// For each of the two questions, connecting included.
    pub timeout_ns_max: u64,
}

/// What the venue says of the account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountState {
    /// Whether it may trade.
    pub can_trade: bool,
    /// Whether it may withdraw. A key of an engine should not.
    pub can_withdraw: bool,
    /// Such as `SPOT`.
    pub account_type: String,
    /// What it is permitted.
    pub permissions: Vec<String>,
}

#[derive(Deserialize)]
struct ServerTime {
    #[serde(rename = "serverTime")]
    server_ms: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    code: i64,
    msg: String,
}

/// The answer, when it has come.
#[derive(Default)]
struct Answered {
    answer: Option<Result<(u16, Vec<u8>), String>>,
}

impl Handler for Answered {
    fn frame(&mut self, _session: SessionId, _frame: Frame<'_>) {}

    fn changed(&mut self, _session: SessionId, _event: &SessionEvent) {}

    fn answered(&mut self, _http: HttpId, _token: u64, answer: HttpAnswer<'_>) {
        self.answer = Some(match answer {
            HttpAnswer::Response { status, body, .. } => Ok((status, body.to_vec())),
            HttpAnswer::Failed { why, .. } => Err(why.to_string()),
        });
    }
}

struct Line<'a> {
    poller: Poller,
    http: HttpId,
    query: &'a AccountQuery<'a>,
    clock: &'a Clock,
}

impl Line<'_> {
    fn url(&self) -> String {
        self.query.rest_url.to_string()
    }

    fn ask(&mut self, target: &str) -> Result<Vec<u8>, AccountError> {
        let request = HttpRequest {
            token: 1,
            method: "GET",
            target,
            headers: &[("X-MBX-APIKEY", self.query.api_key)],
            body: &[],
            deadline_ns: self.clock.now_ns().saturating_add(self.query.timeout_ns_max),
        };
        let url = self.url();
        self.poller
            .request(self.http, &request)
            .map_err(|source| AccountError::Send { url: url.clone(), source })?;
        let mut answered = Answered::default();
        // Ends at the deadline of the request at the latest.
        let (status, body) = loop {
            if let Some(answer) = answered.answer.take() {
                break answer
                    .map_err(|detail| AccountError::NoAnswer { url: url.clone(), detail })?;
            }
            let wait = Duration::from_nanos(TURN_NS_MAX);
            let turn = self.poller.run_once(wait, self.clock, &mut answered)?;
            debug_assert_eq!(turn, Turn::Continue, "nobody has a stopper of this poller");
        };
        if status == 200 {
            return Ok(body);
        }
        let Refusal { code, msg } = serde_json::from_slice(&body).unwrap_or_default();
        let is_plain = |letter: &char| letter.is_ascii_graphic() || *letter == ' ';
        let message = msg.chars().filter(is_plain).take(MESSAGE_SIZE_BYTES_MAX).collect();
        Err(AccountError::Refused { url, status, code, message })
    }

    fn decode<'b, T: Deserialize<'b>>(&self, body: &'b [u8]) -> Result<T, AccountError> {
        serde_json::from_slice(body).map_err(|error| AccountError::NoAnswer {
            url: self.url(),
            detail: format!("an answer that cannot be read: line {}", error.line()),
        })
    }
}

impl AccountState {
    /// Asks the venue for its time and, signed by that, for the account. Blocks, so it belongs beside the loops.
    pub fn fetch(query: &AccountQuery<'_>, clock: &Clock) -> Result<AccountState, AccountError> {
        let mut poller = Poller::new()?;
        let endpoint = Endpoint::resolve_http(query.rest_url)?;
        let http = poller.add_http(endpoint, query.http.clone())?;
        let mut line = Line { poller, http, query, clock };
        let body = line.ask("/api/v3/time")?;
        let ServerTime { server_ms } = line.decode(&body)?;
        // The venue's own time, a way old: well within the window, and never ahead of the venue.
        let seal = Seal {
            signer: query.signer,
            api_key: query.api_key,
            timestamp_ms: server_ms,
            recv_window_ms: RECV_WINDOW_MS,
        };
        let mut writer = RequestWriter::default();
        writer.begin();
        let (_, path) = Method::Account.rest().expect("the account is told by REST");
        let target = writer.target(path, Some(&seal)).to_string();
        let body = line.ask(&target)?;
        line.decode(&body)
    }
}
