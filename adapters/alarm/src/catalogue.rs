//! The catalogue: every alarm with its stable code, severity, meaning, runbook, and how it ends.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

/// How bad it is, and so who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// For the history only.
    Info,
    /// To be looked at during the day.
    Warning,
    /// To be looked at now. Becomes a page when nobody acknowledges it.
    Critical,
    /// Wakes somebody.
    Page,
}

impl Severity {
    /// Every one, from the mildest.
    pub const ALL: [Severity; 4] =
        [Severity::Info, Severity::Warning, Severity::Critical, Severity::Page];

    /// Name in messages and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Info => "INFO",
            Severity::Warning => "WARNING",
            Severity::Critical => "CRITICAL",
            Severity::Page => "PAGE",
        }
    }

    /// The severity of that name, in any case.
    pub fn from_name(name: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|severity| severity.name().eq_ignore_ascii_case(name))
    }
}

/// How an alarm ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It has no duration: told once, never kept.
    Once,
    /// When the condition is over.
    Condition,
    /// When it did not happen again for the quiet period.
    Quiet,
    /// When a person acknowledges it.
    Acknowledge,
}

impl Ending {
    /// Words in documents.
    pub const fn words(self) -> &'static str {
        match self {
            Ending::Once => "at once",
            Ending::Condition => "with its cause",
            Ending::Quiet => "by itself, when it does not happen again",
            Ending::Acknowledge => "by an acknowledgement",
        }
    }
}

