//! One connection: how far its subscriptions are, and what it said last of each stream.
//!
//! ```text
//!   Idle --open--> Connecting --opened--> Subscribing --all answered--> Ready
//!    ^                 ^                       |                          |
//!    +-----close-------+---- cut, mute, no answer, refused --------------+
//! ```

use std::fmt::Write as _;

/// Numbers of the last messages to the venue are kept, for its limit per second.
const SENT_COUNT_MAX: usize = 5;
const SECOND_NS: u64 = 1_000_000_000;
/// Message numbers of one connection lie below this; the connection's number stands above.
const MESSAGE_COUNT_MAX: u64 = 1 << 16;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineState {
    /// Not wanted.
    Idle,
    /// The session connects, or waits to connect again.
    Connecting,
    /// Open; subscriptions are on their way.
    Subscribing,
    /// Open and subscribed.
    Ready,
}

/// What a connection said last of one stream of one symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// When; 0 for not since the opening.
    pub(super) heard_ns: u64,
    /// Final id of the last depth update; 0 for none since the opening.
    pub(super) last_id: i64,
    /// Event time of the last message, ns; 0 for none.
    pub(super) event_ns: u64,
    /// How often in a row it was found mute.
    pub(super) mute_count: u32,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) state: LineState,
    /// When it opened, and when it became ready.
    pub(super) opened_ns: u64,
    pub(super) ready_ns: u64,
    /// The venue said that it will go, or it is old: a successor is wanted.
    pub(super) is_retiring: bool,
    /// By symbol, then by stream.
    pub(super) seen: Vec<[Seen; 3]>,
    subscribe: Subscribe,
    /// Counts the openings.
    connection_count: u64,
}

/// Subscriptions of one connection.
#[derive(Debug, Default)]
struct Subscribe {
    /// Parameters of each message, such as `"btcusdt@trade","btcusdt@bookTicker"`.
    messages: Vec<String>,
    sent_count: usize,
    answered: Vec<bool>,
    /// Not before this time: the venue refused.
    pause_until_ns: u64,
    /// Of the last messages.
    sent_ns: [u64; SENT_COUNT_MAX],
    sent_total: usize,
    /// When the last one was sent that is not answered.
    waiting_since_ns: u64,
}

