//! Session events: start and end, clock, operator commands, texts of the manifest.

use super::{Event, Kind, PAYLOAD_SIZE_BYTES, flags};

/// In which mode a session runs, in `code` of `SESSION_START`. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Mode {
    /// Recorded input, simulated venue, as fast as possible.
    Backtest = 1,
    /// Market in real time, simulated venue.
    Paper = 2,
    /// Everything but sending: the gateway withholds.
    DryRun = 3,
    /// Real orders.
    Live = 4,
}

impl Mode {
    /// The mode of that number.
    pub const fn from_code(code: u16) -> Option<Mode> {
        match code {
            1 => Some(Mode::Backtest),
            2 => Some(Mode::Paper),
            3 => Some(Mode::DryRun),
            4 => Some(Mode::Live),
            _ => None,
        }
    }

    /// Name in configuration and tools.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Backtest => "backtest",
            Mode::Paper => "paper",
            Mode::DryRun => "dry-run",
            Mode::Live => "live",
        }
    }
}

/// What a strategy may do, in `code` of `STRATEGY_STATE`. Never renumber.
pub mod strategy_state {
    /// It may trade.
    pub const ENABLED: u16 = 1;
    /// It may not trade; its orders are cancelled.
    pub const DISABLED: u16 = 2;
}

/// Operator command, in `code` of `COMMAND`. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum CommandCode {
    /// No new orders at all; cancels pass.
    Halt = 1,
    /// Only orders that bring positions nearer to zero.
    Reduce = 2,
    /// Trade again.
    Resume = 3,
    /// Cancel every working order.
    CancelAll = 4,
    /// Disable the strategy in `tag`.
    StrategyDisable = 5,
    /// Enable the strategy in `tag` again.
    StrategyEnable = 6,
    /// A thread of the engine is dead or stalled; `tag` says which. Halts.
    ThreadDead = 7,
    /// The session is about to end: strategies are called no more, every working order is cancelled.
    Stop = 8,
    /// What the venue in `tag` (0: every venue) said last of its balances is right: the differences are
    /// not the engine's doing.
    AcceptBalances = 9,
    /// Block, cancel, flatten (`quantity` 1; 0 only cancels) and latch the scope in `tag`. From the supervisor
    /// (`source` 0) `price` is the [`super::TripReason`]: the flag or a signal.
    Kill = 10,
    /// Trip the breaker of the scope in `tag` to SAFE.
    Trip = 11,
    /// Approve the recovery of the trip whose number is in `price`, scope in `tag`.
    Approve = 12,
    /// Lift the kill whose trip number is in `price`, scope in `tag`; `quantity` 1 begins a new equity peak.
    Rearm = 13,
    /// No new orders in the scope in `tag` until `Continue`; working orders are cancelled.
    Pause = 14,
    /// End the pause of the scope in `tag`.
    Continue = 15,
    /// Set the limit whose key is in `tag` to `quantity`; `instrument` or the strategy in `price` (-1: none) says whose.
    LimitSet = 16,
    /// A manual order: `instrument`, `price`, `quantity`, flags of an intent, terms in `tag` (low half) and the strategy
    /// whose position it is (high half; 65535: the operator's own).
    OrderNew = 17,
    /// Cancel the order whose id is in `quantity`.
    OrderCancel = 18,
    /// Close the positions of the scope in `tag` without a latch.
    Flatten = 19,
    /// A second person confirms the command whose number is in `price`.
    Confirm = 20,
    /// An alarm (number in `price`) was seen by a person. Only journaled.
    Acknowledge = 21,
    /// The dead-man timer starts anew.
    Alive = 22,
}

impl CommandCode {
    /// The command of that number.
    pub const fn from_code(code: u16) -> Option<CommandCode> {
        match code {
            1 => Some(CommandCode::Halt),
            2 => Some(CommandCode::Reduce),
            3 => Some(CommandCode::Resume),
            4 => Some(CommandCode::CancelAll),
            5 => Some(CommandCode::StrategyDisable),
            6 => Some(CommandCode::StrategyEnable),
            7 => Some(CommandCode::ThreadDead),
            8 => Some(CommandCode::Stop),
            9 => Some(CommandCode::AcceptBalances),
            10 => Some(CommandCode::Kill),
            11 => Some(CommandCode::Trip),
            12 => Some(CommandCode::Approve),
            13 => Some(CommandCode::Rearm),
            14 => Some(CommandCode::Pause),
            15 => Some(CommandCode::Continue),
            16 => Some(CommandCode::LimitSet),
            17 => Some(CommandCode::OrderNew),
            18 => Some(CommandCode::OrderCancel),
            19 => Some(CommandCode::Flatten),
            20 => Some(CommandCode::Confirm),
            21 => Some(CommandCode::Acknowledge),
            22 => Some(CommandCode::Alive),
            _ => None,
        }
    }

