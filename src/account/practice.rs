//! The doors of the practice town: one login per role, all with one password that the landing page shows.

use super::user::{self, NewAccount};
use super::{Role, audit, password};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{Mint, MunicipalityId, seeded_random};
use chrono::{DateTime, Utc};
use rand_chacha::rand_core::Rng;
use serde_json::json;

#[derive(Debug, Clone, Copy)]
pub struct Door {
    pub login: &'static str,
    pub role: Role,
    pub municipality: Option<MunicipalityId>,
    pub operator: Option<&'static str>,
}

/// Nothing behind it is real, so everybody may know it.
pub const PASSWORD: &str = "practica";

const SAN_PEDRO: Option<MunicipalityId> = Some(MunicipalityId(1202));
const AMATITLAN: Option<MunicipalityId> = Some(MunicipalityId(114));

const fn door(login: &'static str, role: Role, municipality: Option<MunicipalityId>, operator: Option<&'static str>) -> Door {
    Door { login, role, municipality, operator }
}

/// In the order of the loop: observe, steer, measure, show, look after people, keep the house.
pub const DOORS: &[Door] = &[
    door("cuadrilla", Role::Crew, SAN_PEDRO, Some("MUNI")),
    door("jefatura", Role::CrewLead, AMATITLAN, Some("A")),
    door("saneamiento", Role::Coordinator, AMATITLAN, None),
    door("visitas", Role::Visitor, SAN_PEDRO, None),
    door("investigacion", Role::Researcher, None, None),
    door("alcaldia", Role::Mayor, SAN_PEDRO, None),
    door("registro", Role::Registrar, None, None),
    door("finanzas", Role::Finance, SAN_PEDRO, None),
    door("escuela", Role::School, SAN_PEDRO, None),
    door("genero", Role::Gender, SAN_PEDRO, None),
    door("socio", Role::Partner, None, None),
    door("auditoria", Role::Auditor, None, None),
    door("administracion", Role::Admin, None, None),
];

/// Adds the practice logins. The password is hashed once: thirteen hashes would cost more than the rest of a small town.
pub async fn create(tx: &mut Tx, mint: &mut Mint, now: DateTime<Utc>, seed: u64) -> Result<()> {
    let mut salt = [0u8; 16];
    seeded_random(seed, "practice password").fill_bytes(&mut salt);
    let hash = password::hash_with(PASSWORD, salt).await?;
    for door in DOORS {
        let new = NewAccount {
            login: door.login.into(),
            password: String::new(),
            role: door.role,
            municipality: door.municipality,
            operator: door.operator.map(str::to_owned),
            language: "es".into(),
        };
        let account = user::add_hashed(tx, now, mint, new, hash.clone()).await?;
        let detail = user::leaving(tx, account, json!({"role": door.role})).await?;
        let entry = audit::Entry { stream: "account", actor: "practice", action: "account-added", target: door.login, detail };
        audit::record(tx, door.municipality.unwrap_or(MunicipalityId::NONE), now, entry).await?;
    }
    Ok(())
}
