//! The faults of the matrix: each as something that happens now, or as a rule at the venue's door.

use venue::fault::{Action, Fault, Garbage, Place, Scope};

use super::MS_NS;

/// When in an order's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before it is sent.
    BeforeSend,
    /// After it was sent, before anything was heard of it.
    BeforeAck,
    /// While it rests.
    AfterAck,
    /// Between two executions.
    BetweenFills,
    /// While it is being replaced.
    DuringReplace,
    /// While it is being cancelled.
    DuringCancel,
}

impl Moment {
    /// Every moment, in the order of a life.
    pub const ALL: [Moment; 6] = [
        Moment::BeforeSend,
        Moment::BeforeAck,
        Moment::AfterAck,
        Moment::BetweenFills,
        Moment::DuringReplace,
        Moment::DuringCancel,
    ];

    /// The request that is on its way at this moment.
    const fn method(self) -> &'static str {
        match self {
            Moment::BeforeSend | Moment::BeforeAck => "order.place",
            Moment::DuringReplace => "order.cancelReplace",
            Moment::AfterAck | Moment::BetweenFills | Moment::DuringCancel => "order.cancel",
        }
    }

    /// The event of user data that is on its way at this moment.
    const fn event(self) -> &'static str {
        match self {
            Moment::BeforeSend | Moment::BeforeAck => "executionReport/NEW",
            Moment::AfterAck | Moment::BetweenFills => "executionReport/TRADE",
            Moment::DuringReplace | Moment::DuringCancel => "executionReport/CANCELED",
        }
    }
}

/// What is done to the venue at a moment.
#[derive(Clone, Debug)]
pub enum Blow {
    /// It happens now.
    Now(Action),
    /// It happens with a request or an event.
    Rule(Fault),
}

/// A fault of the matrix.
#[derive(Clone, Copy, Debug)]
pub struct FaultKind {
    /// In the words.
    pub name: &'static str,
    /// What it does at a moment.
    pub blows: fn(Moment) -> Vec<Blow>,
}

fn rule(place: Place, name: &str, action: Action) -> Blow {
    Blow::Rule(Fault::new(place, name, action))
}

fn request(moment: Moment, action: Action) -> Blow {
    rule(Place::Request, moment.method(), action)
}

fn user(moment: Moment, action: Action) -> Blow {
    rule(Place::User, moment.event(), action)
}

/// Another answer than the true one.
pub fn answer(status: u16, code: i32, accepted: bool) -> Action {
    let is_limit = status == 429 || status == 418;
    Action::Answer {
        status,
        code,
        message: "made by a fault".to_string(),
        retry_after_s: is_limit.then_some(1),
        accepted,
    }
}

const OWN: Scope = Scope::Own;
const ALL: Scope = Scope::All;
const LONG_NS: u64 = 150 * MS_NS;

/// Every fault of the matrix.
pub const KINDS: &[FaultKind] = &[
    FaultKind {
        name: "delay",
        blows: |moment| {
            let action = Action::Delay { wait_ns: LONG_NS };
            vec![request(moment, action.clone()), user(moment, action)]
        },
    },
    FaultKind {
        name: "request lost before acceptance",
        blows: |moment| vec![request(moment, Action::Drop { accepted: false })],
    },
    FaultKind {
        name: "answer and report lost after acceptance",
        blows: |moment| {
            vec![
                request(moment, Action::Drop { accepted: true }),
                user(moment, Action::Drop { accepted: true }),
            ]
        },
    },
    FaultKind {
        name: "duplicate",
        blows: |moment| {
            let action = Action::Duplicate { copy_count: 2 };
            vec![request(moment, action.clone()), user(moment, action)]
        },
    },
    FaultKind {
        name: "reorder",
        blows: |moment| {
            let action = Action::Reorder { wait_ns: 20 * MS_NS };
            vec![request(moment, action.clone()), user(moment, action)]
        },
    },
    FaultKind {
        name: "gap in market data",
        blows: |_| vec![rule(Place::Stream, "btcusdt@depth*", Action::Gap { frame_count: 3 })],
    },
    FaultKind {
        name: "cut before acceptance",
        blows: |moment| vec![request(moment, Action::Cut { accepted: false, scope: OWN })],
    },
    FaultKind {
        name: "cut after acceptance",
        blows: |moment| vec![request(moment, Action::Cut { accepted: true, scope: OWN })],
    },
    FaultKind {
        name: "cut of everything",
        blows: |_| vec![Blow::Now(Action::Cut { accepted: false, scope: ALL })],
    },
    FaultKind {
        name: "mute",
        blows: |_| vec![Blow::Now(Action::Mute { wait_ns: LONG_NS, with_pings: true, scope: ALL })],
    },
    FaultKind {
        name: "slow reader",
        blows: |_| vec![Blow::Now(Action::Deaf { wait_ns: LONG_NS, scope: ALL })],
    },
    FaultKind {
        name: "5xx before acceptance",
        blows: |moment| vec![request(moment, answer(503, -1000, false))],
    },
    FaultKind {
        name: "5xx after acceptance",
        blows: |moment| vec![request(moment, answer(500, -1000, true))],
    },
    FaultKind {
        name: "-1006 after acceptance",
        blows: |moment| vec![request(moment, answer(400, -1006, true))],
    },
    FaultKind {
        name: "-1007 before acceptance",
        blows: |moment| vec![request(moment, answer(408, -1007, false))],
    },
    FaultKind { name: "429", blows: |moment| vec![request(moment, answer(429, -1003, false))] },
    FaultKind { name: "418", blows: |moment| vec![request(moment, answer(418, -1003, false))] },
    FaultKind {
        name: "clock beyond recvWindow",
        blows: |_| vec![Blow::Now(Action::Clock { offset_ms: 400 })],
    },
    FaultKind {
        name: "clock too far ahead to trade",
        blows: |_| vec![Blow::Now(Action::Clock { offset_ms: 1_500 })],
    },
    FaultKind {
        name: "half a frame",
        blows: |moment| vec![request(moment, Action::Half { scope: OWN })],
    },
    FaultKind {
        name: "garbage that is no JSON",
        blows: |moment| {
            let action = Action::Garbage { kind: Garbage::Json, scope: OWN };
            vec![request(moment, action.clone()), user(moment, action)]
        },
    },
    FaultKind {
        name: "garbage that is no frame",
        blows: |_| vec![Blow::Now(Action::Garbage { kind: Garbage::Opcode, scope: ALL })],
    },
    FaultKind { name: "restart with state", blows: |_| vec![Blow::Now(Action::Restart)] },
    FaultKind {
        name: "disconnect after 24 h",
        blows: |_| vec![Blow::Now(Action::Expire { scope: ALL })],
    },
    FaultKind {
        name: "shutdown with notice",
        blows: |_| vec![Blow::Now(Action::Shutdown { wait_ns: 30 * MS_NS })],
    },
];
