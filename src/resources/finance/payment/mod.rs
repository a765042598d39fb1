//! Payments: money received and paid, and what it settles.

mod actions;
pub mod allocation;
mod choices;
mod posting;

use poem_openapi::Object;
use serde_json::{Map, Value as Json};

pub use actions::{PaymentVerbs, Unallocate};
pub use choices::{Allocate, Method, OnExcess, PaymentState, Purpose};

use self::allocation::Wanted;
use super::{
    Account, Party,
    account::default_till,
    goal::{self, Goal},
    invoice::{self, Direction, Invoice},
    named::currency_of,
    posted,
    requisition::{self, Requisition},
};
use crate::{
    actor::{Capability::Finance, Role},
    db::{Reader, Row, Writer},
    engine::{About, Access, Action, CREATE, Change, Computed, Expand, IdOf, LR, Output, Resource, UPDATE, about::schema, all, own},
    error::{Error, Result},
    kit::{self, Currency, Date, DateTime, Money, Ref},
};

/// Money that was received or paid.
#[derive(Object)]
pub struct Payment {
    /// The number of its receipt; the next of the series.
    #[oai(validator(max_length = 50))]
    pub number: Option<String>,
    /// Was it received or paid? By its invoice when left out, else received.
    pub direction: Option<Direction>,
    /// Who paid or was paid; the party of its invoice when left out.
    pub party: Option<Ref<Party>>,
    /// Where the money is; the cash box of the business when left out.
    pub account: Option<Ref<Account>>,
    /// How much.
    pub amount: Money,
    /// What a bank or wallet kept of it.
    pub charge: Option<Money>,
    /// The currency of the account.
    pub currency: Option<Currency>,
    /// How it was paid.
    #[oai(default)]
    pub method: Method,
    /// On which day, not in the future; today when left out.
    pub date: Option<Date>,
    /// Whatever it can be found by.
    #[oai(default, validator(max_length = 100))]
    pub reference: String,
    /// What is to be remembered about it.
    #[oai(default, validator(max_length = 2000))]
    pub notes: String,
    /// The category of income or expense, when it is for no party.
    #[oai(validator(max_length = 32))]
    pub category: Option<String>,
    /// How much of it settles something.
    pub amount_allocated: Option<Money>,
    /// What it is for.
    #[oai(default)]
    pub purpose: Purpose,
    /// How it stands.
    #[oai(default)]
    pub state: PaymentState,
    /// When it was taken back.
    pub voided_at: Option<DateTime>,
    /// The id of the person who took it back.
    pub voided_by: Option<i64>,
    /// Why it was taken back.
    #[oai(default, validator(max_length = 500))]
    pub void_reason: String,
    /// The id of the entry in the books.
    pub journal_entry_id: Option<i64>,
    /// The id of the entry that took it back.
    pub void_entry_id: Option<i64>,
    /// An id of the client's own, so that what is sent twice is stored once.
    #[oai(validator(max_length = 36))]
    pub client_ref: Option<String>,
    /// The requisition that it pays, which says for whom or for what.
    pub requisition: Option<Ref<Requisition>>,
    /// The goal that it serves.
    pub goal: Option<Ref<Goal>>,
    /// The invoice that it settles; a draft is issued first.
    pub invoice: Option<Ref<Invoice>>,
    /// What it settles of which invoices: a list of objects with `invoice` and `amount`.
    pub allocations: Option<kit::Json>,
    /// Settles whatever is open, the oldest due first.
    pub allocate: Option<Allocate>,
    /// What is done with more than is open.
    pub on_excess: Option<OnExcess>,
}

/// What may be changed of a payment.
const ALWAYS_OPEN: [&str; 3] = ["notes", "reference", "goal"];
const IMMUTABLE: &str = "A posted payment is not changed, but for notes, reference, goal; void it instead.";

const ALLOCATIONS: &str = "(SELECT json_group_array(json_object('id', a.id, 'invoice', a.invoice_id, 'refund', a.refund_id, \
     'number', coalesce(i.number, r.number), 'date', a.date, 'amount', money_text(a.amount, t.currency))) \
     FROM (SELECT * FROM allocations WHERE payment_id = t.id AND business_id = t.business_id ORDER BY id) AS a \
     LEFT JOIN invoices AS i ON i.id = a.invoice_id LEFT JOIN payments AS r ON r.id = a.refund_id)";

