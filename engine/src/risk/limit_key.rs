//! Limits that a command may change: stable codes, names equal to the keys of the configuration, and how
//! each is read from and written to [`Limits`].

use crate::money::Money;

use super::limits::{InstrumentLimits, Limits};
use super::rule::Unit;

/// Whose limit a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitOwner {
    /// The whole account.
    Account,
    /// One instrument.
    Instrument,
    /// One strategy.
    Strategy,
}

/// Value of a limit that is not set.
pub const UNLIMITED: i64 = i64::MAX;

macro_rules! keys {
    ($($variant:ident = $code:literal $name:literal $owner:ident $unit:ident $least:literal;)*) => {
        /// A limit by its key, in `tag` of the command `LimitSet` and `code` of `LIMIT`. Never renumber.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum LimitKey {
            $(
                #[doc = concat!("`", $name, "`")]
                $variant = $code,
            )*
        }

        impl LimitKey {
            /// Every key, in the order of the codes.
            pub const ALL: &'static [LimitKey] = &[$(LimitKey::$variant),*];

            /// The key in the configuration.
            pub const fn name(self) -> &'static str {
                match self {
                    $(LimitKey::$variant => $name,)*
                }
            }

            /// Whose limit it is.
            pub const fn owner(self) -> LimitOwner {
                match self {
                    $(LimitKey::$variant => LimitOwner::$owner,)*
                }
            }

            /// In which unit commands and events state it.
            pub const fn unit(self) -> Unit {
                match self {
                    $(LimitKey::$variant => Unit::$unit,)*
                }
            }

            /// Smallest value that a command may name.
            pub const fn least(self) -> i64 {
                match self {
                    $(LimitKey::$variant => $least,)*
                }
            }

            /// The key of that number.
            pub const fn from_code(code: u16) -> Option<LimitKey> {
                match code {
                    $($code => Some(LimitKey::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

keys! {
    OrderQuantity = 1 "order_quantity_max" Instrument Quantity 1;
    OrderNotional = 2 "order_notional_max" Instrument Money 1;
    PositionQuantity = 3 "position_quantity_max" Instrument Quantity 1;
    PositionNotional = 4 "position_notional_max" Instrument Money 1;
    Collar = 5 "collar_bps" Instrument BasisPoints 1;
    Passive = 6 "passive_bps" Instrument BasisPoints 1;
    ReferenceAge = 7 "reference_age_ms_max" Instrument Milliseconds 1;
    Restricted = 8 "restricted" Instrument Count 0;
    OrderRate = 20 "order_rate_count_max" Account Count 1;
    OrdersOpen = 21 "orders_open_max" Account Count 1;
    LossDaily = 22 "loss_daily_max" Account Money 1;
    Drawdown = 23 "drawdown_max" Account Money 1;
    GrossNotional = 24 "gross_notional_max" Account Money 1;
    CollarTrade = 32 "collar_trade_bps" Instrument BasisPoints 1;
    CollarWindow = 33 "collar_window_bps" Instrument BasisPoints 1;
    Spread = 34 "spread_bps_max" Instrument BasisPoints 1;
    Jump = 35 "jump_bps_max" Instrument BasisPoints 1;
    Short = 36 "short_quantity_max" Instrument Quantity 0;
    ExposureShare = 37 "exposure_bps_max" Instrument BasisPoints 1;
    HoldTime = 38 "hold_time_ms_max" Instrument Milliseconds 1;
    BatchNotional = 48 "batch_notional_max" Account Money 1;
    MessageRate = 49 "message_rate_count_max" Account Count 1;
    Duplicate = 50 "duplicate_count_max" Account Count 1;
    OrdersDaily = 51 "orders_daily_max" Account Count 1;
    NotionalDaily = 52 "notional_daily_max" Account Money 1;
    StrategyPosition = 64 "strategy_position_notional_max" Strategy Money 1;
    StrategyGross = 65 "strategy_gross_notional_max" Strategy Money 1;
    StrategyOrdersOpen = 66 "strategy_orders_open_max" Strategy Count 1;
    StrategyOrderRate = 67 "strategy_order_rate_count_max" Strategy Count 1;
    StrategyLossDaily = 68 "strategy_loss_daily_max" Strategy Money 1;
    StrategyExecutions = 69 "strategy_execution_count_max" Strategy Count 1;
}

const NS_PER_MS: u64 = 1_000_000;

/// First code of the keys that are kept in a [`LimitTable`].
const TABLED_FROM: u16 = 32;
/// Room for the keys of one owner; codes of one owner lie within one multiple of it.
const TABLE_LENGTH: usize = 16;

/// Limits of one owner that are off unless set, by key. In the unit of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitTable {
    values: [i64; TABLE_LENGTH],
}

impl Default for LimitTable {
    fn default() -> LimitTable {
        LimitTable { values: [UNLIMITED; TABLE_LENGTH] }
    }
}

impl LimitTable {
    /// The limit; [`UNLIMITED`] when it is not set.
    #[inline]
    pub const fn get(&self, key: LimitKey) -> i64 {
        self.values[key.place()]
    }

    /// The limit as money; beyond every amount when it is not set.
    #[inline]
    pub(super) const fn money(&self, key: LimitKey) -> Option<Money> {
        match self.get(key) {
            UNLIMITED => None,
            value => Some(Money::from_event(value)),
        }
    }

    /// The same table with that limit.
    #[must_use]
    pub const fn with(mut self, key: LimitKey, value: i64) -> LimitTable {
        self.values[key.place()] = value;
        self
    }

    /// Whether any limit is set.
    pub fn is_any(&self) -> bool {
        self.values.iter().any(|value| *value != UNLIMITED)
    }

    /// The first key of `owner` whose value no limit can have.
    pub(super) fn wrong(&self, owner: LimitOwner) -> Option<LimitKey> {
        let mut keys = LimitKey::ALL.iter().copied();
        keys.find(|key| key.is_tabled() && key.owner() == owner && self.get(*key) < key.least())
    }
}

impl LimitKey {
    /// Number in journal and commands.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// Whether it is off unless set.
    pub const fn is_tabled(self) -> bool {
        TABLED_FROM <= self.code()
    }

    /// Whether it means something only together with other settings, such as the length of a window.
    pub(super) const fn needs_more(self) -> bool {
        matches!(
            self,
            LimitKey::CollarWindow
                | LimitKey::Jump
                | LimitKey::ExposureShare
                | LimitKey::MessageRate
                | LimitKey::Duplicate
                | LimitKey::StrategyOrderRate
                | LimitKey::StrategyExecutions
        )
    }

    const fn place(self) -> usize {
        (self as usize) % TABLE_LENGTH
    }

    /// The key of that name.
    pub fn from_name(name: &str) -> Option<LimitKey> {
        LimitKey::ALL.iter().copied().find(|key| key.name() == name)
    }

    /// Whether `value` allows less than `other`.
    pub fn is_stricter(self, value: i64, other: i64) -> bool {
        if self == LimitKey::Restricted { other < value } else { value < other }
    }
}

fn ms(ns: u64) -> i64 {
    i64::try_from(ns / NS_PER_MS).unwrap_or(i64::MAX)
}

fn ns(ms: i64) -> u64 {
    u64::try_from(ms).map_or(0, |ms| ms.saturating_mul(NS_PER_MS))
}

fn narrow(value: i64) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}

/// The place of a limit, in the type that it has there.
enum Slot<'a> {
    Whole(&'a mut i64),
    Money(&'a mut Money),
    Count(&'a mut u32),
    Ns(&'a mut u64),
    Flag(&'a mut bool),
}

impl Slot<'_> {
    fn get(&self) -> i64 {
        match self {
            Slot::Whole(value) => **value,
            Slot::Money(value) => value.to_event(),
            Slot::Count(value) => i64::from(**value),
            Slot::Ns(value) => ms(**value),
            Slot::Flag(value) => i64::from(**value),
        }
    }

    fn set(self, new: i64) {
        match self {
            Slot::Whole(value) => *value = new,
            Slot::Money(value) => *value = Money::from_event(new),
            Slot::Count(value) => *value = narrow(new),
            Slot::Ns(value) => *value = ns(new),
            Slot::Flag(value) => *value = new != 0,
        }
    }
}

impl Limits {
    fn instrument(&mut self, target: u16) -> Option<&mut InstrumentLimits> {
        self.instruments.get_mut(usize::from(target))?.as_mut()
    }

    /// The table of a key that is kept in one.
    fn table(&mut self, key: LimitKey, target: u16) -> Option<&mut LimitTable> {
        let controls = &mut self.controls;
        let index = usize::from(target);
        Some(match key.owner() {
            LimitOwner::Account => &mut controls.limits,
            LimitOwner::Instrument => &mut controls.instruments.get_mut(index)?.limits,
            LimitOwner::Strategy => &mut controls.strategies.get_mut(index)?.limits,
        })
    }

    fn slot(&mut self, key: LimitKey, target: u16) -> Option<Slot<'_>> {
        Some(match key.code() {
            1 => Slot::Whole(&mut self.instrument(target)?.order_quantity_max),
            2 => Slot::Money(&mut self.instrument(target)?.order_notional_max),
            3 => Slot::Whole(&mut self.instrument(target)?.position_quantity_max),
            4 => Slot::Money(&mut self.instrument(target)?.position_notional_max),
            5 => Slot::Whole(&mut self.instrument(target)?.collar_bps),
            6 => Slot::Whole(&mut self.instrument(target)?.passive_bps),
            7 => Slot::Ns(&mut self.instrument(target)?.reference_age_ns_max),
            8 => Slot::Flag(&mut self.instrument(target)?.restricted),
            20 => Slot::Count(&mut self.account.as_mut()?.order_rate_count_max),
            21 => Slot::Count(&mut self.account.as_mut()?.orders_open_max),
            22 => Slot::Money(&mut self.account.as_mut()?.loss_daily_max),
            23 => Slot::Money(&mut self.account.as_mut()?.drawdown_max),
            24 => Slot::Money(&mut self.account.as_mut()?.gross_notional_max),
            _ => Slot::Whole(&mut self.table(key, target)?.values[key.place()]),
        })
    }

    /// The limit `key` of `target`, an instrument or a strategy (ignored for keys of the account); `None`
    /// where nothing can be set.
    pub fn value(&mut self, key: LimitKey, target: u16) -> Option<i64> {
        self.slot(key, target).map(|slot| slot.get())
    }

    /// Sets a limit, if there is one to set. Checks nothing.
    pub fn set_value(&mut self, key: LimitKey, target: u16, value: i64) {
        if let Some(slot) = self.slot(key, target) {
            slot.set(value);
        }
    }
}
