//! The cash book: income, expenses and transfers, as people enter them. The books are written for them.

mod actions;
mod choices;
mod posting;
mod settle;

use poem_openapi::Object;
use serde_json::{Map, Value as Json};

pub use actions::TransactionVerbs;
pub use choices::{TransactionSource, TransactionState, TransactionType};

use super::{
    Account, JournalEntry, Party,
    goal::{self, Goal},
};
use crate::{
    actor::Capability::Finance,
    db::Writer,
    engine::{About, Access, Action, Bars, CREATE, Change, Chart, Computed, Expand, IdOf, LR, LRCU, Resource, all, own},
    error::{Error, Result},
    kit::{Currency, Date, Money, Ref},
    resources::{
        finance::{named::currency_of, posted},
        shared::File,
    },
};

/// What may be changed of a transaction that is posted.
const OPEN: [&str; 4] = ["description", "reference", "receipt_file", "goal"];
const IMMUTABLE: &str = "Of a posted transaction only description, reference, receipt and goal are changed; reverse it instead.";

/// Money that came in, went out, or went from one account to another.
#[derive(Object)]
pub struct Transaction {
    /// Did it come in, go out, or move?
    #[oai(rename = "type")]
    pub kind: TransactionType,
    /// How much, in the currency of the account; the charge comes on top of what goes out and off what comes in.
    pub amount: Money,
    /// What the bank or provider kept for it.
    pub transaction_charge: Option<Money>,
    /// Where the money is, or comes from; the cash box of the business when left out.
    pub account: Option<Ref<Account>>,
    /// The account's currency.
    pub currency: Option<Currency>,
    /// Of a transfer: where the money goes.
    pub to_account: Option<Ref<Account>>,
    /// Of a transfer: how much arrives; needed when the currencies differ.
    pub to_amount: Option<Money>,
    /// The currency of that account.
    pub to_currency: Option<Currency>,
    /// What it was for: the code of an income or expense account; `miscellaneous` when left out.
    #[oai(validator(max_length = 32))]
    pub category: Option<String>,
    /// Who it came from or went to.
    pub party: Option<Ref<Party>>,
    /// The goal that it serves.
    pub goal: Option<Ref<Goal>>,
    /// What it was.
    #[oai(default, validator(max_length = 2000))]
    pub description: String,
    /// The number on the receipt.
    #[oai(default, validator(max_length = 100))]
    pub reference: String,
    /// On which day; today when left out.
    pub date: Option<Date>,
    /// A draft is not in the books yet.
    #[oai(default)]
    pub state: TransactionState,
    /// Where it comes from.
    #[oai(default)]
    pub source: TransactionSource,
    /// Its entry in the books.
    pub journal_entry: Option<Ref<JournalEntry>>,
    /// The id of the payment that it is the row of.
    pub related_payment_id: Option<i64>,
    /// The receipt, one of the files that are attached to it.
    pub receipt_file: Option<Ref<File>>,
    /// An id of the client's own: what is sent twice is stored once.
    #[oai(validator(max_length = 36))]
    pub client_ref: Option<String>,
}

