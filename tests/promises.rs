//! One file per promise, one binary: a promise is a test named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod pilot;

mod geo_bad;
mod analysis;
mod campaign;
mod command_line;
mod crew;
mod house;
mod simulate;
mod coordinator;
mod map;
mod publication;
mod kill;
mod roles;
mod sign_in;
mod reference;
mod messages;
mod norm;
mod indicators;
mod privacy;
mod registry;
mod storage;
mod words;
mod trial;
mod street;
mod sync;
mod territory;
mod tally;
