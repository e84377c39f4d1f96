//! The names: every counter and every hop, with its number, unit and writer.
//!
//! Numbers are positions in the stats file: a new name takes the next free number, and a retired
//! number stays out of use.

use super::layout::{COUNTER_MAX, HOP_MAX};

/// What a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Events or records.
    Events,
    /// Orders.
    Orders,
    /// Things without a better name: segments, faults, cycles.
    Count,
    /// Bytes.
    Bytes,
    /// Nanoseconds.
    Nanoseconds,
    /// Nanoseconds since the Unix epoch.
    EpochNanoseconds,
    /// A sequence number of the event stream.
    Sequence,
    /// Units of the account currency times 10^8, signed.
    MoneyE8,
    /// A code; its meaning is in the description.
    Code,
}

impl Unit {
    /// Stable name for machines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Orders => "orders",
            Self::Count => "count",
            Self::Bytes => "bytes",
            Self::Nanoseconds => "ns",
            Self::EpochNanoseconds => "epoch_ns",
            Self::Sequence => "sequence",
            Self::MoneyE8 => "money_e8",
            Self::Code => "code",
        }
    }
}

/// How a counter moves, which is what an exporter must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its rate is of interest.
    Total,
    /// Goes up and down; its value is of interest.
    Gauge,
}

/// Which threads may write a counter or a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The core thread alone, with plain loads and stores.
    Core,
    /// Any thread, with locked instructions.
    Any,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $id:ident = $code:literal, $name:literal, $kind:ident, $unit:ident,
       $writer:ident;)*) => {
        /// A counter or gauge of the stats file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum CounterId {
            $($(#[$doc])* $id = $code,)*
        }

        impl CounterId {
            /// All counters in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$id,)*];

            /// Stable name for machines.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$id => $name,)* }
            }

            /// What is counted.
            pub const fn unit(self) -> Unit {
                match self { $(Self::$id => Unit::$unit,)* }
            }

            /// Total or gauge.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$id => Kind::$kind,)* }
            }

            /// Who may write it.
            pub const fn writer(self) -> Writer {
                match self { $(Self::$id => Writer::$writer,)* }
            }
        }
    };
}

