//! The rules of the gate: stable codes, names, units and reasons, in the order of evaluation.

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
        }
    }
}

macro_rules! rules {
    ($($variant:ident = $code:literal $name:literal $unit:ident $why:literal;)*) => {
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

            /// What the rule protects from, in one line.
            pub const fn why(self) -> &'static str {
                match self {
                    $(Rule::$variant => $why,)*
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
    UnknownStrategy = 101 "unknown-strategy" Count
        "The intent comes from no configured strategy, so nobody would own its order.";
    UnknownInstrument = 102 "unknown-instrument" Count
        "The instrument is not in the table, so nothing about the order can be checked.";
    NotConfigured = 103 "not-configured" Count
        "A missing limit must mean no, never unlimited.";
    MalformedIntent = 104 "malformed-intent" Count
        "Terms that do not exist, or a price or quantity that no order can have.";
    ReplaceUnknownOrder = 105 "replace-unknown-order" Count
        "The order to change is not known, is over, or belongs to another strategy.";
    ReplacePending = 106 "replace-pending" Quantity
        "A change of the order is under way; a second one would make its exposure ambiguous.";
    Halted = 107 "halted" Count
        "The kill switch is thrown: nothing new leaves until an operator resumes.";
    Reducing = 108 "reducing" Quantity
        "After a loss or on command only orders that bring the position nearer to zero may leave.";
    ReduceOnly = 109 "reduce-only" Quantity
        "The strategy itself said that the order must not open or flip a position.";
    Restricted = 110 "restricted" Count
        "The instrument is on the restricted list.";
    OffTick = 111 "off-tick" Price
        "The venue would reject a price between two ticks.";
    OffLot = 112 "off-lot" Quantity
        "The venue would reject a quantity between two lots.";
    NotionalMin = 113 "notional-min" Money
        "The venue would reject an order that is worth so little.";
    OrderQuantity = 114 "order-quantity" Quantity
        "A fat finger: one order of an absurd size.";
    OrderNotional = 115 "order-notional" Money
        "A fat finger in money: one order worth more than anybody meant.";
    NoReference = 116 "no-reference" Count
        "Without a live book nobody knows what the price is worth.";
    StaleReference = 117 "stale-reference" Nanoseconds
        "A book that was silent too long may be a picture of the past.";
    Collar = 118 "collar" BasisPoints
        "A price too far from the market is a mistake, or will become one.";
    PositionQuantity = 119 "position-quantity" Quantity
        "The position if this and every working order of the side fills.";
    PositionNotional = 120 "position-notional" Money
        "The same in money, at the worse of order prices and mark.";
    GrossNotional = 121 "gross-notional" Money
        "The whole account, all instruments added without netting, if every working order fills.";
    OrdersOpen = 122 "orders-open" Count
        "A strategy that leaves orders behind must stop before the venue or our tables do.";
    OrderRate = 123 "order-rate" Count
        "A runaway loop is stopped before the venue's limit or the account is hit.";
    LossDaily = 124 "loss-daily" Money
        "A day that goes wrong ends with reducing instead of with hope.";
    Drawdown = 125 "drawdown" Money
        "A fall from the highest equity ends trading until a human has looked.";
    VenueLocked = 126 "venue-locked" Count
        "While orders and balances at the venue are not known, nothing new may go there.";
}

/// How many rules there are.
pub const RULE_COUNT: usize = Rule::ALL.len();

const FIRST_CODE: u16 = 101;

const _: () = {
    let mut index = 0;
    let mut code = FIRST_CODE;
    while index < RULE_COUNT {
        assert!(Rule::ALL[index] as u16 == code, "codes are contiguous, in order of evaluation");
        index += 1;
        code += 1;
    }
};

impl Rule {
    /// Number in journal and stats.
    #[inline]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// Place in [`Rule::ALL`].
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.code() - FIRST_CODE)
    }
}
