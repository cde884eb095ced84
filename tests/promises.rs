//! One file per promise, one binary: a promise is a test named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod pilot;

mod command_line;
mod house;
mod roles;
mod sign_in;
mod storage;
mod words;