counters! {
    // The inbound ring and its producers.
    /// Events put into the inbound ring.
    InboundPublished = 0, "inbound_published", Total, Events, Any;
    /// Events taken out of the inbound ring.
    InboundConsumed = 1, "inbound_consumed", Total, Events, Core;
    /// Events waiting in the inbound ring, against its size.
    InboundDepth = 2, "inbound_depth", Gauge, Events, Core;
    /// The deepest that the inbound ring has been.
    InboundDepthMax = 3, "inbound_depth_max", Gauge, Events, Core;
    /// Times a producer found the inbound ring full.
    InboundFull = 4, "inbound_full", Total, Events, Any;
    /// Market data dropped at a full ring; each drop leaves a gap mark.
    InboundDropped = 5, "inbound_dropped", Total, Events, Any;
    /// Timer events.
    TimersFired = 6, "timers_fired", Total, Events, Core;
    /// Operator commands.
    CommandsApplied = 7, "commands_applied", Total, Events, Core;
    // The stages.
    /// Events that the feed stage has seen.
    FeedEvents = 8, "feed_events", Total, Events, Core;
    /// Events that the strategy stage has seen.
    StrategyEvents = 9, "strategy_events", Total, Events, Core;
    /// Events that the risk stage has seen.
    RiskEvents = 10, "risk_events", Total, Events, Core;
    /// Events that the order stage has seen.
    OmsEvents = 11, "oms_events", Total, Events, Core;
    /// Records that the journal stage has copied.
    JournalEvents = 12, "journal_events", Total, Events, Core;
    /// Events that the gateway stage has seen.
    GatewayEvents = 13, "gateway_events", Total, Events, Core;
    /// Slots of the core ring between the first and the last stage, against its size.
    CoreDepth = 14, "core_depth", Gauge, Events, Core;
    /// The deepest that the core ring has been.
    CoreDepthMax = 15, "core_depth_max", Gauge, Events, Core;
    // Feed.
    /// Changes of a price level.
    BookUpdates = 16, "book_updates", Total, Events, Core;
    /// Trades.
    Trades = 17, "trades", Total, Events, Core;
    /// Best bid and offer messages.
    BookTops = 18, "book_tops", Total, Events, Core;
    /// Gaps in a venue's sequence.
    FeedGaps = 19, "feed_gaps", Total, Events, Core;
    /// Books that became stale.
    BooksStaled = 20, "books_staled", Total, Events, Core;
    /// Books that were rebuilt.
    BooksResynced = 21, "books_resynced", Total, Events, Core;
    /// Times a book was found crossed.
    BooksCrossed = 22, "books_crossed", Total, Events, Core;
    /// Books that are not good now, against all books.
    BooksBad = 23, "books_bad", Gauge, Count, Core;
    // Strategy and risk.
    /// Signals.
    Signals = 24, "signals", Total, Events, Core;
    /// Intents sent to the risk stage.
    Intents = 25, "intents", Total, Orders, Core;
    /// Intents that risk let pass.
    RiskPassed = 26, "risk_passed", Total, Orders, Core;
    /// Intents that risk refused.
    RiskRejected = 27, "risk_rejected", Total, Orders, Core;
    /// 0 normal, 1 reducing only, 2 halted, 3 outbound closed.
    TradingState = 28, "trading_state", Gauge, Code, Core;
    /// Strategies that were disabled by a panic or an operator.
    StrategiesDisabled = 29, "strategies_disabled", Gauge, Count, Core;
    // Orders.
    /// New orders given to a venue.
    OrdersSent = 30, "orders_sent", Total, Orders, Core;
    /// Orders that a venue acknowledged.
    OrdersAcked = 31, "orders_acked", Total, Orders, Core;
    /// Fills, partial ones included.
    Fills = 32, "fills", Total, Events, Core;
    /// Orders filled to the end.
    OrdersFilled = 33, "orders_filled", Total, Orders, Core;
    /// Orders that a venue refused.
    OrdersRejected = 34, "orders_rejected", Total, Orders, Core;
    /// Orders cancelled.
    OrdersCancelled = 35, "orders_cancelled", Total, Orders, Core;
    /// Orders expired.
    OrdersExpired = 36, "orders_expired", Total, Orders, Core;
    /// Orders whose fate is not known.
    OrdersUnknown = 37, "orders_unknown", Gauge, Orders, Core;
    /// Orders that are working, against the limit.
    OrdersOpen = 38, "orders_open", Gauge, Orders, Core;
    /// Cancel and replace requests sent.
    AmendsSent = 39, "amends_sent", Total, Orders, Core;
    /// Cancel requests sent.
    CancelsSent = 40, "cancels_sent", Total, Orders, Core;
    /// Reports that do not fit the life cycle of their order: late, unknown, over-filled.
    ReportsOdd = 41, "reports_odd", Total, Events, Core;
    // Money.
    /// Realised profit and loss, fees not deducted.
    PnlRealised = 42, "pnl_realised", Gauge, MoneyE8, Core;
    /// Unrealised profit and loss at the mid prices.
    PnlUnrealised = 43, "pnl_unrealised", Gauge, MoneyE8, Core;
    /// Fees paid.
    Fees = 44, "fees", Gauge, MoneyE8, Core;
    /// Loss of the day, against the limit.
    DailyLoss = 45, "daily_loss", Gauge, MoneyE8, Core;
    /// Distance from the peak of the equity, against the limit.
    Drawdown = 46, "drawdown", Gauge, MoneyE8, Core;
    /// Notional of positions and working orders, against the limit.
    NotionalOpen = 47, "notional_open", Gauge, MoneyE8, Core;
    // Gateway and the outbound ring.
    /// Events given to the outbound ring.
    OutboundPublished = 48, "outbound_published", Total, Events, Core;
    /// Events that adapters took out of the outbound ring.
    OutboundConsumed = 49, "outbound_consumed", Total, Events, Any;
    /// Events waiting in the outbound ring, against its size.
    OutboundDepth = 50, "outbound_depth", Gauge, Events, Core;
    /// Times the core found the outbound ring full.
    OutboundFull = 51, "outbound_full", Total, Events, Core;
    /// Outbound events that wait for the journal.
    OutboundHeld = 52, "outbound_held", Gauge, Events, Core;
    // Journal.
    /// Last sequence in the mapped journal: survives the death of the process.
    JournalAppended = 53, "journal_appended", Gauge, Sequence, Core;
    /// Last sequence known to be on the disk: survives the loss of power.
    JournalSynced = 54, "journal_synced", Gauge, Sequence, Any;
    /// Segments of this journal.
    JournalSegments = 55, "journal_segments", Gauge, Count, Any;
    /// Records in the open segment, against its size.
    JournalSegmentRecords = 56, "journal_segment_records", Gauge, Events, Core;
    /// Bytes appended since the start.
    JournalBytes = 57, "journal_bytes", Total, Bytes, Core;
    /// Free space of the journal's file system, against the least that is acceptable.
    JournalDiskFree = 58, "journal_disk_free", Gauge, Bytes, Any;
    /// Sequence of the newest snapshot.
    SnapshotSequence = 59, "snapshot_sequence", Gauge, Sequence, Any;
    /// Snapshots written.
    Snapshots = 60, "snapshots", Total, Count, Any;
    /// Failed writes, syncs and preparations.
    JournalErrors = 61, "journal_errors", Total, Count, Any;
    // The core loop and its process.
    /// Turns of the core loop that found work.
    CyclesBusy = 62, "cycles_busy", Total, Count, Core;
    /// Turns of the core loop that found nothing.
    CyclesIdle = 63, "cycles_idle", Total, Count, Core;
    /// The longest turn, against the budget.
    CycleMax = 64, "cycle_max", Gauge, Nanoseconds, Core;
    /// Turns above the budget.
    Stalls = 65, "stalls", Total, Count, Core;
    /// Minor page faults of the core thread since it started its loop.
    CoreFaultsMinor = 66, "core_faults_minor", Gauge, Count, Core;
    /// Major page faults of the core thread since it started its loop.
    CoreFaultsMajor = 67, "core_faults_major", Gauge, Count, Core;
    /// Times the core thread lost its processor since it started its loop.
    CoreSwitchesInvoluntary = 68, "core_switches_involuntary", Gauge, Count, Core;
    /// Event time of the last inbound event.
    EventTime = 69, "event_time", Gauge, EpochNanoseconds, Core;
    // Adapters.
    /// Frames received.
    FramesReceived = 70, "frames_received", Total, Count, Any;
    /// Bytes received.
    BytesReceived = 71, "bytes_received", Total, Bytes, Any;
    /// Frames that could not be decoded and were put aside.
    FramesRefused = 72, "frames_refused", Total, Count, Any;
    /// Sessions lost.
    SessionsLost = 73, "sessions_lost", Total, Count, Any;
    /// Sessions that are up, against those that should be.
    SessionsUp = 74, "sessions_up", Gauge, Count, Any;
    /// Resident memory of the process.
    ProcessResident = 75, "process_resident", Gauge, Bytes, Any;
    // Reconciler.
    /// Order-entry links that are up, against those that should be.
    LinksUp = 76, "links_up", Gauge, Count, Core;
    /// Venues where no new order may go, against the venues that have a link.
    VenuesLocked = 77, "venues_locked", Gauge, Count, Core;
    /// Locked venues, one bit a venue by its number.
    VenuesLockedMask = 78, "venues_locked_mask", Gauge, Code, Core;
    /// Times a venue was asked for its orders, fills and balances.
    Pulls = 79, "pulls", Total, Count, Core;
    /// Differences between engine and venue that were told.
    Differences = 80, "differences", Total, Events, Core;
    /// Those of them that are orders at the venue which the engine did not send, or forgot.
    OrdersStrange = 81, "orders_strange", Total, Orders, Core;
    /// Balances that differ in the last whole pull.
    BalancesDiffering = 82, "balances_differing", Gauge, Count, Core;
    // Latency against its thresholds, see `stats/thresholds.rs`.
    /// Fills that we took and that came late: above 100 ms after what caused the order, not above 500 ms.
    FillsLate = 83, "fills_late", Total, Events, Any;
    /// The same above 500 ms.
    FillsTooLate = 84, "fills_too_late", Total, Events, Any;
    // Control: breakers and kills.
    /// What everything lets pass: 1 NORMAL, 2 SAFE, 3 KILLED.
    BreakerState = 85, "breaker_state", Gauge, Code, Core;
    /// Scopes (everything, venues, strategies, instruments) that are SAFE.
    ScopesSafe = 86, "scopes_safe", Gauge, Count, Core;
    /// Scopes that are KILLED.
    ScopesKilled = 87, "scopes_killed", Gauge, Count, Core;
    /// Number of the last trip; `approve` and `rearm` name it. 0: none ever was.
    TripNumber = 88, "trip_number", Gauge, Sequence, Core;
    /// Why: the number of a trip reason.
    TripReason = 89, "trip_reason", Gauge, Code, Core;
    /// Event time of the last trip.
    TripTime = 90, "trip_time", Gauge, EpochNanoseconds, Core;
    /// What it is about: the packed scope.
    TripScope = 91, "trip_scope", Gauge, Code, Core;
    /// Phase of the newest kill or flatten: 1 blocked to 4 done, 5 late; 0: none ever was.
    KillPhase = 92, "kill_phase", Gauge, Code, Core;
    /// Orders that the newest kill or flatten cancelled.
    KillCancelled = 93, "kill_cancelled", Gauge, Orders, Core;
    /// Orders of its scope that still work.
    KillOrdersLeft = 94, "kill_orders_left", Gauge, Orders, Core;
    /// Event time from its beginning to its end, or so far.
    KillElapsed = 95, "kill_elapsed", Gauge, Nanoseconds, Core;
    /// Positions of strategies in instruments that are not flat.
    PositionsOpen = 96, "positions_open", Gauge, Count, Core;
    // Post-trade monitor; all zero without one.
    /// Worth of the account at the last sample.
    Equity = 97, "equity", Gauge, MoneyE8, Core;
    /// Loss of one sample interval that 95 % of the window did not exceed, against the limit.
    Var95 = 98, "var_95", Gauge, MoneyE8, Core;
    /// Mean loss of the worst 5 % of the window.
    Cvar95 = 99, "cvar_95", Gauge, MoneyE8, Core;
    /// 1 normal, 2 caution, 3 safe, 4 killed.
    RiskMode = 100, "risk_mode", Gauge, Code, Core;
}

