//! What every handler and command is given.

use crate::clock::Clock;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::seal::Keys;
use chrono::Duration;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
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

/// Writes a line to stderr; where nobody listens there is nobody to tell.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
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

/// Takes the data folder for whoever makes an installation in it; a second one waits until the first is done. Held until it is dropped.
pub fn take_folder(folder: &Path) -> Result<File> {
    let failed = |e: std::io::Error| {
        Error::refused("folder", format!("{}: cannot be made or written; check the folder, its owner and free space", folder.display())).because(e)
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    loop {
        builder.create(folder).map_err(failed)?;
        let held = File::open(folder).map_err(failed)?;
        if let Err(std::fs::TryLockError::WouldBlock) = held.try_lock() {
            tell(&format!("{}: another vecino makes an installation here; waiting until it is done", folder.display()));
            held.lock().map_err(failed)?;
        }
        // Whoever held it before may have failed and taken it away.
        if folder.exists() {
            return Ok(held);
        }
    }
}

impl Options {
    /// From now on the files of the data folder stand over what ships.
    pub fn take_own_files(&self) {
        let _ = OWN.set(self.data_dir.clone());
    }

    pub fn url(&self) -> String {
        self.database.clone().unwrap_or_else(|| format!("sqlite:{}", self.data_dir.join("vecino.db").display()))
    }

    /// What a practice town's folder says of itself; its first line is the shift of its clock in days.
    pub fn demo(&self) -> Option<String> {
        std::fs::read_to_string(self.data_dir.join("demo")).ok()
    }

    /// The clock of the folder, whether or not a database stands in it.
    pub fn clock(&self) -> Clock {
        match self.demo().as_deref().and_then(|text| text.lines().next()).and_then(|line| line.trim().parse::<i64>().ok()) {
            Some(days) => Clock::Shifted(Duration::days(days)),
            None => Clock::system(),
        }
    }
}
