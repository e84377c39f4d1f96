//! Tests of the gate: boundaries of every rule, reservations, properties, the document.

mod bands;
mod boundaries;
mod changes;
mod controls;
mod damage;
mod desk;
mod document;
mod edges;
mod entries;
mod gauges;
mod lane_bounds;
mod lanes;
mod parents;
mod parts;
mod properties;
mod ranges;
mod scenarios;
mod script;
mod twins;
mod usage;
