//! What every handler and command is given.

use crate::clock::Clock;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::seal::Keys;
use chrono::Duration;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Stands in the folder while a practice town is made; a folder with it holds nothing else of worth.
pub const UNFINISHED: &str = "demo.unfinished";

/// To stdout, whole. A reader that has gone away (`| head`) is no fault; a full disk is.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::refused("output", format!("standard output: the answer could not be written ({e}); make room, or write to another place")))
        }
        _ => Ok(()),
    }
}

/// The folder whose own files stand over what ships. A process serves one installation.
static OWN: OnceLock<PathBuf> = OnceLock::new();

/// A file of the installation's own that stands over what ships: `wordings/es/…`, `programme-targets.csv`, `lakes/…`. `None` when there is none.
pub fn own_file(name: &str) -> Option<PathBuf> {
    OWN.get().map(|folder| folder.join(name)).filter(|path| path.exists())
}

#[derive(Clone)]
pub struct App {
    pub db: Db,
    pub clock: Clock,
    pub keys: Keys,
    pub data_dir: Arc<PathBuf>,
    /// A practice town: pages say that nothing in it is real, and the landing page shows the logins.
    pub demo: bool,
}

/// Options every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Folder of the database, the key and the outbox
    #[arg(long, global = true, default_value = "./data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// sqlite:PATH or postgres://USER@HOST/DATABASE [default: sqlite:DATA_DIR/vecino.db]
    #[arg(long, global = true, env = "VECINO_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database: Option<String>,
    /// One JSON document on stdout
    #[arg(long, global = true)]
    pub json: bool,
}

impl Options {
    /// From now on the files of the data folder stand over what ships.
    pub fn take_own_files(&self) {
        let _ = OWN.set(self.data_dir.clone());
    }

    pub fn url(&self) -> String {
        self.database.clone().unwrap_or_else(|| format!("sqlite:{}", self.data_dir.join("vecino.db").display()))
    }

    /// Opens an existing installation: database, key, and the clock it stands on (a practice town may stand at another date).
    pub async fn open(&self) -> Result<App> {
        let url = self.url();
        if let Some(path) = url.strip_prefix("sqlite:")
            && !std::path::Path::new(path).exists()
        {
            return Err(Error::refused(
                "no-installation",
                format!("{path}: there is no database here; run `vecino init` or `vecino demo`, or name the right --data-dir"),
            ));
        }
        if self.data_dir.join(UNFINISHED).exists() {
            return Err(Error::refused(
                "demo-unfinished",
                format!("{}: the practice town here was not finished; run `vecino demo` again, which makes it anew", self.data_dir.display()),
            ));
        }
        let db = Db::connect(&url).await?;
        db.migrate().await?;
        let demo = std::fs::read_to_string(self.data_dir.join("demo")).ok();
        let clock = match demo.as_deref().and_then(|text| text.lines().next()).and_then(|line| line.trim().parse::<i64>().ok()) {
            Some(days) => Clock::Shifted(Duration::days(days)),
            None => Clock::system(),
        };
        Ok(App { db, clock, keys: Keys::load(&self.data_dir)?, data_dir: Arc::new(self.data_dir.clone()), demo: demo.is_some() })
    }
}
