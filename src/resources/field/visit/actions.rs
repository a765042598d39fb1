//! What can be done with visits besides the operations that every resource has.

use jiff::SignedDuration;
use poem_openapi::{Object, OpenApi, param::Path, types::ToJSON};
use serde_json::{Map, Value as Json};

use super::{FollowUpType, Visit, VisitOutcome, VisitStatus, computed::WITHIN_RADIUS, convert};
use crate::{
    auth::gate::Caller,
    db::Writer,
    engine::{Options, UPDATE, body::Input, reply::Reply, verbs},
    error::{Error, Result},
    kit::{Date, DateTime},
    resources::field::check_position,
};

/// So long after the check-in a visit is over, even if nobody checked out.
const LONGEST: SignedDuration = SignedDuration::from_hours(12);

/// Where the rep is when a visit begins.
#[derive(Object)]
pub struct CheckIn {
    /// Latitude in degrees north.
    #[oai(validator(minimum(value = "-90"), maximum(value = "90")))]
    pub lat: Option<f64>,
    /// Longitude in degrees east.
    #[oai(validator(minimum(value = "-180"), maximum(value = "180")))]
    pub lon: Option<f64>,
    /// How exact the position is, in metres.
    #[oai(validator(minimum(value = "0")))]
    pub accuracy_m: Option<f64>,
    /// When the device found the position, by its own clock.
    pub captured_at: Option<DateTime>,
}

/// What came of a visit that ends, and where the rep is.
#[derive(Object)]
pub struct CheckOut {
    /// What came of it.
    pub visit_outcome: VisitOutcome,
    /// Latitude in degrees north.
    #[oai(validator(minimum(value = "-90"), maximum(value = "90")))]
    pub lat: Option<f64>,
    /// Longitude in degrees east.
    #[oai(validator(minimum(value = "-180"), maximum(value = "180")))]
    pub lon: Option<f64>,
    /// What was said.
    #[oai(validator(max_length = 5000))]
    pub feedback_notes: Option<String>,
    /// What was agreed to happen next.
    #[oai(validator(max_length = 5000))]
    pub next_step_agreed: Option<String>,
    /// How to get in touch next.
    pub follow_up_type: Option<FollowUpType>,
    /// On which day to get in touch next.
    pub follow_up_date: Option<Date>,
    /// Is it to become a lead?
    pub add_as_lead: Option<bool>,
}

/// The lead of a visit.
#[derive(Object)]
pub struct Converted {
    /// Its id.
    pub lead_id: i64,
    /// The visit and the lead are linked.
    pub linked: bool,
}

pub struct VisitVerbs;

#[OpenApi]
impl VisitVerbs {
    /// Check in at a visit
    ///
    /// For its rep. A position far away or long known is marked as such, and refused only where the business enforces the radius.
    #[oai(path = "/field/visits/:id/check-in", method = "post")]
    async fn check_in(&self, caller: Caller, id: Path<String>, body: Input<CheckIn>) -> poem::Result<Reply<Visit>> {
        Ok(verbs::act_on::<Visit>(&caller, move |tx| check_in(tx, &id.0, &body)).await?)
    }

    /// Check out of a visit
    ///
    /// For its rep. Completes the visit, and makes a lead from it if that was asked for.
    #[oai(path = "/field/visits/:id/check-out", method = "post")]
    async fn check_out(&self, caller: Caller, id: Path<String>, body: Input<CheckOut>) -> poem::Result<Reply<Visit>> {
        Ok(verbs::act_on::<Visit>(&caller, move |tx| check_out(tx, &id.0, &body)).await?)
    }

    /// Cancel a visit
    ///
    /// As long as it is not completed.
    #[oai(path = "/field/visits/:id/cancel", method = "post")]
    async fn cancel(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<Visit>> {
        let cancel = move |tx: &mut Writer<'_>| {
            let (id, visit) = found(tx, &id.0)?;
            if !matches!(visit.status, VisitStatus::Planned | VisitStatus::CheckedIn) {
                return Err(Error::conflict("invalid_transition", "The visit is completed or cancelled already."));
            }
            tx.act("cancel");
            change(tx, id, [("status", "cancelled".into())])
        };
        Ok(verbs::act_on::<Visit>(&caller, cancel).await?)
    }

    /// Make a lead from a visit
    ///
    /// Answers the lead of the visit, which is made if there is none yet.
    #[oai(path = "/field/visits/:id/convert_to_lead", method = "post")]
    async fn convert_to_lead(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<Converted>> {
        let convert = move |tx: &mut Writer<'_>| {
            let (id, visit) = found(tx, &id.0)?;
            if visit.status == VisitStatus::Cancelled {
                return Err(Error::conflict("invalid_transition", "The visit was cancelled."));
            }
            tx.act("convert_to_lead");
            convert::lead_of(&visit, id, tx)
        };
        let answer = |lead_id| Reply::json(&Converted { lead_id, linked: true }.to_json().unwrap_or_default());
        Ok(verbs::act(&caller, convert, move |_, _, lead_id| Ok(answer(lead_id))).await?)
    }
}

