//! Tests of the gate: boundaries of every rule, reservations, properties, the document.

mod boundaries;
mod desk;
mod document;
mod properties;
mod scenarios;
