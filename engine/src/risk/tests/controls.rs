//! Below, at and above the limit of every rule that is off unless configured, and of what the control stage
//! asks for.

use super::script::tables;

tables! {
    while_a_breaker_is_safe_only_what_closes_passes: Safe
    "long 10 @ 1000
     buy   1 @ 1000  pass
     sell 11 @ 1000  pass
     breaker all SAFE
     sell  9 @ 1000  pass
     sell 10 @ 1000  pass
     sell 11 @ 1000  safe 11 10
     buy   1 @ 1000  safe 1 0
     work sell 4 @ 1000
     sell  6 @ 1000  pass
     sell  7 @ 1000  safe 7 6
     change #5 10 @ 1000  pass
     unchanged #5
     change #5 11 @ 1000  safe 11 10
     cancel #5       pass
     breaker all NORMAL
     buy   1 @ 1000  pass
     short 20 @ 1000
     breaker strategy:0 SAFE
     buy   6 @ 1000  pass
     buy  10 @ 1000  pass
     buy  11 @ 1000  safe 11 10
     strategy 1
     buy  11 @ 1000  pass
     sell  1 @ 1000  pass"

    every_scope_of_a_breaker_concerns_its_own_orders: Safe
    "breaker instrument:0 SAFE
     buy  1 @ 1000   safe 1 0
     instrument 2
     buy  1 @ 1000   pass
     breaker venue:1 SAFE
     sell 1 @ 1000   safe 1 0
     breaker venue:1 NORMAL
     breaker venue:2 KILLED
     sell 1 @ 1000   pass
     breaker strategy:1 SAFE
     sell 1 @ 1000   pass
     strategy 1
     sell 1 @ 1000   safe 1 0
     breaker instrument:2 KILLED
     sell 1 @ 1000   killed 3 1
     breaker instrument:2 NORMAL
     sell 1 @ 1000   safe 1 0"

    after_a_kill_only_the_control_stage_closes: Killed
    "long 10 @ 1000
     work sell 2 @ 1000
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     breaker all KILLED
     buy  1 @ 1000   killed 3 1
     sell 1 @ 1000   killed 3 1
     sell-reduce 1 @ 1000  killed 3 1
     change #1 1 @ 1000    killed 3 1
     cancel #1       pass
     close-sell 7 @ 1000   pass
     close-sell 8 @ 1000   pass
     close-sell 9 @ 1000   reduce-only 9 8
     close-buy  1 @ 1000   reduce-only 1 0
     operator-sell 1 @ 1000  killed 3 1
     breaker all SAFE
     sell 1 @ 1000   pass
     breaker all NORMAL
     buy  1 @ 1000   pass"

    what_the_control_stage_closes_passes_every_latch_but_no_limit_of_a_price: Killed
    "limit restricted true
     limit order_rate_count_max 1
     limit orders_open_max 1
     limit order_quantity_max 20
     limit collar_bps 50
     long 30 @ 1000
     command halt          halted
     close-sell 20 @ 1000  pass
     close-sell 20 @ 1000  pass
     close-sell 21 @ 1000  order-quantity 21 20
     close-sell 1 @ 994    collar 60 50
     close-sell 0 @ 1000   malformed-intent 0 1
     breaker all KILLED
     close-sell 20 @ 1000  pass
     strategy 2
     close-sell 20 @ 1000  pass
     sell-reduce 20 @ 1000 unknown-strategy 2 2
     strategy 3
     close-sell 20 @ 1000  unknown-strategy 3 3
     strategy 2
     book stale
     close-sell 20 @ 1000  no-reference 4 2
     book live
     lock
     close-sell 20 @ 1000  venue-locked 1 0"

    a_strategy_trades_only_what_it_may: NotPermitted
    "limit allowed 0:0
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     instrument 2
     buy  1 @ 1000   not-permitted 2 0
     sell 1 @ 1000   not-permitted 2 0
     strategy 1
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass"

    outside_its_hours_an_instrument_can_only_be_left: SessionClosed
    "limit hours 127:1000000001:1000000101
     buy  1 @ 1000   session-closed 1 0
     sell 1 @ 1000   session-closed 1 0
     wait 1
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     work buy 2 @ 999
     wait 99
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     wait 1
     buy  1 @ 1000   session-closed 1 0
     sell 1 @ 1000   session-closed 1 0
     cancel #3       pass
     change #3 3 @ 999  session-closed 3 0
     done #3
     long 5 @ 1000
     sell 5 @ 1000   pass
     sell 6 @ 1000   session-closed 6 5
     short 10 @ 1000
     buy  5 @ 1000   pass
     buy  6 @ 1000   session-closed 6 5
     close-buy 5 @ 1000  pass"

    a_spread_too_wide_is_no_market: Spread
    "limit spread_bps_max 100
     top 996 1004
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     top 995 1005
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     top 995 1006
     buy  1 @ 1000   spread 110 100
     sell 1 @ 1000   spread 110 100
     long 1 @ 1000
     close-sell 1 @ 1000  pass"

    a_market_that_jumps_is_not_traded: Jump
    "limit jump_bps_max 100
     limit reference_window_ns 1500
     top 1009 1011
     clock           active
     top 1000 1002
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     top 999 1001
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     top 998 1000
     buy  1 @ 1000   jump 111 100
     sell 1 @ 1000   jump 111 100
     wait 1500
     buy  1 @ 1000   jump 111 100
     wait 100
     buy  1 @ 1000   pass
     top 1008 1009
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     top 1009 1010
     buy  1 @ 1000   jump 105 100
     sell 1 @ 1000   jump 105 100"

    a_price_too_far_through_the_last_trade_is_refused: CollarTrade
    "limit collar_trade_bps 50
     buy  1 @ 1010   pass
     trade 1000
     buy  1 @ 1004   pass
     buy  1 @ 1005   pass
     buy  1 @ 1006   collar-trade 60 50
     buy  1 @ 900    pass
     sell 1 @ 996    pass
     sell 1 @ 995    pass
     sell 1 @ 994    collar-trade 60 50
     sell 1 @ 1100   pass"

    a_price_beyond_everything_of_the_window_is_refused: CollarWindow
    "limit collar_window_bps 50
     limit reference_window_ns 1500
     buy  1 @ 1004   pass
     buy  1 @ 1005   pass
     buy  1 @ 1006   collar-window 60 50
     sell 1 @ 996    pass
     sell 1 @ 995    pass
     sell 1 @ 994    collar-window 60 50
     top 1009 1011
     buy  1 @ 1015   pass
     buy  1 @ 1016   collar-window 60 50
     sell 1 @ 995    pass
     sell 1 @ 994    collar-window 60 50
     wait 1600
     sell 1 @ 1005   pass
     sell 1 @ 1004   collar-window 60 50
     buy  1 @ 900    pass"

    an_order_that_meets_an_own_one_is_refused: SelfMatch
    "limit self_match true
     buy  1 @ 1002   pass
     work sell 5 @ 1002
     buy  1 @ 1001   pass
     buy  1 @ 1002   self-match 1002 1002
     buy  1 @ 1003   self-match 1003 1002
     strategy 1
     buy  1 @ 1002   self-match 1002 1002
     strategy 0
     done #2
     buy  1 @ 1003   pass
     work sell 5 @ 1010
     change #5 5 @ 1004  pass
     buy  1 @ 1003   pass
     buy  1 @ 1004   self-match 1004 1004
     unchanged #5
     buy  1 @ 1004   pass
     work buy 5 @ 998
     sell 1 @ 999    pass
     sell 1 @ 998    self-match 998 998
     sell 1 @ 997    self-match 997 998
     instrument 2
     sell 1 @ 997    pass
     instrument 0
     done #8
     work buy 5 @ 990
     sell 1 @ 991    pass
     sell 1 @ 990    self-match 990 990"

    the_same_order_again_and_again_is_refused: DuplicateOrder
    "limit duplicate_count_max 2
     limit duplicate_window_ns 100
     buy  1 @ 1000   pass
     buy  1 @ 1000   pass
     buy  1 @ 1000   duplicate-order 3 2
     buy  1 @ 1001   pass
     buy  2 @ 1000   pass
     sell 1 @ 1000   pass
     sell 1 @ 1000   pass
     sell 1 @ 1000   duplicate-order 3 2
     instrument 2
     buy  1 @ 1000   pass
     instrument 0
     strategy 1
     buy  1 @ 1000   pass
     strategy 0
     wait 99
     buy  1 @ 1000   duplicate-order 3 2
     wait 1
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass"

    a_short_that_is_not_meant_to_be_is_refused: ShortSale
    "limit short_quantity_max 0
     buy   1 @ 1000  pass
     sell  1 @ 1000  short-sale 1 0
     long 10 @ 1000
     sell  9 @ 1000  pass
     sell 10 @ 1000  pass
     sell 11 @ 1000  short-sale 1 0
     work sell 4 @ 1000
     sell  7 @ 1000  short-sale 1 0
     sell  6 @ 1000  pass"

    a_short_within_its_limit_passes: ShortSale
    "limit short_quantity_max 5
     sell 4 @ 1000   pass
     sell 5 @ 1000   pass
     sell 6 @ 1000   short-sale 6 5
     buy  9 @ 1000   pass"

    what_is_lost_is_no_buying_power: BuyingPower
    "limit capital 100000
     buy   99 @ 1000  pass
     buy  100 @ 1000  pass
     buy  101 @ 1000  buying-power 101000 100000
     sell  99 @ 1000  pass
     sell 100 @ 1000  pass
     sell 101 @ 1000  buying-power 101000 100000
     long 10 @ 1000
     top 989 991
     buy   90 @ 990   pass
     buy   91 @ 990   buying-power 99990 99900
     sell 110 @ 990   pass
     sell 111 @ 990   buying-power 99990 99900"

    no_instrument_takes_more_than_its_share: ExposureShare
    "limit capital 400000
     limit exposure_bps_max 2500
     buy   99 @ 1000  pass
     buy  100 @ 1000  pass
     buy  101 @ 1000  exposure-share 101000 100000
     sell  99 @ 1000  pass
     sell 100 @ 1000  pass
     sell 101 @ 1000  exposure-share 101000 100000"

    what_one_event_leads_to_is_summed: BatchNotional
    "limit batch_notional_max 10000
     buy  9 @ 1000   pass
     buy 10 @ 1000   pass
     buy 11 @ 1000   batch-notional 11000 10000
     sell 10 @ 1000  pass
     sell 11 @ 1000  batch-notional 11000 10000
     cascade begins
     buy  5 @ 1000   pass
     sell 4 @ 1000   pass
     sell 2 @ 1000   batch-notional 11000 10000
     buy  1 @ 1000   pass
     sell 1 @ 1000   batch-notional 11000 10000
     cascade ends
     sell 1 @ 1000   pass"

    new_orders_of_a_day_are_counted: OrdersDaily
    "limit orders_daily_max 3
     work buy 1 @ 1000
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     buy  1 @ 1000   orders-daily 4 3
     sell 1 @ 1000   orders-daily 4 3
     change #1 2 @ 1000  pass
     cancel #1       pass
     wait 86400000000000
     top 999 1001
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass"

    the_notional_of_a_day_is_summed: NotionalDaily
    "limit notional_daily_max 10000
     buy  5 @ 1000   pass
     sell 4 @ 1000   pass
     sell 2 @ 1000   notional-daily 11000 10000
     buy  2 @ 1000   notional-daily 11000 10000
     buy  1 @ 1000   pass
     buy  1 @ 1000   notional-daily 11000 10000
     wait 86400000000000
     top 999 1001
     buy 10 @ 1000   pass"

    messages_are_counted_and_cancels_pass: MessageRate
    "limit message_rate_count_max 3
     limit message_rate_window_ns 100
     work buy 1 @ 1000
     cancel #1       pass
     wait 40
     sell 1 @ 1000   pass
     buy  1 @ 1000   message-rate 4 3
     sell 1 @ 1000   message-rate 4 3
     change #1 2 @ 1000  message-rate 4 3
     wait 60
     buy  1 @ 1000   pass
     cancel #1       pass
     cancel #1       pass
     sell 1 @ 1000   message-rate 4 3
     wait 99
     buy  1 @ 1000   message-rate 4 3
     wait 1
     buy  1 @ 1000   pass"

    a_strategy_holds_its_own_share_of_an_instrument: StrategyPosition
    "limit strategy_position_notional_max 100000
     buy   99 @ 1000  pass
     buy  100 @ 1000  pass
     buy  101 @ 1000  strategy-position 101000 100000
     sell  99 @ 1000  pass
     sell 100 @ 1000  pass
     sell 101 @ 1000  strategy-position 101000 100000
     strategy 1
     long 90 @ 1000
     buy   10 @ 1000  pass
     buy   11 @ 1000  strategy-position 101000 100000
     sell 190 @ 1000  pass
     sell 191 @ 1000  strategy-position 101000 100000
     strategy 0
     buy  100 @ 1000  pass
     work buy 60 @ 1000
     buy   40 @ 1000  pass
     buy   41 @ 1000  strategy-position 101000 100000
     top 1009 1011
     buy   39 @ 1000  pass
     buy   40 @ 1000  strategy-position 101000 100000"

    a_strategy_holds_its_own_share_of_all_instruments: StrategyGross
    "limit strategy_gross_notional_max 100000
     long 40 @ 1000
     instrument 2
     buy   59 @ 1000  pass
     buy   60 @ 1000  pass
     buy   61 @ 1000  strategy-gross 101000 100000
     sell  60 @ 1000  pass
     sell  61 @ 1000  strategy-gross 101000 100000
     strategy 1
     buy  100 @ 1000  pass
     buy  101 @ 1000  strategy-gross 101000 100000"

    more_quantity_at_a_lower_worth_is_more_all_the_same: GrossNotional
    "limit gross_notional_max 100000
     limit strategy_gross_notional_max 200000
     work sell 60 @ 1041
     instrument 2
     long 100 @ 1000
     change #1 61 @ 979  gross-notional 161000 100000
     change #1 60 @ 979  pass
     unchanged #1
     change #1 59 @ 979  pass"

    what_closes_for_the_account_may_open_for_the_strategy: StrategyGross
    "limit strategy_gross_notional_max 100000
     strategy 1
     long 300 @ 1000
     strategy 0
     sell 100 @ 1000  pass
     sell 101 @ 1000  strategy-gross 101000 100000"

    the_open_orders_of_a_strategy_are_counted: StrategyOrdersOpen
    "limit strategy_orders_open_max 2
     work buy 1 @ 1000
     buy  1 @ 1000   pass
     sell 1 @ 1000   pass
     work sell 1 @ 1001
     buy  1 @ 1000   strategy-orders-open 3 2
     sell 1 @ 1000   strategy-orders-open 3 2
     change #1 2 @ 1000  pass
     strategy 1
     buy  1 @ 1000   pass
     strategy 0
     unknown #4
     buy  1 @ 1000   strategy-orders-open 3 2
     done #4
     buy  1 @ 1000   pass"

    the_rate_of_a_strategy_rolls: StrategyOrderRate
    "limit strategy_order_rate_count_max 2
     limit order_rate_window_ns 100
     buy  1 @ 1000   pass
     wait 40
     sell 1 @ 1000   pass
     buy  1 @ 1000   strategy-order-rate 3 2
     sell 1 @ 1000   strategy-order-rate 3 2
     strategy 1
     buy  1 @ 1000   pass
     strategy 0
     wait 59
     buy  1 @ 1000   strategy-order-rate 3 2
     wait 1
     buy  1 @ 1000   pass"

    a_strategy_that_trades_too_often_is_latched_until_somebody_looks: RepeatedExecution
    "limit strategy_execution_count_max 3
     limit execution_window_ns 100
     long  1 @ 1000
     short 1 @ 1000
     wait 100
     long  1 @ 1000
     wait 1
     short 1 @ 1000
     buy  1 @ 1000    pass
     long  1 @ 1000   repeated-execution 3 3
     buy  1 @ 1000    strategy-latched 1 0
     sell 1 @ 1000    strategy-latched 1 0
     close-sell 1 @ 1000  pass
     long  1 @ 1000
     wait 172800000000000
     top 999 1001
     clock            active
     buy  1 @ 1000    strategy-latched 1 0
     strategy 1
     buy  1 @ 1000    pass
     short 1 @ 1000
     short 1 @ 1000
     sell 1 @ 1000    pass
     short 1 @ 1000   repeated-execution 3 3
     sell 1 @ 1000    strategy-latched 1 0
     strategy 0
     enable 0 by 0
     buy  1 @ 1000    strategy-latched 1 0
     enable 0 by 2
     buy  1 @ 1000    pass
     strategy 1
     sell 1 @ 1000    strategy-latched 1 0"

    the_control_stage_closes_the_position_of_a_strategy_also_where_the_account_is_flat: Killed
    "strategy 1
     short 10 @ 1000
     strategy 0
     long 10 @ 1000
     breaker all KILLED
     sell 1 @ 1000         killed 3 1
     close-sell 11 @ 1000  reduce-only 11 10
     close-sell 10 @ 1000  pass
     close-buy   1 @ 1000  reduce-only 1 0
     work close-sell 4 @ 1000
     close-sell  7 @ 1000  reduce-only 7 6
     strategy 1
     close-buy  11 @ 1000  reduce-only 11 10
     close-buy  10 @ 1000  pass
     strategy 2
     close-buy   1 @ 1000  reduce-only 1 0"

    a_latched_strategy_is_refused_what_opens: StrategyLatched
    "limit strategy_loss_daily_max 100
     long 10 @ 1000
     top 989 991
     buy   1 @ 990    strategy-latched 1 0
     sell 10 @ 990    pass
     sell 11 @ 990    strategy-latched 11 10
     short 20 @ 990
     buy  10 @ 990    pass
     buy  11 @ 990    strategy-latched 11 10
     sell  1 @ 990    strategy-latched 1 0"

    the_daily_loss_of_a_strategy_latches_it_from_long: StrategyLossDaily
    "limit strategy_loss_daily_max 100
     strategy 1
     short 10 @ 1000
     strategy 0
     long 10 @ 1000
     top 990 991
     clock            active
     buy  1 @ 990     pass
     top 989 991
     clock            active strategy-loss-daily 100 100
     clock            active
     buy  1 @ 990     strategy-latched 1 0
     sell 1 @ 990     pass
     strategy 1
     sell 1 @ 990     pass
     strategy 0
     top 999 1001
     buy  1 @ 1000    strategy-latched 1 0
     wait 86400000000000
     top 999 1001
     clock            active
     buy  1 @ 1000    strategy-latched 1 0
     enable 0 by 1
     buy  1 @ 1000    pass
     top 990 991
     clock            active
     top 989 991
     clock            active strategy-loss-daily 100 100
     enable 0 by 1
     clock            active
     buy  1 @ 990     pass"

    the_daily_loss_of_a_strategy_latches_it_from_short: StrategyLossDaily
    "limit strategy_loss_daily_max 100
     short 10 @ 1000
     top 1009 1010
     clock            active
     top 1010 1011
     clock            active strategy-loss-daily 105 100
     sell 1 @ 1010    strategy-latched 1 0
     buy  1 @ 1010    pass"
}
