//! The transition table of orders: every state, every input, one named answer. Total by construction.
//!
//! ```text
//!                    new  pend ackd part fill pcan canc rejc expr unkn prep
//! approved-cancel    PCA  PCA  PCA  PCA  noc  noc  noc  noc  noc  PCA  PCA
//! approved-replace   nor  nor  PRE  PRE  nor  nor  nor  nor  nor  nor  nor
//! acked              ACK  ACK  =    =    =    =    =    zom  =    rest =
//! rejected           REJ  REJ  dbt  dbt  con  rod  con  =    con  gone dbt
//! part-fill          PAR  PAR  PAR  =    late =    late late late =    =
//! full-fill          FIL  FIL  FIL  FIL  late FIL  late late late FIL  FIL
//! cancelled          CAN  CAN  CAN  CAN  con  CAN  =    con  =    CAN  CAN
//! expired            EXP  EXP  EXP  EXP  con  EXP  =    con  =    EXP  EXP
//! cancel-rejected    unx  unx  unx  unx  =    rest =    =    =    =    unx
//! replaced           rest rest rest rest con  rest con  zom  con  rest rest
//! replace-rejected   unx  unx  unx  unx  =    rest =    =    =    rest rest
//! not-found          unx  unx  unx  unx  =    goq  =    =    =    gone unx
//! working            ACK  ACK  =    =    =    rest zom  zom  zom  rest rest
//! outcome-unknown    UNK  UNK  UNK  UNK  =    UNK  =    =    =    =    UNK
//! new-withheld       REJ  REJ  con  con  con  rod  =    =    =    gone con
//! cancel-withheld    =    =    =    =    =    rest =    =    =    =    =
//! replace-withheld   =    =    =    =    =    rest =    =    =    rest rest
//! session-start      UNK  UNK  UNK  UNK  =    UNK  =    =    =    UNK  UNK
//! completed          comp comp comp comp =    comp =    =    =    comp comp
//! ```
//! Capitals: the next state. `=`: the state stays, what the input says is noted. `rest`: the state that
//! the order's history gives (see `Order::rest`). `gone`: cancelled if it ever worked, else rejected;
//! `goq` the same, if it had been asked for, else `unx`. `rod`: rejected if it never worked, else `dbt`.
//! `dbt`: unknown, with an anomaly. `comp`: filled if all that traded is booked, else unknown.
//! `late`: booked, the state stays. `zom`: a cancel goes out, the state
//! stays. Refusals, which change nothing: `con` contradiction, `unx` unexpected, `noc` not cancellable,
//! `nor` not replaceable. Whoever becomes unknown is queried, whoever becomes pending-cancel is sent a
//! cancel.
//!
//! **Invariant:** a terminal state is never left; only late fills still count.

use super::anomaly;
use crate::event::{OrderState, ReportCode};

/// What can happen to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Input {
    /// Risk let a cancel pass, or everything is cancelled.
    ApprovedCancel = 0,
    /// Risk let a change pass.
    ApprovedReplace = 1,
    /// Venue: accepted and working.
    Acked = 2,
    /// Venue: refused.
    Rejected = 3,
    /// Venue: traded, something is left (under the larger of present and asked-for terms).
    PartFill = 4,
    /// Venue: traded, nothing is left.
    FullFill = 5,
    /// Venue: cancelled.
    Cancelled = 6,
    /// Venue: ended.
    Expired = 7,
    /// Venue: the cancel was refused.
    CancelRejected = 8,
    /// Venue: the terms were changed.
    Replaced = 9,
    /// Venue: the change was refused.
    ReplaceRejected = 10,
    /// Venue: never heard of it.
    NotFound = 11,
    /// Venue: working, answer to a query.
    Working = 12,
    /// Adapter: sent, outcome not known; or half a fill report was lost.
    OutcomeUnknown = 13,
    /// Dry-run kept the new order back.
    NewWithheld = 14,
    /// Dry-run kept the cancel back.
    CancelWithheld = 15,
    /// Dry-run kept the replace back.
    ReplaceWithheld = 16,
    /// A session begins: nothing is known of live orders.
    SessionStart = 17,
    /// Venue: all of it traded, answer to a query.
    Completed = 18,
}

/// Number of inputs.
pub const INPUT_COUNT: usize = 19;

impl Input {
    /// Every input, in the order of the table's rows.
    pub const ALL: [Input; INPUT_COUNT] = [
        Input::ApprovedCancel,
        Input::ApprovedReplace,
        Input::Acked,
        Input::Rejected,
        Input::PartFill,
        Input::FullFill,
        Input::Cancelled,
        Input::Expired,
        Input::CancelRejected,
        Input::Replaced,
        Input::ReplaceRejected,
        Input::NotFound,
        Input::Working,
        Input::OutcomeUnknown,
        Input::NewWithheld,
        Input::CancelWithheld,
        Input::ReplaceWithheld,
        Input::SessionStart,
        Input::Completed,
    ];

