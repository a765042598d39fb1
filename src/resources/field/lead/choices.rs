//! What a lead's fields can be.

use poem_openapi::{Enum, types::ToJSON};

/// How far a lead has come.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "StageEnum")]
pub enum Stage {
    /// Known, nothing more.
    #[default]
    Prospect,
    /// Needs what is sold and can pay for it.
    Qualified,
    /// Talking about terms.
    Negotiation,
    /// Became a customer.
    Won,
    /// Will not become one.
    Lost,
}

impl Stage {
    pub const ALL: [Self; 5] = [Self::Prospect, Self::Qualified, Self::Negotiation, Self::Won, Self::Lost];

    pub fn is_closed(self) -> bool {
        matches!(self, Self::Won | Self::Lost)
    }
}

/// What is going on with a lead; closed exactly when its stage is won or lost.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "LeadStatusEnum")]
pub enum LeadStatus {
    /// Nobody was in touch yet.
    #[default]
    New,
    /// Wants to know more.
    Interested,
    /// Somebody is to get in touch again.
    FollowUp,
    /// Has a quote.
    QuoteSent,
    /// Won.
    ClosedSubscribed,
    /// Lost.
    ClosedLost,
    /// Put off; the stage stays.
    OnHold,
}

impl LeadStatus {
    /// Can a lead of this stage have this status?
    pub fn fits(self, stage: Stage) -> bool {
        match stage {
            Stage::Won => self == Self::ClosedSubscribed,
            Stage::Lost => self == Self::ClosedLost,
            _ => !matches!(self, Self::ClosedSubscribed | Self::ClosedLost),
        }
    }

    /// The status of a lead that has just come to a stage.
    pub fn of(stage: Stage) -> Self {
        match stage {
            Stage::Prospect => Self::New,
            Stage::Qualified | Stage::Negotiation => Self::Interested,
            Stage::Won => Self::ClosedSubscribed,
            Stage::Lost => Self::ClosedLost,
        }
    }
}

/// Where a lead came from.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[oai(rename_all = "snake_case", rename = "SourceEnum")]
pub enum Source {
    /// Met on the road.
    Field,
    /// Recommended by somebody.
    Referral,
    /// Came through the internet.
    Digital,
    /// Asked by themselves.
    Inbound,
    /// From elsewhere.
    Other,
}

/// How soon a lead is to be looked after.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "PriorityEnum")]
pub enum Priority {
    /// Can wait.
    Low,
    /// In turn.
    #[default]
    Medium,
    /// Before others.
    High,
    /// At once.
    Urgent,
}

/// How to get in touch again.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[oai(rename_all = "snake_case", rename = "FollowUpTypeEnum")]
pub enum FollowUpType {
    /// By telephone.
    Call,
    /// Show the product.
    Demo,
    /// Meet in person.
    Meeting,
    /// Set the product up.
    Install,
    /// Ask how it is going.
    Checkin,
}

/// Why a lead was lost.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[oai(rename_all = "snake_case", rename = "LostReasonEnum")]
pub enum LostReason {
    /// Too expensive.
    Price,
    /// Bought elsewhere.
    Competitor,
    /// No money for it.
    NoBudget,
    /// Could not be reached.
    NoAnswer,
    /// Not now.
    Timing,
    /// For another reason.
    Other,
}

/// The name of a choice, as the database has it; `None` for no choice.
pub fn name_of(choice: &impl ToJSON) -> Option<String> {
    choice.to_json()?.as_str().map(str::to_owned)
}
