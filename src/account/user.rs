//! People who sign in: adding, disabling, and checking that a role and its reach fit together.

use super::audit::walk::Standing;
use super::{Role, audit, password, session};
use crate::clock::to_micros;
use crate::db::{Db, Tx};
use crate::error::{Error, Result};
use crate::id::{AccountId, Mint, MunicipalityId, OperatorId};
use crate::seal::Fields;
use crate::{all, opt, run};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::collections::BTreeMap;

pub struct NewAccount {
    pub login: String,
    pub password: String,
    pub role: Role,
    pub municipality: Option<MunicipalityId>,
    pub operator: Option<String>,
    pub language: String,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Account {
    pub account_id: AccountId,
    pub login: String,
    pub role: String,
    pub municipality_id: Option<MunicipalityId>,
    pub municipality: Option<String>,
    pub operator_code: Option<String>,
    pub created_at: DateTime<Utc>,
    pub disabled_at: Option<DateTime<Utc>>,
}

/// Adds an account; hashes the password first.
pub async fn add(tx: &mut Tx, now: DateTime<Utc>, mint: &mut Mint, new: NewAccount) -> Result<AccountId> {
    let hash = password::hash(&new.password).await?;
    add_hashed(tx, now, mint, new, hash).await
}

/// As [`add`] with the hash already made.
pub async fn add_hashed(tx: &mut Tx, now: DateTime<Utc>, mint: &mut Mint, new: NewAccount, hash: String) -> Result<AccountId> {
    let login = login(&new.login)?;
    let there: Option<(AccountId,)> = opt!(tx, "SELECT account_id FROM account WHERE login = $1", &login)?;
    if there.is_some() {
        return Err(Error::conflict("login-taken", format!("the login «{login}» is taken; choose another")).with("login", login));
    }
    let account: AccountId = mint.id(now);
    run!(
        tx,
        "INSERT INTO account (account_id, login, password_hash, role, municipality_id, operator_code, language, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        account,
        login,
        hash,
        new.role.name(),
        new.municipality,
        new.operator,
        new.language,
        to_micros(now)
    )?;
    Ok(account)
}

#[derive(sqlx::FromRow)]
struct Door {
    account_id: AccountId,
    login: String,
    password_hash: String,
    role: String,
    municipality_id: Option<MunicipalityId>,
    operator_code: Option<String>,
    created_at: DateTime<Utc>,
    disabled_at: Option<DateTime<Utc>>,
}

/// What decides who enters and how far, as audit entries tell it: `account/LOGIN`. Language and theme are everybody's own.
async fn doors(tx: &mut Tx, only: Option<AccountId>) -> Result<BTreeMap<String, Standing>> {
    let rows: Vec<Door> = all!(
        tx,
        "SELECT account_id, login, password_hash, role, municipality_id, operator_code, created_at, disabled_at FROM account
          WHERE CAST($1 AS UUID) IS NULL OR account_id = $1",
        only
    )?;
    let mut doors = BTreeMap::new();
    for row in rows {
        let fields = Fields::of("account")
            .id(Some(row.account_id.0))
            .text(Some(&row.login))
            .text(Some(&row.password_hash))
            .text(Some(&row.role))
            .number(row.municipality_id.map(|id| i64::from(id.0)))
            .text(row.operator_code.as_deref())
            .at(Some(row.created_at))
            .at(row.disabled_at);
        let place = format!("account {}", row.login);
        doors.insert(format!("account/{}", row.account_id), Standing { place, state: audit::state(tx, &fields)? });
    }
    Ok(doors)
}

/// The detail of an entry about this account, which also says how the account stands now.
pub async fn leaving(tx: &mut Tx, account: AccountId, detail: Value) -> Result<Value> {
    let doors = doors(tx, Some(account)).await?;
    Ok(audit::leaving(detail, doors.into_iter().map(|(row, standing)| (row, standing.state))))
}

/// One line for each account that is not as its last audit entry left it.
pub async fn verify(tx: &mut Tx, walked: &audit::walk::Walked) -> Result<Vec<String>> {
    Ok(walked.differing("account", &doors(tx, None).await?))
}

/// Logins are lower-case and short, so that they can be said over the telephone.
pub fn login(text: &str) -> Result<String> {
    let login = text.trim().to_lowercase();
    let fits = (2..=60).contains(&login.len()) && login.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-@".contains(&b));
    match fits {
        true => Ok(login),
        false => Err(Error::refused("login", format!("«{text}» cannot be a login; use 2 to 60 small letters, digits, dots or dashes"))),
    }
}

/// What the sign-in checks a password against.
pub async fn for_sign_in(db: &Db, login: &str) -> Result<Option<(AccountId, String, Role, Option<MunicipalityId>)>> {
    let mut tx = db.read().await?;
    let row: Option<(AccountId, String, String, Option<MunicipalityId>)> = opt!(
        tx,
        "SELECT account_id, password_hash, role, municipality_id FROM account WHERE login = $1 AND disabled_at IS NULL",
        login.trim().to_lowercase()
    )?;
    Ok(row.and_then(|(account, hash, role, municipality)| Some((account, hash, Role::parse(&role).ok()?, municipality))))
}

/// Every account within reach, by role and login.
pub async fn list(tx: &mut Tx, reach: Option<MunicipalityId>) -> Result<Vec<Account>> {
    all!(
        tx,
        "SELECT a.account_id, a.login, a.role, a.municipality_id, m.name AS municipality, a.operator_code, a.created_at, a.disabled_at
         FROM account a LEFT JOIN municipality m ON m.municipality_id = a.municipality_id
         WHERE CAST($1 AS SMALLINT) IS NULL OR a.municipality_id = $1 ORDER BY a.role, a.login",
        reach
    )
}

pub async fn find(tx: &mut Tx, account: AccountId) -> Result<Account> {
    opt!(
        tx,
        "SELECT a.account_id, a.login, a.role, a.municipality_id, m.name AS municipality, a.operator_code, a.created_at, a.disabled_at
         FROM account a LEFT JOIN municipality m ON m.municipality_id = a.municipality_id WHERE a.account_id = $1",
        account
    )?
    .ok_or_else(|| Error::not_found("account-unknown", format!("there is no account {account}")))
}

/// Shuts an account out at once; its history stays.
pub async fn disable(tx: &mut Tx, now: DateTime<Utc>, account: AccountId) -> Result<()> {
    run!(tx, "UPDATE account SET disabled_at = $2 WHERE account_id = $1 AND disabled_at IS NULL", account, to_micros(now))?;
    session::close_all(tx, account).await
}

/// Sets a new password and ends every session of the account.
pub async fn set_password(tx: &mut Tx, account: AccountId, hash: &str) -> Result<()> {
    run!(tx, "UPDATE account SET password_hash = $2 WHERE account_id = $1", account, hash)?;
    session::close_all(tx, account).await
}

/// A municipality and an operator that fit the role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    pub municipality: Option<MunicipalityId>,
    pub operator: Option<(OperatorId, String)>,
}

