//! Goals: amounts that are to be collected, and how far that has come.

mod actions;
mod computed;
mod milestone;
mod progress;

use poem_openapi::Object;

pub use actions::GoalVerbs;
pub use milestone::GoalMilestone;
pub use progress::{Moves, check_served, moved};

use crate::{
    actor::Capability::Finance,
    engine::{About, Access, Action, Change, LR, LRCU, LRCUD, Resource, all, own},
    error::{Error, Result},
    kit::{Currency, Date, DateTime, Money, Ref},
    resources::accounts::User,
};

/// An amount that is to be collected.
#[derive(Object)]
pub struct Goal {
    /// What it is called.
    #[oai(validator(max_length = 255))]
    pub title: String,
    /// What it is for.
    #[oai(default, validator(max_length = 5000))]
    pub description: String,
    /// How much is to be collected.
    pub target_amount: Money,
    /// The currency; the business's when left out. Fixed once money serves it or it has milestones.
    pub currency: Option<Currency>,
    /// The first day; today when left out.
    pub start_date: Option<Date>,
    /// The last day.
    pub due_date: Date,
    /// Who looks after it; the caller when left out.
    pub owner: Option<Ref<User>>,
    /// When it was laid aside; empty while it counts.
    pub archived_at: Option<DateTime>,
}

impl Resource for Goal {
    const ABOUT: About = About {
        path: "finance/goals",
        table: "goals",
        label: "t.title",
        list: &["title", "target_amount", "current_amount", "percentage", "state", "due_date", "owner"],
        search: &["title"],
        filter: &["owner", "state", "due_date", "currency", "created_at"],
        order: &["due_date", "percentage", "created_at", "title"],
        computed: computed::ALL,
        cascade: &["goal_milestones"],
        access: Access::deny().admin(all(LRCUD)).manager(all(LRCUD)).staff(all(LR)).staff_with(Finance, all(LRCU)).agent(own(LR)),
        own: "t.owner_id = :me",
        comments: true,
        files: true,
        actions: &[
            Action::new("add_payment", "t.archived_at IS NULL"),
            Action::new("link_transaction", "t.archived_at IS NULL"),
            Action::new("archive", "t.archived_at IS NULL"),
            Action::new("unarchive", "t.archived_at IS NOT NULL"),
        ],
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let (tx, actor) = (change.tx, change.tx.actor());
        if self.owner.is_none() {
            self.owner = Some(Ref::new(actor.user_id.ok_or_else(|| Error::field("owner", "This field is required."))?));
        }
        let start = *self.start_date.get_or_insert(Date(actor.today()));
        if self.due_date < start {
            return Err(Error::field("due_date", "Ensure this date is not before the start date."));
        }
        if self.target_amount.minor <= 0 {
            return Err(Error::field("target_amount", "Ensure this value is greater than 0."));
        }
        let (Some(id), Some(before)) = (change.id, change.before) else { return Ok(()) };
        let further = "SELECT 1 FROM goal_milestones WHERE goal_id = ?1 AND amount > ?2 AND deleted_at IS NULL";
        if tx.exists(further, &[id.into(), self.target_amount.minor.into()])? {
            return Err(Error::field("target_amount", "A milestone is further than that."));
        }
        let bound = "SELECT 1 FROM goal_milestones WHERE goal_id = ?1 UNION ALL SELECT 1 FROM payments WHERE business_id = ?2 AND goal_id = ?1 \
                     UNION ALL SELECT 1 FROM transactions WHERE business_id = ?2 AND goal_id = ?1";
        if self.currency != before.currency && tx.exists(bound, &[id.into(), actor.business_id().into()])? {
            return Err(Error::conflict("immutable", "The currency is fixed once money serves the goal or it has milestones."));
        }
        Ok(())
    }
}
