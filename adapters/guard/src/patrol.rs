//! The loop of the guard: looks, acts, writes down what it did.
//!
//! ```text
//!   Idle --an engine works--> Watching --lost--> Acting --clean, came back, superseded--> Idle
//!     ^                          |ended in order                                            |
//!     +--------------------------+----------------------------------------------------------+
//! ```

use std::path::PathBuf;
use std::time::Duration;

use engine::clock::Clock;
use engine::stats::{CounterId, ProcessId, Pulse, StatsReadError, StatsReader};
use wire::http::HttpConfig;
use wire::tls::{self, TlsRoots};

use crate::beat::{self, Beat, Lock, LockError, Phase};
use crate::cancel::{Canceller, Settings};
use crate::line::{Credentials, Line, LineConfig};
use crate::record::{self, Act, Call, Outcome};
use crate::session::Session;
use crate::watch::{Cause, EngineId, Sight, Watch};

/// Between two looks at the engine.
const LOOK_WAIT: Duration = Duration::from_millis(5);
/// Between two tries to open what is not there, and two looks at whether it was replaced.
const OPEN_INTERVAL_NS: u64 = 50_000_000;
/// Between two looks at the session file.
const SESSION_INTERVAL_NS: u64 = 1_000_000_000;
/// Between two disciplines of the clock.
const DISCIPLINE_INTERVAL_NS: u64 = 1_000_000_000;
/// A local venue that is gone for so long has ended with its engine.
const VENUE_GONE_NS: u64 = 3_000_000_000;
/// Between two fetches of a key that the venue refuses.
const KEY_INTERVAL_NS: u64 = 1_000_000_000;
/// Wait between two tries after a person was called.
const SLOW_RETRY_NS: u64 = 1_000_000_000;

/// Reads the key that a session names; an error in words.
pub type Keys = Box<dyn Fn(&str, &Session) -> Result<Credentials, String>>;

/// What a guard is told.
pub struct Orders {
    /// Data directory of the engine.
    pub dir: PathBuf,
    /// Silence that it bears, instead of what the session says.
    pub dead_ns_max: Option<u64>,
    /// Key file instead of the session's.
    pub key_file: Option<PathBuf>,
    /// End when one engine has ended or was dealt with.
    pub once: bool,
    /// Reads the key that `key_file` of a session names; an error in words.
    pub keys: Keys,
}

impl std::fmt::Debug for Orders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Orders")
            .field("dir", &self.dir)
            .field("dead_ns_max", &self.dead_ns_max)
            .field("once", &self.once)
            .finish_non_exhaustive()
    }
}

/// What a guard says while it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// An engine works, and is watched from here on.
    Watching(EngineId),
    /// It ended in order.
    Ended(EngineId),
    /// It is lost; orders are being cancelled.
    Acting(Act),
    /// That is over.
    Acted(Act),
    /// Something is wrong with the guard itself.
    Trouble(String),
}

/// How a patrol ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    Told,
    /// The one engine ended in order.
    Ended,
    /// The one engine was dealt with.
    Acted(Outcome),
}

impl End {
    /// Whether that engine will not need this guard again.
    const fn is_over(self) -> bool {
        match self {
            End::Told | End::Ended | End::Acted(Outcome::Superseded) => true,
            End::Acted(outcome) => outcome.is_final(),
        }
    }
}

