//! What a restart keeps: everything. A scope that was killed or tripped is so in the next session.

use super::desk::{Desk, S_NS, chunk, table, trigger};
use crate::control::breaker::{Breaker, TRIP_COUNT_MAX};
use crate::control::positions::{Positions, SHIFT_MAX};
use crate::control::{Action, Control, ControlConfig, Triggers};
use crate::event::{BreakerState, CommandCode, KillPhase, OrderState, Scope, Side, TripReason};
use crate::state::{LoadError, Loader, Saver, State};

fn config() -> ControlConfig {
    let triggers = Triggers {
        reject_rate: trigger(Action::Safe),
        latency: trigger(Action::Safe),
        ..Triggers::default()
    };
    ControlConfig { is_configured: true, triggers, quiet_ns: 10 * S_NS, ..ControlConfig::default() }
}

#[test]
fn a_restart_keeps_a_kill_and_goes_on_with_it() {
    for ends_in_order in [true, false] {
        let mut desk = Desk::new(config());
        desk.hold(0, 0, 300);
        let order = desk.order(0, 0, Side::Buy, 50);
        desk.command_of(1, CommandCode::Kill, Scope::All, (0, 1));
        let told = desk.restart(config(), ends_in_order);
        assert_eq!(told, ["all KILLED>KILLED operator #1"]);
        assert_eq!(desk.clock(), ["all cancelling: 0 cancelled, 2 left"], "asked again at once");
        desk.state(order, OrderState::Cancelled);
        let closer = desk.closer().order.id;
        assert_eq!(desk.trade(closer, 300), ["all done: 1 cancelled, 0 left"]);
        let told = desk.restart(config(), ends_in_order);
        assert_eq!(told, ["all KILLED>KILLED operator #1"], "and again in the session after");
        assert_eq!(desk.control.state(), BreakerState::Killed);
    }
}

#[test]
fn a_restart_keeps_a_trip_and_its_approval_and_begins_the_quiet_period_anew() {
    let mut desk = Desk::new(config());
    desk.command(CommandCode::Trip, Scope::Strategy(1));
    desk.command_of(1, CommandCode::Approve, Scope::Strategy(1), (1, 0));
    desk.after(9 * S_NS);
    let told = desk.restart(config(), true);
    assert_eq!(told, ["strategy 1 SAFE>SAFE operator #1"]);
    assert_eq!(desk.after(10 * S_NS - 1), [""; 0]);
    assert_eq!(desk.clock(), ["strategy 1 SAFE>NORMAL recovered #1"]);
}

#[test]
fn a_restart_keeps_a_pause() {
    let mut desk = Desk::new(config());
    desk.command(CommandCode::Pause, Scope::Instrument(2));
    assert_eq!(desk.restart(config(), true), ["instrument 2 SAFE>SAFE paused #0"]);
    let told = desk.command(CommandCode::Continue, Scope::Instrument(2));
    assert_eq!(told[0], "instrument 2 SAFE>NORMAL paused #0");
}

#[test]
fn a_restart_tells_why_a_scope_is_held() {
    let scope = Scope::Strategy(1);
    let mut desk = Desk::new(config());
    desk.command(CommandCode::Trip, scope);
    desk.command(CommandCode::Pause, scope);
    assert_eq!(desk.restart(config(), true), ["strategy 1 SAFE>SAFE operator #1"]);
    let mut desk = Desk::new(config());
    desk.order(1, 0, Side::Buy, 50);
    desk.command(CommandCode::Flatten, scope);
    assert_eq!(desk.restart(config(), true), ["strategy 1 KILLED>KILLED operator #0"]);
    let mut desk = Desk::new(config());
    desk.order(1, 0, Side::Buy, 50);
    desk.command(CommandCode::Pause, scope);
    desk.command(CommandCode::Flatten, scope);
    assert_eq!(desk.restart(config(), true), ["strategy 1 KILLED>KILLED paused #0"]);
}

fn busy() -> Desk {
    let mut desk = Desk::new(config());
    desk.hold(0, 0, 300);
    desk.order(1, 2, Side::Buy, 50);
    desk.command(CommandCode::Trip, Scope::Venue(2));
    desk.command(CommandCode::Pause, Scope::Instrument(2));
    desk.command_of(1, CommandCode::Kill, Scope::Strategy(1), (0, 1));
    desk
}

fn saved(desk: &Desk) -> Vec<u8> {
    let mut saver = Saver::new();
    desk.control.save(&mut saver);
    saver.into_bytes()
}

fn load(bytes: &[u8]) -> Result<Control, LoadError> {
    let mut control = Control::new(config(), vec![Some(chunk()); 3], table(), 2);
    let mut loader = Loader::new(bytes);
    control.load(&mut loader)?;
    loader.finish()?;
    Ok(control)
}

