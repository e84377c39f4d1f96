//! The alarm thread: follows journal and stats file, and tells people through the channels of `[alarms]`.

use std::time::Duration;

use alarm::Watch;
use alarm::store::StoreError;
use alarm::watch::WatchError;
use anyhow::Context as _;

use super::beside::{Body, Context, Job, Life, Loss};
use crate::alarms_setup;

/// Pause between two looks when there is nothing new.
const PAUSE: Duration = Duration::from_millis(20);
/// Pause between two attempts to take over from a watch of another process.
const STANDBY_PAUSE: Duration = Duration::from_millis(500);
/// How long the last messages may take at the end.
const END_NS_MAX: u64 = 3_000_000_000;

/// The thread, when `[alarms]` is configured.
pub(crate) fn job(context: &Context<'_>) -> anyhow::Result<Option<Job>> {
    let Some(section) = &context.config.alarms else { return Ok(None) };
    let (config, origin) = (context.config.clone(), "configuration".to_string());
    let section = section.clone();
    let places = (context.data_dir, context.stats_path);
    let mut settings = alarms_setup::settings(&config, &section, places, context.first_sequence);
    // What cannot work is said before the session begins.
    drop(alarms_setup::channels(&config, &section, &origin, context.clock)?);
    let clock = context.clock.clone();
    let body: Body = Box::new(move |life| {
        let mut is_first = true;
        while life.goes_on() {
            let parts = alarms_setup::channels(&config, &section, &origin, &clock)?;
            match Watch::open(settings.clone(), parts, &clock) {
                Ok(watch) => return follow(watch, life, &clock),
                Err(WatchError::Store(StoreError::Locked(_))) => {
                    if is_first {
                        life.tell("another process tells the alarms of this engine");
                    }
                    is_first = false;
                    // What that one has read since is more than what was there at the start.
                    settings.is_standby = true;
                    life.pause(STANDBY_PAUSE);
                }
                Err(error) => return Err(error).context("the alarms cannot be kept"),
            }
        }
        Ok(())
    });
    Ok(Some(Job { name: "alarms", loss: Loss::GoesOn, body }))
}

fn follow(mut watch: Watch, life: &Life, clock: &engine::clock::Clock) -> anyhow::Result<()> {
    while life.goes_on() {
        if watch.turn(life.now_ns()) == 0 {
            life.pause(PAUSE);
        }
    }
    watch.close(END_NS_MAX, clock).context("the alarms could not be saved")
}
