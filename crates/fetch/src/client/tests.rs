//! The guard against real sockets on loopback.

mod answers;
mod capacity;
mod guard;
mod peer;
