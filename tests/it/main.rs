//! Scenarios: the whole engine, from the simulator or as the real binary, one file each; beside them the
//! shape and order of the house, and the fuzz targets on their seeds.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "everything in here is a test, and a test tells its seeds"
)]

mod a_cut_socket_recovers_fast;
mod a_kill_on_the_local_venue;
mod a_panicking_strategy_is_isolated;
mod a_run_can_be_replayed_and_continued;
mod a_session_over_tls;
mod a_signed_journal_is_verified_and_exported;
mod a_start_cut_off_in_the_manifest;
mod a_storm_delays_no_report;
mod alarms_reach_people;
mod architecture;
mod backtest_of_a_capture;
mod children_stay_within_their_parent;
mod clock_skew_beyond_the_receive_window;
mod contract;
mod crash_between_any_two_records;
mod damage_is_refused_by_name;
mod disk_full_and_read_only;
mod dry_run_and_power_hold_orders_back;
mod every_fault_at_every_moment_of_an_order;
mod feed_gap_during_a_burst;
mod fuzz_replay;
mod golden_journals_open_for_ever;
mod kill_nine_at_any_moment;
mod listen_stream_lost_while_fills_happen;
mod live_needs_a_clear_preflight;
mod machine_output_is_stable;
mod no_exposure_above_a_limit;
mod no_secret_leaves;
mod operators_command_a_running_engine;
mod planned_reconnect_leaves_no_gap;
mod random_faults_lose_and_double_nothing;
mod replay_is_byte_identical;
mod restart_in_the_middle_of_an_order;
mod run_over_sockets;
mod same_input_gives_the_same_records;
mod snapshot_and_tail_give_the_same_state;
mod the_check_of_scenarios_finds_what_is_wrong;
mod the_guard_cancels_for_a_dead_engine;
mod the_monitor_equals_the_journal;
mod the_reconciler_reports_locks_and_sweeps;
mod the_venue_command_serves_until_told;
mod tidy;
mod two_feeds_of_which_one_lags;
mod wrong_configuration_is_named;
