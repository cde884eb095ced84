//! One file per channel.
