//! The practice town: both pilots on real outlines, in week 20 of 26 of an invented trial. Everything in it follows from the seed
//! and the date: the same seed and `--today` give the same identities, keys and exports, byte for byte.

use crate::account;
use crate::analysis::{report, simulate};
use crate::app::{App, Options};
use crate::clock::{Clock, Week, at_local, show_day};
use crate::db::{Db, Tx};
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId, sha256_hex};
use crate::seal::Keys;
use crate::trial::protocol::{Phase, Protocol};
use crate::{map, norm, registry, territory, trial};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use std::path::Path;
use std::sync::Arc;

/// The trial week the town stands in: messages have stopped, the first look is due, this week's rounds are open.
const STANDS_IN_WEEK: i64 = 20;

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Address to serve on
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: String,
    /// Homes in both municipalities together
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(200..=100_000))]
    pub households: u32,
    /// Weeks of the trial's calendar; the town stands in week 20
    #[arg(long, default_value_t = 26, value_parser = clap::value_parser!(i64).range(20..=52))]
    pub weeks: i64,
    #[arg(long, default_value_t = 20260630)]
    pub seed: u64,
    /// The day the town stands at, AAAA-MM-DD [default: today in Guatemala]
    #[arg(long, value_name = "DATE")]
    pub today: Option<NaiveDate>,
    /// A pilot in which no message changes anything
    #[arg(long)]
    pub no_effect: bool,
    /// Stop after loading
    #[arg(long)]
    pub no_serve: bool,
}
