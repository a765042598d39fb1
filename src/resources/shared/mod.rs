//! What belongs to all sections: people's ways of looking at lists, and what is attached to records of any kind.

mod comment;
mod emoji;
mod file;
mod saved_view;

pub use self::{
    comment::Comment,
    emoji::{React, Reaction, ReactionVerbs, reactions_schema},
    file::{File, plain_name},
    saved_view::SavedView,
};
use crate::{
    db::Writer,
    engine::{Attachment, Descriptor, descriptor},
    error::{Error, Result},
};

/// The resources of this section, in the order of the menu.
pub fn all() -> Vec<Descriptor> {
    vec![Descriptor::new::<SavedView>()]
}

/// What is attached to resources that say so.
pub fn attached() -> Vec<Descriptor> {
    vec![Descriptor::new::<Comment>(), Descriptor::new::<File>()]
}

/// What can be done here besides the operations that every resource has.
pub type Verbs = ReactionVerbs;

pub fn verbs() -> Verbs {
    ReactionVerbs
}

/// The resource that a `target_type` means.
fn target_of(what: Attachment, word: &str) -> Result<&'static Descriptor> {
    let not_a_choice = || Error::field("target_type", format!("\"{word}\" is not a valid choice."));
    descriptor::targets(what).find(|d| d.word() == word).ok_or_else(not_a_choice)
}

/// Was this row made by the caller?
fn is_mine(tx: &Writer<'_>, table: &str, id: i64) -> Result<bool> {
    let sql = format!("SELECT 1 FROM \"{table}\" WHERE id = ?1 AND created_by = ?2");
    tx.exists(&sql, &[id.into(), tx.actor().user_id.into()])
}
