//! One file per promise, one binary: a promise is a test named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod pilot;

mod geo_bad;
mod house;
mod storage;
mod territory;
