//! Passwords: argon2id, 19 MiB, two passes, kept as PHC strings. Unknown users cost the same time as wrong passwords.

use crate::error::{Error, Result};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

/// Each hash takes 19 MiB and a core: more than two at once would let sign-ins starve the crews' phones.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// A well-formed hash that no password is known for; verified when the login does not exist.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$dmVjaW5vLWRlY295IQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn hasher() -> Result<Argon2<'static>> {
    let params = Params::new(19 * 1024, 2, 1, Some(32)).map_err(|e| Error::internal(format!("argon2 parameters: {e}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Twelve characters without look-alikes, in groups: what `init` and `user add` print once.
pub fn one_time() -> String {
    const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let mut text = String::new();
    while text.len() < 14 {
        if matches!(text.len(), 4 | 9) {
            text.push('-');
        }
        let mut byte = [0u8];
        rand::fill(&mut byte);
        // 248 is the largest multiple of 31 in a byte: every letter is equally likely.
        if byte[0] < 248 {
            text.push(char::from(LETTERS[usize::from(byte[0]) % LETTERS.len()]));
        }
    }
    text
}

/// The PHC string of a password under a random salt.
pub async fn hash(password: &str) -> Result<String> {
    let mut salt = [0u8; 16];
    rand::fill(&mut salt);
    hash_with(password, salt).await
}

/// As [`hash`] with a given salt, for a practice town that must come out the same byte for byte.
pub async fn hash_with(password: &str, salt: [u8; 16]) -> Result<String> {
    let password = password.to_owned();
    apart(move || {
        let hashed: PasswordHash =
            hasher()?.hash_password_with_salt(password.as_bytes(), &salt).map_err(|e| Error::internal(format!("hash: {e}")))?;
        Ok(hashed.to_string())
    })
    .await
}

/// Whether the password belongs to the stored hash; `None` (no such login) takes as long and is never right.
pub async fn matches(password: &str, stored: Option<&str>) -> Result<bool> {
    let known = stored.is_some();
    let (password, stored) = (password.to_owned(), stored.unwrap_or(DECOY).to_owned());
    apart(move || {
        let parsed = PasswordHash::new(&stored).map_err(|e| Error::internal(format!("stored password hash: {e}")))?;
        Ok(hasher()?.verify_password(password.as_bytes(), &parsed).is_ok() && known)
    })
    .await
}

async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let _permit = AT_ONCE.acquire().await.map_err(internal)?;
    tokio::task::spawn_blocking(work).await.map_err(internal)?
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_opens_its_own_hash_only_and_the_decoy_opens_nothing() {
        let stored = hash("uno dos tres").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(matches("uno dos tres", Some(&stored)).await.unwrap());
        assert!(!matches("uno dos", Some(&stored)).await.unwrap());
        assert!(!matches("", None).await.unwrap());
        assert_eq!(one_time().len(), 14);
    }
}