impl Line {
    /// A connection for `streams`, of which `per_message_max` go into one message.
    pub(super) fn new(symbol_count: usize, streams: &[String], per_message_max: usize) -> Line {
        let messages: Vec<String> = streams
            .chunks(per_message_max)
            .map(|chunk| {
                let mut text = String::new();
                for (place, stream) in chunk.iter().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(text, "{comma}\"{stream}\"").expect("writing to a string cannot fail");
                }
                text
            })
            .collect();
        let answered = vec![false; messages.len()];
        Line {
            state: LineState::Idle,
            opened_ns: 0,
            ready_ns: 0,
            is_retiring: false,
            seen: vec![[Seen::default(); 3]; symbol_count],
            subscribe: Subscribe { messages, answered, ..Subscribe::default() },
            connection_count: 0,
        }
    }

    /// The session is open.
    pub(super) fn opened(&mut self, now_ns: u64) {
        self.state = LineState::Subscribing;
        self.opened_ns = now_ns;
        self.ready_ns = 0;
        self.is_retiring = false;
        self.connection_count += 1;
        for seen in self.seen.iter_mut().flatten() {
            *seen = Seen { mute_count: seen.mute_count, ..Seen::default() };
        }
        self.subscribe.sent_total = 0;
        self.subscribe.pause_until_ns = 0;
        self.start_over();
    }

    fn start_over(&mut self) {
        self.subscribe.sent_count = 0;
        self.subscribe.answered.fill(false);
    }

    /// The next message to the venue, if one may be sent now.
    pub(super) fn next_message(&mut self, now_ns: u64, per_second_max: usize) -> Option<String> {
        let due_ns = self.message_due_ns(per_second_max)?;
        if now_ns < due_ns {
            return None;
        }
        let id = self.message_id(self.subscribe.sent_count);
        let subscribe = &mut self.subscribe;
        let params = subscribe.messages.get(subscribe.sent_count)?;
        let text = format!("{{\"method\":\"SUBSCRIBE\",\"params\":[{params}],\"id\":{id}}}");
        subscribe.sent_ns[subscribe.sent_total % SENT_COUNT_MAX] = now_ns;
        subscribe.sent_total += 1;
        subscribe.sent_count += 1;
        subscribe.waiting_since_ns = now_ns;
        Some(text)
    }

    /// When the next message may be sent; `None` when there is none.
    pub(super) fn message_due_ns(&self, per_second_max: usize) -> Option<u64> {
        debug_assert!((1..=SENT_COUNT_MAX).contains(&per_second_max));
        let subscribe = &self.subscribe;
        if self.state != LineState::Subscribing || subscribe.messages.len() == subscribe.sent_count
        {
            return None;
        }
        let mut due_ns = subscribe.pause_until_ns;
        if per_second_max <= subscribe.sent_total {
            let place = (subscribe.sent_total - per_second_max) % SENT_COUNT_MAX;
            due_ns = due_ns.max(subscribe.sent_ns[place].saturating_add(SECOND_NS));
        }
        Some(due_ns)
    }

    fn message_id(&self, place: usize) -> u64 {
        let place = u64::try_from(place).unwrap_or(0) % MESSAGE_COUNT_MAX;
        self.connection_count.wrapping_mul(MESSAGE_COUNT_MAX).wrapping_add(place + 1)
    }

    /// The place of the message with that id, if it was sent on this connection and is not answered.
    fn waiting_message(&self, id: u64) -> Option<usize> {
        (0..self.subscribe.sent_count)
            .find(|place| self.message_id(*place) == id)
            .filter(|place| !self.subscribe.answered[*place])
    }

    /// The venue agreed to the message with that id. True when nothing is left to agree to.
    pub(super) fn answered(&mut self, id: u64, now_ns: u64) -> bool {
        let Some(place) = self.waiting_message(id) else { return false };
        self.subscribe.answered[place] = true;
        let is_done = self.subscribe.answered.iter().all(|done| *done);
        if is_done && self.state == LineState::Subscribing {
            self.state = LineState::Ready;
            self.ready_ns = now_ns;
            return true;
        }
        false
    }

    /// The venue refused a message; everything is subscribed again after a pause.
    pub(super) fn refused(&mut self, pause_until_ns: u64) {
        if self.state == LineState::Subscribing {
            self.start_over();
            self.subscribe.pause_until_ns = pause_until_ns;
        }
    }

    /// When the venue must have answered; `None` while nothing is asked.
    pub(super) fn answer_due_ns(&self, answer_ns_max: u64) -> Option<u64> {
        let is_waiting = self.state == LineState::Subscribing && 0 < self.subscribe.sent_count;
        is_waiting.then(|| self.subscribe.waiting_since_ns.saturating_add(answer_ns_max))
    }

    /// The session is gone, or is about to.
    pub(super) fn closed(&mut self, state: LineState) {
        debug_assert!(matches!(state, LineState::Idle | LineState::Connecting));
        self.state = state;
        self.is_retiring = false;
    }

    /// Open, whether subscribed or not.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, LineState::Subscribing | LineState::Ready)
    }

    /// Open and subscribed.
    pub(super) fn is_ready(&self) -> bool {
        self.state == LineState::Ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("s{number}@trade")).collect()
    }

    #[test]
    fn a_connection_is_ready_when_every_message_is_answered() {
        let mut line = Line::new(1, &streams(3), 2);
        assert_eq!(line.next_message(0, 4), None, "not open");
        line.opened(10);
        let first = line.next_message(10, 4).unwrap();
        assert_eq!(first, r#"{"method":"SUBSCRIBE","params":["s0@trade","s1@trade"],"id":65537}"#);
        let second = line.next_message(10, 4).unwrap();
        assert_eq!(second, r#"{"method":"SUBSCRIBE","params":["s2@trade"],"id":65538}"#);
        assert_eq!(line.next_message(10, 4), None);
        assert_eq!(line.answer_due_ns(5), Some(15));
        assert!(!line.answered(65_538, 20));
        assert!(!line.answered(65_538, 20), "twice is not two");
        assert!(!line.answered(1, 20), "of another connection");
        assert!(line.answered(65_537, 30));
        assert_eq!((line.state, line.ready_ns), (LineState::Ready, 30));
        assert_eq!(line.answer_due_ns(5), None);
        line.closed(LineState::Connecting);
        line.opened(40);
        assert!(line.next_message(40, 4).unwrap().ends_with("\"id\":131073}"));
    }

    #[test]
    fn messages_keep_to_the_limit_per_second() {
        let mut line = Line::new(1, &streams(20), 1);
        line.opened(0);
        let mut sent_ns = Vec::new();
        for step in 0..200_u64 {
            let now_ns = step * 50_000_000;
            while line.next_message(now_ns, 4).is_some() {
                sent_ns.push(now_ns);
            }
        }
        assert_eq!(sent_ns.len(), 20);
        for window in sent_ns.windows(5) {
            assert!(SECOND_NS <= window[4] - window[0], "{sent_ns:?}");
        }
    }

    #[test]
    fn a_refused_message_is_sent_again_after_a_pause() {
        let mut line = Line::new(1, &streams(1), 1);
        line.opened(0);
        assert!(line.next_message(0, 4).is_some());
        line.refused(700);
        assert_eq!(line.answer_due_ns(5), None);
        assert_eq!(line.next_message(699, 4), None);
        assert!(line.next_message(700, 4).is_some());
        assert!(line.answered(65_537, 800));
    }
}
