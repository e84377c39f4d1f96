//! Scenarios: the whole engine, from the simulator or as the real binary, one file each; beside them the
//! shape and order of the house, and the fuzz targets on their seeds.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "everything in here is a test, and a test tells its seeds"
)]

mod architecture;
mod crash_between_any_two_records;
mod fuzz_replay;
mod replay_is_byte_identical;
mod same_input_gives_the_same_records;
mod snapshot_and_tail_give_the_same_state;
mod tidy;
