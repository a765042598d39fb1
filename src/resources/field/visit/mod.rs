//! Visits: planned, made, and written down afterwards.

mod actions;
mod choices;
mod computed;
mod convert;

use poem_openapi::Object;

pub use actions::VisitVerbs;
pub use choices::{VisitOutcome, VisitStatus};

use super::{
    Zone,
    lead::{FollowUpType, Lead, expect_reachable, name_of, note_activity},
};
use crate::{
    actor::{Capability::Field, Role},
    db::Writer,
    engine::{About, Access, Action, CREATE, Change, Expand, Figure, LR, LRCU, LRCUD, Resource, UPDATE, Work, all, own},
    error::{Error, Result},
    kit::{Date, DateTime, Email, Ref},
    resources::accounts::{SUMMARY, User},
};

/// A call on a customer or on somebody who may become one.
#[derive(Object)]
pub struct Visit {
    /// Who makes it; the caller when left out.
    pub rep: Option<Ref<User>>,
    /// The zone it is in.
    pub zone: Option<Ref<Zone>>,
    /// The lead that is visited, if there is one already.
    pub lead: Option<Ref<Lead>>,
    /// The lead that was made from this visit.
    pub linked_lead: Option<Ref<Lead>>,
    /// Where it is, in words.
    #[oai(default, validator(max_length = 255))]
    pub location: String,
    /// The planned or actual moment; now when left out.
    pub date_time: Option<DateTime>,
    /// Whom is visited; the lead's name when left out.
    #[oai(default, validator(max_length = 255))]
    pub business_name: String,
    /// Whom to ask for.
    #[oai(default, validator(max_length = 100))]
    pub contact_name: String,
    /// Telephone number.
    #[oai(default, validator(max_length = 20))]
    pub contact_phone: String,
    /// E-mail address.
    #[oai(validator(max_length = 254))]
    pub contact_email: Option<Email>,
    /// What they were told about.
    #[oai(default)]
    pub products_discussed: Vec<String>,
    /// What came of it; required to complete the visit.
    pub visit_outcome: Option<VisitOutcome>,
    /// What was said.
    #[oai(default, validator(max_length = 5000))]
    pub feedback_notes: String,
    /// What was agreed to happen next.
    #[oai(default, validator(max_length = 5000))]
    pub next_step_agreed: String,
    /// How to get in touch next.
    pub follow_up_type: Option<FollowUpType>,
    /// On which day to get in touch next.
    pub follow_up_date: Option<Date>,
    /// Was the customer asked for consent?
    #[oai(default)]
    pub prompt_given: bool,
    /// May the customer be contacted?
    #[oai(default = "yes")]
    pub customer_agreed_contact: bool,
    /// Is it to become a lead when it is completed?
    #[oai(default)]
    pub add_as_lead: bool,
    /// Did the customer confirm the visit with a code?
    #[oai(default)]
    pub code_verified: bool,
    /// How it stands.
    #[oai(default)]
    pub status: VisitStatus,
    /// When the rep arrived.
    pub check_in_at: Option<DateTime>,
    /// When the rep left.
    pub check_out_at: Option<DateTime>,
    /// Latitude of the arrival, in degrees north.
    pub check_in_lat: Option<f64>,
    /// Longitude of the arrival, in degrees east.
    pub check_in_lon: Option<f64>,
    /// How exact that position is, in metres.
    pub check_in_accuracy_m: Option<f64>,
    /// Latitude of the departure, in degrees north.
    pub check_out_lat: Option<f64>,
    /// Longitude of the departure, in degrees east.
    pub check_out_lon: Option<f64>,
    /// When the device found the position of the arrival, by its own clock.
    pub captured_at: Option<DateTime>,
    /// Did nobody check out, so that it was closed 12 hours after the check-in?
    #[oai(default)]
    pub auto_closed: bool,
    /// An id of the client's own, so that what is sent twice is stored once.
    #[oai(validator(max_length = 36))]
    pub client_ref: Option<String>,
}

fn yes() -> bool {
    true
}

