//! Typed identities. UUIDv7 is made where the thing is made; a demo makes the same ones again from its seed.

use crate::error::{Error, Result};
use chrono::{DateTime, Utc};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use uuid::Uuid;

pub use vecino_stats::random::seeded as seeded_random;

/// INE code of one of the 340 municipalities, as a number: "0114" is 114.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, Serialize, Deserialize)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct MunicipalityId(pub i16);

impl MunicipalityId {
    /// What concerns the whole installation is kept under 0 (audit chains only).
    pub const NONE: MunicipalityId = MunicipalityId(0);

    /// Reads a four-digit INE code. Whether the municipality exists is the database's to say.
    pub fn parse(code: &str) -> Result<MunicipalityId> {
        let digits = code.len() == 4 && code.bytes().all(|b| b.is_ascii_digit());
        match code.parse::<i16>() {
            Ok(number) if digits => Ok(MunicipalityId(number)),
            _ => Err(Error::refused("municipality-code", format!("«{code}» is not a municipality code; use the four digits of INE, such as 1202"))
                .with("code", code)),
        }
    }
}

impl fmt::Display for MunicipalityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

/// A closed list of words, the same in code, SQL, files, protocols and interface keys.
macro_rules! choice { ($(#[$doc:meta])* $name:ident { $($(#[$of_variant:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
    $(#[$doc])*
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum $name { $($(#[$of_variant])* $variant),+ }
    impl $name {
        pub const ALL: &'static [$name] = &[$($name::$variant),+];
        pub fn name(self) -> &'static str { match self { $($name::$variant => $word),+ } }
        pub fn parse(word: &str) -> Option<$name> { match word { $($word => Some($name::$variant),)+ _ => None } }
    }
} }
pub(crate) use choice;

macro_rules! identity { ($($(#[$doc:meta])* $name:ident),+ $(,)?) => { $(
    $(#[$doc])*
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, Serialize, Deserialize)]
    #[sqlx(transparent)]
    #[serde(transparent)]
    pub struct $name(pub Uuid);
    impl fmt::Display for $name {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
    }
    impl From<Uuid> for $name { fn from(id: Uuid) -> Self { $name(id) } }
)+ } }

identity!(
    NeighbourhoodId, OperatorId, RouteId, SegmentId, PointId, HouseholdId, StreetId, AccountId, DeviceId, PersonId, ContactId, ConsentId,
    EnrolmentId, RoundId, /** Made on the phone; the identity of one field operation. */ OpId, NormId, PlanId, MessageId,
);

/// Where new identities come from: the system, or a recorded seed.
pub struct Mint(Option<Box<ChaCha20Rng>>);

impl Mint {
    pub fn system() -> Mint {
        Mint(None)
    }

    /// The same seed makes the same identities in the same order; `purpose` keeps streams apart.
    pub fn seeded(seed: u64, purpose: &str) -> Mint {
        Mint(Some(Box::new(seeded_random(seed, purpose))))
    }

    /// A UUIDv7 made at `at`.
    pub fn id<T: From<Uuid>>(&mut self, at: DateTime<Utc>) -> T {
        let mut random = [0u8; 10];
        match &mut self.0 {
            Some(source) => source.fill_bytes(&mut random),
            None => rand::fill(&mut random),
        }
        let millis = at.timestamp_millis().max(0) as u64;
        T::from(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

/// The identity of something that follows from others (a round from its route and day): the same on every call.
pub fn derived<T: From<Uuid>>(kind: &str, parts: &[&[u8]], at: DateTime<Utc>) -> T {
    let mut hash = Sha256::new();
    hash.update(kind.as_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut random = [0u8; 10];
    random.copy_from_slice(&digest[..10]);
    T::from(uuid::Builder::from_unix_timestamp_millis(at.timestamp_millis().max(0) as u64, &random).into_uuid())
}

/// SHA-256 as lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
