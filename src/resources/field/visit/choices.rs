//! What a visit's fields can be.

use poem_openapi::Enum;

/// How a visit stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "VisitStatusEnum")]
pub enum VisitStatus {
    /// Yet to be made, or to be written down.
    #[default]
    Planned,
    /// The rep is there.
    CheckedIn,
    /// Was made.
    Completed,
    /// Will not be made.
    Cancelled,
}

/// What came of a visit.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[oai(rename_all = "snake_case", rename = "VisitOutcomeEnum")]
pub enum VisitOutcome {
    /// Nobody was there.
    NoAnswer,
    /// They do not want it.
    Refusal,
    /// They want to know more.
    Interested,
    /// What was to be done was done.
    Completed,
    /// They bought.
    SaleClosed,
    /// Something else.
    Other,
}
