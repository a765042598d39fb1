//! Leads: possible customers, from the first contact to won or lost.

mod actions;
mod choices;
mod computed;
mod convert;
mod merge;
mod rules;

use poem_openapi::Object;

pub use actions::LeadVerbs;
pub use choices::{FollowUpType, LeadStatus, LostReason, Priority, Source, Stage, name_of};
pub(super) use computed::own_lead;
pub use rules::{expect_reachable, note_activity};

use super::{Zone, check_position};
use crate::{
    actor::{Capability::Field, Role},
    db::Writer,
    engine::{About, Access, Action, Bars, Change, Chart, Expand, Figure, IdOf, LRCU, LRCUD, Resource, UPDATE, Work, all, own},
    error::{Error, Result},
    kit::{Currency, Date, DateTime, Email, Money, Ref, normalize_phone},
    resources::accounts::{SUMMARY, User},
};

/// Someone who may become a customer.
#[derive(Object)]
pub struct Lead {
    /// The company or person.
    #[oai(validator(max_length = 255))]
    pub business_name: String,
    /// Whom to ask for.
    #[oai(default, validator(max_length = 100))]
    pub contact_name: String,
    /// Telephone number, kept as typed.
    #[oai(validator(max_length = 20))]
    pub contact_phone: String,
    /// E-mail address.
    #[oai(validator(max_length = 254))]
    pub contact_email: Option<Email>,
    /// The telephone number in E.164, to find duplicates.
    pub phone_norm: Option<String>,
    /// The e-mail address in lower case, to find duplicates.
    pub email_norm: Option<String>,
    /// How far the lead has come.
    #[oai(default)]
    pub stage: Stage,
    /// What is going on; closed exactly when the stage is won or lost.
    #[oai(default)]
    pub status: LeadStatus,
    /// Where the lead came from.
    pub source: Option<Source>,
    /// How soon it is to be looked after.
    #[oai(default)]
    pub priority: Priority,
    /// The zone it is in.
    pub zone: Option<Ref<Zone>>,
    /// Who looks after it; an agent looks after what they enter.
    pub assigned_rep: Option<Ref<User>>,
    /// What they were told about.
    #[oai(default)]
    pub products_discussed: Vec<String>,
    /// Words to find it by.
    #[oai(default)]
    pub tags: Vec<String>,
    /// Anything else worth knowing.
    #[oai(default, validator(max_length = 5000))]
    pub notes: String,
    /// Where they are, in words.
    #[oai(default, validator(max_length = 255))]
    pub location: String,
    /// Latitude in degrees north.
    #[oai(validator(minimum(value = "-90"), maximum(value = "90")))]
    pub lat: Option<f64>,
    /// Longitude in degrees east.
    #[oai(validator(minimum(value = "-180"), maximum(value = "180")))]
    pub lon: Option<f64>,
    /// What they may spend.
    pub expected_value: Option<Money>,
    /// The currency of the expected value; the business's when left out.
    pub currency: Option<Currency>,
    /// How to get in touch next.
    pub follow_up_type: Option<FollowUpType>,
    /// On which day to get in touch next.
    pub follow_up_date: Option<Date>,
    /// Why the lead was lost; required for a lost lead, empty for all others.
    pub lost_reason: Option<LostReason>,
    /// When it was won.
    pub won_at: Option<DateTime>,
    /// When it was lost.
    pub lost_at: Option<DateTime>,
    /// When somebody was last in touch.
    pub last_activity_at: Option<DateTime>,
    /// The id of the party that it has become.
    pub party_id: Option<i64>,
    /// An id of the client's own, so that what is sent twice is stored once.
    #[oai(validator(max_length = 36))]
    pub client_ref: Option<String>,
}

