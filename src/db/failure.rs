//! What SQLite's errors mean.

use rusqlite::{ErrorCode, ffi};

use crate::{
    error::{Error, Problems},
    kit::{singular, words},
};

/// What an error of SQLite means. Constraints become problems of a field in DRF's words.
pub fn explain(error: rusqlite::Error) -> Error {
    // Its own words repeat the statement, which may be pages long.
    if let rusqlite::Error::SqlInputError { msg, sql, .. } = error {
        tracing::debug!(sql, "cannot be prepared");
        return Error::Internal(msg);
    }
    let rusqlite::Error::SqliteFailure(code, message) = &error else { return Error::internal(error) };
    let message = message.as_deref().unwrap_or_default();
    match (code.code, code.extended_code) {
        (_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => not_unique(message),
        (_, ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Error::whole("A record that this one refers to does not exist."),
        (_, ffi::SQLITE_CONSTRAINT_CHECK) => {
            let rule = message.rsplit(": ").next().unwrap_or_default();
            Error::whole(format!("The record breaks the rule {rule}."))
        }
        (_, ffi::SQLITE_CONSTRAINT_TRIGGER) => refusal(message).unwrap_or_else(|| Error::internal(&error)),
        // The disk may have kept nothing of what it said it wrote; going on could lose acknowledged writes.
        (_, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) => {
            tracing::error!(%error, "the disk failed to store data; stopping");
            std::process::exit(74)
        }
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OperationInterrupted, _) => Error::Unavailable(1),
        (ErrorCode::DiskFull, _) => {
            tracing::error!("the disk is full: nothing more can be written");
            Error::Unavailable(30)
        }
        _ => Error::internal(error),
    }
}

/// What triggers refuse with, before the words.
const REFUSALS: [&str; 12] = [
    "immutable",
    "in_use",
    "unbalanced",
    "books_locked",
    "insufficient_funds",
    "party_required",
    "invalid_transition",
    "not_open",
    "mismatch",
    "exceeds_open_amount",
    "exceeds_approved_amount",
    "self_approval",
];

/// A refusal by a trigger that is made for clients: `books_locked: The books are locked for this date.`
fn refusal(message: &str) -> Option<Error> {
    let (code, text) = message.split_once(": ")?;
    REFUSALS.iter().find(|known| **known == code).map(|code| Error::conflict(code, text.to_owned()))
}

/// `UNIQUE constraint failed: zones.business_id, zones.name`, or `... failed: index 'users_email_key'` for one over expressions.
fn not_unique(message: &str) -> Error {
    let list = message.split_once("failed: ").map_or("", |(_, list)| list);
    let (table, fields): (String, Vec<String>) = match list.strip_prefix("index '").and_then(|name| name.strip_suffix("_key'")) {
        Some(name) => name.split_once('_').map_or_else(Default::default, |(table, field)| (table.into(), vec![field.into()])),
        None => {
            let columns: Vec<(&str, &str)> = list.split(", ").filter_map(|column| column.split_once('.')).collect();
            let fields = columns.iter().map(|(_, name)| *name).filter(|name| *name != "business_id");
            let fields = fields.map(|name| name.strip_suffix("_id").unwrap_or(name).to_owned()).collect();
            (columns.first().map_or("", |(table, _)| table).to_owned(), fields)
        }
    };
    let kind = words(&singular(&table));
    match fields.as_slice() {
        [field] if table == "users" && field == "username" => Error::field(field, "A user with that username already exists."),
        [field] => Error::field(field, format!("{kind} with this {} already exists.", words(field))),
        several => Error::Invalid(Problems::one("non_field_errors", format!("The fields {} must make a unique set.", several.join(", ")))),
    }
}
