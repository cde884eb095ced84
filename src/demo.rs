//! The practice town.
