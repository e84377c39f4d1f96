//! Raw frames, in and out, for whoever records them.

use std::io;

use wire::segments::{Direction, SegmentError, SegmentRecorder, TrackId};

/// Name of requests, and of answers that belong to no connection.
pub const REST_NAME: &str = "rest";

/// Hears every raw frame, such as a recorder. Must not block.
pub trait FrameTap: Send {
    /// A frame or a snapshot that came, on the connection of that name (`primary-0`).
    fn received(&mut self, name: &str, receive_ns: u64, payload: &[u8]);
    /// A text or the target of a request that went out.
    fn sent(&mut self, name: &str, send_ns: u64, payload: &[u8]);
    /// Called with each turn.
    fn on_time(&mut self, now_ns: u64) {
        // Nothing, for taps without time.
        let _: u64 = now_ns;
    }
    /// Nothing more comes. Says whether everything was kept.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Records into segments, a track for each connection. The inbound row of a track is a capture.
pub struct SegmentTap {
    /// `None` when it is finished.
    recorder: Option<SegmentRecorder>,
    tracks: Vec<(String, Option<TrackId>)>,
    /// Why a track could not be made, if one could not.
    failure: Option<SegmentError>,
}

impl std::fmt::Debug for SegmentTap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentTap")
            .field("counts", &self.recorder.as_ref().map(SegmentRecorder::counts))
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

impl SegmentTap {
    /// Records with `recorder`.
    pub fn new(recorder: SegmentRecorder) -> SegmentTap {
        SegmentTap { recorder: Some(recorder), tracks: Vec::new(), failure: None }
    }

    /// The track of that name; there are as many as connections.
    fn track(&mut self, name: &str) -> Option<TrackId> {
        if let Some((_, track)) = self.tracks.iter().find(|(known, _)| known == name) {
            return *track;
        }
        let track = match self.recorder.as_mut()?.track(name) {
            Ok(track) => Some(track),
            Err(error) => {
                // Its frames are not recorded; trading goes on.
                self.failure = Some(error);
                None
            }
        };
        self.tracks.push((name.to_string(), track));
        track
    }

    fn record(&mut self, name: &str, direction: Direction, at_ns: u64, payload: &[u8]) {
        if let Some(track) = self.track(name)
            && let Some(recorder) = &mut self.recorder
        {
            recorder.record(track, direction, at_ns, payload);
        }
    }
}

impl FrameTap for SegmentTap {
    fn received(&mut self, name: &str, receive_ns: u64, payload: &[u8]) {
        self.record(name, Direction::In, receive_ns, payload);
    }

    fn sent(&mut self, name: &str, send_ns: u64, payload: &[u8]) {
        self.record(name, Direction::Out, send_ns, payload);
    }

    fn on_time(&mut self, now_ns: u64) {
        if let Some(recorder) = &mut self.recorder {
            recorder.on_time(now_ns);
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        if let Some(recorder) = self.recorder.take() {
            recorder.finish().map_err(io::Error::other)?;
        }
        self.failure.take().map_or(Ok(()), |error| Err(io::Error::other(error)))
    }
}
