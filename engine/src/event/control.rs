//! Control events: breakers, kill, limits changed by hand, answers to commands, alerts.
//!
//! ```text
//!   command --> [ control ] --breaker--> [ risk ]   what the gate lets pass, by scope
//!                    |  \----intent (OPERATOR)----> flatten, manual orders: judged like any other
//!                    +--kill (progress), limit, answer--> journal: operator tools, alarms, audit
//!   risk, monitor --alert--> journal: alarms
//! ```
//! Who gave a command and why stands in the `TEXT` run of topic [`super::TextTopic::Command`] before it.

/// What a breaker, a kill or a command is about. Packed into `tag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everything.
    All,
    /// One venue, by its number.
    Venue(u8),
    /// One strategy, by its number.
    Strategy(u16),
    /// One instrument, by its index.
    Instrument(u16),
}

impl Scope {
    /// The kind in the upper half, the number in the lower half.
    pub const fn tag(self) -> u32 {
        match self {
            Scope::All => 0,
            Scope::Venue(number) => (1 << 16) | number as u32,
            Scope::Strategy(number) => (2 << 16) | number as u32,
            Scope::Instrument(number) => (3 << 16) | number as u32,
        }
    }

    /// The scope of that tag; `None` for tags that no scope has.
    pub const fn from_tag(tag: u32) -> Option<Scope> {
        let [low, high, kind, top] = tag.to_le_bytes();
        if top != 0 {
            return None;
        }
        let number = u16::from_le_bytes([low, high]);
        match kind {
            0 if number == 0 => Some(Scope::All),
            1 if high == 0 => Some(Scope::Venue(low)),
            2 => Some(Scope::Strategy(number)),
            3 => Some(Scope::Instrument(number)),
            _ => None,
        }
    }

    /// Whether what a strategy (by its number) has or wants in an instrument of a venue lies in this scope.
    #[inline]
    pub const fn covers(self, venue: u8, strategy: u16, instrument: u16) -> bool {
        match self {
            Scope::All => true,
            Scope::Venue(number) => number == venue,
            Scope::Strategy(number) => number == strategy,
            Scope::Instrument(number) => number == instrument,
        }
    }
}

impl std::fmt::Display for Scope {
    /// With numbers: `everything`, `venue 2`, `strategy 0`, `instrument 1`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::All => f.write_str("everything"),
            Scope::Venue(number) => write!(f, "venue {number}"),
            Scope::Strategy(number) => write!(f, "strategy {number}"),
            Scope::Instrument(number) => write!(f, "instrument {number}"),
        }
    }
}

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $code:literal $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum $name { $($(#[$of])* $variant = $code,)* }

        impl $name {
            /// Every one, in the order of the codes.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// Number in journal and stats.
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// The one of that number.
            pub const fn from_code(code: u16) -> Option<$name> {
                match code {
                    $($code => Some($name::$variant),)*
                    _ => None,
                }
            }

            /// Name in tools and documents.
            pub const fn name(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }
        }
    };
}

codes! {
    /// What a scope lets pass, in the low byte of `code` of `BREAKER`; the state before it in the high byte.
    /// Never renumber.
    BreakerState {
        /// Everything within the limits.
        Normal = 1 "NORMAL";
        /// Only orders that bring a position nearer to zero, and cancels.
        Safe = 2 "SAFE";
        /// Only cancels, and the orders with which the control stage flattens. Latched.
        Killed = 3 "KILLED";
    }
}

codes! {
    /// Why a breaker changed its state, in `source` of `BREAKER`. Never renumber.
    TripReason {
        /// An operator's command.
        Operator = 1 "operator";
        /// The day's loss reached its limit.
        LossDaily = 2 "loss-daily";
        /// Equity fell too far from its peak.
        Drawdown = 3 "drawdown";
        /// Too many rejects by a venue in the window.
        RejectRate = 4 "reject-rate";
        /// Too many errors (unknown outcomes, anomalies) in the window.
        ErrorRate = 5 "error-rate";
        /// The market was silent too long.
        Staleness = 6 "staleness";
        /// Answers of a venue took too long.
        Latency = 7 "latency";
        /// Engine and venue do not agree.
        Reconcile = 8 "reconcile";
        /// Clocks differ or run backwards.
        Clock = 9 "clock";
        /// The journal is behind or failed.
        Journal = 10 "journal";
        /// A thread is dead or stalled.
        ThreadDead = 11 "thread-dead";
        /// A position was held too long.
        HoldTime = 12 "hold-time";
        /// Nobody reset the dead-man timer.
        DeadMan = 13 "dead-man";
        /// The flag in shared memory.
        Flag = 14 "flag";
        /// A signal of the operating system.
        Signal = 15 "signal";
        /// A strategy panicked.
        StrategyPanic = 16 "strategy-panic";
        /// After the quiet period, with an approval given after the trip.
        Recovered = 17 "recovered";
        /// A kill was lifted by those who may.
        Rearmed = 18 "rearmed";
        /// A pause was begun or ended by an operator.
        Paused = 19 "paused";
        /// The state of a breaker was not known at the start of a session.
        Restart = 20 "restart";
        /// A strategy traded too often without a look by a person.
        RepeatedExecution = 21 "repeated-execution";
        /// A limit of the post-trade monitor was reached.
        Monitor = 22 "monitor";
        /// An operator's flatten: blocked until everything is closed, without a latch.
        Flatten = 23 "flatten";
    }
}

/// In which unit a breaker states what was measured, and the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TripUnit {
    /// Money of the account.
    Money,
    /// Nanoseconds.
    Nanoseconds,
    /// A count, or a figure whose unit the alert before it has.
    Count,
}