macro_rules! alarms {
    ($($variant:ident = $code:literal $name:literal $severity:ident $ending:ident $runbook:literal
        $meaning:literal;)*) => {
        /// What an alarm is about. Codes are kept in files and in people's heads: never renumber.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "u16", into = "u16")]
        #[repr(u16)]
        pub enum Code {
            $(
                #[doc = $meaning]
                $variant = $code,
            )*
        }

        impl Code {
            /// Every alarm in the order of the codes.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// Name in messages, tools and documents.
            pub const fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self { $(Code::$variant => Severity::$severity,)* }
            }

            /// How it ends.
            pub const fn ending(self) -> Ending {
                match self { $(Code::$variant => Ending::$ending,)* }
            }

            /// File under `docs/runbooks`: what to do.
            pub const fn runbook(self) -> &'static str {
                match self { $(Code::$variant => $runbook,)* }
            }

            /// What it means, in one or two sentences.
            pub const fn meaning(self) -> &'static str {
                match self { $(Code::$variant => $meaning,)* }
            }

            /// The alarm of that number.
            pub const fn from_number(number: u16) -> Option<Code> {
                match number {
                    $($code => Some(Code::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

alarms! {
    // Trading.
    BreakerSafe = 101 "breaker-safe" Page Condition "breaker-tripped.md"
        "A breaker tripped: only orders that bring a position nearer to zero pass in its scope.";
    BreakerKilled = 102 "breaker-killed" Page Condition "kill.md"
        "A scope is killed: nothing but cancels and closing orders of the engine passes until it is rearmed.";
    KillUsed = 103 "kill-used" Page Acknowledge "kill.md"
        "A kill or a flatten began.";
    KillLate = 104 "kill-late" Page Condition "kill.md"
        "A kill is not done in time: orders may still work, or positions are still open.";
    RiskReducing = 105 "risk-reducing" Warning Condition "limit.md"
        "The gate lets only reducing orders pass.";
    TradingHalted = 106 "trading-halted" Page Condition "limit.md"
        "The gate lets only cancels pass.";
    LossLimit = 107 "loss-limit" Page Acknowledge "limit.md"
        "The limit of the day's loss, or of the fall from the peak, is reached.";
    LimitWarning = 108 "limit-warning" Warning Quiet "limit.md"
        "A soft limit is passed, or half or three quarters of a hard limit are used.";
    LimitNear = 109 "limit-near" Critical Quiet "limit.md"
        "Nine tenths of a hard limit are used.";
    LimitReached = 110 "limit-reached" Critical Quiet "limit.md"
        "A hard limit is used up: orders that need more are refused.";
    LimitChanged = 111 "limit-changed" Warning Quiet "limit.md"
        "An operator changed a limit.";
    StrategyPanicked = 112 "strategy-panicked" Critical Acknowledge "strategy-panic.md"
        "A strategy panicked. It is disabled, its orders are cancelled, its position stays.";
    StrategyDisabled = 113 "strategy-disabled" Warning Condition "strategy-panic.md"
        "A strategy is switched off.";
    RefusedBurst = 114 "refused-burst" Warning Quiet "limit.md"
        "A strategy keeps asking for what the gate refuses: its numbers or its limits are wrong.";
    CommandRefused = 115 "command-refused" Warning Quiet "operator.md"
        "An operator tried what the role, a ceiling or the rule of two persons does not allow.";
    TradingPaused = 116 "trading-paused" Warning Condition "operator.md"
        "An operator paused a scope.";
    MonitorWarning = 117 "monitor-warning" Warning Quiet "monitor.md"
        "A figure of the post-trade monitor came near its limit.";
    MonitorReached = 118 "monitor-reached" Critical Quiet "monitor.md"
        "A figure of the post-trade monitor reached its limit.";
    IntentsDropped = 119 "intents-dropped" Warning Quiet "strategy-panic.md"
        "A strategy asked for more at once than the engine takes; the rest was dropped.";
    HoldTime = 120 "hold-time" Critical Quiet "limit.md"
        "A position was held for too long: the engine closes it.";
    Flattening = 121 "flattening" Warning Condition "kill.md"
        "An operator has a scope closed: nothing but cancels and closing orders passes until it is flat.";

    // Orders and venues.
    VenueLocked = 201 "venue-locked" Critical Condition "reconcile-mismatch.md"
        "New orders to a venue are locked for longer than a reconciliation takes.";
    LinkDown = 202 "link-down" Critical Condition "venue-restart.md"
        "The order session of a venue is down: nothing can be sent, reports do not come.";
    ReconcileMismatch = 203 "reconcile-mismatch" Critical Condition "reconcile-mismatch.md"
        "Balances differ from the venue's after every attempt.";
    Difference = 204 "difference" Warning Quiet "reconcile-mismatch.md"
        "A reconciliation found a difference, which it settles by itself.";
    ReconcileFailing = 205 "reconcile-failing" Page Condition "reconcile-mismatch.md"
        "A venue's state could not be asked for, several times in a row.";
    OrderUnknown = 206 "order-unknown" Critical Condition "order-unknown.md"
        "The fate of an order is not known for longer than asking takes.";
    OrderStale = 207 "order-stale" Warning Condition "order-unknown.md"
        "An order works for long without a word from the venue.";
    RejectBurst = 208 "reject-burst" Warning Quiet "order-unknown.md"
        "The venue rejects one order after the other.";
    OrderStrange = 209 "order-strange" Critical Quiet "reconcile-mismatch.md"
        "The venue works an order that this engine did not send, or forgot.";
    FillOdd = 210 "fill-odd" Critical Acknowledge "reconcile-mismatch.md"
        "A fill that cannot be: more than was ordered, of nobody's order, or sums that differ from the venue's.";
    Anomaly = 211 "anomaly" Warning Quiet "anomaly.md"
        "Something that should not happen, did; trading goes on.";

    // The market.
    BookBad = 301 "book-bad" Critical Condition "feed-down.md"
        "A book is not to be traded on: down, stale, with a gap, or crossed.";
    FeedConnection = 302 "feed-connection" Warning Condition "feed-down.md"
        "A market-data connection is lost or mute.";
    MarketDropped = 303 "market-dropped" Warning Quiet "machine.md"
        "Market data was dropped because the core did not keep up.";
    Quarantine = 304 "quarantine" Warning Quiet "anomaly.md"
        "Input that cannot be read was put aside.";

    // The machine.
    ThreadStalled = 401 "thread-stalled" Critical Condition "machine.md"
        "A thread of the engine has not moved for longer than it may.";
    ThreadDead = 402 "thread-dead" Page Acknowledge "crash.md"
        "A thread of the engine is dead.";
    EngineFailed = 403 "engine-failed" Page Condition "crash.md"
        "The engine ended by a fault.";
    EngineDead = 404 "engine-dead" Page Condition "crash.md"
        "The engine's process is gone without a word.";
    JournalBehind = 405 "journal-behind" Critical Condition "disk-full.md"
        "The disk is far behind the journal: a loss of power would lose what is not synced.";
    JournalError = 406 "journal-error" Page Acknowledge "disk-full.md"
        "A write, a sync or a preparation of the journal failed.";
    DiskLow = 407 "disk-low" Critical Condition "disk-full.md"
        "The journal's file system is nearly full.";
    InboundFull = 408 "inbound-full" Critical Quiet "machine.md"
        "The ring into the core was full: reports and commands had to wait.";
    OutboundFull = 409 "outbound-full" Critical Quiet "machine.md"
        "The ring to order entry was full: orders had to wait.";
    CoreSilent = 410 "core-silent" Critical Condition "machine.md"
        "The core takes no events, not even of the clock.";
    InboundLag = 411 "inbound-lag" Warning Condition "machine.md"
        "Events wait for the core for long.";
    FillsLate = 412 "fills-late" Warning Quiet "machine.md"
        "Fills come more than 100 ms after what caused their orders.";
    FillsTooLate = 413 "fills-too-late" Critical Quiet "machine.md"
        "Fills come more than 500 ms after what caused their orders.";
    EngineError = 414 "engine-error" Warning Quiet "anomaly.md"
        "A thread wrote an error that was not there before.";

    // Sessions.
    SessionStart = 501 "session-start" Info Once "start-and-stop.md"
        "A session began.";
    SessionEnd = 502 "session-end" Info Once "start-and-stop.md"
        "A session ended in order.";
    UncleanEnd = 503 "unclean-end" Warning Quiet "crash.md"
        "A session began, and the one before it has no end: the engine was killed, or the machine went down.";

    // The alarms themselves.
    ChannelFailing = 601 "channel-failing" Critical Condition "alarms.md"
        "A channel cannot deliver; the others tell it.";
    ChannelOverflow = 602 "channel-overflow" Warning Quiet "alarms.md"
        "A channel lost messages: its queue was full, or what it would not take was given up.";
    AlarmsOverflow = 603 "alarms-overflow" Critical Condition "alarms.md"
        "More alarms at once than are kept: the newest have no number of their own.";
    JournalUnreadable = 604 "journal-unreadable" Page Condition "alarms.md"
        "The journal cannot be followed: nothing that stands in it raises an alarm any more.";
    StateLost = 605 "state-lost" Warning Quiet "alarms.md"
        "The state of the alarms could not be read; it begins anew, open alarms may be told again.";
    HistoryUnwritable = 606 "history-unwritable" Critical Condition "alarms.md"
        "The file of alarms cannot be written; messages still go out.";
    Test = 607 "test" Warning Once "alarms.md"
        "Somebody tries the channels.";
    Silenced = 608 "silenced" Info Once "alarms.md"
        "Somebody silenced an alarm for a time, or ended a silence.";

    // The guard.
    GuardActing = 701 "guard-acting" Page Condition "guard.md"
        "The guard found the engine dead or stuck, and cancels its orders at the venue.";
    GuardCannotCancel = 702 "guard-cannot-cancel" Page Condition "guard.md"
        "The guard has tried for as long as it may: orders of a dead engine may still work.";
    GuardActed = 703 "guard-acted" Critical Acknowledge "guard.md"
        "The guard's act is over: the positions are as the engine left them.";
    ReconcileNeeded = 704 "reconcile-needed" Warning Condition "guard.md"
        "The guard ended orders that the engine's record has as working, until the next reconciliation.";
    GuardTrouble = 705 "guard-trouble" Critical Quiet "guard.md"
        "The guard cannot work as it should: its session, its key or its files.";
}

impl Code {
    /// Number in files and messages.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The alarm of that name or number.
    pub fn from_text(text: &str) -> Option<Code> {
        let by_number = text.parse().ok().and_then(Code::from_number);
        by_number.or_else(|| Code::ALL.iter().copied().find(|code| code.name() == text))
    }
}

/// A number that no alarm has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no alarm has the number {0}")]
pub struct NoSuchCode(pub u16);

impl TryFrom<u16> for Code {
    type Error = NoSuchCode;

    fn try_from(number: u16) -> Result<Code, NoSuchCode> {
        Code::from_number(number).ok_or(NoSuchCode(number))
    }
}

impl From<Code> for u16 {
    fn from(code: Code) -> u16 {
        code.number()
    }
}
