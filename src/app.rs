//! What every handler is given.

use crate::clock::Clock;
use crate::db::Db;
use crate::seal::Keys;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Clone)]
pub struct App {
    pub db: Db,
    pub clock: Clock,
    pub keys: Keys,
    pub data_dir: Arc<PathBuf>,
    /// A practice town: pages say that nothing in it is real, and the landing page shows the logins.
    pub demo: bool,
}
