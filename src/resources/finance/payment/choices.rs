//! What a payment's fields can be.

use poem_openapi::Enum;

/// How something is paid.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "MethodEnum")]
pub enum Method {
    /// In notes and coins.
    #[default]
    Cash,
    /// From bank account to bank account.
    BankTransfer,
    /// By telephone.
    MobileMoney,
    /// By card.
    Card,
    /// By cheque.
    Cheque,
    /// In another way.
    Other,
}

/// What a payment is for.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "PaymentPurposeEnum")]
pub enum Purpose {
    /// It settles what is owed, now or later.
    #[default]
    Settlement,
    /// It gives back what was paid too much.
    Refund,
}

/// How a payment stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "PaymentStateEnum")]
pub enum PaymentState {
    /// In the books.
    #[default]
    Posted,
    /// Taken back.
    Void,
}

/// What is done with more money than is open.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "OnExcessEnum")]
pub enum OnExcess {
    /// The payment is refused: there may be a zero too many.
    #[default]
    Reject,
    /// The rest stays with the payment, for what comes next.
    Credit,
}

/// How a payment finds what it settles.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[oai(rename_all = "snake_case", rename = "AllocateEnum")]
pub enum Allocate {
    /// Whatever is open, the oldest due first.
    Auto,
}
