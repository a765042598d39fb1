//! Money: with whom there is business, what is where, and the books that everything comes down to.

mod account;
pub mod check;
mod debts;
mod documents;
pub mod goal;
pub mod invoice;
mod journal;
pub mod ledger;
mod named;
mod party;
pub mod payment;
mod posted;
mod pricing;
mod printed;
mod quotation;
pub mod recurring;
pub mod remind;
mod report;
pub mod requisition;
mod statement;
mod tax_rate;
mod transaction;

pub use account::Account;
pub use debts::DebtVerbs;
pub use goal::{Goal, GoalMilestone, GoalVerbs};
pub use invoice::{Invoice, InvoiceVerbs};
pub use journal::{JournalEntry, JournalVerbs};
pub use party::{Party, PartyVerbs};
pub use payment::{Payment, PaymentVerbs};
pub use quotation::{Quotation, QuotationItem, QuotationVerbs};
pub use recurring::{RecurringInvoice, RecurringVerbs};
pub use report::ReportVerbs;
pub use requisition::{Requisition, RequisitionVerbs};
pub use statement::{PartiesWithUnpaid, PartyWithUnpaid, StatementVerbs};
pub use tax_rate::TaxRate;
pub use transaction::{Transaction, TransactionSource, TransactionState, TransactionType, TransactionVerbs};

use crate::engine::Descriptor;

/// The resources of this section, in the order of the menu.
pub fn all() -> Vec<Descriptor> {
    vec![
        Descriptor::new::<Party>(),
        Descriptor::new::<Account>(),
        Descriptor::new::<TaxRate>(),
        Descriptor::new::<Quotation>(),
        Descriptor::new::<QuotationItem>(),
        Descriptor::new::<Invoice>(),
        Descriptor::new::<RecurringInvoice>(),
        Descriptor::new::<Payment>(),
        Descriptor::new::<Requisition>(),
        Descriptor::new::<Goal>(),
        Descriptor::new::<GoalMilestone>(),
        Descriptor::new::<Transaction>(),
        Descriptor::new::<JournalEntry>(),
    ]
}

/// What can be done here besides the operations that every resource has.
pub type Verbs = (
    PartyVerbs,
    QuotationVerbs,
    InvoiceVerbs,
    RecurringVerbs,
    PaymentVerbs,
    RequisitionVerbs,
    GoalVerbs,
    DebtVerbs,
    StatementVerbs,
    ReportVerbs,
    TransactionVerbs,
    JournalVerbs,
);

pub fn verbs(public_url: &str) -> Verbs {
    (
        PartyVerbs,
        QuotationVerbs,
        InvoiceVerbs { public_url: public_url.to_owned() },
        RecurringVerbs { public_url: public_url.to_owned() },
        PaymentVerbs,
        RequisitionVerbs,
        GoalVerbs,
        DebtVerbs,
        StatementVerbs,
        ReportVerbs,
        TransactionVerbs,
        JournalVerbs,
    )
}
