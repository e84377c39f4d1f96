//! Saving and loading of the control stage. Order of fields is the format.

use super::Control;
use crate::event::BreakerState;
use crate::state::{LoadError, Loader, Saver, State};

impl State for Control {
    /// Only between two inbound events: every command of the last one was answered.
    fn save(&self, out: &mut Saver) {
        self.breakers.save(out);
        self.positions.save(out);
        self.watch.save(out);
        self.desk.save(out);
        out.count(self.last_trip);
        out.count(self.last_job);
        out.bool(self.is_used);
        out.count(self.jobs.len());
        for index in &self.jobs {
            out.count(*index);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.breakers.load(from)?;
        self.positions.load(from)?;
        self.watch.load(from)?;
        self.desk.load(from)?;
        let last = self.breakers.count() - 1;
        self.last_trip = from.count(last)?;
        self.last_job = from.count(last)?;
        self.is_used = from.bool()? || self.config.is_configured;
        self.jobs.clear();
        for _ in 0..from.count(self.breakers.count())? {
            let index = from.count(last)?;
            if self.jobs.contains(&index) || !self.breakers.get(index).job.is_on {
                return Err(from.invalid("job of a breaker"));
            }
            self.jobs.push(index);
        }
        let held = self.breakers.iter().filter(|(_, b)| b.told != BreakerState::Normal);
        self.held_count = held.count();
        Ok(())
    }
}
