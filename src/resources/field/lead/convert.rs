//! Making a customer of a lead: a party to do business with, and the first invoice.

use poem_openapi::{Object, types::ToJSON};
use serde_json::{Map, Value as Json};

use super::{Lead, Stage};
use crate::{
    db::Writer,
    engine::{CREATE, Options, verbs},
    error::{Error, Result},
    resources::finance::{Invoice, Party},
};

/// What is made of a lead besides a party.
#[derive(Object)]
#[oai(rename = "LeadConvert")]
pub struct Convert {
    /// A draft of an invoice over the expected value; for those who may write invoices.
    pub create_invoice: Option<bool>,
}

/// What a lead has become.
#[derive(Object)]
#[oai(rename = "LeadConverted")]
pub struct Converted {
    /// The id of the lead.
    pub lead_id: i64,
    /// The id of the party.
    pub party_id: i64,
    /// Was the party made for it, now?
    pub party_created: bool,
    /// The id of the invoice that was made of it.
    pub invoice_id: Option<i64>,
}

const INTERNAL: Options = Options { strict: false, if_match: None, internal: true };

/// Wins a lead and makes a party of it, or finds the one that it has become.
///
/// # Errors
/// 403 for an invoice by somebody who may write none, 409 for a lost lead, 400 for an invoice over nothing.
pub fn convert(tx: &mut Writer<'_>, id: i64, wanted: &Convert) -> Result<Converted> {
    let wants_invoice = wanted.create_invoice == Some(true);
    if wants_invoice {
        verbs::allowed::<Invoice>(tx.actor(), CREATE)?;
    }
    let lead = verbs::load::<Lead>(tx, id)?;
    if lead.stage == Stage::Lost {
        return Err(Error::conflict("invalid_transition", "The lead was lost; reopen it first."));
    }
    let (party, party_created) = match known(tx, &lead)? {
        Some(party) => (party, false),
        None => (tx.step(|tx| verbs::insert::<Party>(tx, party_of(&lead), INTERNAL))?, true),
    };
    let mut changes = Map::new();
    if lead.stage != Stage::Won {
        changes.insert("stage".to_owned(), "won".into());
    }
    if lead.party_id != Some(party) {
        changes.insert("party_id".to_owned(), party.into());
    }
    if !changes.is_empty() {
        tx.step(|tx| {
            tx.act("convert");
            verbs::change::<Lead>(tx, id, changes, INTERNAL)
        })?;
    }
    let made = "SELECT id FROM invoices WHERE lead_id = ?1 AND deleted_at IS NULL";
    let invoice_id = match tx.one(made, &[id.into()])? {
        None if wants_invoice => Some(tx.step(|tx| verbs::insert::<Invoice>(tx, invoice_of(&lead, id, party)?, INTERNAL))?),
        known => known,
    };
    Ok(Converted { lead_id: id, party_id: party, party_created, invoice_id })
}

/// The live party that it has become, or one with its telephone number, or with its e-mail address; the oldest of several.
fn known(tx: &Writer<'_>, lead: &Lead) -> Result<Option<i64>> {
    let business = tx.actor().business_id();
    let look = |condition: &str, value: crate::db::Value| {
        let sql = format!("SELECT id FROM parties WHERE business_id = ?1 AND deleted_at IS NULL AND {condition} = ?2 ORDER BY id LIMIT 1");
        tx.one::<i64>(&sql, &[business.into(), value])
    };
    let ways = [
        ("id", lead.party_id.map(crate::db::Value::from)),
        ("phone_norm", lead.phone_norm.clone().map(Into::into)),
        ("email_norm", lead.email_norm.clone().map(Into::into)),
    ];
    for (column, value) in ways {
        if let Some(value) = value
            && let Some(party) = look(column, value)?
        {
            return Ok(Some(party));
        }
    }
    Ok(None)
}

fn party_of(lead: &Lead) -> Map<String, Json> {
    let mut party = Map::from_iter([
        ("name".to_owned(), lead.business_name.as_str().into()),
        ("type".to_owned(), "client".into()),
        ("email".to_owned(), lead.contact_email.to_json().unwrap_or_default()),
        ("phone".to_owned(), lead.contact_phone.as_str().into()),
        ("currency".to_owned(), lead.currency.to_json().unwrap_or_default()),
    ]);
    if !lead.location.is_empty() {
        party.insert("address".to_owned(), serde_json::json!({"line1": lead.location}));
    }
    if !lead.contact_name.is_empty() {
        party.insert("notes".to_owned(), format!("Contact: {}", lead.contact_name).into());
    }
    party
}

fn invoice_of(lead: &Lead, id: i64, party: i64) -> Result<Map<String, Json>> {
    let value = lead.expected_value.filter(|value| value.minor > 0);
    let value = value.ok_or_else(|| Error::field("create_invoice", "The lead has no expected value to make an invoice over."))?;
    let products = lead.products_discussed.join(", ");
    let name = if products.is_empty() { lead.business_name.clone() } else { products };
    let item = serde_json::json!({"name": name.chars().take(255).collect::<String>(), "unit_cost": value.to_string()});
    Ok(Map::from_iter([
        ("party".to_owned(), party.into()),
        ("currency".to_owned(), lead.currency.to_json().unwrap_or_default()),
        ("items".to_owned(), Json::Array(vec![item])),
        ("lead_id".to_owned(), id.into()),
    ]))
}
