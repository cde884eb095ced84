//! One file per promise, one binary: a promise is a test named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod pilot;

mod campaign;
mod command_line;
mod crew;
mod house;
mod kill;
mod messages;
mod norm;
mod roles;
mod sign_in;
mod storage;
mod street;
mod sync;
mod tally;
