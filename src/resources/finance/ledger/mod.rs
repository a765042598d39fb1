//! The books: what every document of the business comes down to. Whoever moves money calls `post` in the transaction of its document.

mod balance;
mod chain;
mod chart;
mod choices;
mod number;
mod posting;

pub use balance::{balance_of, natural};
pub use chain::{Broken, compare_with_log, verify};
pub use chart::{
    BAD_DEBT, BANK_CHARGES, FX_CLEARING, OPENING_EQUITY, PAYABLE, RECEIVABLE, TAX_PAYABLE, TAX_RECEIVABLE, account, category,
    follow_currency, is_category, seed_cash, seed_chart,
};
pub use choices::{AccountClass, AccountType};
pub use number::{gaps, is_passed, next_number, use_number};
pub use posting::{Line, Posting, check_open, post, reverse};
