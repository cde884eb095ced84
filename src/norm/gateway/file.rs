//! Writes each message as one JSON line to `DATA_DIR/outbox/AAAA-MM-DD.jsonl`, readable by its owner only, on disk before it answers.

use super::{Answer, Parcel};
use crate::app::App;
use crate::clock::local;
use crate::error::{Error, Result};
use crate::registry::open_address;
use chrono::{DateTime, Utc};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

pub(super) async fn send(app: &App, parcel: &Parcel, now: DateTime<Utc>) -> Result<Answer> {
    let mut tx = app.db.read().await?;
    let to = open_address(&mut tx, &app.keys, parcel.municipality, parcel.contact).await;
    drop(tx);
    let to = match to {
        Ok(to) => to,
        // The register has no number under this contact: no later attempt would find one.
        Err(e) if e.kind != crate::error::Kind::Internal => return Ok(Answer::Rejected { reason: e.code.to_owned() }),
        Err(e) => return Err(e),
    };
    let line = json!({
        "message_id": parcel.message,
        "municipality": parcel.municipality.to_string(),
        "channel": parcel.channel,
        "to": to,
        "text": parcel.text,
        "septets": parcel.septets,
        "sent_at": local(now).to_rfc3339(),
    });
    let folder = app.data_dir.join("outbox");
    let file = folder.join(format!("{}.jsonl", local(now).date_naive()));
    let place = file.display().to_string();
    match tokio::task::spawn_blocking(move || append(folder, file, format!("{line}\n"))).await {
        Ok(Ok(())) => Ok(Answer::Delivered { reference: None }),
        Ok(Err(e)) => Ok(Answer::Unreachable { reason: format!("{place}: {e}") }),
        Err(e) => Err(Error::internal(format!("file gateway: {e}"))),
    }
}

fn append(folder: PathBuf, file: PathBuf, line: String) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let mut out = OpenOptions::new().append(true).create(true).mode(0o600).open(&file)?;
    let before = out.metadata()?.len();
    // Half a line would be read as a message: either all of it is on disk, or it is cut off again and may be tried anew.
    let written = out.write_all(line.as_bytes()).and_then(|()| out.sync_all());
    if written.is_err() {
        out.set_len(before)?;
    }
    written
}
