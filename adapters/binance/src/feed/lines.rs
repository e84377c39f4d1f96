//! Connections come, go, fall silent and are replaced; sources are believed or not; symbols are up or down.

use engine::event::FeedCode;

use super::FeedSink;
use super::config::{FeedPolicy, Stream};
use super::gate::why;
use super::line::LineState;
use super::state::{Command, State};
use super::sync::Fetch;

/// A silent stream's limit doubles at most so often.
const MUTE_DOUBLING_MAX: u32 = 6;
/// Parts of a mute limit after which it is looked at again.
const MUTE_CHECK_PARTS: u64 = 8;
/// What could not be told for want of room is tried again after this.
const TELL_RETRY_NS: u64 = 1_000_000;
/// An overlap is looked at again after this.
const OVERLAP_CHECK_NS: u64 = 2_000_000;

impl State {
    /// Asks for a connection.
    pub(super) fn open(&mut self, line: usize) {
        self.lines[line].closed(LineState::Connecting);
        self.commands.push_back(Command::Open(line));
    }

    /// Drops a connection and asks for another.
    fn reopen(&mut self, line: usize) {
        self.note_change(line, FeedCode::Disconnected);
        self.lines[line].closed(LineState::Connecting);
        self.commands.push_back(Command::Reopen(line));
    }

    /// The session of a line is open.
    pub(super) fn opened(&mut self, line: usize, now_ns: u64) {
        if self.lines[line].state == LineState::Idle {
            // It was not wanted any more when it came up.
            self.commands.push_back(Command::Close(line));
            return;
        }
        let source = self.leg_of(line).source;
        self.sources[source].counts.open_count += 1;
        self.lines[line].opened(now_ns);
        self.send_messages(line, now_ns);
        self.wake_at(now_ns);
    }

    /// The session of a line is gone; it connects again by itself unless it was closed by us.
    pub(super) fn closed(&mut self, line: usize, now_ns: u64, sink: &mut impl FeedSink) {
        let source = self.leg_of(line).source;
        let was_open = self.lines[line].is_open();
        if was_open {
            self.sources[source].counts.lost_count += 1;
            self.note_change(line, FeedCode::Disconnected);
        }
        if self.lines[line].state != LineState::Idle {
            self.lines[line].closed(LineState::Connecting);
        }
        if was_open {
            self.settle(now_ns, sink);
            self.wake_at(now_ns);
        }
    }

    fn send_messages(&mut self, line: usize, now_ns: u64) {
        let per_second_max = self.config.messages_per_second_max;
        while let Some(text) = self.lines[line].next_message(now_ns, per_second_max) {
            self.commands.push_back(Command::Send { line, text });
        }
    }

    /// A subscription could not be sent.
    pub(super) fn not_sent(&mut self, line: usize) {
        let source = self.leg_of(line).source;
        self.sources[source].counts.subscribe_error_count += 1;
    }

    /// The venue answered a subscription: agreed, or refused.
    pub(super) fn answered(
        &mut self,
        line: usize,
        id: Option<u64>,
        is_agreed: bool,
        now_ns: u64,
        sink: &mut impl FeedSink,
    ) {
        if !is_agreed {
            let source = self.leg_of(line).source;
            self.sources[source].counts.subscribe_error_count += 1;
            self.lines[line].refused(now_ns.saturating_add(self.config.subscribe_retry_ns));
            self.refuse(line, why::SUBSCRIPTION);
            return;
        }
        let is_ready = id.is_some_and(|id| self.lines[line].answered(id, now_ns));
        if is_ready {
            self.note_change(line, FeedCode::Connected);
            self.settle(now_ns, sink);
            self.wake_at(now_ns);
        }
    }

    /// The venue will close this connection.
    pub(super) fn retire(&mut self, line: usize) {
        self.lines[line].is_retiring = true;
        self.wake_at(0);
    }

    /// Does what is due.
    pub(super) fn on_time(&mut self, now_ns: u64, sink: &mut impl FeedSink) {
        if now_ns < self.wake_ns {
            return;
        }
        self.wake_ns = u64::MAX;
        for line in 0..self.lines.len() {
            self.sweep_line(line, now_ns);
        }
        self.sweep_mute(now_ns);
        self.settle(now_ns, sink);
        for place in 0..self.symbols.len() {
            self.settle_held(place, now_ns, sink);
            self.sweep_fetch(place, now_ns);
        }
        if let Some(due_ns) = self.refused.tell(now_ns, sink) {
            self.wake_at(due_ns);
        }
    }