    /// Name as printed in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Input::ApprovedCancel => "approved-cancel",
            Input::ApprovedReplace => "approved-replace",
            Input::Acked => "acked",
            Input::Rejected => "rejected",
            Input::PartFill => "part-fill",
            Input::FullFill => "full-fill",
            Input::Cancelled => "cancelled",
            Input::Expired => "expired",
            Input::CancelRejected => "cancel-rejected",
            Input::Replaced => "replaced",
            Input::ReplaceRejected => "replace-rejected",
            Input::NotFound => "not-found",
            Input::Working => "working",
            Input::OutcomeUnknown => "outcome-unknown",
            Input::NewWithheld => "new-withheld",
            Input::CancelWithheld => "cancel-withheld",
            Input::ReplaceWithheld => "replace-withheld",
            Input::SessionStart => "session-start",
            Input::Completed => "completed",
        }
    }

    /// Whether the venue said it.
    #[inline]
    pub const fn is_of_venue(self) -> bool {
        let is_report = Input::Acked as u8 <= self as u8 && self as u8 <= Input::Working as u8;
        is_report || self as u8 == Input::Completed as u8
    }

    /// The input that a venue's report is; `None` for fills, which are part or full by their quantity.
    pub const fn from_report(code: ReportCode) -> Option<Input> {
        match code {
            ReportCode::Acked => Some(Input::Acked),
            ReportCode::Rejected => Some(Input::Rejected),
            ReportCode::Filled => None,
            ReportCode::Cancelled => Some(Input::Cancelled),
            ReportCode::Expired => Some(Input::Expired),
            ReportCode::CancelRejected => Some(Input::CancelRejected),
            ReportCode::Replaced => Some(Input::Replaced),
            ReportCode::ReplaceRejected => Some(Input::ReplaceRejected),
            ReportCode::NotFound => Some(Input::NotFound),
            ReportCode::Working => Some(Input::Working),
            ReportCode::OutcomeUnknown => Some(Input::OutcomeUnknown),
            ReportCode::Completed => Some(Input::Completed),
        }
    }
}

/// The table's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This state.
    To(OrderState),
    /// The state stays; what the input says is noted.
    Stay,
    /// The state that the order's history gives.
    Rest,
    /// Cancelled if it ever worked, else rejected.
    Gone,
    /// `Gone` if its fate was asked for, else unexpected.
    GoneIfAsked,
    /// Rejected if it never worked, else `Doubt`.
    RejectedOrDoubt,
    /// Unknown, with an anomaly.
    Doubt,
    /// Filled if all that traded is booked, else unknown.
    Complete,
    /// A fill that still counts; the state stays.
    Late,
    /// The venue works what is over for us: cancel it there, the state stays.
    Zombie,
    /// Nothing changes; an anomaly of this code.
    Refuse(u16),
}

const ACK: Next = Next::To(OrderState::Acked);
const PAR: Next = Next::To(OrderState::PartiallyFilled);
const FIL: Next = Next::To(OrderState::Filled);
const PCA: Next = Next::To(OrderState::PendingCancel);
const CAN: Next = Next::To(OrderState::Cancelled);
const REJ: Next = Next::To(OrderState::Rejected);
const EXP: Next = Next::To(OrderState::Expired);
const UNK: Next = Next::To(OrderState::Unknown);
const PRE: Next = Next::To(OrderState::PendingReplace);
const EQU: Next = Next::Stay;
const RST: Next = Next::Rest;
const GON: Next = Next::Gone;
const GOQ: Next = Next::GoneIfAsked;
const ROD: Next = Next::RejectedOrDoubt;
const DBT: Next = Next::Doubt;
const CMP: Next = Next::Complete;
const LAT: Next = Next::Late;
const ZOM: Next = Next::Zombie;
const CON: Next = Next::Refuse(anomaly::CONTRADICTION);
const UNX: Next = Next::Refuse(anomaly::UNEXPECTED_REPORT);
const NOC: Next = Next::Refuse(anomaly::NOT_CANCELLABLE);
const NOR: Next = Next::Refuse(anomaly::NOT_REPLACEABLE);

/// Number of states.
pub const STATE_COUNT: usize = OrderState::ALL.len();

