//! Consents against their last entries, and a sample of what is sealed: names, numbers and addresses must open with the key at hand.

use super::{consent, contact, person};
use crate::account::audit::REMEDY;
use crate::account::audit::findings::Findings;
use crate::account::audit::walk::Walked;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{ContactId, MunicipalityId, PersonId};
use crate::seal::Keys;
use crate::{all, one};

/// About so many rows of a municipality's table are opened, spread over it.
const SAMPLE: i64 = 500;

/// One line for each consent or sealed text that does not hold.
pub async fn verify(tx: &mut Tx, keys: &Keys, walked: &Walked) -> Result<Vec<String>> {
    let mut lines = consent::verify(tx, walked).await?;
    lines.extend(sealed(tx, keys).await?);
    Ok(lines)
}

/// Every how many rows one is opened.
fn stride(rows: i64) -> i64 {
    (rows / SAMPLE).max(1)
}

async fn sealed(tx: &mut Tx, keys: &Keys) -> Result<Vec<String>> {
    let mut found = Findings::default();
    let places: Vec<(MunicipalityId,)> = all!(tx, "SELECT municipality_id FROM municipality ORDER BY municipality_id")?;
    for (municipality,) in places {
        people(tx, keys, municipality, &mut found).await?;
        addresses(tx, keys, municipality, &mut found).await?;
    }
    Ok(found.lines())
}

async fn people(tx: &mut Tx, keys: &Keys, municipality: MunicipalityId, found: &mut Findings) -> Result<()> {
    let (people,): (i64,) = one!(tx, "SELECT COUNT(*) FROM person WHERE municipality_id = $1", municipality)?;
    type Row = (PersonId, String, String, Option<String>);
    let rows: Vec<Row> = all!(
        tx,
        "SELECT person_id, given_names_sealed, surnames_sealed, cui_sealed
           FROM (SELECT p.person_id, p.given_names_sealed, p.surnames_sealed, p.cui_sealed, ROW_NUMBER() OVER (ORDER BY p.person_id) AS n
                   FROM person p WHERE p.municipality_id = $1) t
          WHERE n % $2 = 0",
        municipality,
        stride(people)
    )?;
    for (person, given, surnames, cui) in rows {
        let columns = [(person::GIVEN, Some(given)), (person::SURNAMES, Some(surnames)), (person::CUI, cui)];
        for (column, text) in columns.into_iter().filter_map(|(column, text)| Some((column, text?))) {
            if keys.open(column, &text).is_err() {
                found.add("sealed text", || format!("person {municipality}/{person}: {column} does not open with this installation's key; {REMEDY}"));
            }
        }
    }
    Ok(())
}

async fn addresses(tx: &mut Tx, keys: &Keys, municipality: MunicipalityId, found: &mut Findings) -> Result<()> {
    let (contacts,): (i64,) = one!(tx, "SELECT COUNT(*) FROM contact WHERE municipality_id = $1 AND address_sealed IS NOT NULL", municipality)?;
    let rows: Vec<(ContactId, String)> = all!(
        tx,
        "SELECT contact_id, address_sealed
           FROM (SELECT c.contact_id, c.address_sealed, ROW_NUMBER() OVER (ORDER BY c.contact_id) AS n
                   FROM contact c WHERE c.municipality_id = $1 AND c.address_sealed IS NOT NULL) t
          WHERE n % $2 = 0",
        municipality,
        stride(contacts)
    )?;
    for (id, address) in rows {
        if keys.open(contact::ADDRESS, &address).is_err() {
            found.add("sealed text", || {
                format!("contact {municipality}/{id}: {} does not open with this installation's key; {REMEDY}", contact::ADDRESS)
            });
        }
    }
    Ok(())
}