macro_rules! hops {
    ($($(#[$doc:meta])* $id:ident = $code:literal, $name:literal, $writer:ident;)*) => {
        /// A stretch of the way of an event that has a latency histogram.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum HopId {
            $($(#[$doc])* $id = $code,)*
        }

        impl HopId {
            /// All hops in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$id,)*];

            /// Stable name for machines and operators.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$id => $name,)* }
            }

            /// Who may write it.
            pub const fn writer(self) -> Writer {
                match self { $(Self::$id => Writer::$writer,)* }
            }
        }
    };
}

hops! {
    /// From the receive stamp to the poll of the inbound ring.
    InboundWait = 0, "inbound_wait", Core;
    /// The feed stage.
    Feed = 1, "feed", Core;
    /// The strategy stage.
    Strategy = 2, "strategy", Core;
    /// The risk stage.
    Risk = 3, "risk", Core;
    /// The order stage.
    Oms = 4, "oms", Core;
    /// The copy to the mapped journal.
    Journal = 5, "journal", Core;
    /// The gateway stage.
    Gateway = 6, "gateway", Core;
    /// From the receive stamp of an event to the publication of the order it caused: the wait in the
    /// inbound ring and for the journal included.
    TickToOrder = 7, "tick_to_order", Core;
    /// One turn of the core loop that found work.
    Cycle = 8, "cycle", Core;
    /// From a received frame to its events.
    Decode = 9, "decode", Any;
    /// From an order sent to its acknowledgement.
    OrderToAck = 10, "order_to_ack", Any;
    /// One flush of the journal to the disk.
    JournalSync = 11, "journal_sync", Any;
    /// From a REST request to its answer.
    RestAnswer = 12, "rest_answer", Any;
    /// From the venue's time in a stream message to its receipt. Means something while both clocks agree.
    MessageAge = 13, "message_age", Any;
    /// From the receipt of what caused a new order to the write of its frame: placement.
    TickToWire = 14, "tick_to_wire", Any;
    /// From the write of a new order to the word of a fill that it took.
    WireToFill = 15, "wire_to_fill", Any;
    /// From the receipt of what caused a new order to the word of a fill that it took: the whole way.
    TickToFill = 16, "tick_to_fill", Any;
}

impl CounterId {
    /// The counter with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|id| id.name() == name)
    }
}

impl HopId {
    /// The hop with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|id| id.name() == name)
    }

    /// The hop with this number.
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.iter().copied().find(|id| u64::from(*id as u8) == code)
    }
}

