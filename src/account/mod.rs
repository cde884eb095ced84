//! Who signs in, roles and their reach (municipality, operator), devices, and the audit chain.

pub mod access;
pub mod admission;
pub mod audit;
pub mod command;
pub mod device;
pub mod installation;
pub mod limit;
pub mod manage;
pub mod own_password;
pub mod password;
pub mod practice;
pub mod read_audit;
pub mod session;
pub mod token;
pub mod user;

use crate::error::{Error, Kind, Result};
use crate::id::{AccountId, DeviceId, MunicipalityId};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The administrator's and the auditor's pages.
pub fn routes(routes: access::Routes) -> access::Routes {
    routes
        .get("/accounts", manage::page)
        .post("/accounts", manage::add)
        .post("/accounts/{account}/disable", manage::disable)
        .post("/accounts/{account}/password", manage::renew)
        .post("/devices/{municipality}/{device}/revoke", manage::revoke)
        .get("/audit", read_audit::page)
        .get("/password", own_password::form)
        .post("/password", own_password::change)
}

/// What somebody may do; the reach (which municipality, which operator) is separate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Crew,
    CrewLead,
    Coordinator,
    Visitor,
    Researcher,
    Mayor,
    Registrar,
    Finance,
    School,
    Gender,
    Partner,
    Auditor,
    Admin,
}

impl Role {
    pub const ALL: [Role; 13] = [
        Role::Crew,
        Role::CrewLead,
        Role::Coordinator,
        Role::Visitor,
        Role::Researcher,
        Role::Mayor,
        Role::Registrar,
        Role::Finance,
        Role::School,
        Role::Gender,
        Role::Partner,
        Role::Auditor,
        Role::Admin,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Role::Crew => "crew",
            Role::CrewLead => "crew_lead",
            Role::Coordinator => "coordinator",
            Role::Visitor => "visitor",
            Role::Researcher => "researcher",
            Role::Mayor => "mayor",
            Role::Registrar => "registrar",
            Role::Finance => "finance",
            Role::School => "school",
            Role::Gender => "gender",
            Role::Partner => "partner",
            Role::Auditor => "auditor",
            Role::Admin => "admin",
        }
    }

    /// Works in one municipality and must be tied to it.
    pub fn is_municipal(self) -> bool {
        !matches!(self, Role::Researcher | Role::Registrar | Role::Partner | Role::Auditor | Role::Admin)
    }

    /// Works for one operator: a company never sees another's rounds.
    pub fn is_crew(self) -> bool {
        matches!(self, Role::Crew | Role::CrewLead)
    }

    pub fn parse(name: &str) -> Result<Role> {
        Role::ALL.into_iter().find(|role| role.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
            let known: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
            Error::refused("role", format!("«{name}» is not a role; choose one of {}", known.join(", ")))
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who asks: a signed-in person, a device or a script with a token. Handlers take it as an argument.
#[derive(Debug, Clone)]
pub struct Actor {
    pub role: Role,
    /// Login, or the token's name; what the audit chain calls them.
    pub name: String,
    pub account: Option<AccountId>,
    /// `None` reaches every municipality.
    pub municipality: Option<MunicipalityId>,
    /// Code of the operator whose rounds alone are visible.
    pub operator: Option<String>,
    pub device: Option<DeviceId>,
}

impl Actor {
    pub fn reaches(&self, municipality: MunicipalityId) -> bool {
        self.municipality.is_none_or(|own| own == municipality)
    }

    /// The municipality this actor works in; refuses an actor without one.
    pub fn home(&self) -> Result<MunicipalityId> {
        self.municipality.ok_or_else(|| Error::refused("no-municipality", "this login is not tied to one municipality; ask for it in the address"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts.extensions.get::<Actor>().cloned().ok_or_else(|| Error::new(Kind::Unauthenticated, "sign-in", "sign in first, or send a valid token"))
    }
}
