//! One file per channel. A gateway is the only place that learns a number, and it answers what became of the message.

pub mod file;

use crate::app::App;
use crate::error::Result;
use crate::id::{ContactId, MessageId, MunicipalityId};
use chrono::{DateTime, Utc};

/// What leaves the house.
#[derive(Debug, Clone)]
pub struct Parcel {
    pub municipality: MunicipalityId,
    pub message: MessageId,
    pub contact: ContactId,
    pub channel: &'static str,
    pub text: String,
    pub septets: Option<i32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Delivered {
        reference: Option<String>,
    },
    Accepted {
        reference: Option<String>,
    },
    /// For good: this message will never arrive.
    Rejected {
        reason: String,
    },
    /// Nothing was handed over; trying again is safe.
    Unreachable {
        reason: String,
    },
}

/// The ways there are. Paper is none of them: a visitor records what was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// One line a message in `DATA_DIR/outbox/`: for practice, and for whoever sends by another tool.
    File,
}

impl Gateway {
    pub async fn send(self, app: &App, parcel: &Parcel, now: DateTime<Utc>) -> Result<Answer> {
        match self {
            Gateway::File => file::send(app, parcel, now).await,
        }
    }
}
