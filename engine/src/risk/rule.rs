//! The list of rules: code, name, unit, config key, default, reason and advice of each, in the order of
//! evaluation. Everything else that names rules (document, tools, tests) is made from it or compared with it.

/// In which unit a rule states its measured value and its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain number: how many, or which one.
    Count,
    /// Price units of the instrument.
    Price,
    /// Quantity units of the instrument.
    Quantity,
    /// Account currency in units of 10^-8.
    Money,
    /// 1e-4 of the reference price.
    BasisPoints,
    /// Nanoseconds.
    Nanoseconds,
    /// Milliseconds: limits by command, as in the configuration.
    Milliseconds,
}

impl Unit {
    /// Name in documents and tools.
    pub const fn name(self) -> &'static str {
        match self {
            Unit::Count => "count",
            Unit::Price => "price",
            Unit::Quantity => "quantity",
            Unit::Money => "money",
            Unit::BasisPoints => "bps",
            Unit::Nanoseconds => "ns",
            Unit::Milliseconds => "ms",
        }
    }
}

macro_rules! rules {
    ($($variant:ident = $code:literal $name:literal $unit:ident $key:literal $default:literal $why:literal $tune:literal;)*) => {
        /// Why an intent was refused or the state of the gate changed. Codes are part of the journal
        /// format: never renumber. They start above the codes of operator commands, so that the tag
        /// of a `RISK_STATE` event is one or the other.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Rule {
            $(
                #[doc = $why]
                $variant = $code,
            )*
        }

        impl Rule {
            /// Every rule in the order of evaluation: the first that fails is the one told.
            pub const ALL: &'static [Rule] = &[$(Rule::$variant),*];

            /// Name in documents, tools and stats.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Rule::$variant => $name,)*
                }
            }

            /// Unit of measured value and limit.
            pub const fn unit(self) -> Unit {
                match self {
                    $(Rule::$variant => Unit::$unit,)*
                }
            }

            /// Keys of the configuration that set it, or what else does.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Rule::$variant => $key,)*
                }
            }

            /// What holds when nothing is configured; `required` keys have no default.
            pub const fn default(self) -> &'static str {
                match self {
                    $(Rule::$variant => $default,)*
                }
            }

            /// What the rule protects from.
            pub const fn why(self) -> &'static str {
                match self {
                    $(Rule::$variant => $why,)*
                }
            }

            /// How to choose its limit.
            pub const fn tune(self) -> &'static str {
                match self {
                    $(Rule::$variant => $tune,)*
                }
            }

            /// The rule of that code.
            pub const fn from_code(code: u16) -> Option<Rule> {
                match code {
                    $($code => Some(Rule::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

rules! {
    UnknownStrategy = 101 "unknown-strategy" Count "the list of strategies" "-"
        "An order without an owner would be nobody's to cancel."
        "Not tunable; a refusal is a wiring fault.";
    UnknownInstrument = 102 "unknown-instrument" Count "the list of instruments" "-"
        "Nothing about the order could be checked."
        "Not tunable; a refusal is a wiring fault.";
    NotConfigured = 103 "not-configured" Count "limits of the instrument, limits of the account" "no limits: no order"
        "A missing limit must mean no, never unlimited."
        "Write limits for what shall be traded and nothing else.";
    MalformedIntent = 104 "malformed-intent" Count "none" "-"
        "Terms that do not exist, quantity or price not above zero, a change to no more than what has traded."
        "Not tunable; fix the strategy.";
    ReplaceUnknownOrder = 105 "replace-unknown-order" Count "none" "-"
        "Only an own order that is known and not over can be changed. Measured is the id."
        "Some are normal: the fill was faster than the change.";
    ReplacePending = 106 "replace-pending" Quantity "none" "-"
        "Two changes under way would make the order's exposure ambiguous. Measured is the total under way."
        "Amend less often than the venue answers.";
    Killed = 128 "killed" Count "commands kill, rearm; [control]" "not killed"
        "A kill of the order's account, venue, strategy or instrument: only what the control stage sends to close passes. Measured is the state (3), the limit the state wanted (1)."
        "Not tunable; only rearm lifts it.";
    Halted = 107 "halted" Count "commands halt, resume; rule drawdown" "not halted"
        "Nothing new leaves after halt, a drawdown or a dead thread. Measured is the state (3), the limit the state wanted (1)."
        "Latched over restarts and days; resume, reduce or a recovery of the whole engine lifts it.";
    Safe = 127 "safe" Quantity "commands trip, approve; [control]" "no breaker tripped"
        "A breaker of the order's account, venue, strategy or instrument is in SAFE: only orders that bring the position nearer to zero may leave, and they may not flip it. The limit is the room left."
        "Tune the breaker that tripped, not the rule.";
    Reducing = 108 "reducing" Quantity "command reduce; rule loss-daily" "not reducing"
        "After a loss only orders that bring the position nearer to zero may leave; with the working orders of their side they may not flip it. The limit is the room left."
        "Latched like halted.";
    ReduceOnly = 109 "reduce-only" Quantity "flag of the intent" "-"
        "The strategy said that the order must not open. A change of a reduce-only order stays reduce-only."
        "Not tunable.";
    Restricted = 110 "restricted" Quantity "restricted" "false"
        "The restricted list: nothing may be opened. What closes a position passes; the limit is the room left."
        "Set it when an instrument shall be left; positions can be closed afterwards.";
    NotPermitted = 129 "not-permitted" Count "allow" "everything"
        "The strategy may not trade that instrument. Measured is the index of the instrument."
        "List what the strategy was tested on.";
    StrategyLatched = 150 "strategy-latched" Quantity "rules repeated-execution, strategy-loss-daily" "not latched"
        "The strategy is latched off: nothing of it passes, or after a loss only what closes. The limit is the room left."
        "Look at the alert that latched it, then `enable` it.";
    SessionClosed = 130 "session-closed" Quantity "hours" "always open"
        "Outside the trading hours nothing may be opened; what closes a position passes. The limit is the room left."
        "The hours in which somebody looks, within those of the venue.";
    OffTick = 111 "off-tick" Price "the instrument's tick" "required"
        "The venue would reject it. The limit is the tick."
        "Follows the venue.";
    OffLot = 112 "off-lot" Quantity "the instrument's lot" "required"
        "The venue would reject it. The limit is the lot."
        "Follows the venue.";
    NotionalMin = 113 "notional-min" Money "the instrument's notional_min" "required"
        "The venue would reject it."
        "Follows the venue.";
    OrderQuantity = 114 "order-quantity" Quantity "order_quantity_max" "required"
        "A fat finger. For a change: the new total."
        "Two to five times the largest order that the strategies mean to send.";
    OrderNotional = 115 "order-notional" Money "order_notional_max" "required"
        "A fat finger in money, at the order's own price."
        "As above; it catches a price that is wrong by a factor.";
    NoReference = 116 "no-reference" Count "none" "-"
        "Book not live, or a side empty or crossed: nobody knows the price. Measured is the state of the book."
        "Not tunable; look at the feed.";
    StaleReference = 117 "stale-reference" Nanoseconds "reference_age_ns_max" "required"
        "A silent market may be a picture of the past."
        "A few times the usual distance of updates; quiet instruments need more.";
    Collar = 118 "collar" BasisPoints "collar_bps, passive_bps" "required"
        "A price far from the mid is a mistake. `collar_bps` bounds buys above and sells below the mid, `passive_bps` the other direction."
        "Aggressive: the slippage that one order may cost. Passive: as far as quotes are meant to rest.";
    Spread = 131 "spread" BasisPoints "spread_bps_max" "off"
        "A spread that wide is no market: its mid is no reference."
        "A few times the widest spread of a normal day.";
    Jump = 132 "jump" BasisPoints "jump_bps_max, reference_window_ms" "off"
        "The mid moved too far within the window: news, a broken feed, or a mistake of somebody else. Measured is the distance to the extreme of the window."
        "More than a normal minute, less than a circuit breaker of the venue.";
    CollarTrade = 133 "collar-trade" BasisPoints "collar_trade_bps" "off"
        "A price too far through the last public trade. A second reference, for the case that the book is wrong."
        "As `collar_bps`, or wider where trades are rare.";
    CollarWindow = 134 "collar-window" BasisPoints "collar_window_bps, reference_window_ms" "off"
        "A buy above everything, or a sell below everything, that the mid was within the window."
        "A fraction of `collar_bps`: it binds while the market runs away.";
    SelfMatch = 137 "self-match" Price "self_match" "false"
        "The order would trade with a working order of our own, of whichever strategy. The limit is the price of the best of those."
        "Not tunable; a strategy cancels first.";
    DuplicateOrder = 135 "duplicate-order" Count "duplicate_count_max, duplicate_window_ms" "off"
        "The same strategy sends the same order (instrument, side, price, quantity) again and again: a loop."
        "Two or three within a second; at most 8.";
    ParentUnknown = 151 "parent-unknown" Count "none" "-"
        "An order names a parent that its strategy did not declare for that instrument and side, or that is closed. Measured is the id of the parent, the limit the newest id of the strategy."
        "Not tunable; a strategy declares a parent first, with ids that ascend.";
    ParentQuantity = 152 "parent-quantity" Quantity "none" "-"
        "What the children of a parent have traded and may still trade, with this order, against what the parent declared: a slicer that does not know what was filled. A parent can be made smaller, not larger, and not below what its children use."
        "Not tunable; the strategy declares what it wants in all.";
    ParentsOpen = 153 "parents-open" Count "none" "256"
        "A parent for which there is no place is refused, and with it every order that names it."
        "Not tunable; strategies close parents that are over.";
    ShortSale = 146 "short-sale" Quantity "short_quantity_max" "off"
        "A short position that is not meant to be: 0 for instruments that cannot be borrowed."
        "0 on spot venues.";
    PositionQuantity = 119 "position-quantity" Quantity "position_quantity_max" "required"
        "Position of all strategies plus every working order of the side plus this one."
        "What can be closed in bad conditions.";
    PositionNotional = 120 "position-notional" Money "position_notional_max" "required"
        "The same in money: all at the mark, or position at the mark and orders at their prices, whichever is more."
        "Capital that may be in one instrument.";
    ExposureShare = 145 "exposure-share" Money "exposure_bps_max, capital" "off"
        "Too much of the capital in one instrument."
        "2500 (a quarter) or less.";
    StrategyPosition = 139 "strategy-position" Money "strategy_position_notional_max" "off"
        "What one strategy may hold in one instrument, its working orders included."
        "What its tests were made with.";
    StrategyGross = 140 "strategy-gross" Money "strategy_gross_notional_max" "off"
        "What one strategy may hold in all instruments, none netted."
        "Its share of the capital.";
    GrossNotional = 121 "gross-notional" Money "gross_notional_max" "required"
        "Sum of all instruments' worse sides, none netted."
        "Capital times leverage.";
    BuyingPower = 144 "buying-power" Money "capital" "off"
        "Gross notional with this order against capital and what was won or lost since. What is lost is no longer there to trade with."
        "What is in the account.";
    BatchNotional = 147 "batch-notional" Money "batch_notional_max" "off"
        "The sum of everything that one event leads to: a basket of small orders is a large order."
        "A few times the largest basket that is meant.";
    OrdersOpen = 122 "orders-open" Count "orders_open_max" "required"
        "Orders left behind are stopped before the venue's limit or our tables stop them."
        "Instruments x quotes a side x 2, doubled.";
    StrategyOrdersOpen = 141 "strategy-orders-open" Count "strategy_orders_open_max" "off"
        "One strategy must not use up the orders of all."
        "Its quotes, doubled.";
    StrategyOrderRate = 142 "strategy-order-rate" Count "strategy_order_rate_count_max, order_rate_window_ms" "off"
        "One strategy must not use up the rate of all."
        "A few times its busiest second.";
    OrderRate = 123 "order-rate" Count "order_rate_count_max, order_rate_window_ns" "required"
        "A runaway loop. New orders and changes in any window of that length; cancels do not count."
        "Below the venue's own limit.";
    MessageRate = 138 "message-rate" Count "message_rate_count_max, message_rate_window_ms" "off"
        "New orders, changes and cancels together. Above it new orders and changes are refused; cancels always pass."
        "Below the limit of the venue, with room for a cancel of everything.";
    OrdersDaily = 148 "orders-daily" Count "orders_daily_max" "off"
        "New orders a day: a cap of a deployment, not of a market."
        "Small for the first days of a new version.";
    NotionalDaily = 149 "notional-daily" Money "notional_daily_max" "off"
        "Notional of new orders and changes a day: a cap of a deployment."
        "Small for the first days of a new version.";
    VenueLocked = 126 "venue-locked" Count "reconcile.venues" "no venue has a link"
        "After a start, a lost link or balances that differ nobody knows what the venue holds: no new orders and no changes there until it is known again. Cancels pass."
        "Not tunable; look at lock and difference records and the runbook of the reconciler.";
    LossDaily = 124 "loss-daily" Money "loss_daily_max, day_start_ns_utc" "required"
        "Realised and unrealised loss since the start of the day, fees included: the gate goes reducing."
        "What a day may cost; unrealised swings count.";
    Drawdown = 125 "drawdown" Money "drawdown_max" "required"
        "Fall from the highest equity: the gate halts."
        "Larger than the daily loss, smaller than what hurts.";
    RepeatedExecution = 136 "repeated-execution" Count "strategy_execution_count_max, execution_window_ms" "off"
        "So many executions within the window, and nobody has looked: the strategy is latched off until an operator enables it by name. Restarts and days do not lift it."
        "A few times the busiest minute of its tests.";
    StrategyLossDaily = 143 "strategy-loss-daily" Money "strategy_loss_daily_max" "off"
        "Loss of one strategy since the start of the day, realised and unrealised: it is latched to closing until an operator enables it by name."
        "What its worst day in tests cost, doubled.";
}

/// How many rules there are.
pub const RULE_COUNT: usize = Rule::ALL.len();

/// Codes are contiguous from here on, in whatever order the rules are evaluated, so that a table of counts
/// can be indexed by them. A test holds it.
const FIRST_CODE: u16 = 101;

impl Rule {
    /// Number in journal and stats.
    #[inline]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// Place in a table by code.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.code() - FIRST_CODE)
    }

    /// Row of the document's table, without the bars at its ends.
    pub fn row(self) -> String {
        [
            self.code().to_string(),
            format!("`{}`", self.name()),
            self.unit().name().to_string(),
            self.key().to_string(),
            self.default().to_string(),
            self.why().to_string(),
            self.tune().to_string(),
        ]
        .join(" | ")
    }
}