impl Resource for Visit {
    const ABOUT: About = About {
        path: "field/visits",
        table: "visits",
        label: "t.business_name || ' ' || substr(t.date_time, 1, 10)",
        list: &["date_time", "business_name", "contact_name", "rep", "zone", "status", "visit_outcome"],
        search: &["business_name", "contact_name", "contact_phone", "location"],
        filter: &["rep", "zone", "lead", "status", "visit_outcome", "date_time", "within_radius"],
        order: &["-date_time", "created_at"],
        // Check-in data are set by checking in and out, and never changed.
        server_set: &[
            "linked_lead",
            "status",
            "check_in_at",
            "check_out_at",
            "check_in_lat",
            "check_in_lon",
            "check_in_accuracy_m",
            "check_out_lat",
            "check_out_lon",
            "captured_at",
            "auto_closed",
        ],
        computed: computed::ALL,
        expand: &[("rep", SUMMARY), ("zone", Expand::Label), ("linked_lead", LINKED_LEAD)],
        access: Access::deny()
            .admin(all(LRCUD))
            .manager(all(LRCUD))
            .staff(own(LRCU))
            .staff_with(Field, all(LR).and_own(CREATE.and(UPDATE)))
            .agent(own(LRCUD)),
        own: "t.rep_id = :me",
        comments: true,
        files: true,
        // One that was begun is the work of whoever is there.
        actions: &[
            Action::new("check-in", "t.status = 'planned' AND t.rep_id = :me"),
            Action::new("check-out", "t.status = 'checked_in' AND t.rep_id = :me"),
            Action::new("convert_to_lead", "t.status <> 'cancelled' AND t.linked_lead_id IS NULL"),
            Action::new("cancel", "t.status = 'planned' OR t.status = 'checked_in'").destructive(),
        ],
        figures: &[
            Figure::new("Your visits up to today", "rep=:me&status=planned&date_time__lte=:today").waiting(),
            Figure::new("Visits planned up to today", "status=planned&date_time__lte=:today"),
        ],
        work: Some(Work { of: "rep", open: "t.status = 'planned'" }),
        groups: &[
            ("Visit", &["rep", "date_time", "zone", "lead", "location", "status"]),
            ("Who it is", &["business_name", "contact_name", "contact_phone", "contact_email"]),
            ("Outcome", &["visit_outcome", "products_discussed", "feedback_notes", "next_step_agreed", "follow_up_type", "follow_up_date"]),
            ("Questions", &["prompt_given", "customer_agreed_contact", "add_as_lead", "code_verified"]),
            ("Check-in", &["check_in_at", "check_out_at", "duration_min", "distance_m", "within_radius"]),
        ],
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let (tx, actor) = (change.tx, change.tx.actor());
        self.rep = self.rep.or(actor.user_id.map(Ref::new));
        let Some(rep) = self.rep else { return Err(Error::field("rep", "This field is required.")) };
        let reassigned = change.before.is_none_or(|before| before.rep != self.rep);
        if reassigned && !change.options.internal && !actor.is_manager() && Some(rep.0) != actor.user_id {
            return Err(Error::forbidden());
        }
        if let Some(lead) = self.lead.filter(|_| !change.options.internal && change.before.is_none_or(|before| before.lead != self.lead)) {
            expect_reachable(tx, actor, lead)?;
        }
        if self.business_name.is_empty() {
            self.business_name = self.name_of_lead(tx)?.ok_or_else(|| Error::field("business_name", "This field is required."))?;
        }
        // A visit is made once its time has come and somebody says what came of it.
        let time = *self.date_time.get_or_insert(tx.now());
        if self.status == VisitStatus::Planned && time <= tx.now() && self.visit_outcome.is_some() {
            self.status = VisitStatus::Completed;
        }
        if self.status == VisitStatus::Completed && self.visit_outcome.is_none() && !self.auto_closed {
            return Err(Error::field("visit_outcome", "This field is required."));
        }
        Ok(())
    }

    fn after(&self, id: i64, before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        let was_completed = before.is_some_and(|before| before.status == VisitStatus::Completed);
        if self.status != VisitStatus::Completed || was_completed {
            return Ok(());
        }
        if let Some(lead) = self.lead.or(self.linked_lead) {
            let mut changes = vec![];
            if let Some(day) = self.follow_up_date {
                changes.extend([("follow_up_date", day.to_string().into()), ("follow_up_type", name_of(&self.follow_up_type).into())]);
            }
            note_activity(tx, lead.0, self.time(tx.now()), changes)?;
        }
        if self.add_as_lead {
            convert::lead_of(self, id, tx)?;
        }
        Ok(())
    }

    fn deleting(&self, _id: i64, tx: &mut Writer<'_>) -> Result<()> {
        // A visit that took place is evidence: agents do not delete it.
        if tx.actor().role == Role::Agent && self.status != VisitStatus::Planned { Err(Error::forbidden()) } else { Ok(()) }
    }
}

const LINKED_LEAD: Expand = Expand::Object(
    "LinkedLead",
    &[
        ("id", "x.id"),
        ("uuid", "x.uuid"),
        ("business_name", "x.business_name"),
        ("contact_name", "x.contact_name"),
        ("contact_phone", "x.contact_phone"),
        ("stage", "x.stage"),
        ("status", "x.status"),
        ("priority", "x.priority"),
    ],
);

impl Visit {
    fn name_of_lead(&self, tx: &Writer<'_>) -> Result<Option<String>> {
        let Some(lead) = self.lead else { return Ok(None) };
        tx.one("SELECT business_name FROM leads WHERE id = ?1", &[lead.0.into()])
    }

    /// When it was made.
    fn time(&self, now: DateTime) -> DateTime {
        self.check_out_at.or(self.date_time).unwrap_or(now)
    }
}
