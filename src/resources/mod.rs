//! What the program keeps: one room per resource, grouped as the API is.

pub mod accounts;
pub mod field;

use crate::engine::descriptor::{self, Descriptor};

/// All resources, in the order of the menu.
pub fn all() -> &'static [Descriptor] {
    descriptor::install(|| [accounts::all(), field::all()].into_iter().flatten().collect())
}

/// The operations of rooms beside those that every resource has.
pub type Verbs = (accounts::Verbs, field::Verbs);

pub fn verbs() -> Verbs {
    (accounts::verbs(), field::verbs())
}
