//! Keys outside the database: sealing of names, phones and CUI, keyed look-up hashes, a pseudonym per module, and the keys of the record.

use crate::error::{Error, Result};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use chrono::{DateTime, NaiveDate, Utc};
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::path::Path;

/// The installation's secret: one root key, from which every other key is derived by HMAC-SHA-256 with its purpose.
#[derive(Clone)]
pub struct Keys {
    root: [u8; 32],
    /// Derived once: sealing is done for thousands of rows in one load.
    seal: [u8; 32],
    nonce: [u8; 32],
    /// Names the root key in sealed text, so that a rotation can tell old from new.
    id: String,
}

/// The key of one column's look-up hashes, derived once for many values.
pub struct Lookup([u8; 32]);

impl Lookup {
    pub fn of(&self, text: &str) -> String {
        hex::encode(mac(&self.0, text.as_bytes()))
    }
}

/// The first 64 bits of a keyed hash: enough to find by and to tell the rows of one file apart, at a fraction of the index and the memory.
pub fn short(hash: &str) -> i64 {
    u64::from_str_radix(hash.get(..16).unwrap_or_default(), 16).unwrap_or_default() as i64
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.id)
    }
}

impl Keys {
    pub fn from_root(root: [u8; 32]) -> Keys {
        let id = hex::encode(&mac(&root, b"key id")[..4]);
        Keys { root, seal: mac(&root, b"seal"), nonce: mac(&root, b"nonce"), id }
    }

    /// Reads `VECINO_KEY` (64 hexadecimal digits) or `DATA_DIR/key`, a file only its owner may read.
    pub fn load(data_dir: &Path) -> Result<Keys> {
        let bad = |place: &str| Error::refused("key", format!("{place}: the key must be 64 hexadecimal digits"));
        if let Ok(text) = std::env::var("VECINO_KEY") {
            return decode(&text).map(Keys::from_root).ok_or_else(|| bad("VECINO_KEY"));
        }
        let file = data_dir.join("key");
        let place = file.display().to_string();
        let text = std::fs::read_to_string(&file).map_err(|e| {
            Error::refused(
                "key-missing",
                format!("{place}: the key file cannot be read; restore it from your safe copy or set VECINO_KEY, or, where nothing stands yet, run `vecino init`"),
            )
            .because(e)
        })?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&file).map(|m| m.permissions().mode() & 0o777).unwrap_or(0);
            if mode & 0o077 != 0 {
                return Err(Error::refused("key-open", format!("{place}: others may read the key (mode {mode:o}); run chmod 600 {place}")));
            }
        }
        decode(&text).map(Keys::from_root).ok_or_else(|| bad(&place))
    }

    /// Writes a key file with mode 0600; refuses to overwrite one.
    pub fn create(data_dir: &Path, root: [u8; 32]) -> Result<Keys> {
        use std::io::Write;
        let file = data_dir.join("key");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options
            .open(&file)
            .and_then(|mut out| {
                out.write_all(hex::encode(root).as_bytes())?;
                out.sync_all()
            })
            .map_err(|e| {
                Error::refused(
                    "key-write",
                    format!("{}: the key file cannot be written; check the folder and whether a key exists already", file.display()),
                )
                .because(e)
            })?;
        Ok(Keys::from_root(root))
    }

    /// Seals a text for one column of one row (`place`, such as "person.given_names"); the place is bound into the seal.
    pub fn seal(&self, place: &str, text: &str) -> Result<String> {
        let mut nonce = [0u8; 24];
        rand::fill(&mut nonce);
        self.seal_with(place, text, nonce)
    }

    /// As [`Keys::seal`] with the nonce derived from `row` (a unique id) and the text, so that a seeded demo is the same byte for byte.
    pub fn seal_for(&self, place: &str, row: &[u8], text: &str) -> Result<String> {
        let digest = mac(&self.nonce, &[place.as_bytes(), row, text.as_bytes()].concat());
        let mut nonce = [0u8; 24];
        nonce.copy_from_slice(&digest[..24]);
        self.seal_with(place, text, nonce)
    }

    fn seal_with(&self, place: &str, text: &str, nonce: [u8; 24]) -> Result<String> {
        let cipher = XChaCha20Poly1305::new(&self.seal.into());
        let sealed =
            cipher.encrypt(&XNonce::from(nonce), Payload { msg: text.as_bytes(), aad: place.as_bytes() }).map_err(|_| Error::internal("seal"))?;
        Ok(format!("{}:{}{}", self.id, hex::encode(nonce), hex::encode(sealed)))
    }

    /// Opens what [`Keys::seal`] made for the same place.
    pub fn open(&self, place: &str, sealed: &str) -> Result<String> {
        let wrong = |why: &str| Error::internal(format!("{place}: {why}"));
        let (id, rest) = sealed.split_once(':').ok_or_else(|| wrong("not a sealed text"))?;
        if id != self.id {
            return Err(wrong("sealed with another key"));
        }
        let bytes = hex::decode(rest).map_err(|_| wrong("not hexadecimal"))?;
        let (nonce, body) = bytes.split_at_checked(24).ok_or_else(|| wrong("too short"))?;
        let nonce: [u8; 24] = nonce.try_into().map_err(|_| wrong("too short"))?;
        let cipher = XChaCha20Poly1305::new(&self.seal.into());
        let text = cipher.decrypt(&XNonce::from(nonce), Payload { msg: body, aad: place.as_bytes() }).map_err(|_| wrong("does not open"))?;
        String::from_utf8(text).map_err(|_| wrong("not UTF-8"))
    }

    /// A keyed hash by which a sealed value is found again; `place` keeps columns apart.
    pub fn lookup(&self, place: &str, text: &str) -> String {
        self.lookup_in(place).of(text)
    }

    /// As [`Keys::lookup`], for many values of one column.
    pub fn lookup_in(&self, place: &str) -> Lookup {
        Lookup(self.derive(&format!("lookup {place}")))
    }

    /// What a module sees instead of a person's or home's identity; modules cannot join on it.
    pub fn pseudonym(&self, module: &str, id: uuid::Uuid) -> String {
        hex::encode(&mac(&self.derive(&format!("pseudonym {module}")), id.as_bytes())[..12])
    }

    /// What a database keeps to know its own key again, and the step of the sealing it stands at; nothing follows from it about the key.
    pub fn check_value(&self, step: usize) -> String {
        match step {
            0 => hex::encode(mac(&self.root, b"installation check value")),
            step => hex::encode(mac(&self.root, format!("installation check value, sealed {step}").as_bytes())),
        }
    }

    /// The keys of the record, for a database that is opened to be written.
    pub fn record(&self) -> RecordKeys {
        let keyed = |purpose: &str| keyed(&self.derive(purpose));
        RecordKeys { chain: keyed("audit chain"), row: keyed("row"), heads: keyed("heads outside the database") }
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        mac(&self.root, purpose.as_bytes())
    }
}

