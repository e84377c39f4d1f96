//! A strategy that does anything, for a while, from a seed.

use engine::event::{OrderState, OrderTerms, Side};
use engine::instrument::InstrumentIndex;
use engine::state::{LoadError, Loader, Saver, State, mix};
use engine::strategy::{Intents, MarketChange, OrderIntent, OrderUpdate, Strategy, View};

const LIVE_COUNT_MAX: usize = 12;

/// Orders, changes and cancels without sense.
#[derive(Debug)]
pub(crate) struct Gambler {
    random: u64,
    /// What it will still do.
    left_count: u64,
    live: Vec<(u64, Side)>,
    name: String,
    instruments: [InstrumentIndex; 1],
}

impl Gambler {
    pub(crate) fn new(seed: u64, action_count: u64) -> Gambler {
        let live = Vec::with_capacity(LIVE_COUNT_MAX);
        Gambler {
            random: mix(seed, 1),
            left_count: action_count,
            live,
            name: "gambler".to_string(),
            instruments: [0],
        }
    }

    fn below(&mut self, count: u64) -> u64 {
        self.random = mix(self.random, 0x5bd1_e995);
        self.random % count
    }

    fn signed(&mut self, count: u64) -> i64 {
        i64::try_from(self.below(count)).unwrap()
    }
}

impl Strategy for Gambler {
    fn name(&self) -> &str {
        &self.name
    }

    fn instruments(&self) -> &[InstrumentIndex] {
        &self.instruments
    }

    fn on_market(&mut self, _: &View<'_>, _: InstrumentIndex, _: MarketChange, _: &mut Intents) {}

    fn on_order(&mut self, _: &View<'_>, update: &OrderUpdate, _: &mut Intents) {
        let OrderUpdate::State { order_id, side, state, .. } = *update else { return };
        self.live.retain(|(id, _)| *id != order_id);
        if !state.is_terminal() && state != OrderState::New && self.live.len() < LIVE_COUNT_MAX {
            self.live.push((order_id, side));
        }
    }

    fn on_clock(&mut self, _: &View<'_>, intents: &mut Intents) {
        if self.left_count == 0 || self.below(3) == 0 {
            return;
        }
        self.left_count -= 1;
        let chosen = self.below(10);
        let picked = self.below(u64::try_from(LIVE_COUNT_MAX).unwrap());
        let picked = self.live.get(usize::try_from(picked).unwrap()).copied();
        let side = if self.below(2) == 0 { Side::Buy } else { Side::Sell };
        let intent = OrderIntent {
            instrument: 0,
            side: picked.map_or(side, |(_, side)| side),
            price: 9_900 + self.signed(200),
            quantity: 20 + self.signed(80),
            terms: OrderTerms::LIMIT_GTC,
            post_only: false,
            reduce_only: false,
            tag: 7,
        };
        match (chosen, picked) {
            (0..=1, Some((id, _))) => intents.cancel(0, id, 7),
            (2..=3, Some((id, _))) => intents.replace(id, &intent),
            (4.., _) => intents.order(&OrderIntent { side, ..intent }),
            (_, None) => {}
        }
    }
}

impl State for Gambler {
    fn save(&self, out: &mut Saver) {
        out.u64(self.random);
        out.u64(self.left_count);
        out.count(self.live.len());
        for (id, side) in &self.live {
            out.u64(*id);
            out.bool(*side == Side::Sell);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.random = from.u64()?;
        self.left_count = from.u64()?;
        self.live.clear();
        for _ in 0..from.count(LIVE_COUNT_MAX)? {
            let id = from.u64()?;
            self.live.push((id, if from.bool()? { Side::Sell } else { Side::Buy }));
        }
        Ok(())
    }
}