const INVOICE: &str = "(SELECT CASE WHEN count(*) = 1 THEN max(a.invoice_id) END FROM allocations AS a \
     WHERE a.payment_id = t.id AND a.business_id = t.business_id AND a.invoice_id IS NOT NULL)";

impl Resource for Payment {
    const ABOUT: About = About {
        path: "finance/payments",
        table: "payments",
        label: "t.number",
        list: &["number", "date", "party", "direction", "method", "amount", "state"],
        search: &["number", "reference", "notes", "party.name"],
        filter: &["direction", "party", "account", "method", "state", "purpose", "date", "currency", "requisition", "goal"],
        filter_by: &[
            ("invoice", "EXISTS (SELECT 1 FROM allocations AS a WHERE a.payment_id = t.id AND a.invoice_id = ?)"),
            (
                "unallocated",
                "CASE WHEN t.state = 'posted' AND t.purpose = 'settlement' AND t.amount > t.amount_allocated THEN 'true' ELSE 'false' END = ?",
            ),
        ],
        order: &["-date", "amount", "number", "created_at"],
        server_set: &[
            "number",
            "currency",
            "purpose",
            "state",
            "voided_at",
            "voided_by",
            "void_reason",
            "journal_entry_id",
            "void_entry_id",
        ],
        resent: Some("client_ref"),
        hidden: &["amount_allocated"],
        input: &["invoice", "allocations", "allocate", "on_excess"],
        aliases: &[
            ("method", "bank", "bank_transfer"),
            ("method", "transfer", "bank_transfer"),
            ("method", "mobile", "mobile_money"),
            ("method", "check", "cheque"),
        ],
        computed: &[
            Computed::money("allocated", "t.amount_allocated", "How much of it settles something."),
            Computed::money(
                "unallocated",
                "CASE WHEN t.state = 'posted' AND t.purpose = 'settlement' THEN t.amount - t.amount_allocated ELSE 0 END",
                "What of it is left for what comes next.",
            ),
            Computed::text("party_name", "(SELECT p.name FROM parties AS p WHERE p.id = t.party_id)", "What the party is called."),
            Computed::integer("invoice", INVOICE, "The invoice that it settles, if it is one."),
            Computed::new(
                "allocations",
                Output::Json(|| {
                    schema::list_of_objects(&[
                        ("id", "integer"),
                        ("invoice", "integer"),
                        ("refund", "integer"),
                        ("number", "string"),
                        ("date", "string"),
                        ("amount", "string"),
                    ])
                }),
                ALLOCATIONS,
                "What it settles.",
            ),
        ],
        expand: &[("party", Expand::Label)],
        soft_delete: false,
        ids: &[
            ("voided_by", IdOf::Table("users")),
            ("invoice", IdOf::Table("invoices")),
            ("journal_entry_id", IdOf::Table("journal_entries")),
            ("void_entry_id", IdOf::Table("journal_entries")),
        ],
        access: Access::deny()
            .admin(all(LR.and(CREATE).and(UPDATE)))
            .manager(all(LR.and(CREATE).and(UPDATE)))
            .staff_with(Finance, all(LR.and(CREATE).and(UPDATE)))
            .agent(own(CREATE))
            .customer(own(LR))
            .student(own(LR)),
        own: "t.state = 'posted' AND EXISTS (SELECT 1 FROM parties AS p WHERE p.id = t.party_id AND p.user_id = :me AND p.deleted_at IS NULL)",
        actions: &[
            Action::new("allocate", "t.state = 'posted'"),
            Action::new("unallocate", "t.state = 'posted'"),
            Action::new("refund", "t.state = 'posted'"),
            Action::new("void", "t.state = 'posted'").destructive(),
        ],
        comments: true,
        files: true,
        groups: &[
            ("Payment", &["direction", "party", "account", "amount", "charge", "method", "date", "reference"]),
            ("What it is for", &["invoice", "allocate", "on_excess", "requisition", "goal", "category"]),
        ],
        totals_by: &["direction"],
        ..About::DEFAULT
    };

