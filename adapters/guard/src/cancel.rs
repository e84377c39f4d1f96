//! Cancels every order of an engine at the venue and looks until none is left. A machine without clock and sockets.
//!
//! ```text
//!            own account: cancel all, symbol by symbol --+
//!   start --+                                            v
//!           +--------> look (all open orders) --ours--> cancel each --all answered--> look
//!                        ^    |none of ours
//!                        |    +--> clean; the last look must come after the settle time, because a request that
//!                        |         the dead engine had sent may be accepted until then
//!                        +--failed, late, refused-- wait, again
//! ```
//! A cancel may be asked for twice: that harms nobody. Nothing else is ever sent.
//!
//! **Invariant:** done means that a look which began after the settle time found no order of this engine.
//!
//! **Invariant:** with `shared` no order is named in a cancel whose client id is not of this engine.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use binance::orders::client_id::ClientId;
use serde::Deserialize;

/// Cancels in one round; what is left comes with the next look.
pub const ROUND_COUNT_MAX: usize = 256;
/// Distinct failures that are kept in words.
pub const FAILURE_COUNT_MAX: usize = 16;
/// Distinct kinds of answers that are counted; the rest is `other`.
const ANSWER_KIND_MAX: usize = 32;
/// Between two looks that found nothing. A look at all symbols costs 80 of 6,000 that a minute has, and the next
/// engine on this machine will want its share.
const LOOK_INTERVAL_NS: u64 = 250_000_000;
/// Wait after a refusal for too many requests that does not say how long.
const LIMITED_WAIT_NS: u64 = 1_000_000_000;
/// Longest wait that the venue can ask for.
const LIMITED_WAIT_NS_MAX: u64 = 60_000_000_000;
/// The signature, the key or its permissions.
const KEY_REFUSED: [i64; 3] = [-1022, -2014, -2015];
/// "Unknown order": it is gone.
const UNKNOWN_ORDER: i64 = -2011;

/// Whose orders, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Number of the engine.
    pub engine: u8,
    /// Whether others trade on the account.
    pub shared: bool,
    /// Symbols of the engine, for cancels of everything.
    pub symbols: Vec<String>,
    /// For how long a request of the engine may still arrive.
    pub settle_ns: u64,
    /// Wait before a new try.
    pub retry_ns: u64,
}

/// What is asked of the venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Every open order of the account.
    Look,
    /// Cancel everything of a symbol.
    CancelAll {
        /// The symbol.
        symbol: String,
    },
    /// Cancel an order.
    Cancel {
        /// The symbol.
        symbol: String,
        /// The venue's id.
        venue_id: u64,
        /// Its name.
        name: ClientId,
    },
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// Status 200.
    Done(&'a [u8]),
    /// Another status.
    Refused {
        /// Of HTTP.
        status: u16,
        /// Of the venue; 0 when the body was no error of the venue.
        code: i64,
        /// When the venue wants to hear from us again, ns from now.
        retry_after_ns: Option<u64>,
    },
    /// No answer.
    Nothing {
        /// Why.
        why: &'a str,
    },
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Orders that a cancel was confirmed of.
    pub cancelled: usize,
    /// Requests that were sent.
    pub requests: u64,
    /// Looks that were answered.
    pub looks: u64,
    /// Orders of this engine at the last look.
    pub left: usize,
    /// Orders of others at the last look; not touched on a shared account.
    pub strangers: usize,
    /// From the start to the first look that found no order of this engine.
    pub clean_ns: Option<u64>,
    /// Answers by kind, such as `200` or `503`.
    pub answers: BTreeMap<String, u64>,
    /// What went wrong, each once.
    pub failures: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    symbol: String,
    order_id: u64,
    client_order_id: String,
    orig_client_order_id: Option<String>,
}

impl Row {
    /// Its name, if it is of one of our engines.
    fn name(&self) -> Option<ClientId> {
        let names = [self.orig_client_order_id.as_deref(), Some(self.client_order_id.as_str())];
        names.into_iter().flatten().find_map(ClientId::parse)
    }
}

