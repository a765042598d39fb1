//! Designations: what people are called by their work.

use poem_openapi::Object;

use super::WORDS;
use crate::engine::{About, Computed, Resource};

/// A job title.
#[derive(Object)]
pub struct Designation {
    /// What it is called.
    #[oai(validator(max_length = 100))]
    pub name: String,
    /// Its place in the organisation chart, the lowest number first.
    #[oai(default = "ordinary_rank")]
    pub rank: i64,
}

/// Leaves room on both sides.
fn ordinary_rank() -> i64 {
    100
}

impl Resource for Designation {
    const ABOUT: About = About {
        path: "accounts/designations",
        table: "designations",
        list: &["name", "rank", "staff_count"],
        search: &["name"],
        filter: &["rank"],
        order: &["name", "rank", "created_at"],
        computed: &[Computed::integer(
            "staff_count",
            "(SELECT count(*) FROM staff_profiles p WHERE p.business_id = t.business_id AND p.designation_id = t.id \
             AND p.deleted_at IS NULL AND p.status <> 'left')",
            "How many people hold it, those on leave included.",
        )],
        access: WORDS,
        ..About::DEFAULT
    };
}