#[test]
fn saved_bytes_give_the_same_state_and_the_same_bytes() {
    let mut desk = busy();
    let bytes = saved(&desk);
    desk.control = load(&bytes).unwrap();
    assert_eq!(saved(&desk), bytes);
    assert_eq!(desk.control.held_counts(), (2, 1));
    assert_eq!(desk.control.digest(), busy().control.digest());
}

#[test]
fn cut_and_foreign_bytes_are_refused() {
    let bytes = saved(&busy());
    for length in 0..bytes.len() {
        assert!(load(&bytes[..length]).is_err(), "{length}");
    }
    let mut control = Control::new(config(), vec![Some(chunk()); 3], table(), 3);
    assert!(control.load(&mut Loader::new(&bytes)).is_err(), "another number of strategies");
    // State of the first breaker: after the count of trips and the count of breakers.
    let mut wrong = bytes.clone();
    wrong[16] = 9;
    assert!(load(&wrong).is_err());
}

/// Saved bytes with another count of trips and another number of the first breaker's trip.
fn with_trips(bytes: &[u8], count: u64, trip: u64) -> Vec<u8> {
    // Before the number: the count of trips, the count of breakers; state, pause and reason of the first.
    let at = 8 + 8 + 2 + 1 + 2;
    let (count, trip) = (count.to_le_bytes(), trip.to_le_bytes());
    [&count, &bytes[8..at], &trip, &bytes[at + 8..]].concat()
}

#[test]
fn numbers_of_trips_that_no_journal_can_have_told_are_refused() {
    let mut desk = Desk::new(config());
    desk.command(CommandCode::Trip, Scope::All);
    let bytes = saved(&desk);
    assert_eq!(with_trips(&bytes, 1, 1), bytes);
    let check = |count, trip, what: Option<&str>| {
        let error = load(&with_trips(&bytes, count, trip)).err();
        let found = match &error {
            Some(LoadError::Invalid { what, .. }) => Some(*what),
            Some(LoadError::Short { .. } | LoadError::Long { .. }) | None => None,
        };
        assert_eq!((error.is_some(), found), (what.is_some(), what), "{count} {trip}: {error:?}");
    };
    check(0, 0, None);
    check(TRIP_COUNT_MAX, 1, None);
    check(TRIP_COUNT_MAX, TRIP_COUNT_MAX, None);
    for count in [TRIP_COUNT_MAX + 1, i64::MAX.cast_unsigned(), u64::MAX] {
        check(count, 1, Some("number of trips"));
    }
    // The next trip would have the number of an older one.
    check(0, 1, Some("number of a trip"));
    check(TRIP_COUNT_MAX - 1, TRIP_COUNT_MAX, Some("number of a trip"));
}

#[test]
fn a_kill_after_the_last_number_of_a_saved_trip_is_counted_and_lifted() {
    let mut desk = Desk::new(config());
    desk.command(CommandCode::Trip, Scope::All);
    desk.control = load(&with_trips(&saved(&desk), TRIP_COUNT_MAX, 1)).unwrap();
    let told = desk.command_of(1, CommandCode::Kill, Scope::All, (0, 1));
    let number = TRIP_COUNT_MAX + 1;
    assert_eq!(told[0], format!("all SAFE>KILLED operator #{number}"));
    desk.command_of(1, CommandCode::Rearm, Scope::All, (number.cast_signed(), 0));
    assert_eq!(desk.control.state(), BreakerState::Normal);
}

/// Saved bytes whose last words are others: of the last trip, of the last job, of the jobs.
fn with_last(bytes: &[u8], trip: u64, job: u64, jobs: &[u64], job_count: usize) -> Vec<u8> {
    // What follows them: whether the stage is used, and the count of jobs.
    let start = bytes.len() - 8 * job_count - 8 - 1 - 16;
    let is_used = bytes[start + 16];
    let mut saver = Saver::new();
    saver.u64(trip);
    saver.u64(job);
    saver.u8(is_used);
    saver.count(jobs.len());
    for index in jobs {
        saver.u64(*index);
    }
    [&bytes[..start], &saver.into_bytes()].concat()
}