const _: () = {
    assert!(CounterId::ALL.len() <= COUNTER_MAX);
    assert!(HopId::ALL.len() <= HOP_MAX);
    // Dense from 0, so that the position in `ALL` is the number.
    let mut index = 0;
    while index < CounterId::ALL.len() {
        assert!(CounterId::ALL[index] as usize == index);
        index += 1;
    }
    index = 0;
    while index < HopId::ALL.len() {
        assert!(HopId::ALL[index] as usize == index);
        index += 1;
    }
};

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $id:ident = $code:literal, $text:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$doc])* $id = $code,)*
            /// A code that this version does not know, or damage.
            #[default]
            Foreign = 255,
        }

        impl $name {
            /// The value with this code.
            pub fn from_code(code: u64) -> Self {
                match code { $($code => Self::$id,)* _ => Self::Foreign }
            }

            /// Stable name for machines and operators.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$id => $text,)* Self::Foreign => "foreign" }
            }
        }
    };
}

codes! {
    /// What the engine last said about itself.
    RunState {
        /// Files are being opened, the journal is being recovered.
        Starting = 1, "starting";
        /// The core loop turns.
        Running = 2, "running";
        /// Ended in good order.
        Stopped = 3, "stopped";
        /// Ended by a broken invariant, and could still say so.
        Failed = 4, "failed";
    }
}

