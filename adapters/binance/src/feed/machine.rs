//! Frames and answers in, events and commands out: the feed link without its sockets.

use engine::instrument::InstrumentTable;

use super::FeedSink;
use super::config::{FeedConfigError, FeedLinkConfig};
use super::gate::why;
use super::merge::Arrival;
use super::scan;
use super::state::{Command, State};
use super::status::FeedStatus;
use crate::decode::{Decoder, FrameKind};

/// The feed link without its sockets.
#[derive(Debug)]
pub(super) struct Machine {
    decoder: Decoder,
    /// The frame that is being decoded, because decoding overwrites it.
    scratch: Vec<u8>,
    /// How old the last frame was by the venue's time in it; `None` without one.
    pub(super) age_ns: Option<u64>,
    pub(super) state: State,
}

impl Machine {
    pub(super) fn new(
        config: &FeedLinkConfig,
        table: &InstrumentTable,
    ) -> Result<Machine, FeedConfigError> {
        let state = State::new(config, table)?;
        let decoder = Decoder::new(config.venue, table)
            .with_source(config.producer)
            // A snapshot that does not say whose it is must never come by a stream.
            .with_snapshot_instrument(None);
        Ok(Machine { decoder, scratch: Vec::with_capacity(64 * 1024), age_ns: None, state })
    }

    /// A frame of a line.
    pub(super) fn frame(
        &mut self,
        line: usize,
        payload: &[u8],
        is_text: bool,
        receive_ns: u64,
        sink: &mut impl FeedSink,
    ) {
        self.age_ns = None;
        let state = &mut self.state;
        state.frame_count += 1;
        let source = state.leg_of(line).source;
        let counts = &mut state.sources[source].counts;
        counts.frame_count += 1;
        counts.byte_count += u64::try_from(payload.len()).unwrap_or(u64::MAX);
        counts.heard_ns = receive_ns;
        if !is_text {
            return state.refuse(line, why::NOT_TEXT);
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(payload);
        match self.decoder.decode_events(&mut self.scratch, receive_ns) {
            Err(error) => state.refuse(line, error.code()),
            Ok((FrameKind::Depth | FrameKind::Trade | FrameKind::Quote, events)) => {
                let event_ns = scan::event_ns(payload);
                self.age_ns = event_ns.map(|event_ns| receive_ns.saturating_sub(event_ns));
                state.market(Arrival { line, receive_ns, event_ns }, events, sink);
            }
            Ok((FrameKind::Snapshot, _)) => state.refuse(line, why::UNEXPECTED),
            Ok((FrameKind::OffBookTrade, _)) => {}
            Ok((FrameKind::Answer, _)) => {
                let id = scan::answer_id(payload);
                state.answered(line, id, true, receive_ns, sink);
            }
            Ok((FrameKind::Refusal { .. }, _)) => {
                let id = scan::answer_id(payload);
                state.answered(line, id, false, receive_ns, sink);
            }
            Ok((FrameKind::ServerShutdown, _)) => state.retire(line),
        }
    }

    /// The body that answers the request with that token.
    pub(super) fn snapshot(
        &mut self,
        token: u64,
        body: &[u8],
        receive_ns: u64,
        sink: &mut impl FeedSink,
    ) {
        let state = &mut self.state;
        state.frame_count += 1;
        // Nobody waits for it when the stream broke meanwhile.
        let Some(place) = state.fetched(token) else { return };
        self.scratch.clear();
        self.scratch.extend_from_slice(body);
        self.decoder.set_snapshot_instrument(Some(state.symbols[place].instrument));
        let decoded = self.decoder.decode_events(&mut self.scratch, receive_ns);
        let code = match decoded {
            Ok((FrameKind::Snapshot, events)) => {
                state.snapshot(place, events, receive_ns, sink);
                None
            }
            Ok(_) => Some(why::UNEXPECTED),
            Err(error) => Some(error.code()),
        };
        self.decoder.set_snapshot_instrument(None);
        if let Some(code) = code {
            self.state.refused.refuse(code, self.state.frame_count);
            self.fetch_failed(place, receive_ns);
        }
    }

    /// The request with that token has no usable answer.
    pub(super) fn snapshot_failed(&mut self, token: u64, now_ns: u64) {
        if let Some(place) = self.state.fetched(token) {
            self.fetch_failed(place, now_ns);
        }
    }

    fn fetch_failed(&mut self, place: usize, now_ns: u64) {
        let symbol = &mut self.state.symbols[place];
        symbol.counts.snapshot_retry_count += 1;
        symbol.sync.failed(now_ns);
        self.state.wake_at(0);
    }

    /// The request with that token was not made; it may be from `at_ns` on.
    pub(super) fn snapshot_postponed(&mut self, token: u64, at_ns: u64) {
        if let Some(place) = self.state.fetched(token) {
            self.state.symbols[place].sync.postponed(at_ns);
        }
        self.state.wake_at(at_ns);
    }

    /// The next thing to do outside.
    pub(super) fn next_command(&mut self) -> Option<Command> {
        self.state.commands.pop_front()
    }

    pub(super) fn status(&self) -> FeedStatus {
        self.state.status()
    }
}