/// The machine.
#[derive(Debug)]
pub struct Canceller {
    settings: Settings,
    start_ns: u64,
    next_token: u64,
    in_flight: BTreeMap<u64, (Ask, u64)>,
    /// Waits to be sent.
    queue: Vec<Ask>,
    /// When the next look is due, while nothing is in flight.
    look_ns: u64,
    /// Nothing is sent before.
    hold_ns: u64,
    /// The round before the next look had a failure.
    failed: bool,
    /// The venue has said that the key is none.
    refused_key: bool,
    cancelled: BTreeSet<(String, u64)>,
    done: bool,
    report: Report,
}

impl Canceller {
    /// A machine that begins now.
    pub fn new(settings: Settings, now_ns: u64) -> Canceller {
        let queue = if settings.shared {
            Vec::new()
        } else {
            let all = settings.symbols.iter().cloned();
            all.map(|symbol| Ask::CancelAll { symbol }).collect()
        };
        Canceller {
            settings,
            start_ns: now_ns,
            next_token: 1,
            in_flight: BTreeMap::new(),
            queue,
            look_ns: now_ns,
            hold_ns: 0,
            failed: false,
            refused_key: false,
            cancelled: BTreeSet::new(),
            done: false,
            report: Report::default(),
        }
    }

    /// What is to be sent now, each with the token that its answer must carry.
    pub fn take(&mut self, now_ns: u64) -> Vec<(u64, Ask)> {
        if self.done || now_ns < self.hold_ns {
            return Vec::new();
        }
        if self.queue.is_empty() && self.in_flight.is_empty() && self.look_ns <= now_ns {
            self.queue.push(Ask::Look);
        }
        let mut taken = Vec::with_capacity(self.queue.len());
        for ask in self.queue.drain(..) {
            let token = self.next_token;
            self.next_token += 1;
            self.in_flight.insert(token, (ask.clone(), now_ns));
            taken.push((token, ask));
        }
        self.report.requests += u64::try_from(taken.len()).unwrap_or(u64::MAX);
        taken
    }

    /// When [`Canceller::take`] has something, as far as time decides it.
    pub fn next_ns(&self) -> u64 {
        self.look_ns.max(self.hold_ns)
    }

    /// An answer; foreign tokens mean nothing.
    pub fn answered(&mut self, token: u64, answer: Answer<'_>, now_ns: u64) {
        let Some((ask, asked_ns)) = self.in_flight.remove(&token) else { return };
        let failure = match answer {
            Answer::Done(body) => {
                self.refused_key = false;
                self.count("200");
                self.read(&ask, body, asked_ns, now_ns).err()
            }
            Answer::Refused { code: UNKNOWN_ORDER, status, .. } if ask != Ask::Look => {
                // Nothing is open under that name or symbol: what was wanted.
                self.count(&format!("{status} {UNKNOWN_ORDER}"));
                None
            }
            Answer::Refused { status, code, retry_after_ns } => {
                self.count(&if code == 0 {
                    status.to_string()
                } else {
                    format!("{status} {code}")
                });
                self.refused_key |= KEY_REFUSED.contains(&code);
                if matches!(status, 418 | 429) {
                    let wait_ns = retry_after_ns.unwrap_or(LIMITED_WAIT_NS);
                    let until_ns = now_ns.saturating_add(wait_ns.min(LIMITED_WAIT_NS_MAX));
                    self.hold_ns = self.hold_ns.max(until_ns);
                }
                Some(format!("{}: status {status}, code {code}", words(&ask)))
            }
            Answer::Nothing { why } => {
                self.count("none");
                Some(format!("{}: {why}", words(&ask)))
            }
        };
        if let Some(failure) = failure {
            self.failed = true;
            let failures = &mut self.report.failures;
            if failures.len() < FAILURE_COUNT_MAX && !failures.contains(&failure) {
                failures.push(failure);
            }
        }
        if self.in_flight.is_empty() && self.queue.is_empty() && !self.done {
            self.end_round(ask == Ask::Look, now_ns);
        }
    }

