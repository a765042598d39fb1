//! Requisitions: what people who work here ask money for, who decides, and what was paid of it.

mod actions;
mod choices;
mod computed;
mod decide;
mod item;
mod pay;

use poem_openapi::{Object, types::ToJSON};
use serde_json::{Map, Value as Json, json};

pub use actions::RequisitionVerbs;
pub use choices::{RequisitionStatus, Urgency};
pub use item::RequisitionItem;
pub use pay::{note_payment, payable};

use super::{
    Party,
    ledger::{self, AccountClass},
};
use crate::{
    actor::Capability::Finance,
    db::Writer,
    engine::{About, Access, Action, Change, Expand, Figure, IdOf, LR, LRCU, LRCUD, Resource, UPDATE, all, own},
    error::{Error, Result},
    kit::{Currency, Date, DateTime, Lines, Money, Ref},
    resources::accounts::{Department, User},
};

/// The category of what nobody gave one.
const OPERATIONS: &str = "operations";

/// What somebody asks money for.
#[derive(Object)]
pub struct Requisition {
    /// Its number, the next of the series.
    #[oai(validator(max_length = 50))]
    pub number: Option<String>,
    /// Who asks; the caller when left out. Managers and administrators may ask for others.
    pub requested_by: Option<Ref<User>>,
    /// The department that it is for; whoever leads that may decide.
    pub department: Option<Ref<Department>>,
    /// Who is to be paid, when it is somebody whose bills are kept.
    pub party: Option<Ref<Party>>,
    /// What the money is for.
    #[oai(validator(max_length = 2000))]
    pub purpose: String,
    /// How soon it is needed.
    #[oai(default)]
    pub urgency: Urgency,
    /// The day by which it is needed.
    pub needed_by: Option<Date>,
    /// What it counts as: the code of an expense account; `operations` when left out.
    #[oai(validator(max_length = 32))]
    pub category: Option<String>,
    /// How much is asked for; what the items come to when there are any.
    pub amount: Option<Money>,
    /// The currency; the business's when left out.
    pub currency: Option<Currency>,
    /// How far it has come.
    #[oai(default)]
    pub status: RequisitionStatus,
    /// How much was approved.
    pub approved_amount: Option<Money>,
    /// The id of whoever decided.
    pub decided_by: Option<i64>,
    /// When that was.
    pub decided_at: Option<DateTime>,
    /// What they said.
    #[oai(default, validator(max_length = 2000))]
    pub decision_comment: String,
    /// Anything else worth knowing.
    #[oai(default, validator(max_length = 5000))]
    pub comments: String,
    /// What is paid of it.
    pub paid_amount: Option<Money>,
    /// What is needed, one by one.
    #[oai(default)]
    pub items: Lines<RequisitionItem>,
    /// Keeps it to whoever asks until it is submitted.
    pub draft: Option<bool>,
}

impl Resource for Requisition {
    const ABOUT: About = About {
        path: "finance/requisitions",
        table: "requisitions",
        label: "coalesce(t.number, 'Requisition ' || t.id)",
        list: &["number", "requested_by", "purpose", "urgency", "amount", "status", "payment_status", "needed_by"],
        search: &["number", "purpose", "comments"],
        filter: &[
            "status",
            "payment_status",
            "urgency",
            "department",
            "requested_by",
            "party",
            "category",
            "currency",
            "amount",
            "needed_by",
            "created_at",
        ],
        order: &["-created_at", "amount", "urgency", "needed_by", "number"],
        server_set: &["number", "status", "approved_amount", "decided_by", "decided_at", "decision_comment", "paid_amount"],
        hidden: &["paid_amount"],
        input: &["draft"],
        confirmed: &[("amount", "amount")],
        computed: computed::ALL,
        expand: &[
            ("requested_by", Expand::Text("coalesce(nullif(x.full_name, ''), x.username, x.email, x.phone)")),
            ("department", Expand::Label),
            ("party", Expand::Label),
        ],
        ids: &[("decided_by", IdOf::Table("users")), ("approved_by", IdOf::Table("users"))],
        figures: &[Figure::new("Approvals waiting for you", "status=pending").at("pending/").waiting()],
        access: Access::deny()
            .admin(all(LRCUD))
            .manager(all(LRCUD))
            .staff(own(LRCU))
            // They see all and attach what belongs to it; what it says is changed by whoever asks (`check`).
            .staff_with(Finance, all(LR.and(UPDATE)))
            .agent(own(LRCU))
            .teacher(own(LRCU)),
        // Whoever leads the department sees what they are to decide.
        own: "(t.requested_by_id = :me OR t.created_by = :me OR t.status <> 'draft' AND EXISTS (SELECT 1 FROM departments AS d \
              WHERE d.business_id = t.business_id AND d.id = t.department_id AND d.manager_id = :me AND d.deleted_at IS NULL))",
        comments: true,
        files: true,
        worked_out: &[("items", "amount")],
        actions: &[
            Action::new("submit", "t.status = 'draft'"),
            Action::new("approve", "t.status = 'pending'"),
            Action::new("reject", "t.status = 'pending'"),
            Action::new("resubmit", "t.status = 'rejected'"),
            Action::new("pay", "t.status = 'approved' AND t.paid_amount < t.approved_amount"),
            Action::new("cancel", "t.status = 'draft' OR t.status = 'pending' OR t.status = 'approved' AND t.paid_amount = 0")
                .destructive(),
        ],
        ..About::DEFAULT
    };