fn check_in(tx: &mut Writer<'_>, key: &str, body: &Input<CheckIn>) -> Result<i64> {
    let (id, visit) = found(tx, key)?;
    let position = body.get()?;
    check_position(position.lat, position.lon)?;
    expect(tx, &visit, VisitStatus::Planned, "Only a planned visit can be checked in at.")?;
    close_forgotten(tx)?;
    let args = [tx.actor().business_id().into(), tx.actor().user_id.into()];
    if tx.exists("SELECT 1 FROM visits WHERE business_id = ?1 AND rep_id = ?2 AND status = 'checked_in' AND deleted_at IS NULL", &args)? {
        return Err(Error::conflict("open_check_in", "You are checked in at another visit; check out of it first."));
    }
    tx.act("check_in");
    let changes = [
        ("status", "checked_in".into()),
        ("check_in_at", tx.now().to_string().into()),
        ("check_in_lat", position.lat.into()),
        ("check_in_lon", position.lon.into()),
        ("check_in_accuracy_m", position.accuracy_m.into()),
        ("captured_at", position.captured_at.map(|at| at.to_string()).into()),
    ];
    change(tx, id, changes)?;
    // Asked of the row as it now stands; a refusal takes it back.
    let sql = format!(
        "SELECT 1 FROM visits AS t JOIN businesses AS b ON b.id = t.business_id WHERE t.id = ?1 AND b.visit_radius_enforced AND NOT {WITHIN_RADIUS}"
    );
    if tx.exists(&sql, &[id.into()])? {
        return Err(Error::conflict("out_of_radius", "You are too far from the place of the visit."));
    }
    Ok(id)
}

fn check_out(tx: &mut Writer<'_>, key: &str, body: &Input<CheckOut>) -> Result<i64> {
    let (id, visit) = found(tx, key)?;
    let result = body.get()?;
    check_position(result.lat, result.lon)?;
    expect(tx, &visit, VisitStatus::CheckedIn, "Only a visit that was checked in at can be checked out of.")?;
    tx.act("check_out");
    let Some(Json::Object(sent)) = result.to_json() else { return Err(Error::internal("an object that is none")) };
    let column = |name: String| match name.as_str() {
        "lat" => "check_out_lat".to_owned(),
        "lon" => "check_out_lon".to_owned(),
        _ => name,
    };
    // What was left out stays as it is.
    let mut changes: Map<_, _> =
        sent.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (column(name), value)).collect();
    changes.insert("status".to_owned(), "completed".into());
    // Who checks out the next day was not there all night.
    let end = visit.check_in_at.map(|at| DateTime(at.0 + LONGEST)).filter(|end| *end < tx.now());
    changes.insert("check_out_at".to_owned(), end.unwrap_or(tx.now()).to_string().into());
    changes.insert("auto_closed".to_owned(), end.is_some().into());
    verbs::change::<Visit>(tx, id, changes, Options { internal: true, ..Options::default() })?;
    Ok(id)
}

/// A visit that the caller may change.
fn found(tx: &Writer<'_>, key: &str) -> Result<(i64, Visit)> {
    let id = verbs::find::<Visit>(tx, tx.actor(), key, UPDATE)?;
    Ok((id, verbs::load::<Visit>(tx, id)?))
}

/// Only who was there can say so, and only in order.
fn expect(tx: &Writer<'_>, visit: &Visit, status: VisitStatus, otherwise: &'static str) -> Result<()> {
    if visit.rep.map(|rep| rep.0) != tx.actor().user_id {
        return Err(Error::forbidden());
    }
    if visit.status == status { Ok(()) } else { Err(Error::conflict("invalid_transition", otherwise)) }
}

/// Sets what only the server sets.
fn change<const N: usize>(tx: &mut Writer<'_>, id: i64, changes: [(&str, Json); N]) -> Result<i64> {
    let changes = changes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    verbs::change::<Visit>(tx, id, changes, Options { internal: true, ..Options::default() })?;
    Ok(id)
}

/// Closes a visit of the caller's that was not checked out of in time, so that it does not keep them from the next.
fn close_forgotten(tx: &mut Writer<'_>) -> Result<()> {
    let sql = "SELECT id, strftime('%Y-%m-%dT%H:%M:%fZ', check_in_at, '+12 hours') FROM visits \
               WHERE business_id = ?1 AND rep_id = ?2 AND status = 'checked_in' AND deleted_at IS NULL AND check_in_at < ?3";
    let since = DateTime(tx.actor().now - LONGEST).to_string();
    let args = [tx.actor().business_id().into(), tx.actor().user_id.into(), since.into()];
    let forgotten = tx.row(sql, &args, |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?)))?;
    if let Some((id, end)) = forgotten {
        tx.act("auto_close");
        tx.update("visits", id, vec![("status", "completed".into()), ("check_out_at", end.into()), ("auto_closed", true.into())])?;
    }
    Ok(())
}
