//! A sink that keeps everything, for the tests.

use engine::event::{Event, FeedCode, market};

use super::FeedSink;

/// Keeps what is published. Full when told so; what it drops it marks before the next event, as the border
/// ring does.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) events: Vec<Event>,
    pub(super) is_full: bool,
    /// Events until it is full.
    pub(super) room: Option<usize>,
    lost_count: u32,
}

impl Collected {
    fn put(&mut self, event: &Event) -> bool {
        if self.is_full {
            return false;
        }
        self.events.push(*event);
        if let Some(room) = &mut self.room {
            *room = room.saturating_sub(1);
            self.is_full = *room == 0;
            if self.is_full {
                self.room = None;
            }
        }
        true
    }
}

impl FeedSink for Collected {
    fn market(&mut self, events: &[Event]) -> usize {
        let mut count = 0;
        for event in events {
            if self.lost_count != 0 {
                let mark = market::feed(event.instrument, FeedCode::Dropped, self.lost_count);
                if self.put(&mark.at(event.time_ns)) {
                    self.lost_count = 0;
                }
            }
            if self.lost_count == 0 && self.put(event) {
                count += 1;
            } else {
                self.lost_count += 1;
            }
        }
        count
    }

    fn control(&mut self, event: &Event) -> bool {
        self.put(event)
    }
}
