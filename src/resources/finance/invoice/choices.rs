//! What an invoice's fields can be.

use poem_openapi::Enum;

/// Which way something goes: goods for invoices, money for payments.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "DirectionEnum")]
pub enum Direction {
    /// From the business: it sells, it pays.
    #[default]
    Outgoing,
    /// To the business: it buys, it is paid.
    Incoming,
}

impl Direction {
    pub fn opposite(self) -> Self {
        match self {
            Self::Outgoing => Self::Incoming,
            Self::Incoming => Self::Outgoing,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Outgoing => "outgoing",
            Self::Incoming => "incoming",
        }
    }
}

/// What sort of document it is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "InvoiceKindEnum")]
pub enum InvoiceKind {
    /// Something is to be paid.
    #[default]
    Invoice,
    /// Takes back what an invoice said.
    CreditNote,
}

/// How far it has come.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "InvoiceStateEnum")]
pub enum InvoiceState {
    /// Being written; says nothing yet.
    #[default]
    Draft,
    /// In the books, and no longer changed.
    Issued,
    /// Taken back.
    Void,
}

/// How a discount is meant.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "DiscountTypeEnum")]
pub enum DiscountType {
    /// There is none.
    #[default]
    None,
    /// A part of the whole.
    Percent,
    /// An amount.
    Fixed,
}