#[test]
fn places_that_no_breaker_has_and_jobs_that_none_does_are_refused() {
    // Everything, four venues (one is nobody's), three strategies, three instruments.
    let mut desk = busy();
    desk.order(0, 1, Side::Buy, 50);
    desk.command(CommandCode::Kill, Scope::Instrument(1));
    let bytes = saved(&desk);
    let (strategy, instrument) = (6, 9);
    let check = |trip, job, jobs: &[u64], what: Option<&str>| {
        let error = load(&with_last(&bytes, trip, job, jobs, 2)).err();
        let found = error.map(|error| error.to_string());
        let is_so = match (&found, what) {
            (Some(found), Some(what)) => found.ends_with(what),
            (found, what) => found.is_none() && what.is_none(),
        };
        assert!(is_so, "{trip} {job} {jobs:?}: {found:?}");
    };
    assert_eq!(with_last(&bytes, instrument, instrument, &[strategy, instrument], 2), bytes);
    let (place, foreign) = (Some("count above its limit"), Some("job of a breaker"));
    check(10, 10, &[strategy, instrument], None);
    check(11, 10, &[strategy, instrument], place);
    check(10, 11, &[strategy, instrument], place);
    check(10, 10, &[strategy, 11], place);
    check(10, 10, &[strategy, 10], foreign);
    check(10, 10, &[instrument, instrument], foreign);
    check(10, 10, &[0], foreign);
}

#[test]
fn a_restart_counts_every_scope_that_is_held() {
    let venues = (1..4).map(Scope::Venue);
    let strategies = (0..3).map(Scope::Strategy);
    let instruments = (0..3).map(Scope::Instrument);
    let scopes: Vec<Scope> =
        [Scope::All].into_iter().chain(venues).chain(strategies).chain(instruments).collect();
    let mut desk = Desk::new(config());
    for scope in &scopes {
        desk.command(CommandCode::Pause, *scope);
    }
    desk.restart(config(), true);
    for (scope, left) in scopes.iter().zip((0..10).rev()) {
        desk.command(CommandCode::Continue, *scope);
        assert_eq!(desk.control.held_counts(), (left, 0), "{scope}");
    }
}

#[test]
fn a_stage_is_part_of_the_hash_after_a_restart_if_it_was_used_or_is_configured() {
    for (first, is_used, second, is_active) in [
        (ControlConfig::default(), false, ControlConfig::default(), false),
        (ControlConfig::default(), true, ControlConfig::default(), true),
        (ControlConfig::default(), false, config(), true),
        (config(), false, ControlConfig::default(), true),
    ] {
        let mut desk = Desk::new(first);
        if is_used {
            desk.command(CommandCode::Pause, Scope::All);
            desk.command(CommandCode::Continue, Scope::All);
        }
        let bytes = saved(&desk);
        let mut control = Control::new(second, vec![Some(chunk()); 3], table(), 2);
        control.load(&mut Loader::new(&bytes)).unwrap();
        assert_eq!(control.is_active(), is_active);
    }
}

fn load_positions(saved: &Positions) -> Result<Positions, LoadError> {
    let mut saver = Saver::new();
    saved.save(&mut saver);
    let bytes = saver.into_bytes();
    let mut loader = Loader::new(&bytes);
    let mut positions = Positions::new(1, 2);
    positions.load(&mut loader)?;
    loader.finish()?;
    Ok(positions)
}

#[test]
fn positions_of_another_table_are_refused() {
    // As many rows of fewer instruments, fewer rows of as many instruments.
    for (strategy_count, instrument_count) in [(3, 1), (0, 2), (0, 1)] {
        let error = load_positions(&Positions::new(strategy_count, instrument_count)).unwrap_err();
        let is_named = error.to_string().ends_with("number of strategies or instruments");
        assert!(is_named, "{strategy_count} {instrument_count}: {error}");
    }
    assert!(load_positions(&Positions::new(2, 2)).is_err());
}

#[test]
fn rows_that_are_being_closed_are_counted_when_they_are_loaded() {
    for rows in [&[][..], &[1], &[0, 3], &[0, 1, 3]] {
        let mut positions = Positions::new(1, 2);
        for row in rows {
            positions.fill(*row, 10, 1);
            positions.set_exiting(*row, true);
        }
        let loaded = load_positions(&positions).unwrap();
        assert_eq!(loaded.exiting_count, rows.len());
        assert_eq!(loaded.digest(), positions.digest());
    }
}

#[test]
fn more_halvings_of_closing_orders_than_there_can_be_are_refused() {
    let of = |shift| {
        let mut positions = Positions::new(1, 2);
        positions.lanes[1].shift = shift;
        load_positions(&positions).map(|positions| positions.lanes[1].shift)
    };
    assert_eq!(of(SHIFT_MAX - 1), Ok(SHIFT_MAX - 1));
    assert_eq!(of(SHIFT_MAX), Ok(SHIFT_MAX));
    assert!(matches!(of(SHIFT_MAX + 1), Err(LoadError::Invalid { .. })));
    assert!(matches!(of(u8::MAX), Err(LoadError::Invalid { .. })));
}