impl Resource for Lead {
    const ABOUT: About = About {
        path: "field/leads",
        table: "leads",
        label: "t.business_name",
        list: &[
            "business_name",
            "contact_name",
            "contact_phone",
            "stage",
            "status",
            "priority",
            "lead_score",
            "assigned_rep",
            "follow_up_date",
        ],
        search: &["business_name", "contact_name", "contact_phone", "contact_email", "location"],
        filter: &[
            "stage",
            "status",
            "source",
            "priority",
            "zone",
            "assigned_rep",
            "follow_up_date",
            "is_hot",
            "is_stale",
            "created_at",
            "created_by",
        ],
        filter_as: &[("tag", "tags"), ("stale", "is_stale")],
        order: &["-created_at", "lead_score", "priority", "follow_up_date", "expected_value", "last_activity_at", "business_name"],
        server_set: &["won_at", "lost_at", "last_activity_at", "party_id"],
        hidden: &["phone_norm", "email_norm"],
        computed: computed::ALL,
        expand: &[("assigned_rep", SUMMARY), ("zone", Expand::Label)],
        // What older clients send: a former priority, and the status in words.
        aliases: &[
            ("priority", "critical", "urgent"),
            ("status", "Follow Up", "follow_up"),
            ("status", "Quote Sent", "quote_sent"),
            ("status", "Closed – Subscribed", "closed_subscribed"),
            ("status", "Closed – Lost", "closed_lost"),
            ("status", "On Hold", "on_hold"),
        ],
        ids: &[("party_id", IdOf::Table("parties"))],
        access: Access::deny().admin(all(LRCUD)).manager(all(LRCUD)).staff(own(LRCU)).staff_with(Field, all(LRCU)).agent(own(LRCUD)),
        own: own_lead!("t"),
        comments: true,
        files: true,
        cascade: &["lead_actions"],
        kept_by: &["visits"],
        actions: &[
            Action::new("convert", "t.stage <> 'lost' AND t.party_id IS NULL").confirmed(),
            Action::new("lose", "t.stage <> 'won' AND t.stage <> 'lost'"),
            Action::new("reopen", "t.stage = 'won' OR t.stage = 'lost'").for_managers(),
        ],
        merge: Some(UPDATE),
        figures: &[
            Figure::new("Your follow-ups due", "assigned_rep=:me&follow_up_date__lte=:today&stage__in=prospect,qualified,negotiation")
                .waiting(),
            Figure::new("Follow-ups due", "follow_up_date__lte=:today&stage__in=prospect,qualified,negotiation"),
            Figure::new("Open leads", "stage__in=prospect,qualified,negotiation").sum("expected_value"),
            Figure::new("Hot leads", "is_hot=true"),
        ],
        charts: &[Chart { title: "Leads by stage", bars: Bars::Values("stage", "") }],
        work: Some(Work { of: "assigned_rep", open: "t.stage <> 'won' AND t.stage <> 'lost'" }),
        groups: &[
            ("Who it is", &["business_name", "contact_name", "contact_phone", "contact_email", "location", "lat", "lon"]),
            ("Progress", &["stage", "status", "priority", "source", "zone", "assigned_rep", "lost_reason"]),
            ("Follow-up", &["follow_up_type", "follow_up_date"]),
            ("What they want", &["products_discussed", "tags", "expected_value", "currency", "notes"]),
        ],
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let actor = change.tx.actor();
        check_position(self.lat, self.lon)?;
        if change.before.is_none() && self.assigned_rep.is_none() && actor.role == Role::Agent {
            self.assigned_rep = actor.user_id.map(Ref::new);
        }
        let country = actor.business.as_ref().and_then(|business| business.country.as_deref());
        self.phone_norm = normalize_phone(&self.contact_phone, country);
        self.email_norm = self.contact_email.as_ref().map(|email| email.0.to_lowercase());
        self.tie_status_to_stage(change.before)?;
        if let Some(before) = change.before.filter(|_| !change.options.internal) {
            self.check_move(before, actor)?;
        }
        self.settle(change.tx.now())?;
        if change.options.strict {
            self.check_duplicates(change)?;
        }
        Ok(())
    }

    fn after(&self, id: i64, before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        let from = before.map(|before| before.stage);
        if from != Some(self.stage) {
            let event = vec![
                ("lead_id", id.into()),
                ("from_stage", name_of(&from).into()),
                ("to_stage", name_of(&self.stage).into()),
                ("at", tx.now().to_string().into()),
                ("by_id", tx.actor().user_id.into()),
            ];
            tx.insert("lead_stage_events", event)?;
        }
        Ok(())
    }

    fn deleting(&self, _id: i64, tx: &mut Writer<'_>) -> Result<()> {
        // What an agent has worked on is not theirs to make disappear.
        if tx.actor().role == Role::Agent && self.stage != Stage::Prospect { Err(Error::forbidden()) } else { Ok(()) }
    }
}
