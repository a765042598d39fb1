//! Lead actions: what was done about a lead.

use jiff::SignedDuration;
use poem_openapi::{Enum, Object};

use super::lead::{Lead, expect_reachable, note_activity, own_lead};
use crate::{
    actor::Capability::Field,
    db::Writer,
    engine::{About, Access, Change, LRCUD, Resource, all, own},
    error::{Error, Result},
    kit::{Date, DateTime, Ref},
    resources::accounts::SUMMARY,
};

/// For so long those who wrote an action down may still correct it.
const CORRECTABLE: SignedDuration = SignedDuration::from_hours(24);

/// What can be done about a lead.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[oai(rename_all = "snake_case", rename = "LeadActionTypeEnum")]
pub enum ActionType {
    /// Telephoned.
    Call,
    /// Showed the product.
    Demo,
    /// Met in person.
    Meeting,
    /// Set the product up.
    Install,
    /// Asked how it is going.
    Checkin,
    /// Wrote.
    Message,
}

/// Something that was done about a lead: a call, a meeting.
#[derive(Object)]
pub struct LeadAction {
    /// The lead.
    pub lead: Ref<Lead>,
    /// What was done.
    #[oai(rename = "type")]
    pub kind: ActionType,
    /// The moment it was done; now when left out.
    pub date: Option<DateTime>,
    /// What was said.
    #[oai(default, validator(max_length = 5000))]
    pub notes: String,
    /// What came of it.
    #[oai(default, validator(max_length = 100))]
    pub outcome: String,
    /// On which day to get in touch again; becomes the lead's follow-up.
    pub next_follow_up: Option<Date>,
}

impl Resource for LeadAction {
    const ABOUT: About = About {
        path: "field/actions",
        table: "lead_actions",
        label: "t.type || ' ' || substr(t.date, 1, 10)",
        list: &["date", "lead", "type", "outcome", "next_follow_up"],
        search: &["notes", "outcome"],
        filter: &["lead", "type", "date", "created_by"],
        order: &["-date"],
        expand: &[("created_by", SUMMARY)],
        access: Access::deny().admin(all(LRCUD)).manager(all(LRCUD)).staff(own(LRCUD)).staff_with(Field, all(LRCUD)).agent(own(LRCUD)),
        // Visible as the lead is.
        own: concat!("EXISTS (SELECT 1 FROM leads AS l WHERE l.id = t.lead_id AND ", own_lead!("l"), ")"),
        comments: true,
        files: true,
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        self.date = self.date.or(Some(change.tx.now()));
        if change.options.internal {
            return Ok(());
        }
        if let Some(id) = change.id {
            check_correctable(change.tx, id)?;
        }
        if change.before.is_none_or(|before| before.lead != self.lead) {
            expect_reachable(change.tx, change.tx.actor(), self.lead)?;
        }
        Ok(())
    }

    fn after(&self, _id: i64, before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        let mut changes = vec![];
        if let Some(day) = self.next_follow_up.filter(|day| before.is_none_or(|before| before.next_follow_up != Some(*day))) {
            changes.push(("follow_up_date", day.to_string().into()));
        }
        if before.is_none() && tx.exists("SELECT 1 FROM leads WHERE id = ?1 AND status = 'new'", &[self.lead.0.into()])? {
            changes.push(("status", "follow_up".into()));
        }
        note_activity(tx, self.lead.0, self.date.unwrap_or(tx.now()), changes)
    }

    fn deleting(&self, id: i64, tx: &mut Writer<'_>) -> Result<()> {
        check_correctable(tx, id)
    }
}

/// Managers correct everything, others what they wrote down themselves not long ago.
fn check_correctable(tx: &Writer<'_>, id: i64) -> Result<()> {
    let actor = tx.actor();
    let since = DateTime(actor.now - CORRECTABLE).to_string();
    let sql = "SELECT 1 FROM lead_actions WHERE id = ?1 AND created_by = ?2 AND created_at > ?3";
    let correctable = actor.is_manager() || tx.exists(sql, &[id.into(), actor.user_id.into(), since.into()])?;
    if correctable { Ok(()) } else { Err(Error::forbidden()) }
}
