//! An installation and what it is made with: its key, the seals of its tables, and a schema that only migrations made.

use super::audit;
use crate::app::{App, Options, UNFINISHED};
use crate::clock::to_micros;
use crate::db::{Db, Tx, schema, table_seal};
use crate::error::{Error, Result};
use crate::id::MunicipalityId;
use crate::seal::Keys;
use crate::{all, one, opt, run};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::sync::Arc;

/// The action of the entry that tells of a first sealing.
const SEALED: &str = "tables-sealed";

/// Notes in a new installation which key it is made with, and seals its tables before anything stands in them.
pub async fn claim(tx: &mut Tx, keys: &Keys, now: DateTime<Utc>) -> Result<()> {
    run!(
        tx,
        "INSERT INTO installation (installation_id, key_check, made_at, sealed_at) VALUES (1, $1, $2, $2)",
        keys.check_value(table_seal::STEP),
        to_micros(now)
    )?;
    seal(tx, 0, now).await
}

/// Seals what is not sealed yet in an installation that another version made. It is done once, and the chain tells of it.
async fn seal_since(tx: &mut Tx, keys: &Keys, step: usize, now: DateTime<Utc>) -> Result<()> {
    let taken = run!(
        tx,
        "UPDATE installation SET key_check = $1, sealed_at = $2 WHERE installation_id = 1 AND key_check = $3",
        keys.check_value(table_seal::STEP),
        to_micros(now),
        keys.check_value(step)
    )?;
    // Another process came first.
    if taken == 0 {
        return Ok(());
    }
    let told: Vec<(Value,)> =
        all!(tx, "SELECT detail FROM audit_entry WHERE municipality_id = $1 AND stream = 'account' AND action = $2", MunicipalityId::NONE, SEALED)?;
    if told.iter().any(|(detail,)| detail["step"].as_u64().is_some_and(|done| done > step as u64)) {
        return Err(Error::refused(
            "key-unknown",
            "the database says that its tables were never sealed, and its audit chain that they were, so another hand changed it; put back a copy made before",
        ));
    }
    seal(tx, step, now).await
}

async fn seal(tx: &mut Tx, step: usize, now: DateTime<Utc>) -> Result<()> {
    let laid = table_seal::lay(tx, step).await?;
    let mut detail = json!({"step": table_seal::STEP, "empty": laid.empty.len()});
    // A new installation has nothing else; of one made before it is told what was taken for empty, and what as it stood.
    if laid.empty.len() < table_seal::TABLES.len() {
        for (fact, tables) in [("empty", &laid.empty), ("as_they_stood", &laid.as_they_stood), ("altered", &laid.altered)] {
            detail[fact] = json!(tables.join(", "));
        }
    }
    let entry = audit::Entry { stream: "account", actor: "vecino", action: SEALED, target: "table_seal", detail };
    audit::record(tx, MunicipalityId::NONE, now, entry).await
}

impl Options {
    /// Refuses a key that is not the one this installation was made with; answers the step at which its tables are sealed, nothing when it
    /// was made with no key yet.
    pub async fn own_key(&self, db: &Db, keys: &Keys) -> Result<Option<usize>> {
        let place = match std::env::var_os("VECINO_KEY") {
            Some(_) => "VECINO_KEY".to_owned(),
            None => self.data_dir.join("key").display().to_string(),
        };
        let mut tx = db.read().await?;
        let known: Option<(String,)> = opt!(tx, "SELECT key_check FROM installation WHERE installation_id = 1")?;
        match known {
            Some((check,)) => match (0..=table_seal::STEP).find(|step| check == keys.check_value(*step)) {
                Some(step) => Ok(Some(step)),
                None => Err(Error::refused(
                    "key-other",
                    format!(
                        "{place}: this is not the key the installation was made with; put the right one back from your safe copy (nothing was changed)"
                    ),
                )),
            },
            None => {
                let (recorded,): (i64,) = one!(tx, "SELECT (SELECT COUNT(*) FROM audit_entry) + (SELECT COUNT(*) FROM account)")?;
                match recorded {
                    0 => Ok(None),
                    _ => Err(Error::refused(
                        "key-unknown",
                        "the database no longer says with which key it was made, so another hand changed it; put back a copy made before",
                    )),
                }
            }
        }
    }

    /// Opens an existing installation: database, key, and the clock it stands on (a practice town may stand at another date). Refuses one in
    /// which something stands that no migration made.
    pub async fn open(&self) -> Result<App> {
        let (app, foreign) = self.open_as_it_is().await?;
        match foreign.is_empty() {
            true => Ok(app),
            false => {
                app.db.close().await;
                Err(Error::refused_lines("schema-other", foreign))
            }
        }
    }

    /// As [`Options::open`], for `verify`: whatever else stands in the database is answered, a line each, and nothing is written there then.
    pub async fn open_as_it_is(&self) -> Result<(App, Vec<String>)> {
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
        let clock = self.clock();
        let sealed = self.own_key(&db, &keys).await?;
        let db = db.keyed(&keys);
        let mut tx = db.read().await?;
        let foreign = schema::differences(&mut tx).await?;
        drop(tx);
        if foreign.is_empty() && sealed != Some(table_seal::STEP) {
            let mut tx = db.write().await?;
            match sealed {
                // Made before anything was recorded in it, by another program than `init`: it takes the key it is first opened with.
                None => claim(&mut tx, &keys, clock.now()).await?,
                Some(step) => seal_since(&mut tx, &keys, step, clock.now()).await?,
            }
            tx.commit().await?;
        }
        let app = App { db, clock, keys, data_dir: Arc::new(self.data_dir.clone()), demo: self.demo().is_some() };
        Ok((app, foreign.into_iter().map(|line| format!("{line}; {}", schema::REMEDY)).collect()))
    }
}