    /// Everything was answered: when to look again.
    fn end_round(&mut self, was_look: bool, now_ns: u64) {
        let failed = std::mem::take(&mut self.failed);
        self.look_ns = if failed || was_look {
            // A clean look in the settle time leads to the next one, and at last to the one that counts.
            let settled_ns = self.start_ns.saturating_add(self.settings.settle_ns);
            let wait_ns = if failed { self.settings.retry_ns } else { LOOK_INTERVAL_NS };
            let again_ns = now_ns.saturating_add(wait_ns);
            if !failed && now_ns < settled_ns { again_ns.min(settled_ns) } else { again_ns }
        } else {
            now_ns
        };
    }

    fn read(&mut self, ask: &Ask, body: &[u8], asked_ns: u64, now_ns: u64) -> Result<(), String> {
        let malformed = |error: serde_json::Error| format!("{}: {error}", words(ask));
        match ask {
            Ask::Look => {
                let rows: Vec<Row> = serde_json::from_slice(body).map_err(malformed)?;
                self.looked(&rows, asked_ns, now_ns);
            }
            Ask::CancelAll { .. } => {
                let rows: Vec<Row> = serde_json::from_slice(body).map_err(malformed)?;
                self.cancelled.extend(rows.into_iter().map(|row| (row.symbol, row.order_id)));
            }
            Ask::Cancel { symbol, venue_id, .. } => {
                serde_json::from_slice::<Row>(body).map_err(malformed)?;
                self.cancelled.insert((symbol.clone(), *venue_id));
            }
        }
        self.report.cancelled = self.cancelled.len();
        Ok(())
    }

    fn looked(&mut self, rows: &[Row], asked_ns: u64, now_ns: u64) {
        let engine = self.settings.engine;
        let is_ours = |name: &ClientId| name.order_id.to_le_bytes()[7] == engine;
        let ours: Vec<(&Row, ClientId)> = rows
            .iter()
            .filter_map(|row| row.name().filter(is_ours).map(|name| (row, name)))
            .collect();
        self.report.looks += 1;
        self.report.left = ours.len();
        self.report.strangers = rows.len() - ours.len();
        if ours.is_empty() {
            self.report.clean_ns.get_or_insert(now_ns.saturating_sub(self.start_ns));
            self.done = self.start_ns.saturating_add(self.settings.settle_ns) <= asked_ns;
            return;
        }
        // It came after a look that was clean: late from the dead engine.
        self.report.clean_ns = None;
        if self.settings.shared {
            self.queue.extend(ours.into_iter().take(ROUND_COUNT_MAX).map(|(row, name)| {
                Ask::Cancel { symbol: row.symbol.clone(), venue_id: row.order_id, name }
            }));
            return;
        }
        let symbols: BTreeSet<&str> = ours.iter().map(|(row, _)| row.symbol.as_str()).collect();
        self.queue.extend(
            symbols.into_iter().map(|symbol| Ask::CancelAll { symbol: symbol.to_string() }),
        );
    }

    fn count(&mut self, kind: &str) {
        let answers = &mut self.report.answers;
        let is_full = ANSWER_KIND_MAX <= answers.len() && !answers.contains_key(kind);
        let kind = if is_full { "other" } else { kind };
        *answers.entry(kind.to_string()).or_default() += 1;
    }

    /// Whether the last answers of the venue were that the key is none.
    pub fn has_refused_key(&self) -> bool {
        self.refused_key
    }

    /// The line is gone: what was asked has no answer any more.
    pub fn cut(&mut self, why: &str, now_ns: u64) {
        self.refused_key = false;
        let tokens: Vec<u64> = self.in_flight.keys().copied().collect();
        for token in tokens {
            self.answered(token, Answer::Nothing { why }, now_ns);
        }
    }

    /// Waits so long between two tries from here on.
    pub fn set_retry_ns(&mut self, retry_ns: u64) {
        self.settings.retry_ns = retry_ns;
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// What was done so far.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

fn words(ask: &Ask) -> String {
    match ask {
        Ask::Look => "open orders".to_string(),
        Ask::CancelAll { symbol } => format!("cancel all of {symbol}"),
        Ask::Cancel { symbol, .. } => format!("cancel of an order of {symbol}"),
    }
}
