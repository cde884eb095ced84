//! One file per promise, one binary: a promise is a test named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::type_complexity)]

mod ground;
mod pilot;
mod program;

mod analysis;
mod bad_input;
mod campaign;
mod command_line;
mod coordinator;
mod crew;
mod demo;
mod driven;
mod draw;
mod estimate;
mod estimators;
mod faults_places;
mod files;
mod geo_bad;
mod house;
mod indicators;
mod kill;
mod law;
mod map;
mod messages;
mod namesakes;
mod norm;
mod places;
mod privacy;
mod publication;
mod reference;
mod registry;
mod revision;
mod roles;
mod sign_in;
mod simulate;
mod storage;
mod street;
mod sync;
mod tally;
mod territory;
mod trial;
mod unavailable;
mod words;