    fn prepare(input: &mut Map<String, Json>, before: Option<&Map<String, Json>>, _tx: &Writer<'_>) -> Result<()> {
        // What clients send that know the status alone.
        if before.is_none() && input.get("status").and_then(Json::as_str) == Some("draft") {
            input.insert("draft".to_owned(), json!(true));
        }
        Ok(())
    }

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        if change.options.internal {
            return Ok(());
        }
        match (change.before, change.id) {
            (Some(before), _) if self.says() == before.says() => return Ok(()),
            (Some(before), Some(id)) => self.check_change(before, id, change.tx)?,
            _ => self.check_new(change.tx)?,
        }
        self.settle(change)
    }

    fn after(&self, id: i64, before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        if before.is_some() {
            return Ok(());
        }
        let (business, today) = (tx.actor().business_id().ok_or_else(Error::forbidden)?, Date(tx.actor().today()));
        let number = ledger::next_number(tx, "requisition", today, |reader, number| {
            reader.exists("SELECT 1 FROM requisitions WHERE business_id = ?1 AND number = ?2", &[business.into(), number.into()])
        })?;
        tx.complete("requisitions", id, vec![("number", number.into())])
    }

    fn deleting(&self, _id: i64, _tx: &mut Writer<'_>) -> Result<()> {
        match self.status {
            RequisitionStatus::Approved => Err(Error::conflict("immutable", "An approved requisition is not deleted; cancel it instead.")),
            _ => Ok(()),
        }
    }
}

impl Requisition {
    fn says(&self) -> Option<Json> {
        let mut record = self.to_json()?;
        record.as_object_mut()?.retain(|name, _| !Self::ABOUT.input.contains(&name.as_str()));
        Some(record)
    }

    fn check_new(&mut self, tx: &Writer<'_>) -> Result<()> {
        let me = tx.actor().user_id.map(Ref::new);
        let asks = *self.requested_by.get_or_insert(me.ok_or_else(|| Error::field("requested_by", "This field is required."))?);
        if Some(asks) != me && !tx.actor().is_manager() {
            return Err(Error::forbidden());
        }
        self.status = if self.draft == Some(true) { RequisitionStatus::Draft } else { RequisitionStatus::Pending };
        Ok(())
    }

    /// Whoever asks changes what they ask for until it is decided: nobody else raises what they then approve.
    fn check_change(&self, before: &Self, id: i64, tx: &Writer<'_>) -> Result<()> {
        if !decide::is_own(tx, id)? {
            return Err(Error::forbidden());
        }
        if !matches!(before.status, RequisitionStatus::Draft | RequisitionStatus::Pending) {
            return Err(Error::conflict("immutable", "Only a draft or pending requisition is changed."));
        }
        if self.requested_by != before.requested_by {
            return Err(Error::field("requested_by", "Who asks for the money is not changed."));
        }
        Ok(())
    }

    /// Fills what is left out, and refuses what cannot be.
    fn settle(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let tx = change.tx;
        let exponent = crate::kit::exponent(self.currency_code());
        let category = self.category.get_or_insert_with(|| OPERATIONS.to_owned());
        // One that is no longer in use may stay where it is.
        let stays = change.before.is_some_and(|before| before.category.as_ref() == Some(category));
        if !stays && category != OPERATIONS && !ledger::is_category(tx, tx.actor().business_id(), category, AccountClass::Expense)? {
            return Err(Error::field("category", format!("\"{category}\" is not a valid choice.")));
        }
        if self.items.0.is_empty() {
            match self.amount {
                None => return Err(Error::field("amount", "This field is required.")),
                Some(amount) if amount.minor <= 0 => return Err(Error::field("amount", "Ensure this value is greater than 0.")),
                Some(_) => {}
            }
        } else {
            let sent = change.before.is_none_or(|before| before.items.0 != self.items.0);
            self.amount = Some(Money { minor: item::total(&mut self.items.0, exponent, sent)?, exponent });
        }
        self.paid_amount = Some(Money { minor: 0, exponent });
        Ok(())
    }

    pub fn currency_code(&self) -> &str {
        self.currency.as_ref().map_or("USD", |currency| &currency.0)
    }

    /// What may still be paid, in minor units.
    pub fn remaining(&self) -> i64 {
        let minor = |amount: Option<Money>| amount.map_or(0, |amount| amount.minor);
        minor(self.approved_amount) - minor(self.paid_amount)
    }
}
