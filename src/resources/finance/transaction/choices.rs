//! What a transaction's fields can be.

use poem_openapi::Enum;

/// What a transaction does.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[oai(rename_all = "snake_case", rename = "TransactionTypeEnum")]
pub enum TransactionType {
    /// Money comes in.
    Income,
    /// Money goes out.
    Expense,
    /// Money goes from one account to another.
    Transfer,
}

impl TransactionType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Income => "income",
            Self::Expense => "expense",
            Self::Transfer => "transfer",
        }
    }
}

/// How a transaction stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "TransactionStateEnum")]
pub enum TransactionState {
    /// Not in the books yet.
    Draft,
    /// In the books.
    #[default]
    Posted,
    /// Taken back by another entry.
    Reversed,
}

/// Where a transaction comes from.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "TransactionSourceEnum")]
pub enum TransactionSource {
    /// Somebody entered it.
    #[default]
    Manual,
    /// It shows a payment.
    Payment,
    /// The books began with it.
    Opening,
    /// It comes again and again.
    Recurring,
    /// It was taken in from a file.
    Import,
}
