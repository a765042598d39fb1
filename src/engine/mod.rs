//! How every resource works, read off its struct and its `About`.
//!
//! `shape` reads the struct, `descriptor` makes a resource of it; `known` has them all; `access` says who may; `query` reads a list's
//! parameters, `filter` those that narrow it; `listed` knows what lists hold; `search` finds rows by their texts; `validate` reads a
//! record's fields; `store` turns rows into JSON and back, `table` into files and back; `verbs` are the operations; `events` tells of what
//! they did; `body` and `upload` are what endpoints take, `reply` what they answer.

pub mod about;
pub mod access;
pub mod body;
pub mod descriptor;
pub mod events;
pub mod field;
pub mod filter;
mod json;
mod known;
mod lines;
pub mod listed;
pub mod query;
pub mod reply;
pub mod search;
mod shape;
pub mod store;
pub mod table;
pub mod upload;
pub mod validate;
pub mod verbs;

pub use about::{About, Action, Attachment, Bars, Change, Chart, Computed, Expand, Figure, IdOf, Options, Output, Resource, Scope, Work};
pub use access::{Access, CREATE, DELETE, LIST, LR, LRCU, LRCUD, MINIMAL, READ, Reach, UPDATE, all, own};
pub use descriptor::Descriptor;
