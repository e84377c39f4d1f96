//! Depth events kept until a snapshot comes. Bounded: when it is full the oldest runs go.

use crate::event::{Event, Kind};
use crate::state::{LoadError, Loader, Saver, State};

/// A bounded row of whole and partial depth runs.
#[derive(Debug)]
pub(super) struct Buffer {
    events: Vec<Event>,
    event_count_max: usize,
}

impl Buffer {
    pub(super) fn new(event_count_max: usize) -> Buffer {
        assert!(0 < event_count_max);
        Buffer { events: Vec::with_capacity(event_count_max), event_count_max }
    }

    /// Adds an event. When there is no room the older half goes, up to the next header: the snapshot
    /// that finally comes is newer than what is dropped, or it is too old anyhow.
    pub(super) fn push(&mut self, event: &Event) {
        if self.events.len() == self.event_count_max {
            let half = self.event_count_max / 2;
            let cut = self.events[half..].iter().position(|e| e.kind == Kind::DEPTH);
            self.remove_front(cut.map_or(self.event_count_max, |position| half + position));
        }
        self.events.push(*event);
    }

    pub(super) fn remove_front(&mut self, count: usize) {
        self.events.copy_within(count.., 0);
        self.events.truncate(self.events.len() - count);
    }

    /// Drops the run that was begun last, which will never be complete.
    pub(super) fn drop_last_run(&mut self) {
        let header = self.events.iter().rposition(|event| event.kind == Kind::DEPTH);
        self.events.truncate(header.unwrap_or(0));
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn get(&self, index: usize) -> Event {
        self.events[index]
    }

    pub(super) fn clear(&mut self) {
        self.events.clear();
    }
}

impl State for Buffer {
    fn save(&self, out: &mut Saver) {
        out.count(self.events.len());
        for event in &self.events {
            out.event(event);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.events.clear();
        for _ in 0..from.count(self.event_count_max)? {
            self.events.push(from.event()?);
        }
        Ok(())
    }
}
