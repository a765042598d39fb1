//! The journal: every entry of the books, with its lines. Entries are posted and reversed, never changed.

mod actions;
mod manual;

use poem_openapi::{Enum, Object};

pub use actions::{JournalVerbs, Reverse, check_reversal};

use crate::{
    actor::Capability::Finance,
    engine::{About, Access, Action, CREATE, Computed, IdOf, LR, Output, Resource, about::schema, all},
    kit::{Date, DateTime, Ref},
};

/// How an entry stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "JournalEntryStateEnum")]
pub enum EntryState {
    /// Being written.
    #[default]
    Draft,
    /// In the books for good.
    Posted,
}

/// Something that happened, as the books have it.
#[derive(Object)]
pub struct JournalEntry {
    /// Counts the entries of the business, without gaps.
    pub number: i64,
    /// On which day it happened.
    pub date: Date,
    /// What it was.
    #[oai(default, validator(max_length = 500))]
    pub memo: String,
    /// How it stands.
    #[oai(default)]
    pub state: EntryState,
    /// What it was posted for: `manual`, `transaction`, `opening`, `invoice`, ...
    #[oai(validator(max_length = 40))]
    pub source_type: String,
    /// The id of that; 0 for an entry by hand.
    pub source_id: i64,
    /// The entry that it takes back.
    pub reverses: Option<Ref<JournalEntry>>,
    /// When it was posted.
    pub posted_at: Option<DateTime>,
    /// A hash over it and the entry before, by which a change would be found.
    pub hash: Option<String>,
}

const LINES: &str = "(SELECT json_group_array(json_object('id', l.id, 'account', l.account_id, 'account_name', l.account_name, \
     'account_code', l.account_code, 'party', l.party_id, 'party_name', l.party_name, 'currency', l.currency, \
     'debit', CASE WHEN l.amount > 0 THEN money_text(l.amount, l.currency) END, \
     'credit', CASE WHEN l.amount < 0 THEN money_text(-l.amount, l.currency) END, \
     'amount', money_text(l.amount, l.currency), 'memo', l.memo)) \
     FROM (SELECT j.*, a.name AS account_name, a.code AS account_code, p.name AS party_name FROM journal_lines AS j \
           JOIN accounts AS a ON a.id = j.account_id LEFT JOIN parties AS p ON p.id = j.party_id \
           WHERE j.entry_id = t.id ORDER BY j.id) AS l)";

impl Resource for JournalEntry {
    const ABOUT: About = About {
        path: "finance/journal",
        table: "journal_entries",
        label: "t.number || ' ' || t.memo",
        list: &["number", "date", "memo", "source_type"],
        search: &["memo"],
        filter: &["number", "date", "source_type", "source_id", "reverses", "created_at"],
        filter_by: &[
            ("account", "EXISTS (SELECT 1 FROM journal_lines AS l WHERE l.entry_id = t.id AND CAST(l.account_id AS TEXT) = ?)"),
            ("party", "EXISTS (SELECT 1 FROM journal_lines AS l WHERE l.entry_id = t.id AND CAST(l.party_id AS TEXT) = ?)"),
        ],
        order: &["-date", "number", "created_at"],
        computed: &[
            Computed::integer(
                "reversed_by",
                "(SELECT r.id FROM journal_entries AS r WHERE r.business_id = t.business_id AND r.reverses_id = t.id)",
                "The id of the entry that takes it back.",
            ),
            Computed::new(
                "lines",
                Output::Json(|| {
                    schema::list_of_objects(&[
                        ("id", "integer"),
                        ("account", "integer"),
                        ("account_name", "string"),
                        ("account_code", "string"),
                        ("party", "integer"),
                        ("party_name", "string"),
                        ("currency", "string"),
                        ("debit", "string"),
                        ("credit", "string"),
                        ("amount", "string"),
                        ("memo", "string"),
                    ])
                }),
                LINES,
                "What it does to which account; `amount` is positive for debit and negative for credit.",
            )
            .on_detail(),
        ],
        ids: &[("source_id", IdOf::Word("source_type")), ("reversed_by", IdOf::Table("journal_entries"))],
        // What may be entered by hand; see `actions`.
        access: Access::deny().admin(all(LR.and(CREATE))).manager(all(LR.and(CREATE))).staff_with(Finance, all(LR.and(CREATE))),
        soft_delete: false,
        actions: &[Action::new("reverse", "t.state = 'posted'").destructive()],
        read_only: true,
        ..About::DEFAULT
    };
}