codes! {
    /// What a thread last said about itself, or was said about it.
    ThreadState {
        /// It works, or should.
        Alive = 1, "alive";
        /// It ended in good order.
        Stopped = 2, "stopped";
        /// It panicked.
        Dead = 3, "dead";
    }
}

codes! {
    /// Whether a book can be traded on.
    BookState {
        /// Nothing came yet.
        Empty = 1, "empty";
        /// Complete and fresh.
        Live = 2, "live";
        /// A gap, a drop or silence: not to be traded on.
        Stale = 3, "stale";
        /// Waiting for a snapshot.
        Resyncing = 4, "resyncing";
        /// Bid at or above ask.
        Crossed = 5, "crossed";
        /// Trading is halted by the venue or by us.
        Halted = 6, "halted";
    }
}

codes! {
    /// Whether a strategy may act.
    StrategyState {
        /// It acts.
        Enabled = 1, "enabled";
        /// It sees events and may not act.
        Paused = 2, "paused";
        /// Switched off by an operator.
        Disabled = 3, "disabled";
        /// It panicked.
        Panicked = 4, "panicked";
    }
}

codes! {
    /// The likeliest reason of a stall.
    StallCause {
        /// A page came from the disk.
        MajorFault = 1, "major_fault";
        /// The kernel took the processor away.
        Preempted = 2, "preempted";
        /// A page was touched for the first time, or after it was written back.
        MinorFault = 3, "minor_fault";
        /// Much was to be done at once.
        LongBatch = 4, "long_batch";
        /// None of the others: hypervisor, interrupts, memory, or our own code.
        Unexplained = 5, "unexplained";
    }
}
