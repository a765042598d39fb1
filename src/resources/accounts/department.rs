//! Departments: how those who work for a business are grouped.

use poem_openapi::Object;

use super::{User, WORDS};
use crate::{
    engine::{About, Change, Computed, Resource},
    error::{Error, Result},
    kit::Ref,
};

/// How many departments may stand one below the other.
const DEEPEST: i64 = 5;

/// A part of the business that people work in.
#[derive(Object)]
pub struct Department {
    /// What it is called.
    #[oai(validator(max_length = 100))]
    pub name: String,
    /// Who leads it.
    pub manager: Option<Ref<User>>,
    /// The department it is a part of.
    pub parent: Option<Ref<Department>>,
}

impl Resource for Department {
    const ABOUT: About = About {
        path: "accounts/departments",
        table: "departments",
        list: &["name", "manager", "parent", "staff_count"],
        search: &["name"],
        filter: &["manager", "parent"],
        order: &["name", "created_at"],
        computed: &[Computed::integer(
            "staff_count",
            "(SELECT count(*) FROM staff_profiles p WHERE p.business_id = t.business_id AND p.department_id = t.id \
             AND p.deleted_at IS NULL AND p.status <> 'left')",
            "How many people work in it, those on leave included.",
        )],
        access: WORDS,
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let Some(parent) = self.parent else { return Ok(()) };
        let args = [change.tx.actor().business_id().into(), parent.0.into(), change.id.into(), DEEPEST.into()];
        // Both walks end one level past the limit, so a loop in the data cannot hold them.
        let above = "WITH RECURSIVE above(id, level) AS (SELECT ?2, 1 UNION ALL \
                     SELECT d.parent_id, above.level + 1 FROM above JOIN departments d ON d.business_id = ?1 AND d.id = above.id \
                     WHERE d.parent_id IS NOT NULL AND above.level <= ?4) \
                     SELECT max(level), count(CASE WHEN id = ?3 THEN 1 END) FROM above";
        let below = "WITH RECURSIVE below(id, level) AS (SELECT ?3, 1 UNION ALL \
                     SELECT d.id, below.level + 1 FROM below JOIN departments d ON d.business_id = ?1 AND d.parent_id = below.id \
                     WHERE d.deleted_at IS NULL AND below.level <= ?4) \
                     SELECT max(level) FROM below";
        let (levels_above, itself): (i64, i64) = change.tx.row(above, &args, |row| Ok((row.get(0)?, row.get(1)?)))?.unwrap_or_default();
        if itself > 0 {
            return Err(Error::field("parent", "A department cannot be a part of itself."));
        }
        let levels_below: i64 = change.tx.one(below, &args)?.unwrap_or_default();
        if levels_above + levels_below > DEEPEST {
            return Err(Error::field("parent", format!("Ensure departments are no more than {DEEPEST} levels deep.")));
        }
        Ok(())
    }
}
