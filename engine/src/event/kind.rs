//! What an event is: the code numbers and the meaning of the payload words. Never renumber.
//!
//! ```text
//! inbound (1..=63)      code         price            quantity          id             tag
//!  1 depth              -            first update id  previous id or -1 final id       level count
//!  2 level              -            price            quantity, 0=gone  -              -
//!  3 trade              -            price            quantity          trade id       -
//!  4 quote (bid, ask)   -            price            quantity          update id      -
//!  5 feed               FeedCode     -                -                 connection***** events lost
//!  6 report             ReportCode   last price       last quantity     order id       venue code
//!  7 report detail      FeeCode      cum. quantity    fee***            execution id   -
//!  8 clock              -            -                -                 -              -
//!  9 command*6          CommandCode  parameter        parameter         command number target
//! 10 session start      Mode         -                -                 session number format
//! 11 session end        reason       -                -                 session number -
//! 12 text (run)         TextTopic    [ 28 bytes of text; `instrument` holds how many ]
//! 13 instrument (run)   part 0       tick             lot               notional min   scales
//!                       part 1       maker fee 1e-8   taker fee 1e-8    multiplier     venue
//!                       part 2       [ 28 bytes of symbol, zero-padded ]
//! 14 quarantine         why          -                -                 line number    count
//! 15 link               LinkCode     -                -                 pull number    venue
//! 16 venue order        -            order price      order quantity    order id**     -
//! 17 venue balance      BalanceCode  free and locked  -                 asset number   venue
//!
//! decisions (64..)      code         price            quantity          id             tag
//! 64 book state         BookState    expected id      received id       -              reason
//! 65 signal             strategy's   strategy's       strategy's        strategy's     strategy's
//! 66 intent             OrderTerms   price            quantity          parent or 0    strategy's
//! 67 intent cancel      -            -                -                 order id       strategy's
//! 68 intent replace     -            new price        new quantity      order id       strategy's
//! 69 approved           OrderTerms   price            quantity          parent or 0    strategy's
//! 70 approved cancel    -            -                -                 order id       strategy's
//! 71 approved replace   -            new price        new quantity      order id       strategy's
//! 72 refused            rule         measured         limit             order id or 0  strategy's
//! 73 order              OrderState*  order price      leaves            order id       strategy's
//! 74 fill               -            price            quantity          order id       strategy's
//! 75 fee                -            -                fee, 1e-8         execution id   strategy's
//! 76 position           -            realised, 1e-8   net position      order id       -
//! 77 send new           OrderTerms   price            quantity          order id       -
//! 78 send cancel        -            -                -                 order id       -
//! 79 send replace       -            new price        new quantity      order id       -
//! 80 send query         -            -                -                 order id       -
//! 81 withheld           sent kind    price            quantity          order id       -
//! 82 strategy state     state        -                -                 -              why
//! 83 risk state         state        measured         limit             -              rule
//! 84 state hash         -            rolling hash     state hash        inbound count  -
//! 85 anomaly            what         measured         limit             order id       -
//! 86 lock               1 or 0       LockReason       differences told  pull number    venue
//! 87 difference         which****    ours             the venue's       order id**     venue
//! 88 send pull          PullReason   -                -                 pull number    venue
//! 89 baseline           BalanceCode  the one before   not our doing     asset number   venue
//! 90 breaker*7          BreakerState*  measured       limit             trip number    scope
//! 91 kill               KillPhase    orders cancelled orders + positions left  elapsed ns  scope
//! 92 limit              limit key    before           now               command number -
//! 93 alert              rule or metric  measured      limit             -              percent reached, 0 soft
//! 94 monitor            metric       value            second value      -              -
//! 95 answer             CommandCode  AnswerCode       detail            command number target of the command
//! 96 parent             -            -                total, 0=closed   parent         strategy's
//! ```
//! `OrderState*`: new state in the low byte, the state before it in the high byte. `order id**`: ours; the
//! venue's own with [`super::flags::STRANGER`]. `fee***`: in the unit that `FeeCode` names. `which****`:
//! `DifferenceCode`; of a balance `order id` is the asset number. `connection*****`: without an instrument
//! (`NO_INSTRUMENT`) the state is that of one connection, and this is its number from 1; with an instrument
//! it is 0, and the state is that of the instrument's stream. `command*6`: `source` is the operator, 0 the
//! engine's own supervisor; the words of each command stand at [`super::CommandCode`]; `command number` 0 is not
//! answered. `breaker*7`: `source` is the [`super::TripReason`]. Scopes are packed by [`super::Scope`].

use bytemuck::{Pod, Zeroable};

/// Code number of an event's kind. A plain byte, so that any 64 bytes are a valid [`super::Event`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(transparent)]
pub struct Kind(pub u8);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal $text:literal;)*) => {
        impl Kind {
            $($(#[$doc])* pub const $name: Kind = Kind($code);)*
            /// Every kind with its name, in the order of the codes.
            pub const ALL: &'static [(Kind, &'static str)] = &[$((Kind::$name, $text)),*];
        }
    };
}

