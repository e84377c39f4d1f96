//! The raw recorder behind the feed: every frame in and out, by connection, in immutable segments.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use binance::feed::FrameTap;
use wire::segments::{Direction, SegmentConfig, SegmentRecorder, TrackId};

/// Hears every frame of a link.
#[derive(Debug)]
pub(crate) struct RecordTap {
    recorder: SegmentRecorder,
    tracks: BTreeMap<String, TrackId>,
    /// Told once.
    told: bool,
}

impl RecordTap {
    /// Segments in `dir`, which is made when absent. Files that are there stay as they are.
    pub(crate) fn create(dir: &Path) -> anyhow::Result<RecordTap> {
        let recorder = SegmentRecorder::create(dir, SegmentConfig::default())
            .with_context(|| format!("wire.feed.record_dir {}", dir.display()))?;
        Ok(RecordTap { recorder, tracks: BTreeMap::new(), told: false })
    }

    fn record(&mut self, name: &str, direction: Direction, at_ns: u64, payload: &[u8]) {
        let known = self.tracks.get(name).copied();
        let track = known.map_or_else(|| self.recorder.track(name), Ok);
        match track {
            Ok(track) => {
                if known.is_none() {
                    self.tracks.insert(name.to_string(), track);
                }
                self.recorder.record(track, direction, at_ns, payload);
                self.recorder.on_time(at_ns);
            }
            Err(error) => self.tell(&error.to_string()),
        }
        if let Some(error) = self.recorder.failure() {
            let text = error.to_string();
            self.tell(&text);
        }
    }

    /// Recording stops before trading does, and says so once.
    fn tell(&mut self, why: &str) {
        if !std::mem::replace(&mut self.told, true) {
            eprintln!("\nthe raw recorder has stopped, trading goes on: {why}");
        }
    }
}

impl FrameTap for RecordTap {
    fn received(&mut self, name: &str, receive_ns: u64, payload: &[u8]) {
        self.record(name, Direction::In, receive_ns, payload);
    }

    fn sent(&mut self, name: &str, send_ns: u64, payload: &[u8]) {
        self.record(name, Direction::Out, send_ns, payload);
    }
}
