//! A bounded memory of what was seen: the newest ids, each once.

use std::collections::{BTreeSet, VecDeque};

/// Id of a report or a trade: instrument and the venue's number, which is unique per instrument.
pub type SeenId = (u16, u64);

/// The newest `count_max` ids.
#[derive(Debug)]
pub struct Window {
    seen: BTreeSet<SeenId>,
    order: VecDeque<SeenId>,
    count_max: usize,
}

impl Window {
    /// An empty memory.
    pub fn new(count_max: usize) -> Window {
        assert!(0 < count_max);
        Window { seen: BTreeSet::new(), order: VecDeque::new(), count_max }
    }

    /// Remembers an id; false when it was known. The oldest is forgotten.
    pub fn insert(&mut self, id: SeenId) -> bool {
        if !self.seen.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.count_max < self.order.len()
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }

    /// Whether an id is known.
    pub fn contains(&self, id: SeenId) -> bool {
        self.seen.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once_until_it_is_forgotten() {
        let mut window = Window::new(2);
        assert!(window.insert((0, 1)));
        assert!(!window.insert((0, 1)));
        assert!(window.insert((1, 1)));
        assert!(window.insert((0, 2)));
        assert!(!window.contains((0, 1)) && window.contains((1, 1)));
        assert!(window.insert((0, 1)));
    }
}
