//! Making a lead from a visit.

use poem_openapi::types::ToJSON;
use serde_json::Map;

use super::Visit;
use crate::{
    db::Writer,
    engine::{Options, verbs},
    error::Result,
    kit::Ref,
    resources::field::Lead,
};

/// What a lead takes from the visit it is made from: the visit's field, the lead's.
const CARRIED: [(&str, &str); 13] = [
    ("business_name", "business_name"),
    ("contact_name", "contact_name"),
    ("contact_phone", "contact_phone"),
    ("contact_email", "contact_email"),
    ("products_discussed", "products_discussed"),
    ("zone", "zone"),
    ("rep", "assigned_rep"),
    ("location", "location"),
    ("feedback_notes", "notes"),
    ("follow_up_type", "follow_up_type"),
    ("follow_up_date", "follow_up_date"),
    ("check_in_lat", "lat"),
    ("check_in_lon", "lon"),
];

/// The lead of a visit: the one visited, or the one made from it, which is made now if there is none yet.
pub fn lead_of(visit: &Visit, id: i64, tx: &mut Writer<'_>) -> Result<i64> {
    for lead in [visit.linked_lead, visit.lead].into_iter().flatten() {
        if is_live(tx, lead)? {
            return Ok(lead.0);
        }
    }
    let record = visit.to_json().unwrap_or_default();
    let mut lead: Map<_, _> = CARRIED.iter().map(|(from, to)| ((*to).to_owned(), record[*from].clone())).collect();
    lead.insert("source".to_owned(), "field".into());
    lead.insert("last_activity_at".to_owned(), visit.time(tx.now()).min(tx.now()).to_string().into());
    let lead = verbs::insert::<Lead>(tx, lead, Options { internal: true, ..Options::default() })?;
    tx.update("visits", id, vec![("linked_lead_id", lead.into())])?;
    Ok(lead)
}

fn is_live(tx: &Writer<'_>, lead: Ref<Lead>) -> Result<bool> {
    tx.exists("SELECT 1 FROM leads WHERE id = ?1 AND deleted_at IS NULL", &[lead.0.into()])
}
