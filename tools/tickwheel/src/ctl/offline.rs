//! What can be said of an engine that nobody can ask: from its stats file and its journal.

use std::path::Path;

use anyhow::Context as _;
use engine::clock::Clock;
use engine::event::{Event, Kind};
use engine::pipeline::manifest::Collector;
use engine::stats::StatsReader;
use operator::{Names, View};
use serde_json::{Value, json};

use crate::session;

/// The view of a whole journal, read from its first record.
pub(super) fn view(dir: &Path) -> anyhow::Result<View> {
    let dir = session::existing_journal_dir(dir)?;
    let reader = journal::Reader::open(&dir)?;
    let mut collector = Collector::default();
    let mut view: Option<View> = None;
    for record in reader.records_from(1) {
        let event: &Event = bytemuck::cast_ref(record);
        match event.kind {
            Kind::TEXT | Kind::INSTRUMENT => collector.take(event)?,
            Kind::SESSION_START => {
                let manifest = collector.finish(event)?;
                let config =
                    config::Config::parse(&manifest.config, "configuration in the journal")?;
                let limits = config.pipeline("configuration in the journal")?.limits;
                let strategies = config.strategy.iter().map(|it| it.name().to_string()).collect();
                let names = Names { instruments: manifest.instruments, strategies };
                let mut known = match view.take() {
                    Some(mut known) => {
                        known.continues(names, limits);
                        known
                    }
                    None => View::new(names, limits),
                };
                known = known.under(config.risk.ceilings.as_deref());
                view = Some(known);
            }
            _ => {}
        }
        if let Some(view) = &mut view {
            view.apply(event);
        }
    }
    view.context("the journal holds no session")
}

/// `status` of an engine that does not answer.
pub(super) fn status(dir: &Path) -> anyhow::Result<Value> {
    let view = view(dir)?;
    let stats = StatsReader::open(dir).and_then(|reader| reader.snapshot()).ok();
    Ok(view.status_json(stats.as_ref()))
}

/// Joins what the stats file says about the process.
pub(super) fn add_liveness(data: &mut Value, dir: &Path) {
    let Ok(snapshot) = StatsReader::open(dir).and_then(|reader| reader.snapshot()) else {
        data["engine"] = json!("unknown");
        return;
    };
    let now_ns = Clock::new().now_ns();
    let liveness = snapshot.liveness(snapshot.engine.process.exists(), now_ns);
    data["engine"] = json!(liveness.name());
    data["instance"] = json!(snapshot.engine.instance);
    data["mode"] = json!(snapshot.engine.mode);
    data["beat_age_ns"] = json!(now_ns.saturating_sub(snapshot.last_beat_ns()));
    data["started_ns"] = json!(snapshot.engine.start_ns);
}

/// Alarms that nobody has acknowledged, as the alarm thread leaves them; null where there is none.
pub(super) fn alarms(dir: &Path) -> Value {
    crate::alarms_command::unacknowledged(dir)
}
