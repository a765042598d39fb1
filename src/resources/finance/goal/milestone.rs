//! Milestones: amounts on the way to a goal.

use poem_openapi::Object;
use serde_json::{Map, Value as Json};

use super::{
    Goal,
    progress::{self, Moves},
};
use crate::{
    actor::Capability::Finance,
    db::{Row, Writer},
    engine::{About, Access, Change, Computed, LR, LRCU, LRCUD, Resource, all, own},
    error::{Error, Result},
    kit::{Currency, DateTime, Money, Ref},
    resources::finance::named::currency_of,
};

/// An amount on the way to a goal.
#[derive(Object)]
pub struct GoalMilestone {
    /// The goal.
    pub goal: Ref<Goal>,
    /// How much there is to be by then, in the currency of the goal; no more than its target. Fixed once it is reached.
    pub amount: Money,
    /// The currency of the goal.
    pub currency: Option<Currency>,
    /// What it is called.
    #[oai(default, validator(max_length = 100))]
    pub label: String,
    /// Is somebody to be told when it is reached?
    #[oai(default = "yes")]
    pub notify: bool,
    /// When it was reached. That stays, unless money was taken back.
    pub reached_at: Option<DateTime>,
}

fn yes() -> bool {
    true
}

impl Resource for GoalMilestone {
    const ABOUT: About = About {
        path: "finance/goal-milestones",
        table: "goal_milestones",
        label: "money_text(t.amount, t.currency) || ' ' || t.currency",
        list: &["goal", "amount", "label", "is_reached", "reached_at"],
        search: &["label"],
        filter: &["goal", "is_reached", "notify", "amount"],
        order: &["amount", "created_at"],
        server_set: &["currency", "reached_at"],
        computed: &[Computed::bool("is_reached", "t.reached_at IS NOT NULL", "Is there so much?")],
        access: Access::deny().admin(all(LRCUD)).manager(all(LRCUD)).staff(all(LR)).staff_with(Finance, all(LRCU)).agent(own(LR)),
        own: "EXISTS (SELECT 1 FROM goals AS g WHERE g.business_id = t.business_id AND g.id = t.goal_id AND g.owner_id = :me)",
        ..About::DEFAULT
    };

    fn prepare(input: &mut Map<String, Json>, before: Option<&Map<String, Json>>, tx: &Writer<'_>) -> Result<()> {
        // Amounts are read in the currency of the goal.
        let goal = input.get("goal").or_else(|| before.and_then(|before| before.get("goal")));
        let currency = goal.filter(|goal| !goal.is_null()).map(|goal| currency_of::<Goal>(tx, tx.actor(), goal));
        input.shift_remove("currency");
        if let Some(currency) = currency.transpose()?.flatten() {
            input.insert("currency".to_owned(), currency.into());
        }
        Ok(())
    }

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        if let Some(before) = change.before.filter(|before| before.reached_at.is_some() && !change.options.internal)
            && (before.amount != self.amount || before.goal != self.goal)
        {
            return Err(Error::conflict("immutable", "A milestone that is reached stays where it is."));
        }
        let sql = "SELECT currency, target_amount FROM goals WHERE id = ?1 AND business_id = ?2";
        let read = |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<i64>(1)?));
        let found = change.tx.row(sql, &[self.goal.0.into(), change.tx.actor().business_id().into()], read)?;
        let (currency, target) = found.ok_or_else(Error::not_found)?;
        self.currency = Some(Currency(currency));
        if self.amount.minor <= 0 {
            return Err(Error::field("amount", "Ensure this value is greater than 0."));
        }
        if self.amount.minor > target {
            let target = Money { minor: target, ..self.amount };
            return Err(Error::field("amount", format!("Ensure this value is less than or equal to the target of {target}.")));
        }
        let sql = "SELECT 1 FROM goal_milestones WHERE goal_id = ?1 AND amount = ?2 AND id IS NOT ?3 AND deleted_at IS NULL";
        if change.tx.exists(sql, &[self.goal.0.into(), self.amount.minor.into(), change.id.into()])? {
            return Err(Error::field("amount", "goal milestone with this amount already exists."));
        }
        Ok(())
    }

    fn after(&self, _id: i64, _before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        progress::moved(tx, self.goal.0, Moves::Forward)
    }
}