impl Resource for Transaction {
    const ABOUT: About = About {
        path: "finance/transactions",
        table: "transactions",
        label: "t.type || ' ' || money_text(t.amount, t.currency) || ' ' || t.currency",
        list: &["date", "type", "amount", "account", "category", "party", "state"],
        search: &["description", "reference", "party.name"],
        filter: &[
            "type",
            "account",
            "to_account",
            "category",
            "party",
            "goal",
            "state",
            "source",
            "date",
            "amount",
            "currency",
            "created_at",
        ],
        filter_as: &[("min_amount", "amount__gte"), ("max_amount", "amount__lte")],
        order: &["-date", "amount", "created_at"],
        server_set: &["currency", "to_currency", "source", "journal_entry", "related_payment_id"],
        resent: Some("client_ref"),
        computed: &[
            Computed::bool("is_automated", "t.source <> 'manual'", "Was it made by the program rather than entered by somebody?"),
            Computed::integer(
                "reversal_entry",
                "(SELECT r.id FROM journal_entries AS r WHERE r.business_id = t.business_id AND r.reverses_id = t.journal_entry_id)",
                "The entry by which it was taken back.",
            ),
            Computed::integer(
                "related_requisition",
                "(SELECT p.requisition_id FROM payments AS p WHERE p.id = t.related_payment_id)",
                "The requisition that its payment pays.",
            ),
        ],
        expand: &[("party", Expand::Label), ("account", Expand::Label), ("to_account", Expand::Label)],
        ids: &[
            ("related_payment_id", IdOf::Table("payments")),
            ("reversal_entry", IdOf::Table("journal_entries")),
            ("related_requisition", IdOf::Table("requisitions")),
        ],
        charts: &[Chart {
            title: "Income and expenses by month",
            bars: Bars::Months("amount", &[("Income", "type=income&state=posted"), ("Expenses", "type=expense&state=posted")]),
        }],
        access: Access::deny().admin(all(LRCU)).manager(all(LRCU)).staff_with(Finance, all(LRCU)).agent(own(LR.and(CREATE))),
        // A cash box is its keeper's, who writes down what passes through it and corrects nothing.
        own: "EXISTS (SELECT 1 FROM accounts AS a WHERE a.id = t.account_id AND a.owner_id = :me)",
        soft_delete: false,
        actions: &[Action::new("reverse", "t.state = 'posted'").destructive()],
        comments: true,
        files: true,
        groups: &[
            ("What moved", &["type", "amount", "transaction_charge", "account", "to_account", "to_amount", "date"]),
            ("What it was for", &["category", "party", "goal", "description", "reference"]),
        ],
        totals_by: &["type"],
        ..About::DEFAULT
    };

    fn prepare(input: &mut Map<String, Json>, before: Option<&Map<String, Json>>, tx: &Writer<'_>) -> Result<()> {
        // Amounts are read in the currency of the account that they are on.
        for (account, currency) in [("account", "currency"), ("to_account", "to_currency")] {
            let named = input.get(account).or_else(|| before.and_then(|before| before.get(account)));
            let known = match named {
                Some(key) if !key.is_null() => currency_of::<Account>(tx, tx.actor(), key)?,
                _ if account == "account" => settle::default_account(tx)?.map(|(_, currency)| currency),
                _ => None,
            };
            input.shift_remove(currency);
            if let Some(known) = known {
                input.insert(currency.to_owned(), known.into());
            }
        }
        Ok(())
    }

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        if change.options.internal {
            return Ok(());
        }
        if let Some(before) = change.before.filter(|before| before.state != TransactionState::Draft) {
            posted::only_differs_where(&OPEN, before, self, IMMUTABLE)?;
            return if self.goal == before.goal { Ok(()) } else { self.check_goal(change.tx) };
        }
        if self.state == TransactionState::Reversed {
            return Err(Error::field("state", "A transaction is reversed by the operation for that."));
        }
        self.settle(change.tx)?;
        self.check_goal(change.tx)
    }

    fn after(&self, id: i64, before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        let was_draft = before.is_none_or(|before| before.state == TransactionState::Draft);
        if was_draft && self.state == TransactionState::Posted {
            posting::post(self, id, tx)?;
        }
        match self.goal.filter(|_| self.state == TransactionState::Posted) {
            Some(goal) => goal::moved(tx, goal.0, goal::Moves::Forward),
            None => Ok(()),
        }
    }
}

impl Transaction {
    /// What serves a goal is income in its currency. Of a payment, it is that which serves it.
    fn check_goal(&self, reader: &Writer<'_>) -> Result<()> {
        let Some(goal) = self.goal else { return Ok(()) };
        if self.related_payment_id.is_some() {
            return Err(Error::field("goal", "This is the row of a payment; have the payment serve the goal instead."));
        }
        let currency = self.currency.as_ref().map_or("USD", |currency| &currency.0);
        goal::check_served(reader, goal.0, currency, self.kind == TransactionType::Income)
    }
}