/// Why there is no patrol.
#[derive(Debug, thiserror::Error)]
pub enum PatrolError {
    /// Another guard is there, or the directory cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The stats file is of another version or damaged.
    #[error(transparent)]
    Stats(#[from] StatsReadError),
    /// The system gives no sockets.
    #[error("cannot wait for sockets: {0}")]
    Io(#[from] std::io::Error),
}

/// An act that is going on.
#[derive(Debug)]
struct Acting {
    canceller: Canceller,
    cause: Cause,
    engine: EngineId,
    noticed_ns: u64,
    last_beat_ns: u64,
    called: bool,
}

/// The guard of a data directory.
#[derive(Debug)]
pub struct Patrol {
    orders: Orders,
    clock: Clock,
    _lock: Lock,
    own: ProcessId,
    reader: Option<StatsReader>,
    open_next_ns: u64,
    session: Option<Session>,
    session_next_ns: u64,
    line: Option<Line>,
    /// When a key that was refused may be fetched again.
    key_next_ns: u64,
    watch: Watch,
    acting: Option<Acting>,
    /// The engine that was dealt with, or that ended.
    settled: Option<EngineId>,
    /// The engine that was told to be watched.
    watched: Option<EngineId>,
    beat_next_ns: u64,
    discipline_next_ns: u64,
    trouble: Option<String>,
}

impl Patrol {
    /// Takes the lock. What an earlier guard of this directory has finished is not done again.
    pub fn new(orders: Orders, clock: Clock) -> Result<Patrol, PatrolError> {
        let lock = Lock::take(&orders.dir)?;
        let settled =
            record::last(&orders.dir).filter(|act| act.outcome.is_final()).map(|act| act.engine);
        Ok(Patrol {
            watch: Watch::new(orders.dead_ns_max.unwrap_or(u64::MAX)),
            orders,
            clock,
            _lock: lock,
            own: ProcessId::this(),
            reader: None,
            open_next_ns: 0,
            session: None,
            session_next_ns: 0,
            line: None,
            key_next_ns: 0,
            acting: None,
            settled,
            watched: None,
            beat_next_ns: 0,
            discipline_next_ns: 0,
            trouble: None,
        })
    }

    /// Patrols until `stop` says so, or the one engine is over.
    pub fn run(
        &mut self,
        stop: impl Fn() -> bool,
        mut tell: impl FnMut(&News),
    ) -> Result<End, PatrolError> {
        loop {
            if stop() {
                if self.acting.is_some() {
                    self.finish(Outcome::Abandoned, &mut tell);
                }
                self.beat();
                return Ok(End::Told);
            }
            if let Some(end) = self.turn(&mut tell)?
                && self.orders.once
                && end.is_over()
            {
                self.beat();
                return Ok(end);
            }
        }
    }

    /// One look, and what follows from it; an end when an engine is over.
    fn turn(&mut self, tell: &mut impl FnMut(&News)) -> Result<Option<End>, PatrolError> {
        let now_ns = self.clock.now_ns();
        if self.discipline_next_ns <= now_ns {
            self.discipline_next_ns = now_ns + DISCIPLINE_INTERVAL_NS;
            self.clock.discipline();
        }
        if self.beat_next_ns <= now_ns {
            self.beat();
        }
        // While it acts the session stays, but a line that could not be opened is tried again.
        let may_connect = self.acting.is_none() || self.line.is_none();
        if self.session_next_ns <= now_ns && may_connect {
            self.read_session(now_ns, tell);
        }
        self.speak(now_ns)?;
        let Some(pulse) = self.pulse(self.clock.now_ns())? else { return Ok(None) };
        let exists = pulse.engine.process.exists();
        let now_ns = self.clock.now_ns();
        if self.watch.engine() != Some(EngineId::of(&pulse)) {
            // It wrote its session before its stats.
            self.read_session(now_ns, tell);
        }
        let sight = self.watch.look(&pulse, exists, now_ns);
        Ok(self.judge(sight, &pulse, now_ns, tell))
    }

    /// Sends, waits and reads, or only waits.
    fn speak(&mut self, now_ns: u64) -> std::io::Result<()> {
        let Some(line) = &mut self.line else {
            std::thread::park_timeout(LOOK_WAIT);
            return Ok(());
        };
        let canceller = self.acting.as_mut().map(|acting| &mut acting.canceller);
        match canceller {
            Some(canceller) => {
                line.send(canceller, now_ns);
                let wait_ns = canceller.next_ns().saturating_sub(now_ns).max(1_000_000);
                line.turn(
                    LOOK_WAIT.min(Duration::from_nanos(wait_ns)),
                    &self.clock,
                    Some(canceller),
                )
            }
            None => line.turn(LOOK_WAIT, &self.clock, None),
        }
    }

    fn judge(
        &mut self,
        sight: Sight,
        pulse: &Pulse,
        now_ns: u64,
        tell: &mut impl FnMut(&News),
    ) -> Option<End> {
        let engine = EngineId::of(pulse);
        if self.acting.as_ref().is_some_and(|acting| acting.engine != engine) {
            return Some(self.finish(Outcome::Superseded, tell));
        }
        match sight {
            Sight::Working => {
                if self.acting.is_some() {
                    return Some(self.finish(Outcome::CameBack, tell));
                }
                self.settled = None;
                if self.watched != Some(engine) {
                    self.watched = Some(engine);
                    self.beat();
                    tell(&News::Watching(engine));
                }
                None
            }
            Sight::Ended => {
                match self.acting.as_ref().map(|acting| &acting.cause) {
                    Some(Cause::LeftOrders { .. }) => return self.go_on(now_ns, tell),
                    // It was stuck, came back and ended.
                    Some(_) => return Some(self.finish(Outcome::CameBack, tell)),
                    None => {}
                }
                if self.settled != Some(engine) {
                    if let Some(cause) = self.left_orders() {
                        return self.begin(cause, pulse, now_ns, tell);
                    }
                    self.settled = Some(engine);
                    self.beat();
                    tell(&News::Ended(engine));
                }
                Some(End::Ended)
            }
            Sight::Lost(cause) if self.acting.is_none() => {
                if self.settled == Some(engine) {
                    return Some(End::Acted(Outcome::Clean));
                }
                self.begin(cause, pulse, now_ns, tell)
            }
            Sight::Lost(_) => self.go_on(now_ns, tell),
        }
    }

    /// Orders that an engine which ended in order says it has not heard the end of.
    fn left_orders(&self) -> Option<Cause> {
        let snapshot = self.reader.as_ref()?.snapshot().ok()?;
        let count = snapshot.counter(CounterId::OrdersOpen);
        (0 < count).then_some(Cause::LeftOrders { count })
    }

    /// Begins to cancel. An engine whose session has no key cannot have sent an order: it is over.
    fn begin(
        &mut self,
        cause: Cause,
        pulse: &Pulse,
        now_ns: u64,
        tell: &mut impl FnMut(&News),
    ) -> Option<End> {
        let engine = EngineId::of(pulse);
        let Some(session) = self.session.as_ref().filter(|session| session.key_file.is_some())
        else {
            self.settled = Some(engine);
            self.beat();
            tell(&News::Ended(engine));
            return Some(End::Ended);
        };
        let settings = Settings {
            engine: session.engine,
            shared: session.habits.shared_account,
            symbols: session.symbols.clone(),
            settle_ns: session.habits.settle_ns,
            retry_ns: session.habits.retry_ns,
        };
        let mut canceller = Canceller::new(settings, now_ns);
        if let Some(line) = &mut self.line {
            // The first requests leave before anything is written down.
            line.send(&mut canceller, now_ns);
        }
        let beats = pulse.threads.iter().map(|thread| thread.last_beat_ns);
        self.acting = Some(Acting {
            canceller,
            cause,
            engine,
            noticed_ns: now_ns,
            last_beat_ns: beats.max().unwrap_or(0),
            called: false,
        });
        self.beat();
        if let Some(act) = self.act(Outcome::Begun) {
            self.write(&act, tell);
            self.call(Call::Acting, Some(&act), &format!("{}: cancelling", act.detail), tell);
            tell(&News::Acting(act));
        }
        None
    }

    fn go_on(&mut self, now_ns: u64, tell: &mut impl FnMut(&News)) -> Option<End> {
        let (give_up_ns, is_local) = self.session.as_ref().map_or((u64::MAX, false), |session| {
            (session.habits.give_up_ns, session.network == "local")
        });
        let is_open = self.line.as_ref().is_some_and(Line::is_open);
        let acting = self.acting.as_mut()?;
        let canceller = &mut acting.canceller;
        if canceller.is_done() {
            return Some(self.finish(Outcome::Clean, tell));
        }
        let age_ns = now_ns.saturating_sub(acting.noticed_ns);
        if is_local && !is_open && VENUE_GONE_NS < age_ns {
            return Some(self.finish(Outcome::VenueGone, tell));
        }
        if canceller.has_refused_key() && self.key_next_ns <= now_ns {
            // It may have been exchanged: the next line fetches it again.
            self.key_next_ns = now_ns + KEY_INTERVAL_NS;
            canceller.cut("the venue refuses the key", now_ns);
            self.line = None;
            self.session_next_ns = now_ns;
        }
        if give_up_ns < age_ns && !acting.called {
            acting.called = true;
            canceller.set_retry_ns(SLOW_RETRY_NS);
            let text = format!(
                "the guard cannot cancel: {} orders were left at the last look, {}",
                canceller.report().left,
                canceller.report().failures.last().map_or("no answer yet", String::as_str),
            );
            let act = self.act(Outcome::Begun);
            self.call(Call::CannotCancel, act.as_ref(), &text, tell);
            tell(&News::Trouble(text));
        }
        None
    }

    fn act(&self, outcome: Outcome) -> Option<Act> {
        let acting = self.acting.as_ref()?;
        let report = acting.canceller.report().clone();
        Some(Act {
            time_ns: self.clock.now_ns(),
            engine: acting.engine,
            why: acting.cause.name().to_string(),
            detail: acting.cause.to_string(),
            noticed_ns: acting.noticed_ns,
            last_beat_ns: acting.last_beat_ns,
            outcome,
            orders_cancelled: report.cancelled,
            orders_left: report.left,
            strangers: report.strangers,
            requests: report.requests,
            clean_ns: report.clean_ns,
            answers: report.answers,
            failures: report.failures,
        })
    }

    fn finish(&mut self, outcome: Outcome, tell: &mut impl FnMut(&News)) -> End {
        if let Some(act) = self.act(outcome) {
            if outcome.is_final() {
                self.settled = Some(act.engine);
            }
            // It may work again, and be lost again.
            self.watched = None;
            self.write(&act, tell);
            self.call(Call::Acted, Some(&act), &act.words(), tell);
            tell(&News::Acted(act));
        }
        self.acting = None;
        self.beat();
        End::Acted(outcome)
    }

    fn write(&mut self, act: &Act, tell: &mut impl FnMut(&News)) {
        if let Err(error) = record::log(&self.orders.dir, act) {
            self.complain(format!("cannot write guard.log: {error}"), tell);
        }
    }

    /// Leaves an alarm for those who tell people.
    fn call(&mut self, call: Call, act: Option<&Act>, text: &str, tell: &mut impl FnMut(&News)) {
        let told = record::alarm(&self.orders.dir, call, act, (text, self.clock.now_ns()));
        if let Err(error) = told {
            self.say(format!("cannot write the alarm: {error}"), tell);
        }
    }

    /// Says each trouble once, also to those who tell people.
    fn complain(&mut self, text: String, tell: &mut impl FnMut(&News)) {
        if self.trouble.as_ref() != Some(&text) {
            self.call(Call::Trouble, None, &text, tell);
        }
        self.say(text, tell);
    }

    /// Says each trouble once.
    fn say(&mut self, text: String, tell: &mut impl FnMut(&News)) {
        if self.trouble.as_ref() != Some(&text) {
            tell(&News::Trouble(text.clone()));
            self.trouble = Some(text);
        }
    }

    /// The engine's pulse; `None` while there is none.
    fn pulse(&mut self, now_ns: u64) -> Result<Option<Pulse>, PatrolError> {
        if self.open_next_ns <= now_ns {
            self.open_next_ns = now_ns + OPEN_INTERVAL_NS;
            let is_stale = self.reader.as_ref().is_none_or(StatsReader::is_superseded);
            if is_stale {
                match StatsReader::open(&self.orders.dir) {
                    Ok(reader) => self.reader = Some(reader),
                    // None yet, or one that is being made: the old one is still the engine's.
                    Err(StatsReadError::Missing { .. }) => {}
                    Err(error) if self.reader.is_none() && !is_being_made(&error) => {
                        return Err(error.into());
                    }
                    Err(_) => {}
                }
            }
        }
        match self.reader.as_ref().map(StatsReader::pulse) {
            None => Ok(None),
            Some(Ok(pulse)) => Ok(Some(pulse)),
            Some(Err(_)) => {
                // It was cut off under our hands.
                self.reader = None;
                Ok(None)
            }
        }
    }

    fn read_session(&mut self, now_ns: u64, tell: &mut impl FnMut(&News)) {
        self.session_next_ns = now_ns + SESSION_INTERVAL_NS;
        let read = match Session::read(&self.orders.dir) {
            Ok(read) => read,
            Err(error) => return self.complain(error.to_string(), tell),
        };
        let Some(mut session) = read else { return };
        if let Some(path) = self.orders.key_file.as_ref().filter(|_| session.key_file.is_some()) {
            session.key_file = Some(path.display().to_string());
        }
        if let Some(dead_ns_max) = self.orders.dead_ns_max {
            session.habits.dead_ns_max = dead_ns_max;
        }
        if self.line.is_some() && self.session.as_ref() == Some(&session) {
            return;
        }
        self.watch.set_dead_ns_max(session.habits.dead_ns_max);
        match self.connect(&session) {
            Ok(line) => {
                self.line = Some(line);
                self.trouble = None;
            }
            Err(text) => {
                self.line = None;
                self.complain(text, tell);
            }
        }
        self.session = Some(session);
    }

    fn connect(&self, session: &Session) -> Result<Line, String> {
        let credentials = match &session.key_file {
            Some(name) => Some((self.orders.keys)(name, session)?),
            None => None,
        };
        let mut http = HttpConfig::default();
        if session.rest_url.starts_with("https://") {
            let tls = match &session.ca_file {
                Some(path) => {
                    let pem =
                        std::fs::read(path).map_err(|error| format!("read {path}: {error}"))?;
                    tls::client_config(TlsRoots::Pem(&pem))
                }
                None => tls::client_config(TlsRoots::WebPki),
            };
            http.tls = Some(tls.map_err(|error| error.to_string())?);
        }
        let config = LineConfig {
            rest_url: &session.rest_url,
            http,
            credentials,
            request_ns_max: session.habits.request_ns_max,
            recv_window_ms: session.habits.recv_window_ms,
        };
        Line::open(config).map_err(|error| error.to_string())
    }

    fn beat(&mut self) {
        let now_ns = self.clock.now_ns();
        self.beat_next_ns = now_ns + beat::INTERVAL_NS;
        let engine = self.watch.engine();
        let is_settled = engine.is_none() || self.settled == engine;
        let phase = match (&self.acting, is_settled) {
            (Some(_), _) => Phase::Acting,
            (None, true) => Phase::Idle,
            (None, false) => Phase::Watching,
        };
        let line = self.line.as_ref();
        let own = Beat {
            pid: self.own.pid,
            start_ticks: self.own.start_ticks,
            namespace: self.own.namespace,
            time_ns: now_ns,
            phase,
            engine,
            venue_open: line.is_some_and(Line::is_open),
            can_sign: line.is_some_and(Line::can_sign),
            trouble: self.trouble.clone().or_else(|| {
                line.filter(|l| !l.is_open()).and_then(Line::trouble).map(str::to_string)
            }),
        };
        // A full disk keeps nobody from cancelling; whoever reads the beat sees that it is old.
        drop(own.write(&self.orders.dir));
    }
}

/// Whether a stats file is only not ready yet.
fn is_being_made(error: &StatsReadError) -> bool {
    use engine::stats::StatsDamage;
    match error {
        StatsReadError::Missing { .. } => true,
        StatsReadError::Damaged { damage, .. } => match damage {
            StatsDamage::Magic { found } | StatsDamage::Length { found, .. } => *found == 0,
            StatsDamage::Version { .. } | StatsDamage::HeaderLength { .. } => false,
        },
        StatsReadError::Io { .. } => false,
    }
}