    fn sweep_line(&mut self, line: usize, now_ns: u64) {
        let config = &self.config;
        let (per_second_max, answer_ns_max) =
            (config.messages_per_second_max, config.answer_ns_max);
        let age_ns_max = config.connection_age_ns_max;
        self.send_messages(line, now_ns);
        if let Some(due_ns) = self.lines[line].message_due_ns(per_second_max) {
            self.wake_at(due_ns);
        }
        match self.lines[line].answer_due_ns(answer_ns_max) {
            Some(due_ns) if due_ns <= now_ns => {
                let source = self.leg_of(line).source;
                self.sources[source].counts.subscribe_error_count += 1;
                self.reopen(line);
            }
            Some(due_ns) => self.wake_at(due_ns),
            None => {}
        }
        let leg = line.div_euclid(2);
        let is_current = self.legs[leg].current == line % 2;
        if !is_current || !self.lines[line].is_ready() || self.legs[leg].has_next {
            return;
        }
        // Connections that opened together shall not all be replaced together.
        let spread = u64::try_from(line % 16).unwrap_or(0);
        let age_ns = age_ns_max - (age_ns_max >> 6) / 16 * spread;
        let old_ns = self.lines[line].opened_ns.saturating_add(age_ns);
        if self.lines[line].is_retiring || old_ns <= now_ns {
            self.lines[line].is_retiring = true;
            self.legs[leg].has_next = true;
            self.open(2 * leg + (1 - line % 2));
        } else {
            self.wake_at(old_ns);
        }
    }

    /// Finds streams that are open and say nothing.
    fn sweep_mute(&mut self, now_ns: u64) {
        let shortest_ns = self.config.mute_ns_max.into_iter().filter(|limit| 0 < *limit).min();
        let Some(shortest_ns) = shortest_ns else { return };
        if self.mute_check_ns <= now_ns {
            for line in 0..self.lines.len() {
                if self.lines[line].is_ready() && self.mark_mute(line, now_ns) {
                    self.note_change(line, FeedCode::Mute);
                    self.reopen(line);
                }
            }
            let pause_ns = (shortest_ns / MUTE_CHECK_PARTS).max(1);
            self.mute_check_ns = now_ns.saturating_add(pause_ns);
        }
        self.wake_at(self.mute_check_ns);
    }

    /// Whether a stream of a line is mute; the symbols that hear nothing else are told.
    fn mark_mute(&mut self, line: usize, now_ns: u64) -> bool {
        let mut is_mute = false;
        let places = self.leg_of(line).places.clone();
        for place in places {
            for stream in Stream::ALL {
                if !self.covers(line, place, stream) || !self.is_silent(line, place, stream, now_ns)
                {
                    continue;
                }
                is_mute = true;
                self.lines[line].seen[place][stream.place()].mute_count += 1;
                let source = self.leg_of(line).source;
                self.sources[source].counts.mute_count += 1;
                let is_heard_elsewhere = (0..self.lines.len()).any(|other| {
                    other != line
                        && self.lines[other].is_ready()
                        && self.is_believed(other)
                        && self.covers(other, place, stream)
                        && !self.is_silent(other, place, stream, now_ns)
                });
                if self.is_believed(line) && !is_heard_elsewhere && self.symbols[place].is_up {
                    self.symbols[place].owe(FeedCode::Mute);
                }
            }
        }
        is_mute
    }

    fn is_silent(&self, line: usize, place: usize, stream: Stream, now_ns: u64) -> bool {
        let limit_ns = self.config.mute_ns_max[stream.place()];
        if limit_ns == 0 {
            return false;
        }
        let line = &self.lines[line];
        let seen = &line.seen[place][stream.place()];
        let factor = 1_u64 << seen.mute_count.min(MUTE_DOUBLING_MAX);
        let limit_ns = limit_ns.saturating_mul(factor);
        seen.heard_ns.max(line.ready_ns).saturating_add(limit_ns) < now_ns
    }

    fn sweep_fetch(&mut self, place: usize, now_ns: u64) {
        let Fetch::Due { at_ns } = self.symbols[place].sync.fetch() else { return };
        if now_ns < at_ns {
            self.wake_at(at_ns);
        } else if self.fetch_count < self.config.snapshot_in_flight_max {
            self.fetch_count += 1;
            self.fetch_token += 1;
            let token = self.fetch_token;
            self.symbols[place].sync.asked(token);
            self.commands.push_back(Command::Fetch { place, token });
        }
        // Else an answer wakes the sweep.
    }

    /// The request with that token is over. The symbol that still waits for it, if any.
    pub(super) fn fetched(&mut self, token: u64) -> Option<usize> {
        self.fetch_count = self.fetch_count.saturating_sub(1);
        self.wake_at(0);
        let asked = Fetch::Asked { token };
        self.symbols.iter().position(|symbol| symbol.sync.fetch() == asked)
    }

    /// The connection whose updates wait for the answer to the request with that token.
    pub(super) fn line_of_fetch(&self, token: u64) -> Option<usize> {
        let asked = Fetch::Asked { token };
        let place = self.symbols.iter().position(|symbol| symbol.sync.fetch() == asked)?;
        (0..self.lines.len()).find(|line| {
            self.lines[*line].is_ready()
                && self.is_believed(*line)
                && self.covers(*line, place, Stream::Depth)
        })
    }