    fn prepare(input: &mut Map<String, Json>, before: Option<&Map<String, Json>>, tx: &Writer<'_>) -> Result<()> {
        if before.is_some() {
            return Ok(());
        }
        // Amounts are read in the currency of the account.
        let sent = |name: &str| input.get(name).filter(|value| !value.is_null());
        let currency = match (sent("account"), sent("invoice"), sent("requisition"), sent("goal")) {
            (Some(account), ..) => currency_of::<Account>(tx, tx.actor(), account)?,
            (None, Some(invoice), ..) => currency_of::<Invoice>(tx, tx.actor(), invoice)?,
            (None, None, Some(requisition), _) => currency_of::<Requisition>(tx, tx.actor(), requisition)?,
            (None, None, None, Some(goal)) => currency_of::<Goal>(tx, tx.actor(), goal)?,
            _ => None,
        };
        let default = || tx.actor().business.as_ref().map_or_else(|| "USD".to_owned(), |business| business.currency.clone());
        input.insert("currency".to_owned(), currency.unwrap_or_else(default).into());
        Ok(())
    }

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let (tx, actor) = (change.tx, change.tx.actor());
        let business = actor.business_id().ok_or_else(Error::forbidden)?;
        if let Some(before) = change.before {
            posted::only_differs_where(&ALWAYS_OPEN, before, self, IMMUTABLE)?;
            return if self.goal == before.goal { Ok(()) } else { self.check_goal(tx) };
        }
        self.number = None;
        let invoice = self.invoice.map(|invoice| allocation::invoice(tx, business, invoice.0)).transpose()?.flatten();
        if let Some(invoice) = &invoice {
            self.party.get_or_insert(Ref::new(invoice.party));
            self.direction.get_or_insert(invoice.direction.opposite());
        }
        let requisition = self.requisition.map(|requisition| requisition::payable(self, tx, requisition.0)).transpose()?;
        let direction = *self.direction.get_or_insert(Direction::Incoming);
        if self.party.is_some() == self.category.is_some() {
            return Err(Error::field("party", "A payment is for a party or of a category."));
        }
        let of = requisition.map(|requisition| ("requisition", requisition.currency_code().to_owned()));
        let of = match (invoice.map(|invoice| invoice.currency), of) {
            (Some(currency), Some((_, other))) if currency != other => {
                return Err(Error::field("requisition", format!("The requisition is in {other}, the invoice in {currency}.")));
            }
            (Some(currency), _) => Some(("invoice", currency)),
            (None, of) => of,
        };
        self.check_account(tx, business, of.or(self.goal_currency(tx)?))?;
        self.check_goal(tx)?;
        let exponent = self.amount.exponent;
        let charge = self.charge.get_or_insert(Money { minor: 0, exponent }).minor;
        if self.amount.minor <= 0 {
            return Err(Error::field("amount", "Ensure this value is greater than 0."));
        }
        if charge < 0 {
            return Err(Error::field("charge", "Ensure this value is greater than or equal to 0."));
        }
        if direction == Direction::Incoming && charge >= self.amount.minor {
            return Err(Error::field("charge", "Ensure the charge is less than the amount."));
        }
        let today = Date(actor.today());
        if *self.date.get_or_insert(today) > today {
            return Err(Error::field("date", "Ensure this date is not in the future."));
        }
        self.amount_allocated = Some(Money { minor: 0, exponent });
        let asked = [self.invoice.is_some(), self.allocations.is_some(), self.allocate.is_some()];
        if asked.into_iter().filter(|asked| *asked).count() > 1 {
            return Err(Error::whole("Send one of invoice, allocations and allocate."));
        }
        if self.party.is_none() && asked.contains(&true) {
            return Err(Error::field("party", "Only a payment of a party settles something."));
        }
        if actor.role == Role::Agent && direction != Direction::Incoming {
            return Err(Error::forbidden());
        }
        Ok(())
    }

    fn after(&self, id: i64, before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        if let Some(before) = before {
            return if self.goal == before.goal { Ok(()) } else { self.serve(tx) };
        }
        if let Some(invoice) = self.invoice {
            let draft = "SELECT 1 FROM invoices WHERE id = ?1 AND state = 'draft'";
            if tx.exists(draft, &[invoice.0.into()])? {
                crate::engine::verbs::find::<Invoice>(tx, tx.actor(), &invoice.0.to_string(), UPDATE)?;
                invoice::issue(tx, invoice.0)?;
            }
        }
        posting::post(tx, id, self)?;
        if let Some(requisition) = self.requisition {
            requisition::note_payment(tx, requisition.0, id, "pay")?;
        }
        self.serve(tx)?;
        if self.purpose == Purpose::Settlement { self.settle(id, tx) } else { Ok(()) }
    }
}

