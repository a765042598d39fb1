//! What a requisition's fields can be.

use poem_openapi::Enum;

/// How soon the money is needed.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "UrgencyEnum")]
pub enum Urgency {
    /// It can wait.
    Low,
    /// As usual.
    #[default]
    Medium,
    /// Soon.
    High,
    /// At once.
    Urgent,
}

/// How far a requisition has come.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "RequisitionStatusEnum")]
pub enum RequisitionStatus {
    /// Being written; nobody is asked yet.
    Draft,
    /// Waits for somebody to decide.
    #[default]
    Pending,
    /// May be paid.
    Approved,
    /// Will not be paid, as it stands.
    Rejected,
    /// Given up.
    Cancelled,
}
