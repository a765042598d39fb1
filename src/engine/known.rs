//! Which resources there are, and what can be attached to them.

use std::sync::OnceLock;

use super::{
    about::{Attachment, Resource},
    descriptor::Descriptor,
};

static ALL: OnceLock<Vec<Descriptor>> = OnceLock::new();
static ATTACHED: OnceLock<Vec<Descriptor>> = OnceLock::new();

/// Makes the resources known to the engine. The first call counts.
pub fn install(all: impl FnOnce() -> Vec<Descriptor>) -> &'static [Descriptor] {
    ALL.get_or_init(all)
}

/// All resources, in the order of the menu.
pub fn all() -> &'static [Descriptor] {
    ALL.get().map_or(&[], Vec::as_slice)
}

/// Makes what is attached to resources known to the engine. The first call counts.
pub fn install_attached(attached: impl FnOnce() -> Vec<Descriptor>) -> &'static [Descriptor] {
    ATTACHED.get_or_init(attached)
}

/// What is attached to resources: comments, files. They work as resources do, but have only the operations that make sense for what
/// belongs to another record.
pub fn attached() -> &'static [Descriptor] {
    ATTACHED.get().map_or(&[], Vec::as_slice)
}

/// The resources that something can be attached to.
pub fn targets(what: Attachment) -> impl Iterator<Item = &'static Descriptor> {
    all().iter().filter(move |d| what.is_taken_by(&d.about))
}

/// The resource kept in a table.
pub fn by_table(table: &str) -> Option<&'static Descriptor> {
    all().iter().chain(attached()).find(|d| d.about.table == table)
}

/// The descriptor of a resource type.
pub fn of<R: Resource>() -> &'static Descriptor {
    by_table(R::ABOUT.table).expect("every resource stands in its section's list")
}