impl Payment {
    /// The currency of the goal that it serves.
    fn goal_currency(&self, reader: &Reader<'_>) -> Result<Option<(&'static str, String)>> {
        let Some(goal) = self.goal else { return Ok(None) };
        let currency: Option<String> = reader.one("SELECT currency FROM goals WHERE id = ?1", &[goal.0.into()])?;
        Ok(currency.map(|currency| ("goal", currency)))
    }

    /// What serves a goal is money that comes in, in its currency.
    fn check_goal(&self, reader: &Reader<'_>) -> Result<()> {
        let Some(goal) = self.goal else { return Ok(()) };
        let is_income = self.direction == Some(Direction::Incoming) && self.purpose == Purpose::Settlement;
        goal::check_served(reader, goal.0, self.currency.as_ref().map_or("USD", |currency| &currency.0), is_income)
    }

    /// Finds the account, and takes its currency: that of what the payment is for, if it is for something.
    fn check_account(&mut self, reader: &Writer<'_>, business: i64, of: Option<(&str, String)>) -> Result<()> {
        let currency = match &of {
            Some((_, currency)) => currency.clone(),
            None => business_currency(reader, business)?,
        };
        if self.account.is_none() {
            let account = default_till(reader, reader.actor(), &currency)?;
            let account = account.ok_or_else(|| Error::field("account", format!("There is no account for money in {currency} yet.")))?;
            self.account = Some(Ref::new(account));
        }
        let account = self.account.map_or(0, |account| account.0);
        let sql = "SELECT currency, is_money AND is_active, owner_id FROM accounts WHERE id = ?1 AND business_id = ?2";
        let read = |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<bool>(1)?, row.get::<Option<i64>>(2)?));
        let found = reader.row(sql, &[account.into(), business.into()], read)?;
        let Some((own, true, _)) = found else {
            return Err(Error::field("account", "Choose an active account that keeps money."));
        };
        if let Some((what, currency)) = of.filter(|(_, currency)| own != *currency) {
            return Err(Error::field("account", format!("The {what} is in {currency}, the account in {own}.")));
        }
        self.currency = Some(Currency(own));
        Ok(())
    }

    /// Brings the goal on its way.
    fn serve(&self, tx: &mut Writer<'_>) -> Result<()> {
        self.goal.map_or(Ok(()), |goal| goal::moved(tx, goal.0, goal::Moves::Forward))
    }

    /// Settles what the request asks for.
    fn settle(&self, id: i64, tx: &mut Writer<'_>) -> Result<()> {
        let (business, party) = (tx.actor().business_id().ok_or_else(Error::forbidden)?, self.party.map_or(0, |party| party.0));
        let currency = self.currency.as_ref().map_or("USD", |currency| &currency.0);
        let wanted = match (self.invoice, &self.allocations, self.allocate) {
            (Some(invoice), ..) => Wanted::Invoice(invoice.0),
            (_, Some(shares), _) => Wanted::Shares(allocation::shares(tx, tx.actor(), &shares.0, currency)?),
            (_, _, Some(Allocate::Auto)) => Wanted::Auto,
            _ => Wanted::Nothing,
        };
        let from = allocation::Plan {
            party,
            currency,
            direction: self.direction.unwrap_or(Direction::Incoming),
            keeps_excess: self.on_excess == Some(OnExcess::Credit),
        };
        let date = self.date.unwrap_or(Date(tx.actor().today()));
        for share in allocation::plan(tx, business, &wanted, &self.amount, &from)? {
            allocation::add(tx, allocation::Source::Payment(id), allocation::Target::Invoice(share.invoice), share.amount, date)?;
        }
        Ok(())
    }
}

fn business_currency(reader: &Reader<'_>, business: i64) -> Result<String> {
    let sql = "SELECT currency FROM businesses WHERE id = ?1";
    reader.one(sql, &[business.into()])?.ok_or_else(|| Error::internal("no such business"))
}
