//! What the pipeline does as a whole.

use super::*;
use crate::event::{CommandCode, TextTopic, session};
use crate::gateway::NoOutlet;
use crate::instrument::Instrument;
use crate::money::Money;

fn pipeline() -> Pipeline {
    let instrument = Instrument {
        venue: crate::instrument::Venue::Synthetic,
        symbol: "TEST".to_string(),
        price_scale: 2,
        quantity_scale: 0,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    };
    let config = PipelineConfig {
        engine: 1,
        mode: Mode::Paper,
        ring_slot_count: 256,
        feed: FeedConfig { stale_ns_max: 1_000_000_000, buffer_event_count_max: 64 },
        limits: Limits::none(),
        control: ControlConfig::default(),
        order_count_max: 64,
        outbound_pending_max: 64,
        query_interval_ns: 1_000_000,
        reconcile: ReconcileConfig::default(),
        monitor: MonitorConfig::default(),
        state_hash_interval: 1,
    };
    Pipeline::new(config, InstrumentTable::new(vec![instrument]).unwrap(), Vec::new())
}

/// Applies an event, and says whether a state hash followed.
#[track_caller]
fn check(pipeline: &mut Pipeline, event: Event, expected: bool) {
    let mut edges = Edges { recorder: &mut NoRecorder, outlet: &mut NoOutlet, probe: &mut NoProbe };
    let before = pipeline.head();
    pipeline.apply(&event, &mut edges).unwrap();
    let told = before + 1..=pipeline.head();
    let hashed = told.map(|s| pipeline.recent(s).kind).any(|kind| kind == Kind::STATE_HASH);
    assert_eq!(hashed, expected, "{event:?}");
}

#[test]
fn no_state_hash_stands_in_a_manifest_where_a_replay_has_another_configuration() {
    let mut pipeline = pipeline();
    let text = |topic| session::text(topic, "text")[0];
    // Before the first session there is nothing that could be compared.
    check(&mut pipeline, text(TextTopic::Config), false);
    check(&mut pipeline, session::session_start(1, Mode::Paper), true);
    check(&mut pipeline, session::clock(), true);
    check(&mut pipeline, session::session_end(1), true);
    // The manifest of the second: recorded by an engine of its configuration, replayed by that of the first.
    for topic in [TextTopic::Config, TextTopic::Build, TextTopic::Input] {
        check(&mut pipeline, text(topic), false);
    }
    let instrument = pipeline.instruments().get(0).unwrap().clone();
    for event in instrument.to_events(0) {
        check(&mut pipeline, event, false);
    }
    check(&mut pipeline, session::session_start(2, Mode::Paper), true);
    // What operators say belongs to no manifest.
    check(&mut pipeline, text(TextTopic::Command), true);
    check(&mut pipeline, session::command(CommandCode::Halt, 0), true);
}
