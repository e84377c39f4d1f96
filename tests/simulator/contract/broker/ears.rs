//! The engine's end of a broker: everything that was told, and the questions that clauses ask of it.

use std::collections::BTreeMap;

use engine::event::order::{Execution, execution};
use engine::event::{Event, Kind, LinkCode, ReportCode};

use crate::contract::{Held, ensure};

/// The engine's end.
#[derive(Debug, Default)]
pub struct BrokerEars {
    /// All events in order.
    pub heard: Vec<Event>,
}

impl BrokerEars {
    /// Takes events as the inbound ring does.
    pub fn take(&mut self, events: &[Event]) {
        self.heard.extend_from_slice(events);
    }

    /// What was said of an order, fills included.
    pub fn said(&self, order: u64) -> Vec<ReportCode> {
        let reports = self.heard.iter().filter(|event| event.kind == Kind::REPORT);
        let of_order = reports.filter(|event| event.id == order);
        of_order.filter_map(|event| ReportCode::from_code(event.code)).collect()
    }

    /// Whether it was said of an order.
    pub fn did_say(&self, order: u64, code: ReportCode) -> bool {
        self.said(order).contains(&code)
    }

    /// How often it was said of an order.
    pub fn count(&self, order: u64, code: ReportCode) -> usize {
        self.said(order).iter().filter(|said| **said == code).count()
    }

    /// The newest report of that code of an order.
    pub fn last(&self, order: u64, code: ReportCode) -> Option<&Event> {
        self.heard.iter().rev().find(|event| {
            event.kind == Kind::REPORT && event.id == order && event.code == code as u16
        })
    }

    /// The fills of an order, in the order in which they were told.
    pub fn fills(&self, order: u64) -> Vec<Execution> {
        let pairs = self.heard.windows(2).filter(|pair| {
            pair[0].kind == Kind::REPORT
                && pair[0].code == ReportCode::Filled as u16
                && pair[0].id == order
        });
        pairs.map(|pair| execution(&pair[0], &pair[1])).collect()
    }

    /// What traded of an order.
    pub fn traded(&self, order: u64) -> i64 {
        self.fills(order).iter().map(|fill| fill.quantity).sum()
    }

    /// How often the link said that; `pull` of it where one is meant.
    pub fn link_count(&self, code: LinkCode, pull: u64) -> usize {
        let wanted = |event: &&Event| {
            event.kind == Kind::LINK && event.code == code as u16 && event.id == pull
        };
        self.heard.iter().filter(wanted).count()
    }

    /// What holds at any time: a fill has its detail behind it and is told once.
    pub(super) fn check(&self) -> Held {
        let mut executions: BTreeMap<(u16, u64), u64> = BTreeMap::new();
        for pair in self.heard.windows(2) {
            let is_fill = pair[0].kind == Kind::REPORT && pair[0].code == ReportCode::Filled as u16;
            ensure(!is_fill || pair[1].kind == Kind::REPORT_DETAIL, || {
                format!("a fill without its detail: {:?}", pair[0])
            })?;
            if is_fill {
                let before = executions.insert((pair[1].instrument, pair[1].id), pair[0].id);
                ensure(before.is_none(), || format!("execution {} was told twice", pair[1].id))?;
            }
        }
        Ok(())
    }

    /// What was heard, in words.
    pub fn story(&self) -> String {
        let words = self.heard.iter().map(|event| {
            let code = match event.kind {
                Kind::REPORT => ReportCode::from_code(event.code).map(ReportCode::name),
                Kind::LINK => LinkCode::from_code(event.code).map(LinkCode::name),
                _ => None,
            };
            let (name, id) = (event.kind.name(), event.id);
            format!("{name} {} {id:x} {}@{}", code.unwrap_or("-"), event.quantity, event.price)
        });
        words.collect::<Vec<_>>().join("; ")
    }
}
