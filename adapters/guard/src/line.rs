//! The guard's own session at the venue: REST, signed, kept open while nothing happens.
//!
//! The connection is warm and the venue's clock is known before they are needed: a cancel that had to connect and
//! to ask for the time first would be late.

use std::time::Duration;

use binance::answer::{self, Place, ServerTime};
use binance::request::{Method, Params, RequestWriter, Seal};
use binance::sign::Signer;
use engine::clock::Clock;
use wire::endpoint::{Endpoint, EndpointError};
use wire::http::{HttpAnswer, HttpConfig, HttpId, HttpRequest};
use wire::poller::Poller;
use wire::session::{
    ConfigError, Frame, Handler, SendError, SessionEvent, SessionId, SessionState,
};

use crate::cancel::{Answer, Ask, Canceller};

/// Token of questions for the venue's time.
const TIME_TOKEN: u64 = 0;
/// Token of other questions, such as those of a preflight.
const OTHER_TOKEN: u64 = u64::MAX;
/// Time between two questions for the venue's time; it also keeps the connection open.
const TIME_INTERVAL_NS: u64 = 10_000_000_000;
/// The same while no answer has come yet.
const TIME_RETRY_NS: u64 = 500_000_000;
/// First and longest wait before a new connection.
const BACKOFF_NS_MIN: u64 = 10_000_000;
const BACKOFF_NS_MAX: u64 = 500_000_000;
/// Requests without an answer: a round of cancels, a look, a question for the time.
const IN_FLIGHT_MAX: usize = crate::cancel::ROUND_COUNT_MAX + 8;
const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;
/// Asks for times in microseconds.
const MICROSECONDS: (&str, &str) = ("X-MBX-TIME-UNIT", "MICROSECOND");
/// Times from here on are in microseconds: in milliseconds it would be the year 33658.
const MICROSECONDS_FROM: u64 = 1_000_000_000_000_000;
/// "Timestamp outside of the window".
const TIMESTAMP: i64 = -1021;

/// A key that signs.
#[derive(Debug)]
pub struct Credentials {
    /// Its name at the venue.
    pub api_key: String,
    /// Its secret.
    pub signer: Signer,
}