#[rustfmt::skip]
const TABLE: [[Next; STATE_COUNT]; INPUT_COUNT] = [
    //                     new  pend ackd part fill pcan canc rejc expr unkn prep
    /* approved-cancel  */ [PCA, PCA, PCA, PCA, NOC, NOC, NOC, NOC, NOC, PCA, PCA],
    /* approved-replace */ [NOR, NOR, PRE, PRE, NOR, NOR, NOR, NOR, NOR, NOR, NOR],
    /* acked            */ [ACK, ACK, EQU, EQU, EQU, EQU, EQU, ZOM, EQU, RST, EQU],
    /* rejected         */ [REJ, REJ, DBT, DBT, CON, ROD, CON, EQU, CON, GON, DBT],
    /* part-fill        */ [PAR, PAR, PAR, EQU, LAT, EQU, LAT, LAT, LAT, EQU, EQU],
    /* full-fill        */ [FIL, FIL, FIL, FIL, LAT, FIL, LAT, LAT, LAT, FIL, FIL],
    /* cancelled        */ [CAN, CAN, CAN, CAN, CON, CAN, EQU, CON, EQU, CAN, CAN],
    /* expired          */ [EXP, EXP, EXP, EXP, CON, EXP, EQU, CON, EQU, EXP, EXP],
    /* cancel-rejected  */ [UNX, UNX, UNX, UNX, EQU, RST, EQU, EQU, EQU, EQU, UNX],
    /* replaced         */ [RST, RST, RST, RST, CON, RST, CON, ZOM, CON, RST, RST],
    /* replace-rejected */ [UNX, UNX, UNX, UNX, EQU, RST, EQU, EQU, EQU, RST, RST],
    /* not-found        */ [UNX, UNX, UNX, UNX, EQU, GOQ, EQU, EQU, EQU, GON, UNX],
    /* working          */ [ACK, ACK, EQU, EQU, EQU, RST, ZOM, ZOM, ZOM, RST, RST],
    /* outcome-unknown  */ [UNK, UNK, UNK, UNK, EQU, UNK, EQU, EQU, EQU, EQU, UNK],
    /* new-withheld     */ [REJ, REJ, CON, CON, CON, ROD, EQU, EQU, EQU, GON, CON],
    /* cancel-withheld  */ [EQU, EQU, EQU, EQU, EQU, RST, EQU, EQU, EQU, EQU, EQU],
    /* replace-withheld */ [EQU, EQU, EQU, EQU, EQU, RST, EQU, EQU, EQU, RST, RST],
    /* session-start    */ [UNK, UNK, UNK, UNK, EQU, UNK, EQU, EQU, EQU, UNK, UNK],
    /* completed        */ [CMP, CMP, CMP, CMP, EQU, CMP, EQU, EQU, EQU, CMP, CMP],
];

// The rows stand in the order of the inputs, the columns in the order of the states' codes, from 1.
const _: () = {
    let mut index = 0;
    while index < INPUT_COUNT {
        assert!(Input::ALL[index] as usize == index);
        index += 1;
    }
    let mut index = 0;
    while index < STATE_COUNT {
        assert!(OrderState::ALL[index] as usize == index + 1);
        index += 1;
    }
};

/// What `input` does to an order in `state`.
#[inline]
pub const fn next(state: OrderState, input: Input) -> Next {
    TABLE[input as usize][state as usize - 1]
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    const WORDS: [(Next, &str); 22] = [
        (ACK, "ACK"),
        (PAR, "PAR"),
        (FIL, "FIL"),
        (PCA, "PCA"),
        (CAN, "CAN"),
        (REJ, "REJ"),
        (EXP, "EXP"),
        (UNK, "UNK"),
        (PRE, "PRE"),
        (EQU, "="),
        (RST, "rest"),
        (GON, "gone"),
        (GOQ, "goq"),
        (ROD, "rod"),
        (DBT, "dbt"),
        (CMP, "comp"),
        (LAT, "late"),
        (ZOM, "zom"),
        (CON, "con"),
        (UNX, "unx"),
        (NOC, "noc"),
        (NOR, "nor"),
    ];

    fn word(next: Next) -> &'static str {
        WORDS.iter().find(|(known, _)| *known == next).unwrap().1
    }

    #[test]
    fn the_drawing_in_the_documentation_is_the_table() {
        let mut drawn = String::new();
        for input in Input::ALL {
            let mut line = format!("//! {:<19}", input.name());
            for state in OrderState::ALL {
                write!(line, "{:<5}", word(next(state, input))).unwrap();
            }
            drawn.push_str(line.trim_end());
            drawn.push('\n');
        }
        assert!(include_str!("table.rs").contains(&drawn), "the table is:\n{drawn}");
    }

    #[test]
    fn terminal_states_are_never_left_and_live_ones_are_never_late() {
        for state in OrderState::ALL {
            for input in Input::ALL {
                let next = next(state, input);
                let stays =
                    matches!(next, Next::Stay | Next::Late | Next::Zombie | Next::Refuse(_));
                if state.is_terminal() {
                    assert!(stays, "{} leaves {}", input.name(), state.name());
                } else {
                    assert!(!matches!(next, Next::Late | Next::Zombie));
                }
            }
        }
    }
}