/// Checks what somebody typed as a role's reach: municipal roles need a municipality; crews need its operator, and get the
/// only one where there is only one. (The tables are territory's; only existence is asked here.)
pub async fn reach(tx: &mut Tx, role: Role, municipality: Option<&str>, operator: Option<&str>) -> Result<Reach> {
    let municipality = match municipality {
        None if role.is_municipal() => {
            return Err(Error::refused("municipality-missing", format!("role {role} works in one municipality; name it with --municipality CODE")));
        }
        None => None,
        Some(code) => {
            let id = MunicipalityId::parse(code)?;
            let there: Option<(String,)> = opt!(tx, "SELECT code FROM municipality WHERE municipality_id = $1", id)?;
            if there.is_none() {
                return Err(Error::refused("municipality-unknown", format!("there is no municipality {code}; use one of the 340 codes of INE"))
                    .with("code", code));
            }
            Some(id)
        }
    };
    let Some(id) = municipality else {
        return match operator {
            Some(code) => {
                Err(Error::refused("operator-without-municipality", format!("operator «{code}» needs its municipality; add --municipality CODE")))
            }
            None => Ok(Reach { municipality: None, operator: None }),
        };
    };
    let known: Vec<(OperatorId, String)> = all!(tx, "SELECT operator_id, code FROM operator WHERE municipality_id = $1 ORDER BY code", id)?;
    let codes = known.iter().map(|(_, code)| code.as_str()).collect::<Vec<_>>().join(", ");
    let operator = match operator {
        Some(code) => match known.iter().find(|(_, known)| known.eq_ignore_ascii_case(code)) {
            Some(found) => Some(found.clone()),
            None if known.is_empty() => {
                return Err(Error::refused("operator-unknown", format!("{id} has no operators yet; import its routes first")).with("code", code));
            }
            None => {
                return Err(Error::refused("operator-unknown", format!("{id} has no operator «{code}»; choose one of {codes}")).with("code", code));
            }
        },
        None if role.is_crew() => match known.as_slice() {
            [only] => Some(only.clone()),
            [] => return Err(Error::refused("operator-missing", format!("{id} has no operators yet; import its routes before adding crews"))),
            _ => return Err(Error::refused("operator-missing", format!("role {role} belongs to one operator; name it with --operator: {codes}"))),
        },
        None => None,
    };
    Ok(Reach { municipality, operator })
}
