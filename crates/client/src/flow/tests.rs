//! The conversation of a client with two domains that are made up.

mod conversation;
mod discovery;
mod persons;
mod refusals;
mod rounds;
mod secrets;
mod world;
