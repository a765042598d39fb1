//! What the program keeps: one room per resource, grouped as the API is.

pub mod accounts;
pub mod business;
pub mod field;
pub mod finance;
pub mod integration;
pub mod shared;

use crate::engine::descriptor::{self, Descriptor};

/// All resources, in the order of the menu.
pub fn all() -> &'static [Descriptor] {
    attached();
    let integrations = || vec![Descriptor::new::<integration::Integration>()];
    descriptor::install(|| [accounts::all(), field::all(), finance::all(), shared::all(), integrations()].into_iter().flatten().collect())
}

/// What is attached to resources that say so.
pub fn attached() -> &'static [Descriptor] {
    descriptor::install_attached(shared::attached)
}

/// The operations of rooms beside those that every resource has.
pub type Verbs = (accounts::Verbs, field::Verbs, finance::Verbs, shared::Verbs);

/// `public_url`: what links in messages start with.
pub fn verbs(public_url: &str) -> Verbs {
    (accounts::verbs(), field::verbs(), finance::verbs(public_url), shared::verbs())
}