kinds! {
    /// Header of a depth update; levels follow.
    DEPTH = 1 "depth";
    /// One level of a depth update.
    LEVEL = 2 "level";
    /// A public trade; [`super::flags::SELL`] says that the aggressor sold.
    TRADE = 3 "trade";
    /// One side of a best bid and offer; the ask side carries LAST.
    QUOTE = 4 "quote";
    /// State of a market-data stream.
    FEED = 5 "feed";
    /// Execution report of a venue.
    REPORT = 6 "report";
    /// Second event of a fill report.
    REPORT_DETAIL = 7 "report-detail";
    /// Time has passed.
    CLOCK = 8 "clock";
    /// Operator command.
    COMMAND = 9 "command";
    /// A session begins: state of streams and open orders is unknown.
    SESSION_START = 10 "session-start";
    /// A session ends in order.
    SESSION_END = 11 "session-end";
    /// A piece of text of the session manifest.
    TEXT = 12 "text";
    /// A piece of an instrument definition.
    INSTRUMENT = 13 "instrument";
    /// Input that was put aside instead of applied.
    QUARANTINE = 14 "quarantine";
    /// State of an order-entry session at a venue, and the frame of a pull.
    LINK = 15 "link";
    /// An order that the venue works, told by a pull.
    VENUE_ORDER = 16 "venue-order";
    /// A balance at the venue, told by a pull; a run over the instruments that share the asset.
    VENUE_BALANCE = 17 "venue-balance";

    /// The book of an instrument changed its quality.
    BOOK_STATE = 64 "book-state";
    /// What a strategy saw before it acted.
    SIGNAL = 65 "signal";
    /// A strategy wants a new order.
    INTENT = 66 "intent";
    /// A strategy wants an order cancelled.
    INTENT_CANCEL = 67 "intent-cancel";
    /// A strategy wants an order changed.
    INTENT_REPLACE = 68 "intent-replace";
    /// The risk gate let a new order pass and reserved its headroom.
    APPROVED = 69 "approved";
    /// The risk gate let a cancel pass.
    APPROVED_CANCEL = 70 "approved-cancel";
    /// The risk gate let a change pass.
    APPROVED_REPLACE = 71 "approved-replace";
    /// The risk gate said no: rule, measured value, limit.
    REFUSED = 72 "refused";
    /// An order changed its state.
    ORDER = 73 "order";
    /// An order traded.
    FILL = 74 "fill";
    /// Fee of the fill before it.
    FEE = 75 "fee";
    /// Position of a strategy after a fill.
    POSITION = 76 "position";
    /// Outbound: new order.
    SEND_NEW = 77 "send-new";
    /// Outbound: cancel.
    SEND_CANCEL = 78 "send-cancel";
    /// Outbound: change of an order.
    SEND_REPLACE = 79 "send-replace";
    /// Outbound: what became of this order?
    SEND_QUERY = 80 "send-query";
    /// An outbound event that dry-run kept back.
    WITHHELD = 81 "withheld";
    /// A strategy was enabled or disabled.
    STRATEGY_STATE = 82 "strategy-state";
    /// The risk gate changed its state.
    RISK_STATE = 83 "risk-state";
    /// Checkpoint: hash of everything so far and of the state.
    STATE_HASH = 84 "state-hash";
    /// Something that should not happen, did; trading goes on.
    ANOMALY = 85 "anomaly";
    /// A venue was locked or unlocked: whether new orders may go there.
    LOCK = 86 "lock";
    /// Engine and venue do not agree; both sides are told.
    DIFFERENCE = 87 "difference";
    /// Outbound: tell everything that you know of our orders, fills and balances.
    SEND_PULL = 88 "send-pull";
    /// What of a balance is not the engine's doing.
    BASELINE = 89 "baseline";
    /// A scope changed what it lets pass.
    BREAKER = 90 "breaker";
    /// Progress of a kill or a flatten.
    KILL = 91 "kill";
    /// A limit was changed by a command.
    LIMIT = 92 "limit";
    /// Part of a limit is used up, or a soft limit is passed. Nothing is refused by it.
    ALERT = 93 "alert";
    /// A figure of the post-trade monitor.
    MONITOR = 94 "monitor";
    /// What became of a command.
    ANSWER = 95 "answer";
    /// A strategy declares what the orders that name this parent may trade in all.
    PARENT = 96 "parent";
}

/// First code of decisions; everything below is inbound.
const FIRST_DECISION: u8 = 64;

impl Kind {
    /// Whether the engine heard this, as opposed to decided it.
    #[inline]
    pub const fn is_inbound(self) -> bool {
        0 < self.0 && self.0 < FIRST_DECISION
    }

    /// Whether the gateway must bring this to a venue.
    #[inline]
    pub const fn is_outbound(self) -> bool {
        (Kind::SEND_NEW.0 <= self.0 && self.0 <= Kind::SEND_QUERY.0) || self.0 == Kind::SEND_PULL.0
    }

    /// Name as printed by tools; `unknown` for codes of other versions.
    pub fn name(self) -> &'static str {
        Kind::ALL.iter().find(|(kind, _)| *kind == self).map_or("unknown", |(_, name)| name)
    }

    /// Kind of that name.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.iter().find(|(_, text)| *text == name).map(|(kind, _)| *kind)
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

/// A set of kinds as a bit mask, so that a stage can skip what does not concern it in one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindSet(u128);

impl KindSet {
    /// The set of the given kinds (codes below 128).
    pub const fn of(kinds: &[Kind]) -> KindSet {
        let mut bits = 0u128;
        let mut index = 0;
        while index < kinds.len() {
            assert!(kinds[index].0 < 128);
            bits |= 1u128 << kinds[index].0;
            index += 1;
        }
        KindSet(bits)
    }

    /// Whether `kind` is in the set.
    #[inline]
    pub const fn contains(self, kind: Kind) -> bool {
        kind.0 < 128 && (self.0 >> kind.0) & 1 == 1
    }
}
