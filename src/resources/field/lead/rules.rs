//! The rules of leads: stage and status move together, and not everybody may move them.

use super::{Lead, LeadStatus, Stage};
use crate::{
    actor::Actor,
    db::{Reader, Value, Writer},
    engine::{Change, READ, verbs},
    error::{Error, Result},
    kit::{DateTime, Ref},
};

impl Lead {
    /// Stage and status say the same about being closed. Whichever was changed sets the other.
    pub(super) fn tie_status_to_stage(&mut self, before: Option<&Self>) -> Result<()> {
        let (stage, status) = before.map_or_else(Default::default, |before| (before.stage, before.status));
        if self.status.fits(self.stage) {
            return Ok(());
        }
        match (self.stage != stage, self.status != status, self.status) {
            (_, false, _) => self.status = LeadStatus::of(self.stage),
            (true, true, _) => return Err(Error::field("status", "This status does not go with the stage.")),
            (false, true, LeadStatus::ClosedSubscribed) => self.stage = Stage::Won,
            (false, true, LeadStatus::ClosedLost) => self.stage = Stage::Lost,
            (false, true, LeadStatus::OnHold) => return Err(Error::field("status", "A won or lost lead cannot be on hold.")),
            (false, true, _) => self.stage = Stage::Prospect,
        }
        Ok(())
    }

    /// Closed leads are reopened by managers, and a lead is handed on by them or by who has it.
    pub(super) fn check_move(&self, before: &Self, actor: &Actor) -> Result<()> {
        let reopens = before.stage.is_closed() && self.stage != before.stage;
        let holder = before.assigned_rep.map(|rep| rep.0);
        let hands_on = holder.is_some() && self.assigned_rep != before.assigned_rep && holder != actor.user_id;
        if (reopens || hands_on) && !actor.is_manager() {
            return Err(Error::forbidden());
        }
        if reopens && self.stage != Stage::Prospect {
            return Err(Error::conflict("invalid_transition", "A closed lead is reopened as a prospect."));
        }
        Ok(())
    }

    /// What belongs to the stage: the reason and the time it was closed.
    pub(super) fn settle(&mut self, now: DateTime) -> Result<()> {
        self.won_at = (self.stage == Stage::Won).then(|| self.won_at.unwrap_or(now));
        self.lost_at = (self.stage == Stage::Lost).then(|| self.lost_at.unwrap_or(now));
        match (self.stage, self.lost_reason) {
            (Stage::Lost, None) => Err(Error::field("lost_reason", "This field is required.")),
            (Stage::Lost, Some(_)) => Ok(()),
            _ => {
                self.lost_reason = None;
                Ok(())
            }
        }
    }

    pub(super) fn check_duplicates(&self, change: &Change<'_, '_, Self>) -> Result<()> {
        // Not `OR`, for which SQLite would walk all leads of the business.
        let sql = "SELECT 1 FROM leads WHERE business_id = ?1 AND deleted_at IS NULL AND id IS NOT ?2 AND phone_norm = ?3 UNION ALL \
                   SELECT 1 FROM leads WHERE business_id = ?1 AND deleted_at IS NULL AND id IS NOT ?2 AND email_norm = ?4";
        let business = change.tx.actor().business_id();
        let args = [business.into(), change.id.into(), self.phone_norm.clone().into(), self.email_norm.clone().into()];
        if change.tx.exists(sql, &args)? {
            return Err(Error::conflict("duplicate", "There is already a lead with this telephone number or e-mail address."));
        }
        Ok(())
    }
}

/// What is written about a lead must be about one that the caller can see; any other does not exist for them.
pub fn expect_reachable(reader: &Reader<'_>, actor: &Actor, lead: Ref<Lead>) -> Result<()> {
    match verbs::find::<Lead>(reader, actor, &lead.0.to_string(), READ) {
        Ok(_) => Ok(()),
        Err(Error::NotFound(_) | Error::Forbidden { .. }) => {
            Err(Error::field("lead", format!("Invalid pk \"{}\" - object does not exist.", lead.0)))
        }
        Err(error) => Err(error),
    }
}

/// Writes down that somebody was in touch with a lead, and what else of it follows from that. Not a change by the caller: it
/// happens whether or not they may change the lead.
pub fn note_activity(tx: &mut Writer<'_>, lead: i64, at: DateTime, mut changes: Vec<(&'static str, Value)>) -> Result<()> {
    let last = tx.one::<Option<String>>("SELECT last_activity_at FROM leads WHERE id = ?1", &[lead.into()])?.flatten();
    // What is planned has not happened yet, and what is written down late is not the latest.
    let at = at.min(tx.now()).to_string();
    if last.is_none_or(|last| last < at) {
        changes.push(("last_activity_at", at.into()));
    }
    if !changes.is_empty() {
        tx.update("leads", lead, changes)?;
    }
    Ok(())
}