#[test]
fn every_part_of_the_state_is_part_of_its_hash() {
    let base = busy().control.digest();
    let changed: Vec<u64> = [
        (|desk: &mut Desk| desk.hold(0, 1, 10)) as fn(&mut Desk),
        |desk| {
            desk.order(0, 0, Side::Buy, 10);
        },
        |desk| {
            desk.command(CommandCode::Trip, Scope::All);
        },
        |desk| {
            desk.command(CommandCode::Continue, Scope::Instrument(2));
        },
        |desk| {
            desk.command_of(1, CommandCode::Approve, Scope::Venue(2), (1, 0));
        },
        |desk| {
            desk.book(0, crate::event::BookState::Gap);
        },
    ]
    .into_iter()
    .map(|change| {
        let mut desk = busy();
        change(&mut desk);
        desk.control.digest()
    })
    .collect();
    for (at, hash) in changed.iter().enumerate() {
        assert_ne!(*hash, base, "{at}");
        assert!(changed.iter().skip(at + 1).all(|other| other != hash), "{at}");
    }
}

/// Every hash is another one.
#[track_caller]
fn check_different(hashes: &[u64]) {
    for (at, hash) in hashes.iter().enumerate() {
        assert!(hashes.iter().skip(at + 1).all(|other| other != hash), "{at}");
    }
}

#[test]
fn every_word_of_a_breaker_is_part_of_its_hash() {
    let changes: [fn(&mut Breaker); 20] = [
        |_| {},
        |breaker| breaker.state = BreakerState::Safe,
        |breaker| breaker.state = BreakerState::Killed,
        |breaker| breaker.is_paused = true,
        |breaker| breaker.reason = TripReason::Flag,
        |breaker| breaker.told = BreakerState::Safe,
        |breaker| breaker.told = BreakerState::Killed,
        |breaker| breaker.trip = 1,
        |breaker| breaker.tripped_ns = 1,
        |breaker| breaker.bad_ns = 1,
        |breaker| breaker.is_approved = true,
        |breaker| breaker.told_sequence = 1,
        |breaker| breaker.job.is_on = true,
        |breaker| breaker.job.is_kill = true,
        |breaker| breaker.job.closes = true,
        |breaker| breaker.job.is_late = true,
        |breaker| breaker.job.phase = KillPhase::Flattening,
        |breaker| breaker.job.start_ns = 1,
        |breaker| breaker.job.cancelled = 1,
        |breaker| breaker.job.working = 1,
    ];
    let hash = |change: &fn(&mut Breaker)| {
        let mut breaker = Breaker::NEW;
        change(&mut breaker);
        breaker.digest()
    };
    let mut hashes: Vec<u64> = changes.iter().map(hash).collect();
    let more: [fn(&mut Breaker); 3] = [
        |breaker| breaker.job.end_ns = 1,
        |breaker| breaker.job.retry_at_ns = 1,
        |breaker| breaker.job.phase = KillPhase::Cancelling,
    ];
    hashes.extend(more.iter().map(hash));
    check_different(&hashes);
}

#[test]
fn every_word_of_positions_is_part_of_their_hash() {
    let changes: [fn(&mut Positions); 13] = [
        |_| {},
        |positions| positions.row_mut(0).position = 1,
        |positions| positions.row_mut(1).position = 1,
        |positions| positions.row_mut(0).since_ns = 1,
        |positions| positions.row_mut(0).working = 1,
        |positions| positions.row_mut(0).working = 2,
        |positions| positions.row_mut(0).is_exiting = true,
        |positions| positions.lanes[0].is_busy = true,
        |positions| positions.lanes[1].is_busy = true,
        |positions| positions.lanes[0].not_before_ns = 1,
        |positions| positions.lanes[0].shift = 1,
        |positions| positions.lanes[0].shift = 2,
        |positions| positions.lanes[0].hold_ns = 1,
    ];
    let hashes = changes.iter().map(|change| {
        let mut positions = Positions::new(1, 2);
        change(&mut positions);
        positions.digest()
    });
    let mut hashes: Vec<u64> = hashes.collect();
    let mut traded = Positions::new(1, 2);
    (traded.lanes[0].is_busy, traded.lanes[0].has_traded) = (true, true);
    hashes.push(traded.digest());
    check_different(&hashes);
}

#[test]
fn what_waits_for_a_second_person_is_part_of_the_hash() {
    let config = ControlConfig { is_two_person: true, ..config() };
    let desk = |number: u64| {
        let mut desk = Desk::new(config.clone());
        desk.command(CommandCode::Trip, Scope::All);
        desk.number += number;
        let before = desk.control.digest();
        desk.command_of(1, CommandCode::Approve, Scope::All, (1, 0));
        (before, desk.control.digest())
    };
    let (none, one) = desk(0);
    assert_ne!(none, one);
    assert_ne!(desk(1).1, one, "another command");
}