    /// Decides what follows from the state of the connections, and tells it.
    pub(super) fn settle(&mut self, now_ns: u64, sink: &mut impl FeedSink) {
        for leg in 0..self.legs.len() {
            self.settle_leg(leg, now_ns);
        }
        self.settle_sources(now_ns);
        if !self.tell_changes(now_ns, sink) {
            self.wake_at(now_ns.saturating_add(TELL_RETRY_NS));
        }
        for place in 0..self.symbols.len() {
            self.settle_symbol(place, now_ns);
            let producer = self.config.producer;
            if self.symbols[place].owes() && !self.symbols[place].tell(now_ns, producer, sink) {
                self.wake_at(now_ns.saturating_add(TELL_RETRY_NS));
            }
        }
    }

    /// Ends an overlap when the successor has what the old connection had.
    fn settle_leg(&mut self, leg: usize, now_ns: u64) {
        if !self.legs[leg].has_next {
            return;
        }
        let old = 2 * leg + self.legs[leg].current;
        let next = 2 * leg + (1 - self.legs[leg].current);
        if self.lines[next].is_ready() {
            let over_ns = self.lines[next].ready_ns.saturating_add(self.config.overlap_ns_max);
            let is_over = !self.lines[old].is_ready() || over_ns <= now_ns;
            if is_over || self.has_joined(leg, next) {
                self.legs[leg].current = 1 - self.legs[leg].current;
                self.legs[leg].has_next = false;
                let source = self.legs[leg].source;
                self.sources[source].counts.replace_count += 1;
                if self.lines[old].is_open() {
                    self.note_change(old, FeedCode::Disconnected);
                }
                self.lines[old].closed(LineState::Idle);
                self.commands.push_back(Command::Close(old));
                // Its own age is looked at by the sweep.
                self.wake_at(now_ns);
            } else {
                self.wake_at(over_ns.min(now_ns.saturating_add(OVERLAP_CHECK_NS)));
            }
        } else if self.lines[old].is_ready() && !self.lines[old].is_retiring {
            // The old one broke and came back before its successor was there: it is young again.
            self.legs[leg].has_next = false;
            if self.lines[next].is_open() {
                self.note_change(next, FeedCode::Disconnected);
            }
            self.lines[next].closed(LineState::Idle);
            self.commands.push_back(Command::Close(next));
        }
    }

    /// Whether a successor continues what was published without a gap: of each book it has brought an
    /// update, and none that waits for an earlier one.
    fn has_joined(&self, leg: usize, next: usize) -> bool {
        let streams = self.legs[leg].streams;
        self.legs[leg].places.clone().all(|place| {
            let seen = &self.lines[next].seen[place];
            if streams[Stream::Depth.place()] {
                let last_id = seen[Stream::Depth.place()].last_id;
                return last_id != 0 && last_id <= self.symbols[place].sync.last_id();
            }
            let mut streams = Stream::ALL.into_iter().filter(|stream| streams[stream.place()]);
            streams.all(|stream| seen[stream.place()].heard_ns != 0)
        })
    }

    fn settle_sources(&mut self, now_ns: u64) {
        let anchor = self.anchor();
        for place in 0..self.sources.len() {
            let mut legs = (0..self.legs.len()).filter(|leg| {
                self.legs[*leg].source == place && self.legs[*leg].streams[anchor.place()]
            });
            let is_ready =
                |leg: usize| self.lines[2 * leg].is_ready() || self.lines[2 * leg + 1].is_ready();
            let is_late = self.config.late_count_max <= self.sources[place].late_count;
            let is_healthy = legs.all(is_ready) && !is_late;
            let source = &mut self.sources[place];
            if is_healthy && !source.is_healthy {
                source.healthy_since_ns = now_ns;
            }
            source.is_healthy = is_healthy;
        }
        if self.config.policy != FeedPolicy::Failover {
            return;
        }
        let best = self.sources.iter().position(|source| source.is_healthy);
        let Some(best) = best.filter(|best| *best != self.active) else { return };
        if self.sources[self.active].is_healthy {
            // The one in use is fine; an earlier one must prove itself first. A later one is no gain.
            let proven_ns =
                (self.sources[best].healthy_since_ns).saturating_add(self.config.failback_ns_min);
            if self.active < best {
                return;
            }
            if now_ns < proven_ns {
                return self.wake_at(proven_ns);
            }
        }
        self.active = best;
        self.switch_count += 1;
    }

    fn settle_symbol(&mut self, place: usize, now_ns: u64) {
        let anchor = self.anchor();
        let is_up = (0..self.lines.len()).any(|line| {
            self.lines[line].is_ready()
                && self.is_believed(line)
                && self.covers(line, place, anchor)
        });
        let has_books = self.config.has(Stream::Depth);
        let symbol = &mut self.symbols[place];
        if is_up == symbol.is_up {
            return;
        }
        symbol.is_up = is_up;
        symbol.held.clear();
        symbol.trade_id = 0;
        symbol.quote_id = 0;
        if is_up {
            symbol.owe(FeedCode::Connected);
            if has_books {
                symbol.sync.connected(now_ns);
            }
            self.gate.reset(place);
        } else {
            symbol.owe(FeedCode::Disconnected);
            symbol.sync.disconnected();
        }
    }
}
