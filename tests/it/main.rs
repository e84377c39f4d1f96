//! Scenarios: the whole engine, from the simulator or as the real binary, one file each; beside them the
//! shape and order of the house, and the fuzz targets on their seeds.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "everything in here is a test, and a test tells its seeds"
)]

mod a_panicking_strategy_is_isolated;
mod architecture;
mod crash_between_any_two_records;
mod dry_run_and_power_hold_orders_back;
mod fuzz_replay;
mod no_exposure_above_a_limit;
mod replay_is_byte_identical;
mod same_input_gives_the_same_records;
mod snapshot_and_tail_give_the_same_state;
mod tidy;