impl TripReason {
    /// The unit of `price` and `quantity` of a `BREAKER` with this reason.
    pub const fn unit(self) -> TripUnit {
        match self {
            TripReason::LossDaily | TripReason::Drawdown => TripUnit::Money,
            TripReason::Staleness
            | TripReason::Reconcile
            | TripReason::Clock
            | TripReason::HoldTime
            | TripReason::DeadMan => TripUnit::Nanoseconds,
            TripReason::Operator
            | TripReason::Flatten
            | TripReason::RejectRate
            | TripReason::ErrorRate
            | TripReason::Latency
            | TripReason::Journal
            | TripReason::ThreadDead
            | TripReason::Flag
            | TripReason::Signal
            | TripReason::StrategyPanic
            | TripReason::Recovered
            | TripReason::Rearmed
            | TripReason::Paused
            | TripReason::Restart
            | TripReason::RepeatedExecution
            | TripReason::Monitor => TripUnit::Count,
        }
    }
}

codes! {
    /// How far a kill is, in `code` of `KILL`. Never renumber.
    KillPhase {
        /// Nothing new leaves any more.
        Blocked = 1 "blocked";
        /// Every working order was asked to be cancelled.
        Cancelling = 2 "cancelling";
        /// No order works any more; positions are being closed.
        Flattening = 3 "flattening";
        /// Done: no order works, and every position is closed or was not asked to be.
        Done = 4 "done";
        /// Not done in time; it goes on trying.
        Late = 5 "late";
    }
}

codes! {
    /// What became of a command, in `price` of `ANSWER`. Never renumber.
    AnswerCode {
        /// Done.
        Done = 1 "done";
        /// Accepted; it waits for a second person's `confirm`.
        NeedsConfirm = 2 "needs-confirm";
        /// Nothing had to be changed.
        AlreadySo = 3 "already-so";
        /// The target does not exist.
        NoSuchTarget = 4 "no-such-target";
        /// A parameter is outside its range.
        OutOfRange = 5 "out-of-range";
        /// Beyond a compiled ceiling or a hard limit: no command lifts those.
        AboveCeiling = 6 "above-ceiling";
        /// The approval names another trip than the present one, or was given before it, or was used.
        WrongTrip = 7 "wrong-trip";
        /// The cause is not gone, or the quiet period has not passed.
        NotClear = 8 "not-clear";
        /// The same person cannot confirm.
        SamePerson = 9 "same-person";
        /// The order of the command was refused by the gate; `quantity` is the rule.
        Refused = 10 "refused";
        /// Not possible in the present state.
        WrongState = 11 "wrong-state";
        /// Waited too long for a second person.
        Expired = 12 "expired";
        /// The operator's role does not cover it.
        NotPermitted = 13 "not-permitted";
    }
}