/// Keys of the record: audit chains, rows, and heads kept outside. Every transaction carries them, so that whoever writes a row seals it;
/// whoever reaches the database alone cannot make a seal that holds. Keyed once: thousands of rows are sealed in one load.
#[derive(Clone)]
pub struct RecordKeys {
    chain: Hmac<Sha256>,
    row: Hmac<Sha256>,
    heads: Hmac<Sha256>,
}

impl RecordKeys {
    /// HMAC-SHA-256 of an audit entry, in hexadecimal.
    pub fn chain(&self, text: &str) -> String {
        hex::encode(finish(&self.chain, text.as_bytes()))
    }

    /// HMAC-SHA-256 of a line of heads, in hexadecimal.
    pub fn heads(&self, text: &str) -> String {
        hex::encode(finish(&self.heads, text.as_bytes()))
    }

    /// The first half of the HMAC-SHA-256 of a row's fields.
    pub fn row(&self, fields: &Fields) -> Vec<u8> {
        finish(&self.row, &fields.0)[..16].to_vec()
    }
}

impl std::fmt::Debug for RecordKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordKeys")
    }
}

/// The fields of one row as bytes to be sealed: each with its length, so that none runs into the next, and nothing apart from empty.
pub struct Fields(Vec<u8>);

impl Fields {
    pub fn of(table: &str) -> Fields {
        let fields = Fields(Vec::with_capacity(320));
        fields.text(Some(table))
    }

    pub fn bytes(mut self, value: Option<&[u8]>) -> Fields {
        match value {
            None => self.0.push(0),
            Some(bytes) => {
                self.0.push(1);
                self.0.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                self.0.extend_from_slice(bytes);
            }
        }
        self
    }

