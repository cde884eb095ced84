//! What every handler and command is given.

use crate::clock::{Clock, to_micros};
use crate::db::{Db, Tx};
use crate::error::{Error, Result};
use crate::seal::Keys;
use crate::{one, opt, run};
use chrono::{DateTime, Duration, Utc};
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

/// Notes in a new installation which key it is made with.
pub async fn claim(tx: &mut Tx, keys: &Keys, now: DateTime<Utc>) -> Result<()> {
    run!(tx, "INSERT INTO installation (installation_id, key_check, made_at) VALUES (1, $1, $2)", keys.check_value(), to_micros(now))?;
    Ok(())
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

    /// Refuses a key that is not the one this installation was made with; false when it was made with none yet.
    pub async fn own_key(&self, db: &Db, keys: &Keys) -> Result<bool> {
        let place = match std::env::var_os("VECINO_KEY") {
            Some(_) => "VECINO_KEY".to_owned(),
            None => self.data_dir.join("key").display().to_string(),
        };
        let mut tx = db.read().await?;
        let known: Option<(String,)> = opt!(tx, "SELECT key_check FROM installation WHERE installation_id = 1")?;
        match known {
            Some((check,)) if check == keys.check_value() => Ok(true),
            Some(_) => Err(Error::refused(
                "key-other",
                format!(
                    "{place}: this is not the key the installation was made with; put the right one back from your safe copy (nothing was changed)"
                ),
            )),
            None => {
                let (recorded,): (i64,) = one!(tx, "SELECT (SELECT COUNT(*) FROM audit_entry) + (SELECT COUNT(*) FROM account)")?;
                match recorded {
                    0 => Ok(false),
                    _ => Err(Error::refused(
                        "key-unknown",
                        "the database no longer says with which key it was made, so another hand changed it; put back a copy made before",
                    )),
                }
            }
        }
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
        let keys = Keys::load(&self.data_dir)?;
        let demo = std::fs::read_to_string(self.data_dir.join("demo")).ok();
        let clock = match demo.as_deref().and_then(|text| text.lines().next()).and_then(|line| line.trim().parse::<i64>().ok()) {
            Some(days) => Clock::Shifted(Duration::days(days)),
            None => Clock::system(),
        };
        if !self.own_key(&db, &keys).await? {
            // Made before anything was recorded in it, by another program than `init`: it takes the key it is first opened with.
            let mut tx = db.write().await?;
            claim(&mut tx, &keys, clock.now()).await?;
            tx.commit().await?;
        }
        Ok(App { db: db.keyed(&keys), clock, keys, data_dir: Arc::new(self.data_dir.clone()), demo: demo.is_some() })
    }
}
