//! Tests of the gate: boundaries of every rule, reservations, properties, the document.

mod boundaries;
mod changes;
mod controls;
mod desk;
mod document;
mod parents;
mod properties;
mod scenarios;
mod script;
mod twins;
mod usage;