/// Where and how.
#[derive(Debug)]
pub struct LineConfig<'a> {
    /// Address of REST.
    pub rest_url: &'a str,
    /// The client; with TLS for `https://`.
    pub http: HttpConfig,
    /// The key; without one only public questions can be asked.
    pub credentials: Option<Credentials>,
    /// Longest wait for an answer.
    pub request_ns_max: u64,
    /// How old a request may be when it reaches the venue, ms.
    pub recv_window_ms: u64,
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// A URL that is none, or whose host has no address.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Settings of the HTTP client.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The system gives no poll.
    #[error("cannot wait for sockets: {0}")]
    Io(#[from] std::io::Error),
    /// The request is none, or not taken.
    #[error("the request is not taken: {0}")]
    Send(#[from] SendError),
    /// No answer, or a refusal.
    #[error("{0}")]
    Answer(String),
}

/// An answer that was kept.
#[derive(Debug)]
enum Kept {
    Response { status: u16, body: Vec<u8>, retry_after_ns: Option<u64> },
    Nothing { why: String },
}

/// What came in during a turn.
#[derive(Debug, Default)]
struct Inbox {
    answers: Vec<(u64, Kept)>,
    trouble: Option<String>,
}

impl Handler for Inbox {
    fn frame(&mut self, _session: SessionId, _frame: Frame<'_>) {}

    fn changed(&mut self, _session: SessionId, _event: &SessionEvent) {}

    fn answered(&mut self, _http: HttpId, token: u64, answer: HttpAnswer<'_>) {
        let kept = match answer {
            HttpAnswer::Response { status, headers, body, .. } => {
                let after_s = headers.number("Retry-After");
                let retry_after_ns = after_s.map(|seconds| seconds.saturating_mul(NS_PER_S));
                Kept::Response { status, body: body.to_vec(), retry_after_ns }
            }
            HttpAnswer::Failed { why, .. } => Kept::Nothing { why: why.to_string() },
        };
        self.answers.push((token, kept));
    }

    fn http_changed(&mut self, _http: HttpId, event: &SessionEvent) {
        if let SessionEvent::Closed { why, .. } = event {
            self.trouble = Some(why.to_string());
        }
    }
}

/// The venue's clock as it was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// The venue's time less ours, ns.
    pub offset_ns: i64,
    /// It may be wrong by so much: half of the way there and back, and of the venue's unit.
    pub error_ns: u64,
}

/// The line.
#[derive(Debug)]
pub struct Line {
    poller: Poller,
    http: HttpId,
    credentials: Option<Credentials>,
    writer: RequestWriter,
    request_ns_max: u64,
    recv_window_ms: u64,
    offset: Option<Offset>,
    time_asked_ns: Option<u64>,
    time_next_ns: u64,
    inbox: Inbox,
}

impl Line {
    /// Resolves the address, which may take as long as the resolver does, and begins to connect.
    pub fn open(config: LineConfig<'_>) -> Result<Line, LineError> {
        let mut poller = Poller::new()?;
        let endpoint = Endpoint::resolve_http(config.rest_url)?;
        let mut headers = config.http.headers.clone();
        if let Some(credentials) = &config.credentials {
            headers.push(("X-MBX-APIKEY".to_string(), credentials.api_key.clone()));
        }
        let http = HttpConfig {
            backoff_ns_min: BACKOFF_NS_MIN,
            backoff_ns_max: BACKOFF_NS_MAX,
            connect_ns_max: config.request_ns_max,
            handshake_ns_max: config.request_ns_max,
            in_flight_max: IN_FLIGHT_MAX,
            keeps_warm: true,
            headers,
            ..config.http
        };
        let http = poller.add_http(endpoint, http)?;
        Ok(Line {
            poller,
            http,
            credentials: config.credentials,
            writer: RequestWriter::default(),
            request_ns_max: config.request_ns_max,
            recv_window_ms: config.recv_window_ms,
            offset: None,
            time_asked_ns: None,
            time_next_ns: 0,
            inbox: Inbox::default(),
        })
    }

    /// Whether a connection is open.
    pub fn is_open(&self) -> bool {
        self.poller.http(self.http).state() == SessionState::Open
    }

    /// Why the last connection ended.
    pub fn trouble(&self) -> Option<&str> {
        self.inbox.trouble.as_deref()
    }

    /// The venue's clock.
    pub fn offset(&self) -> Option<Offset> {
        self.offset
    }

    /// Whether it can sign.
    pub fn can_sign(&self) -> bool {
        self.credentials.is_some()
    }

    /// One turn: asks for the time where it is due, waits at most `wait`, brings answers to `canceller`.
    pub fn turn(
        &mut self,
        wait: Duration,
        clock: &Clock,
        canceller: Option<&mut Canceller>,
    ) -> std::io::Result<()> {
        self.ask_time(clock.now_ns());
        self.poller.run_once(wait, clock, &mut self.inbox)?;
        let now_ns = clock.now_ns();
        let answers = std::mem::take(&mut self.inbox.answers);
        let mut canceller = canceller;
        for (token, kept) in &answers {
            if *token == TIME_TOKEN {
                self.take_time(kept, now_ns);
            } else if let Some(canceller) = canceller.as_deref_mut() {
                let answer = judged(kept);
                if let Answer::Refused { code: TIMESTAMP, .. } = answer {
                    self.time_next_ns = now_ns;
                }
                canceller.answered(*token, answer, now_ns);
            }
        }
        Ok(())
    }

    /// Sends what a canceller wants to be sent.
    pub fn send(&mut self, canceller: &mut Canceller, now_ns: u64) {
        for (token, ask) in canceller.take(now_ns) {
            if let Err(error) = self.send_one(token, &ask, now_ns) {
                let why = error.to_string();
                canceller.answered(token, Answer::Nothing { why: &why }, now_ns);
            }
        }
    }

    fn send_one(&mut self, token: u64, ask: &Ask, now_ns: u64) -> Result<(), LineError> {
        let params = self.writer.begin();
        let method = match ask {
            Ask::Look => Method::OpenOrders,
            Ask::CancelAll { symbol } => {
                params.text("symbol", symbol);
                Method::CancelAll
            }
            Ask::Cancel { symbol, venue_id, name } => {
                params.text("symbol", symbol);
                params.number("orderId", *venue_id);
                // The name by which the engine knows its own cancels, so that its next start finds the order.
                params
                    .client_id("newClientOrderId", if name.cancel { *name } else { name.cancel() });
                Method::Cancel
            }
        };
        let rest =
            method.rest().ok_or_else(|| LineError::Answer(format!("{method:?}: no REST")))?;
        self.request(token, rest, method.is_signed(), now_ns)
    }

    /// Sends the request whose parameters are in the writer.
    fn request(
        &mut self,
        token: u64,
        (verb, path): (&'static str, &str),
        signed: bool,
        now_ns: u64,
    ) -> Result<(), LineError> {
        let offset_ns = self.offset.map_or(0, |offset| offset.offset_ns);
        let seal = match (&self.credentials, signed) {
            (Some(credentials), true) => Some(Seal {
                signer: &credentials.signer,
                api_key: &credentials.api_key,
                timestamp_ms: now_ns.saturating_add_signed(offset_ns) / NS_PER_MS,
                recv_window_ms: self.recv_window_ms,
            }),
            (None, true) => {
                return Err(LineError::Answer("there is no key to sign with".to_string()));
            }
            (Some(_) | None, false) => None,
        };
        let target = self.writer.target(path, seal.as_ref());
        let deadline_ns = now_ns.saturating_add(self.request_ns_max);
        // A venue that does not know the header tells milliseconds.
        let headers: &[(&str, &str)] = if signed { &[] } else { &[MICROSECONDS] };
        let request = HttpRequest { token, method: verb, target, headers, body: &[], deadline_ns };
        Ok(self.poller.request(self.http, &request)?)
    }

    fn ask_time(&mut self, now_ns: u64) {
        if now_ns < self.time_next_ns || self.time_asked_ns.is_some() || !self.is_open() {
            return;
        }
        self.writer.begin();
        let Some(rest) = Method::Time.rest() else { return };
        self.time_next_ns = now_ns.saturating_add(TIME_RETRY_NS);
        if self.request(TIME_TOKEN, rest, false, now_ns).is_ok() {
            self.time_asked_ns = Some(now_ns);
        }
    }

    fn take_time(&mut self, kept: &Kept, now_ns: u64) {
        let Some(asked_ns) = self.time_asked_ns.take() else { return };
        let Kept::Response { status: 200, body, .. } = kept else { return };
        let told = answer::result::<ServerTime>(body, Place::Body, "the venue's time");
        let Ok(ServerTime { server_time }) = told else { return };
        let way_ns = now_ns.saturating_sub(asked_ns);
        let unit_ns = if server_time < MICROSECONDS_FROM { NS_PER_MS } else { 1_000 };
        // The venue tells whole units; in the middle of one it is half a unit later.
        let venue_ns = server_time.saturating_mul(unit_ns).saturating_add(unit_ns / 2);
        let ours_ns = asked_ns.saturating_add(way_ns / 2);
        let offset_ns = i128::from(venue_ns) - i128::from(ours_ns);
        self.offset = Some(Offset {
            offset_ns: i64::try_from(offset_ns).unwrap_or(0),
            error_ns: way_ns / 2 + unit_ns / 2,
        });
        self.time_next_ns = now_ns.saturating_add(TIME_INTERVAL_NS);
    }

    /// Asks one question and waits for its answer: for tools, not for the watch.
    pub fn ask(
        &mut self,
        rest: (&'static str, &str),
        signed: bool,
        clock: &Clock,
        fill: impl FnOnce(&mut Params),
    ) -> Result<Vec<u8>, LineError> {
        fill(self.writer.begin());
        self.request(OTHER_TOKEN, rest, signed, clock.now_ns())?;
        // Ends at the deadline of the request at the latest.
        loop {
            self.poller.run_once(Duration::from_millis(50), clock, &mut self.inbox)?;
            for (token, kept) in std::mem::take(&mut self.inbox.answers) {
                if token != OTHER_TOKEN {
                    continue;
                }
                return match kept {
                    Kept::Response { status: 200, body, .. } => Ok(body),
                    Kept::Response { status, body, .. } => {
                        let told = answer::refusal(&body).map_or_else(
                            |_| String::new(),
                            |refusal| format!(", {}: {}", refusal.code, refusal.msg.get()),
                        );
                        Err(LineError::Answer(format!("{}: status {status}{told}", rest.1)))
                    }
                    Kept::Nothing { why } => Err(LineError::Answer(format!("{}: {why}", rest.1))),
                };
            }
        }
    }

    /// The venue's time less ours from several questions, the one with the shortest way.
    pub fn measure(&mut self, count: u32, clock: &Clock) -> Result<Offset, LineError> {
        let mut best: Option<Offset> = None;
        let path = Method::Time.rest().map_or("", |(_, path)| path);
        for _ in 0..count.max(1) {
            let asked_ns = clock.now_ns();
            let body = self.ask(("GET", path), false, clock, |_| {})?;
            self.time_asked_ns = Some(asked_ns);
            self.take_time(
                &Kept::Response { status: 200, body, retry_after_ns: None },
                clock.now_ns(),
            );
            if let Some(found) = self.offset
                && best.is_none_or(|best| found.error_ns < best.error_ns)
            {
                best = Some(found);
            }
        }
        self.offset = best;
        best.ok_or_else(|| LineError::Answer("the venue does not tell its time".to_string()))
    }
}

fn judged(kept: &Kept) -> Answer<'_> {
    match kept {
        Kept::Response { status: 200, body, .. } => Answer::Done(body),
        Kept::Response { status, body, retry_after_ns } => {
            let code = answer::refusal(body).map_or(0, |refusal| refusal.code);
            Answer::Refused { status: *status, code, retry_after_ns: *retry_after_ns }
        }
        Kept::Nothing { why } => Answer::Nothing { why },
    }
}
