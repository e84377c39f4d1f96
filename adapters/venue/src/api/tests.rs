//! Tests of what clients send and hear.

mod garbage;
mod gates;
mod shapes;
mod sockets;
