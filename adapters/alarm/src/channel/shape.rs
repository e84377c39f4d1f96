//! The bodies of webhooks: what Slack, Discord and programs of one's own want to be sent.

use serde_json::json;

use super::Message;
use crate::notice::Notice;

/// Whose webhook it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Slack's incoming webhooks: `text`.
    Slack,
    /// Discord's webhooks: `content`.
    Discord,
    /// The notices as they stand in the history.
    Plain,
}

impl Shape {
    /// Every one.
    pub const ALL: [Shape; 3] = [Shape::Slack, Shape::Discord, Shape::Plain];

    /// Name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Shape::Slack => "slack",
            Shape::Discord => "discord",
            Shape::Plain => "plain",
        }
    }

    /// The shape of that name.
    pub fn from_name(name: &str) -> Option<Shape> {
        Shape::ALL.into_iter().find(|shape| shape.name() == name)
    }

    /// Most characters of a text there: Slack's documented 40,000 and Discord's 2,000, with room to spare.
    const fn char_count_max(self) -> usize {
        match self {
            Shape::Slack => 30_000,
            Shape::Discord => 1_900,
            Shape::Plain => usize::MAX,
        }
    }

    /// The body.
    pub fn body(self, message: &Message<'_>) -> Vec<u8> {
        let value = match self {
            Shape::Slack => json!({ "text": slack_text(&self.text(message)) }),
            // Nobody is mentioned, whatever a name looks like.
            Shape::Discord => {
                json!({ "content": self.text(message), "allowed_mentions": { "parse": [] } })
            }
            Shape::Plain => json!({ "instance": message.instance, "alarms": message.notices }),
        };
        value.to_string().into_bytes()
    }

    fn text(self, message: &Message<'_>) -> String {
        lines(message, self.char_count_max())
    }
}

/// `&`, `<` and `>` mean something to Slack.
fn slack_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// One line a notice, of the worst first; what does not fit is counted.
pub(crate) fn lines(message: &Message<'_>, char_count_max: usize) -> String {
    let mut sorted: Vec<&Notice> = message.notices.iter().collect();
    sorted.sort_by_key(|notice| (std::cmp::Reverse(notice.severity), notice.notice));
    // Room for the line that counts the rest.
    let room = char_count_max.saturating_sub(60);
    let mut text = format!("{}:", message.instance);
    let mut char_count = text.chars().count();
    for (index, notice) in sorted.iter().enumerate() {
        let line = notice.line();
        let line_count = line.chars().count() + 1;
        if room < char_count + line_count {
            let more = format!("\n... {} more: alarms.jsonl", sorted.len() - index);
            text.push_str(&more);
            break;
        }
        char_count += line_count;
        text.push('\n');
        text.push_str(&line);
    }
    text
}
