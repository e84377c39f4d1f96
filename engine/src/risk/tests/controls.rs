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
}