    pub fn text(self, value: Option<&str>) -> Fields {
        self.bytes(value.map(str::as_bytes))
    }

    pub fn id(self, value: Option<uuid::Uuid>) -> Fields {
        self.bytes(value.as_ref().map(|id| id.as_bytes().as_slice()))
    }

    pub fn number(self, value: Option<i64>) -> Fields {
        self.bytes(value.map(i64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice))
    }

    /// SQLite keeps no negative zero.
    pub fn real(self, value: Option<f64>) -> Fields {
        self.bytes(value.map(|value| (value + 0.0).to_bits().to_le_bytes()).as_ref().map(<[u8; 8]>::as_slice))
    }

    /// To the microsecond, as both engines keep it.
    pub fn at(self, value: Option<DateTime<Utc>>) -> Fields {
        self.number(value.map(|at| at.timestamp_micros()))
    }

    pub fn day(self, value: Option<NaiveDate>) -> Fields {
        self.number(value.map(|day| i64::from(chrono::Datelike::num_days_from_ce(&day))))
    }

    pub fn json(self, value: Option<&Value>) -> Fields {
        self.text(value.map(canonical).as_deref())
    }

    /// SHA-256 of the fields, without a key.
    pub fn digest(&self) -> [u8; 32] {
        <Sha256 as sha2::Digest>::digest(&self.0).into()
    }
}

/// One text for one JSON value, whichever engine kept it: sorted keys (serde_json keeps them so), and numbers as PostgreSQL gives them
/// back, who writes 1e2 as 100 and knows no negative zero.
pub fn canonical(value: &Value) -> String {
    fn plain(value: &Value) -> Value {
        match value {
            Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
                Some(real) if real.fract() == 0.0 && (-9.2e18..9.2e18).contains(&real) => Value::from(real as i64),
                Some(real) if real.fract() == 0.0 && (0.0..1.8e19).contains(&real) => Value::from(real as u64),
                _ => value.clone(),
            },
            Value::Array(list) => list.iter().map(plain).collect(),
            Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), plain(value))).collect()),
            other => other.clone(),
        }
    }
    plain(value).to_string()
}

fn decode(text: &str) -> Option<[u8; 32]> {
    hex::decode(text.trim()).ok()?.try_into().ok()
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC pads a short key with zeros to its block of 64 bytes.
    let mut block = [0u8; 64];
    block[..32].copy_from_slice(key);
    <Hmac<Sha256> as hmac::KeyInit>::new(&block.into())
}

fn finish(keyed: &Hmac<Sha256>, message: &[u8]) -> [u8; 32] {
    let mut mac = keyed.clone();
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn mac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    finish(&keyed(key), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_opens_only_in_its_place_and_with_its_key() {
        let keys = Keys::from_root([7; 32]);
        let sealed = keys.seal("person.given_names", "María Ak'abal").unwrap();
        assert!(!sealed.contains("Mar"));
        assert_eq!(keys.open("person.given_names", &sealed).unwrap(), "María Ak'abal");
        assert!(keys.open("person.surnames", &sealed).is_err());
        assert!(Keys::from_root([8; 32]).open("person.given_names", &sealed).is_err());
        assert_ne!(keys.lookup("cui", "1"), keys.lookup("phone", "1"));
    }

    #[test]
    fn no_two_rows_and_no_two_keys_give_one_seal() {
        let keys = Keys::from_root([7; 32]).record();
        let row = |a: Option<&str>, b: Option<&str>| keys.row(&Fields::of("t").text(a).text(b));
        assert_ne!(row(Some("ab"), Some("c")), row(Some("a"), Some("bc")));
        assert_ne!(row(Some(""), None), row(None, Some("")));
        assert_ne!(row(None, None), Keys::from_root([8; 32]).record().row(&Fields::of("t").text(None).text(None)));
        assert_ne!(keys.chain("1"), keys.heads("1"));
    }

    #[test]
    fn a_json_value_has_one_text_on_both_engines() {
        let read = |text: &str| canonical(&serde_json::from_str(text).unwrap());
        assert_eq!(read(r#"{"b":1e2,"a":-0.0,"c":[1.50,1e17]}"#), read(r#"{"a":0,"c":[1.5,100000000000000000],"b":100}"#));
        assert_ne!(read("1.5"), read("2"));
        assert_eq!(read("18446744073709551615"), "18446744073709551615");
    }
}
