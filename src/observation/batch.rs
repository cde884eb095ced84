//! What a phone sends at once: read as far as it can be without a database, and stored whole or not at all.

use super::intake::{Intake, Sender};
use super::operation::{Answer, Received, Status};
use crate::account::{Actor, audit};
use crate::clock::to_micros;
use crate::db::Db;
use crate::error::{Error, Kind as Fault, Result};
use crate::id::MunicipalityId;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const MAX_OPS: usize = 500;
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A batch as sent; `device` in it is read by nobody.
struct Batch {
    sent_at: DateTime<Utc>,
    ops: Vec<Value>,
}

impl Batch {
    fn parse(body: &[u8]) -> Result<Batch> {
        if body.len() > MAX_BYTES {
            return Err(too_large(format!("the batch has {} bytes and {MAX_BYTES} are allowed: send fewer operations at a time", body.len())));
        }
        let value: Value =
            serde_json::from_slice(body).map_err(|e| Error::refused("sync-json", format!("the body is not JSON: {e}; nothing was stored")))?;
        let Value::Object(mut batch) = value else {
            return Err(Error::refused("sync-shape", "the body must be an object with sent_at and ops; nothing was stored"));
        };
        let sent_at = batch.get("sent_at").and_then(Value::as_str).and_then(|text| DateTime::parse_from_rfc3339(text).ok()).ok_or_else(|| {
            Error::refused("sync-sent-at", "sent_at must be the phone's time with its offset, such as 2026-11-23T18:02:11-06:00; nothing was stored")
        })?;
        let Some(Value::Array(ops)) = batch.remove("ops") else {
            return Err(Error::refused("sync-shape", "ops must be a list of operations; nothing was stored"));
        };
        if ops.len() > MAX_OPS {
            return Err(too_large(format!("the batch has {} operations and {MAX_OPS} are allowed: send it in parts", ops.len())));
        }
        Ok(Batch { sent_at: sent_at.with_timezone(&Utc), ops })
    }
}

pub fn too_large(line: String) -> Error {
    Error::new(Fault::TooLarge, "sync-too-large", line)
}

/// A batch read as far as it can be without a database.
pub struct Delivery {
    actor: String,
    municipality: MunicipalityId,
    sender: Sender,
    ops: Vec<Received>,
}

impl Delivery {
    /// `actor` must be a device.
    pub fn read(now: DateTime<Utc>, actor: &Actor, body: &[u8]) -> Result<Delivery> {
        let municipality = actor.home()?;
        let device = actor.device.ok_or_else(|| {
            Error::forbidden("device-needed", "this token is not a phone's: enrol the phone, or make one with vecino token create --device NAME")
        })?;
        let batch = Batch::parse(body)?;
        let received_at = to_micros(now);
        let skew_ms = (batch.sent_at - received_at).num_milliseconds();
        let sender = Sender { operator: actor.operator.clone(), device, received_at, skew_ms };
        Ok(Delivery { actor: actor.name.clone(), municipality, sender, ops: batch.ops.into_iter().map(Received::read).collect() })
    }
}

/// Stores batches in one transaction, as if one had come after the other; answers them in their order.
pub async fn store(db: &Db, deliveries: &[Delivery]) -> Result<Vec<Answer>> {
    let mut places: BTreeMap<MunicipalityId, Vec<(usize, &Delivery)>> = BTreeMap::new();
    for (n, delivery) in deliveries.iter().enumerate() {
        places.entry(delivery.municipality).or_default().push((n, delivery));
    }
    let mut answers: Vec<(usize, Answer)> = Vec::with_capacity(deliveries.len());
    let mut tx = db.write().await?;
    for (municipality, group) in places {
        let chain = audit::hold(&mut tx, municipality, super::CHAIN).await?;
        let mut intake = Intake::new(municipality);
        let ops: Vec<(&Sender, &Received)> = group.iter().flat_map(|(_, of)| of.ops.iter().map(|op| (&of.sender, op))).collect();
        intake.look_up(&mut tx, &ops).await?;
        let mut entries = Vec::with_capacity(group.len());
        for (n, delivery) in group {
            let answer = intake.answer(&delivery.sender, &delivery.ops);
            let count = |status: Status| answer.results.iter().filter(|receipt| receipt.status == status).count();
            let detail = json!({"stored": count(Status::Stored), "duplicate": count(Status::Duplicate), "conflict": count(Status::Conflict), "rejected": count(Status::Rejected)});
            entries.push((answer.received_at, &delivery.actor, delivery.sender.device.to_string(), detail));
            answers.push((n, answer));
        }
        let rows = intake.write(&mut tx).await?;
        // Rows of batches that came together are told once: a correction that waited may be written by another's batch.
        if let (Some((_, _, _, detail)), 1..) = (entries.last_mut(), rows) {
            detail[audit::ROWS] = json!(rows);
        }
        let entries = entries
            .iter()
            .map(|(at, actor, target, detail)| (*at, audit::Entry { stream: super::CHAIN, actor, action: "sync", target, detail: detail.clone() }));
        audit::append(&mut tx, municipality, chain, entries.collect()).await?;
    }
    tx.commit().await?;
    answers.sort_by_key(|(n, _)| *n);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}
