//! Below, at and above the limit of every rule that is always on, on both sides of the market.

use super::script::tables;

tables! {
    a_strategy_that_is_not_configured_is_refused: UnknownStrategy
    "strategy 1
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     strategy 2
     buy  1 @ 1000   unknown-strategy 2 2
     sell 1 @ 1000   unknown-strategy 2 2
     strategy 65535
     buy  1 @ 1000   unknown-strategy 65535 2"

    an_instrument_outside_the_table_is_refused: UnknownInstrument
    "instrument 2
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     instrument 4
     buy  1 @ 1000   unknown-instrument 4 4
     sell 1 @ 1000   unknown-instrument 4 4
     instrument 65535
     buy  1 @ 1000   unknown-instrument 65535 4"

    nothing_configured_means_no: NotConfigured
    "instrument 2
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     instrument 3
     buy  1 @ 1000   not-configured 3 0
     sell 1 @ 1000   not-configured 3 0"

    without_account_limits_everything_is_refused: NotConfigured
    "limit account none
     buy  1 @ 1000   not-configured 0 0
     sell 1 @ 1000   not-configured 0 0"

    terms_prices_and_quantities_that_cannot_be_are_refused: MalformedIntent
    "buy   1 @ 1000  pass
     sell  1 @ 1000  pass
     buy   0 @ 1000  malformed-intent 0 1
     sell  0 @ 1000  malformed-intent 0 1
     buy  -1 @ 1000  malformed-intent -1 1
     sell -9223372036854775808 @ 1000  malformed-intent -9223372036854775808 1
     buy   1 @ 0     malformed-intent 0 1
     sell  1 @ -1    malformed-intent -1 1
     terms 0
     buy   1 @ 1000  malformed-intent 0 0
     terms 1
     sell  1 @ 1000  malformed-intent 1 0
     terms 771
     buy   1 @ 1000  malformed-intent 771 0"

    a_change_to_no_more_than_what_traded_is_refused: MalformedIntent
    "work buy 10 @ 1000
     fill #1 4 @ 1000
     change #1 4 @ 1000  malformed-intent 4 5
     change #1 5 @ 1000  pass"

    only_a_known_own_order_that_is_not_over_can_be_changed: ReplaceUnknownOrder
    "change #1 1 @ 1000  replace-unknown-order 999 0
     work buy  10 @ 1000
     work sell 10 @ 1001
     strategy 1
     change #1 11 @ 1000  replace-unknown-order 72057662757404673 0
     strategy 0
     change #1 11 @ 1000  pass
     change #2 11 @ 1001  pass
     changed #1
     done #1
     change #1 11 @ 1000  replace-unknown-order 72057662757404673 0"

    one_change_at_a_time: ReplacePending
    "work buy  10 @ 1000
     work sell 10 @ 1001
     change #1 11 @ 1000  pass
     change #1 12 @ 1000  replace-pending 11 0
     changed #1
     change #1 12 @ 1000  pass
     change #2 11 @ 1001  pass
     change #2 12 @ 1001  replace-pending 11 0
     unchanged #2
     change #2 12 @ 1001  pass"

    nothing_new_leaves_while_halted_but_cancels_do: Halted
    "work buy 10 @ 1000
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     long 5 @ 1000
     command halt    halted
     buy  1 @ 1000   halted 3 1
     sell 1 @ 1000   halted 3 1
     sell-reduce 1 @ 1000  halted 3 1
     change #1 5 @ 1000    halted 3 1
     cancel #1       pass
     cancel #9       pass
     command resume  active
     buy  1 @ 1000   pass
     command thread-dead  halted
     sell 1 @ 1000   halted 3 1"

    while_reducing_only_what_closes_passes: Reducing
    "long 10 @ 1000
     command reduce  reducing
     sell  9 @ 1000  pass
     sell 10 @ 1000  pass
     sell 11 @ 1000  reducing 11 10
     buy   1 @ 1000  reducing 1 0
     work sell 4 @ 1000
     sell  6 @ 1000  pass
     sell  7 @ 1000  reducing 7 6
     change #3 10 @ 1000  pass
     changed #3
     sell  1 @ 1000  reducing 1 0
     cancel #3       pass
     short 20 @ 1000
     buy   9 @ 1000  pass
     buy  10 @ 1000  pass
     buy  11 @ 1000  reducing 11 10
     sell  1 @ 1000  reducing 1 0"

    a_reduce_only_order_cannot_open_or_flip: ReduceOnly
    "buy-reduce   1 @ 1000  reduce-only 1 0
     sell-reduce  1 @ 1000  reduce-only 1 0
     long 10 @ 1000
     sell-reduce  9 @ 1000  pass
     sell-reduce 10 @ 1000  pass
     sell-reduce 11 @ 1000  reduce-only 11 10
     buy-reduce   1 @ 1000  reduce-only 1 0
     work sell-reduce 4 @ 1000
     sell-reduce  6 @ 1000  pass
     sell-reduce  7 @ 1000  reduce-only 7 6
     change #3 10 @ 1000    pass
     unchanged #3
     change #3 11 @ 1000    reduce-only 11 10
     short 20 @ 1000
     buy-reduce  10 @ 1000  pass
     buy-reduce  11 @ 1000  reduce-only 11 10"

    a_restricted_instrument_can_only_be_left: Restricted
    "limit restricted true
     buy   1 @ 1000  restricted 1 0
     sell  1 @ 1000  restricted 1 0
     long 10 @ 1000
     sell  9 @ 1000  pass
     sell 10 @ 1000  pass
     sell 11 @ 1000  restricted 11 10
     short 20 @ 1000
     buy  10 @ 1000  pass
     buy  11 @ 1000  restricted 11 10
     sell  1 @ 1000  restricted 1 0"

    an_unrestricted_instrument_is_traded: Restricted
    "limit restricted false
     buy  1 @ 1000  pass
     sell 1 @ 1000  pass"

    a_price_between_ticks_is_refused: OffTick
    "instrument 1
     buy  30 @  999  off-tick 999 5
     buy  30 @ 1000  pass
     buy  30 @ 1001  off-tick 1001 5
     sell 30 @  999  off-tick 999 5
     sell 30 @ 1000  pass
     sell 30 @ 1001  off-tick 1001 5"

    a_quantity_between_lots_is_refused: OffLot
    "instrument 1
     buy  29 @ 1000  off-lot 29 10
     buy  30 @ 1000  pass
     buy  31 @ 1000  off-lot 31 10
     sell 29 @ 1000  off-lot 29 10
     sell 30 @ 1000  pass
     sell 31 @ 1000  off-lot 31 10"

    an_order_worth_too_little_is_refused: NotionalMin
    "instrument 1
     buy  20 @  995  notional-min 19900 20000
     buy  20 @ 1000  pass
     buy  20 @ 1005  pass
     sell 20 @  995  notional-min 19900 20000
     sell 20 @ 1000  pass
     sell 20 @ 1005  pass"

    an_order_too_large_is_refused: OrderQuantity
    "limit order_quantity_max 10
     buy   9 @ 1000  pass
     buy  10 @ 1000  pass
     buy  11 @ 1000  order-quantity 11 10
     sell  9 @ 1000  pass
     sell 10 @ 1000  pass
     sell 11 @ 1000  order-quantity 11 10
     work buy 1 @ 1000
     change #5 10 @ 1000  pass
     changed #5
     change #5 11 @ 1000  order-quantity 11 10
     buy  9223372036854775807 @ 9223372036854775807  order-quantity 9223372036854775807 10"

    an_order_worth_too_much_is_refused: OrderNotional
    "limit order_notional_max 10000
     buy  10 @  999  pass
     buy  10 @ 1000  pass
     buy  10 @ 1001  order-notional 10010 10000
     sell 10 @  999  pass
     sell 10 @ 1000  pass
     sell 10 @ 1001  order-notional 10010 10000
     work buy 1 @ 1000
     change #5 10 @ 1001  order-notional 10010 10000"

    an_order_in_a_market_that_nobody_knows_is_refused: NoReference
    "buy  1 @ 1000  pass
     sell 1 @ 1000  pass
     book stale
     buy  1 @ 1000  no-reference 4 2
     sell 1 @ 1000  no-reference 4 2
     book gap
     buy  1 @ 1000  no-reference 3 2
     book empty
     sell 1 @ 1000  no-reference 1 2
     book live
     buy  1 @ 1000  pass
     top 1001 999
     buy  1 @ 1000  no-reference 2 2
     sell 1 @ 1000  no-reference 2 2
     top -5 1
     buy  1 @ 1000  no-reference 2 2"

    an_old_reference_is_refused: StaleReference
    "limit reference_age_ns_max 100
     wait 99
     buy  1 @ 1000  pass
     sell 1 @ 1000  pass
     wait 1
     buy  1 @ 1000  pass
     sell 1 @ 1000  pass
     wait 1
     buy  1 @ 1000  stale-reference 101 100
     sell 1 @ 1000  stale-reference 101 100"

    a_price_too_far_from_the_mid_is_refused: Collar
    "limit collar_bps 50
     limit passive_bps 200
     buy  1 @ 1004  pass
     buy  1 @ 1005  pass
     buy  1 @ 1006  collar 60 50
     buy  1 @  981  pass
     buy  1 @  980  pass
     buy  1 @  979  collar 210 200
     sell 1 @  996  pass
     sell 1 @  995  pass
     sell 1 @  994  collar 60 50
     sell 1 @ 1019  pass
     sell 1 @ 1020  pass
     sell 1 @ 1021  collar 210 200
     top 1000 1001
     buy  1 @ 1005  pass
     buy  1 @ 1006  collar 55 50
     sell 1 @  996  pass
     sell 1 @  995  collar 55 50
     work buy 1 @ 1000
     change #11 1 @ 1006  collar 55 50
     change #11 1 @ 1005  pass"

    the_projected_position_counts_every_working_order: PositionQuantity
    "limit position_quantity_max 100
     buy   99 @ 1000  pass
     buy  100 @ 1000  pass
     buy  101 @ 1000  position-quantity 101 100
     sell  99 @ 1000  pass
     sell 100 @ 1000  pass
     sell 101 @ 1000  position-quantity 101 100
     work buy 60 @ 1000
     long 30 @ 1000
     buy    9 @ 1000  pass
     buy   10 @ 1000  pass
     buy   11 @ 1000  position-quantity 101 100
     sell 130 @ 1000  pass
     sell 131 @ 1000  position-quantity 101 100
     change #5 70 @ 1000  pass
     unchanged #5
     change #5 71 @ 1000  position-quantity 101 100
     strategy 1
     buy   11 @ 1000  position-quantity 101 100"

    the_projected_position_is_valued_at_the_worse_of_price_and_mark: PositionNotional
    "limit position_notional_max 100000
     buy   99 @ 1000  pass
     buy  100 @ 1000  pass
     buy  101 @ 1000  position-notional 101000 100000
     buy  100 @  990  pass
     buy  101 @  990  position-notional 101000 100000
     buy  100 @ 1001  position-notional 100100 100000
     sell  99 @ 1000  pass
     sell 100 @ 1000  pass
     sell 101 @ 1000  position-notional 101000 100000
     sell 101 @  990  position-notional 101000 100000
     sell 100 @ 1001  position-notional 100100 100000
     work buy 50 @ 990
     long 40 @ 1000
     buy   10 @ 1000  pass
     buy   11 @ 1000  position-notional 101000 100000
     sell 140 @ 1000  pass
     sell 141 @ 1000  position-notional 101000 100000"

    a_changed_order_gives_its_old_notional_back_before_it_is_judged: PositionNotional
    "limit position_notional_max 100000
     work buy 100 @ 1000
     change #1 100 @ 999   pass
     unchanged #1
     change #1 100 @ 1001  position-notional 100100 100000
     change #1 101 @ 1000  position-notional 101000 100000
     change #1 50 @ 1001   pass"

    the_gross_of_all_instruments_is_not_netted: GrossNotional
    "limit gross_notional_max 100000
     long 40 @ 1000
     instrument 2
     buy   59 @ 1000  pass
     buy   60 @ 1000  pass
     buy   61 @ 1000  gross-notional 101000 100000
     sell  59 @ 1000  pass
     sell  60 @ 1000  pass
     sell  61 @ 1000  gross-notional 101000 100000
     work sell 50 @ 1000
     work buy  50 @ 1000
     sell  10 @ 1000  pass
     sell  11 @ 1000  gross-notional 101000 100000
     buy   10 @ 1000  pass
     buy   11 @ 1000  gross-notional 101000 100000
     instrument 0
     sell  90 @ 1000  pass
     sell  91 @ 1000  gross-notional 101000 100000"

    what_does_not_add_to_a_gross_above_its_limit_passes: GrossNotional
    "limit gross_notional_max 100000
     long 60 @ 1000
     instrument 2
     long 60 @ 1000
     buy    1 @ 1000  gross-notional 121000 100000
     sell  59 @ 1000  pass
     sell  60 @ 1000  pass
     sell  61 @ 1000  gross-notional 120000 100000
     sell 121 @ 1000  gross-notional 121000 100000"

    orders_that_are_not_over_are_counted: OrdersOpen
    "limit orders_open_max 3
     work buy  1 @ 1000
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     work sell 1 @ 1001
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     work buy 1 @ 999
     buy  1 @ 1000   orders-open 4 3
     sell 1 @ 1000   orders-open 4 3
     change #1 2 @ 1000  pass
     unknown #1
     buy  1 @ 1000   orders-open 4 3
     cancel #1       pass
     done #1
     buy  1 @ 1000   pass"

    the_rate_window_rolls: OrderRate
    "limit order_rate_count_max 3
     limit order_rate_window_ns 100
     work buy 1 @ 1000
     wait 40
     sell 1 @ 1000       pass
     change #1 2 @ 1000  pass
     wait 59
     buy  1 @ 1000       order-rate 4 3
     sell 1 @ 1000       order-rate 4 3
     cancel #1           pass
     changed #1
     change #1 3 @ 1000  order-rate 4 3
     wait 1
     buy  1 @ 1000       pass
     sell 1 @ 1000       order-rate 4 3
     wait 40
     sell 1 @ 1000       pass
     buy  1 @ 1000       pass
     sell 1 @ 1000       order-rate 4 3"

    a_daily_loss_at_its_limit_goes_reducing_from_long: LossDaily
    "limit loss_daily_max 100
     long 10 @ 1000
     top 990 991
     clock           active
     top 989 991
     clock           reducing loss-daily 100 100
     buy  1 @ 990    reducing 1 0
     sell 1 @ 990    pass
     command resume  reducing loss-daily 100 100
     top 990 991
     command resume  active"

    a_daily_loss_at_its_limit_goes_reducing_from_short: LossDaily
    "limit loss_daily_max 100
     short 10 @ 1000
     top 1009 1010
     clock           active
     top 1010 1011
     sell 1 @ 1010   reducing 1 0
     clock           reducing
     buy  1 @ 1010   pass
     command resume  reducing loss-daily 105 100"

    a_drawdown_at_its_limit_halts_from_long: Drawdown
    "limit drawdown_max 100
     long 10 @ 1000
     top 1019 1021
     clock           active
     top 1010 1011
     clock           active
     top 1009 1011
     clock           halted drawdown 100 100
     sell 1 @ 1010   halted 3 1
     command resume  halted drawdown 100 100
     command reduce  reducing
     clock           reducing
     sell 1 @ 1010   pass
     buy  1 @ 1010   reducing 1 0
     top 1010 1011
     command resume  active
     top 1009 1010
     clock           halted drawdown 105 100"

    a_drawdown_at_its_limit_halts_from_short: Drawdown
    "limit drawdown_max 100
     short 10 @ 1000
     top 979 981
     clock           active
     top 989 990
     clock           active
     top 989 991
     clock           halted drawdown 100 100
     buy  1 @ 990    halted 3 1"

    a_locked_venue_takes_cancels_and_nothing_else: VenueLocked
    "work buy  2 @ 1000
     work sell 2 @ 1000
     buy  1 @ 1000       pass
     sell 1 @ 1000       pass
     lock
     buy  1 @ 1000       venue-locked 1 0
     sell 1 @ 1000       venue-locked 1 0
     change #1 3 @ 1000  venue-locked 1 0
     change #2 3 @ 1000  venue-locked 1 0
     cancel #1           pass
     cancel #2           pass
     command resume      active
     buy  1 @ 1000       venue-locked 1 0
     unlock
     buy  1 @ 1000       pass
     sell 1 @ 1000       pass
     change #1 3 @ 1000  pass"
}
