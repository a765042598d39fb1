//! Accounts: where money is, and the chart of everything else that it is counted under.

mod computed;
mod till;

use poem_openapi::Object;
use serde_json::{Map, Value as Json};

pub use till::{default_till, may_use};

use super::ledger::{self, AccountClass, AccountType, Line, OPENING_EQUITY, Posting};
use crate::{
    actor::Capability::Finance,
    db::{Reader, Writer},
    engine::{About, Access, CREATE, Change, Figure, LR, LRCU, LRCUD, Resource, all, own},
    error::{Error, Result},
    kit::{Currency, Date, Money, Ref},
    resources::accounts::{SUMMARY, User},
};

/// A place where money is kept, or something that it is counted under.
#[derive(Object)]
pub struct Account {
    /// What it is called; unique for its class and currency.
    #[oai(validator(max_length = 100))]
    pub name: String,
    /// The code of an account of the chart; that of a category is what transactions name it by.
    #[oai(validator(max_length = 32))]
    pub code: Option<String>,
    /// The number that the bank or provider knows it by.
    #[oai(validator(max_length = 34))]
    pub number: Option<String>,
    /// On which side of the books it stands; as its type has it when left out. Fixed once the account is used.
    pub class: Option<AccountClass>,
    /// What it is for.
    #[oai(rename = "type", default)]
    pub kind: AccountType,
    /// The currency of all that is on it; the business's when left out. Fixed once the account is used.
    pub currency: Option<Currency>,
    /// Who keeps the cash box.
    pub owner: Option<Ref<User>>,
    /// May it be overdrawn? Banks and credit cards may when left out, other money may not.
    pub allow_negative: Option<bool>,
    /// Does the program itself count on it?
    #[oai(default)]
    pub is_system: bool,
    /// Is it offered for new documents?
    #[oai(default = "yes")]
    pub is_active: bool,
    /// Anything else worth knowing.
    #[oai(default, validator(max_length = 2000))]
    pub description: String,
    /// For a new account: what is on it already; posted against the opening equity.
    pub opening_balance: Option<Money>,
    /// The day of the opening balance; today when left out.
    pub opening_date: Option<Date>,
}

fn yes() -> bool {
    true
}

impl Resource for Account {
    const ABOUT: About = About {
        path: "finance/accounts",
        table: "accounts",
        list: &["name", "type", "number", "currency", "balance", "is_active"],
        search: &["name", "number", "code"],
        filter: &["type", "class", "currency", "is_active", "owner", "code", "is_money"],
        // The chart is for those who ask for it.
        usual: Some((&["class", "type", "code", "is_money"], "t.is_money")),
        order: &["name", "type"],
        server_set: &["is_system"],
        input: &["opening_balance", "opening_date"],
        private: &[("number", Finance)],
        computed: computed::ALL,
        expand: &[("owner", SUMMARY)],
        // What older clients send.
        aliases: &[
            ("type", "cashbox", "cash"),
            ("type", "cash_wallet", "cash"),
            ("type", "airtel_money", "mobile_money"),
            ("type", "mtn_money", "mobile_money"),
            ("type", "personal_bank", "bank"),
            ("type", "savings_account", "savings"),
        ],
        figures: &[Figure::new("Places for money", "").sum("balance")],
        access: Access::deny().admin(all(LRCUD)).manager(all(LRCU)).staff_with(Finance, all(LR.and(CREATE))).agent(own(LR)),
        own: "t.owner_id = :me",
        ..About::DEFAULT
    };

    fn prepare(input: &mut Map<String, Json>, before: Option<&Map<String, Json>>, _tx: &Writer<'_>) -> Result<()> {
        // What older clients call the opening balance.
        if before.is_none()
            && let Some(balance) = input.shift_remove("balance").filter(|balance| !balance.is_null())
        {
            input.entry("opening_balance").or_insert(balance);
        }
        Ok(())
    }

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let class = self.class.unwrap_or(self.kind.class());
        self.class = Some(class);
        self.allow_negative.get_or_insert(self.kind.allows_negative());
        if !self.kind.fits(class) {
            return Err(Error::field("class", "This class does not go with the type."));
        }
        match (change.before, change.id) {
            (Some(before), Some(id)) => self.check_change(before, id, change),
            _ => self.check_new(),
        }
    }

    fn after(&self, id: i64, before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        let Some(opening) = self.opening_balance.filter(|opening| before.is_none() && opening.minor != 0) else { return Ok(()) };
        let today = Date(tx.actor().today());
        let (class, currency) = (self.class.unwrap_or_default(), self.currency.clone().map(|currency| currency.0).unwrap_or_default());
        let equity = ledger::account(tx, OPENING_EQUITY, AccountClass::Equity, &currency)?;
        let amount = ledger::natural(class, opening.minor);
        let posting = Posting {
            date: self.opening_date.unwrap_or(today),
            memo: format!("Opening balance of {}", self.name),
            source: ("opening", id),
            lines: vec![Line::new(id, amount), Line::new(equity, -amount)],
            reverses: None,
        };
        ledger::post(tx, posting).map(drop)
    }

    fn deleting(&self, id: i64, tx: &mut Writer<'_>) -> Result<()> {
        if self.is_system {
            return Err(Error::conflict("immutable", "The program counts on this account; it is not deleted."));
        }
        if is_used(tx, id)? {
            return Err(Error::conflict("in_use", "This account cannot be deleted: something was posted to it. Deactivate it instead."));
        }
        Ok(())
    }
}

impl Account {
    fn check_new(&mut self) -> Result<()> {
        use AccountType::{FxClearing, Payable, Receivable, TaxPayable, TaxReceivable};
        if matches!(self.kind, Receivable | Payable | TaxPayable | TaxReceivable | FxClearing) {
            return Err(Error::field("type", "The program has accounts of this type itself."));
        }
        if self.opening_balance.is_some_and(|opening| opening.minor != 0) && !self.kind.is_money() {
            return Err(Error::field("opening_balance", "Only what keeps money has an opening balance."));
        }
        // A category is named by its code.
        if self.code.is_none() && matches!(self.kind, AccountType::Income | AccountType::Expense) {
            self.code = Some(slug(&self.name)).filter(|slug| !slug.is_empty());
            if self.code.is_none() {
                return Err(Error::field("code", "This field is required."));
            }
        }
        Ok(())
    }

    fn check_change(&self, before: &Self, id: i64, change: &Change<'_, '_, Self>) -> Result<()> {
        let moved = self.class != before.class
            || self.currency != before.currency
            || self.kind.is_money() != before.kind.is_money()
            || !before.kind.is_money() && self.kind != before.kind;
        if before.is_system && (moved || self.code != before.code || !self.is_active) {
            return Err(Error::conflict("immutable", "The program counts on this account; only its name and description are changed."));
        }
        if moved && is_used(change.tx, id)? {
            return Err(Error::conflict("immutable", "Class, currency and kind of an account are fixed once it is used."));
        }
        Ok(())
    }
}

fn is_used(reader: &Reader<'_>, id: i64) -> Result<bool> {
    let sql = "SELECT 1 FROM journal_lines WHERE account_id = ?1 UNION ALL \
               SELECT 1 FROM transactions WHERE account_id = ?1 OR to_account_id = ?1 LIMIT 1";
    reader.exists(sql, &[id.into()])
}

/// A name as the code of a category: `Web hosting` becomes `web_hosting`.
fn slug(name: &str) -> String {
    let plain: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join("_").chars().take(32).collect()
}
