//! Asks the venue for its `exchangeInfo`, before the loops start.

use std::io;
use std::time::Duration;

use engine::clock::Clock;
use engine::instrument::Venue;
use wire::endpoint::{Endpoint, EndpointError};
use wire::http::{HttpAnswer, HttpConfig, HttpId, HttpRequest};
use wire::poller::{Poller, Turn};
use wire::session::{ConfigError, Frame, Handler, SendError, SessionEvent, SessionId};

use super::{ExchangeInfo, InfoError};
use crate::endpoints::exchange_info_target;

/// Longest wait of one turn.
const TURN_NS_MAX: u64 = 50_000_000;

/// Why there is no `exchangeInfo`.
#[derive(Debug, thiserror::Error)]
pub enum InfoFetchError {
    /// A URL that is none, or whose host has no address.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Settings of the HTTP client.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The request is none, or not taken.
    #[error("cannot ask {url} for its exchange info: {source}")]
    Send {
        /// Whom.
        url: String,
        /// Why.
        source: SendError,
    },
    /// The system gives no poll.
    #[error("cannot wait for the exchange info: {0}")]
    Io(#[from] io::Error),
    /// No answer, or one with another status than 200.
    #[error("{url} does not tell its exchange info: {detail}")]
    Answer {
        /// Whom.
        url: String,
        /// What came instead.
        detail: String,
    },
    /// An answer that cannot be read.
    #[error(transparent)]
    Info(#[from] InfoError),
}

/// What is asked of whom.
#[derive(Clone, Debug)]
pub struct InfoQuery<'a> {
    /// Whose rules.
    pub venue: Venue,
    /// Base URL of REST.
    pub rest_url: &'a str,
    /// The client; with TLS for `https://`.
    pub http: HttpConfig,
    /// Symbols; all when empty. USD-M always tells all.
    pub symbols: &'a [&'a str],
    /// From the request to its answer, connecting included.
    pub timeout_ns_max: u64,
}

/// The answer, when it has come.
#[derive(Debug, Default)]
struct Answered {
    answer: Option<Result<Vec<u8>, String>>,
}

impl Handler for Answered {
    fn frame(&mut self, _session: SessionId, _frame: Frame<'_>) {}

    fn changed(&mut self, _session: SessionId, _event: &SessionEvent) {}

    fn answered(&mut self, _http: HttpId, _token: u64, answer: HttpAnswer<'_>) {
        self.answer = Some(match answer {
            HttpAnswer::Response { status: 200, body, .. } => Ok(body.to_vec()),
            HttpAnswer::Response { status, .. } => Err(format!("HTTP status {status}")),
            HttpAnswer::Failed { why, .. } => Err(why.to_string()),
        });
    }
}

impl ExchangeInfo {
    /// Asks and waits for the answer. Blocks, so it belongs before the loops.
    pub fn fetch(query: &InfoQuery<'_>, clock: &Clock) -> Result<ExchangeInfo, InfoFetchError> {
        let url = || query.rest_url.to_string();
        let mut poller = Poller::new()?;
        let endpoint = Endpoint::resolve_http(query.rest_url)?;
        let http = poller.add_http(endpoint, query.http.clone())?;
        let target = exchange_info_target(query.venue, query.symbols);
        let request = HttpRequest {
            token: 1,
            method: "GET",
            target: &target,
            headers: &[],
            body: &[],
            deadline_ns: clock.now_ns().saturating_add(query.timeout_ns_max),
        };
        poller
            .request(http, &request)
            .map_err(|source| InfoFetchError::Send { url: url(), source })?;
        let mut answered = Answered::default();
        // Ends at the deadline of the request at the latest.
        let body = loop {
            if let Some(answer) = answered.answer.take() {
                break answer.map_err(|detail| InfoFetchError::Answer { url: url(), detail })?;
            }
            let turn = poller.run_once(Duration::from_nanos(TURN_NS_MAX), clock, &mut answered)?;
            debug_assert_eq!(turn, Turn::Continue, "nobody has a stopper of this poller");
        };
        Ok(ExchangeInfo::decode(query.venue, &body)?)
    }
}
