//! One file per promise, one binary: a promise is a test named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod pilot;

mod house;
mod indicators;
mod privacy;
mod registry;
mod storage;