    /// Name as printed by tools.
    pub const fn name(self) -> &'static str {
        match self {
            CommandCode::Halt => "halt",
            CommandCode::Reduce => "reduce",
            CommandCode::Resume => "resume",
            CommandCode::CancelAll => "cancel-all",
            CommandCode::StrategyDisable => "strategy-disable",
            CommandCode::StrategyEnable => "strategy-enable",
            CommandCode::ThreadDead => "thread-dead",
            CommandCode::Stop => "stop",
            CommandCode::AcceptBalances => "accept-balances",
            CommandCode::Kill => "kill",
            CommandCode::Trip => "trip",
            CommandCode::Approve => "approve",
            CommandCode::Rearm => "rearm",
            CommandCode::Pause => "pause",
            CommandCode::Continue => "continue",
            CommandCode::LimitSet => "limit-set",
            CommandCode::OrderNew => "order-new",
            CommandCode::OrderCancel => "order-cancel",
            CommandCode::Flatten => "flatten",
            CommandCode::Confirm => "confirm",
            CommandCode::Acknowledge => "acknowledge",
            CommandCode::Alive => "alive",
        }
    }
}

/// What a run of `TEXT` events holds. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum TextTopic {
    /// The whole effective configuration of the session, as TOML.
    Config = 1,
    /// Version and git commit of the engine.
    Build = 2,
    /// Where the input comes from (capture name and hash, seed).
    Input = 3,
    /// Who gave the command that follows, and why: one JSON object.
    Command = 4,
    /// What the guard did at the venue for an engine that was dead or stuck: one JSON object.
    Guard = 5,
}

/// Start of session number `session` in `mode`.
pub fn session_start(session: u64, mode: Mode) -> Event {
    let mut event = Event::new(Kind::SESSION_START);
    event.code = mode as u16;
    event.id = session;
    event.tag = 1;
    event.flags = flags::LAST;
    event
}

/// Orderly end of session number `session`.
pub fn session_end(session: u64) -> Event {
    let mut event = Event::new(Kind::SESSION_END);
    event.id = session;
    event.flags = flags::LAST;
    event
}

/// Nothing happened, time passed.
pub fn clock() -> Event {
    let mut event = Event::new(Kind::CLOCK);
    event.flags = flags::LAST;
    event
}

/// An operator's command; `target` is the strategy or thread it names.
pub fn command(code: CommandCode, target: u32) -> Event {
    let mut event = Event::new(Kind::COMMAND);
    event.code = code as u16;
    event.tag = target;
    event.flags = flags::LAST;
    event
}

/// `source` of the first event of a text run; the others have 0.
pub const TEXT_FIRST: u16 = 1;

/// `text` as a run of events; empty text is one event of zero bytes.
pub fn text(topic: TextTopic, text: &str) -> Vec<Event> {
    let chunk_count = text.len().div_ceil(PAYLOAD_SIZE_BYTES).max(1);
    (0..chunk_count)
        .map(|index| {
            let from = index * PAYLOAD_SIZE_BYTES;
            let chunk = &text.as_bytes()[from..text.len().min(from + PAYLOAD_SIZE_BYTES)];
            let mut event = Event::new(Kind::TEXT);
            event.code = topic as u16;
            event.source = if index == 0 { TEXT_FIRST } else { 0 };
            event.instrument = u16::try_from(chunk.len()).expect("a chunk has at most 28 bytes");
            write_payload(&mut event, chunk);
            event.flags = if index + 1 == chunk_count { flags::LAST } else { 0 };
            event
        })
        .collect()
}

/// Text of a command that no operator gave: who and why, in the form of the operators' texts. `verb` and `reason` are
/// words of the engine, without quotes.
pub fn supervisor_text(verb: &'static str, reason: &'static str) -> Vec<Event> {
    let said = format!(
        r#"{{"command":0,"actor":"supervisor","role":"none","verb":"{verb}","reason":"{reason}"}}"#
    );
    text(TextTopic::Command, &said)
}

/// Puts up to 28 bytes into the payload words; the rest is zero.
pub fn write_payload(event: &mut Event, bytes: &[u8]) {
    assert!(bytes.len() <= PAYLOAD_SIZE_BYTES);
    let whole: &mut [u8] = bytemuck::bytes_of_mut(event);
    whole[32..60].fill(0);
    whole[32..32 + bytes.len()].copy_from_slice(bytes);
}

/// The 28 payload bytes.
pub fn payload(event: &Event) -> &[u8] {
    &bytemuck::bytes_of(event)[32..60]
}

/// The text bytes of one `TEXT` event; never more than the payload holds.
pub fn text_chunk(event: &Event) -> &[u8] {
    &payload(event)[..usize::from(event.instrument).min(PAYLOAD_SIZE_BYTES)]
}
