//! The double of the Binance feed: the feed link over loopback against the local venue.

use std::time::Duration;

use binance::endpoints::Endpoints;
use binance::feed::{FeedLink, FeedLinkConfig, FeedSink};
use engine::event::Event;
use engine::instrument::Venue;
use venue::fault::{Action, Fault, Garbage, Place, Scope};

use super::feed::{FeedDouble, FeedEars, FeedStart, FeedTrouble, Levels, table};
use super::local_venue::LocalVenue;
use super::{Held, MS_NS, Stop};

/// Longest wait of a turn for a socket.
const TURN: Duration = Duration::from_micros(200);
/// Frames of the book.
const DEPTH: &str = "btcusdt@depth*";

/// The feed link and its venue.
#[derive(Debug)]
pub struct BinanceFeed {
    venue: LocalVenue,
    link: FeedLink,
}

impl FeedSink for FeedEars {
    fn market(&mut self, events: &[Event]) -> usize {
        FeedEars::market(self, events)
    }

    fn control(&mut self, event: &Event) -> bool {
        FeedEars::control(self, event)
    }
}

impl FeedDouble for BinanceFeed {
    fn start(start: FeedStart) -> Result<BinanceFeed, Stop> {
        let venue = LocalVenue::start(11)?;
        let urls = &venue.running.urls;
        let mut config = FeedLinkConfig::new(&Endpoints::at(&urls.rest, &urls.stream, ""));
        config.session.backoff_ns_min = 2 * MS_NS;
        config.session.backoff_ns_max = 20 * MS_NS;
        // A busy machine may not turn for a while.
        config.mute_ns_max = [1_500 * MS_NS, 0, 0];
        config.hold_ns_max = 10 * MS_NS;
        config.first_update_ns_max = 50 * MS_NS;
        config.snapshot_level_count = 100;
        config.snapshot_retry_ns_min = 2 * MS_NS;
        config.snapshot_retry_ns_max = 50 * MS_NS;
        if start == FeedStart::RenewsOften {
            config.connection_age_ns_max = 400 * MS_NS;
        }
        let link = FeedLink::new(config, &table(Venue::BinanceSpot))
            .map_err(|error| Stop::Broken(error.to_string()))?;
        Ok(BinanceFeed { venue, link })
    }

    fn now_ns(&self) -> u64 {
        self.venue.clock.now_ns()
    }

    fn turn(&mut self, ears: &mut FeedEars) {
        self.link.turn(TURN, &self.venue.clock, ears).expect("loopback can be polled");
    }

    fn move_market(&mut self) {
        self.venue.stir();
    }

    fn truth(&self) -> Levels {
        self.venue.levels()
    }

    fn trouble(&mut self, trouble: FeedTrouble) -> Held {
        let stream = |action| Fault::new(Place::Stream, DEPTH, action);
        let (scope, own) = (Scope::Stream, Scope::Own);
        match trouble {
            FeedTrouble::Cut => self.venue.affect(&Action::Cut { accepted: false, scope }),
            FeedTrouble::Mute => {
                let wait_ns = 60_000 * MS_NS;
                self.venue.affect(&Action::Mute { wait_ns, with_pings: true, scope });
            }
            FeedTrouble::Gap => self.venue.fault(stream(Action::Gap { frame_count: 1 })),
            FeedTrouble::Duplicate => self.venue.fault(stream(Action::Duplicate { copy_count: 2 })),
            FeedTrouble::Reorder => {
                self.venue.fault(stream(Action::Reorder { wait_ns: 50 * MS_NS }));
            }
            FeedTrouble::Garbage => {
                self.venue.fault(stream(Action::Garbage { kind: Garbage::Json, scope: own }));
            }
            FeedTrouble::GapAndLimit => {
                let limited = Action::Answer {
                    status: 429,
                    code: -1003,
                    message: "Too many requests.".to_string(),
                    retry_after_s: Some(1),
                    accepted: false,
                };
                self.venue.fault(Fault::new(Place::Request, "depth", limited));
                self.venue.fault(stream(Action::Gap { frame_count: 1 }));
            }
        }
        Ok(())
    }

    fn has_happened(&self) -> bool {
        self.venue.has_happened()
    }

    fn stop(&mut self, ears: &mut FeedEars) -> Held {
        let ended = self.link.stop(&self.venue.clock, ears);
        ended.map_err(|error| Stop::Broken(error.to_string()))
    }
}
