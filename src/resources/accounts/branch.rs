//! Branches: the places a business works from.

use poem_openapi::Object;

use super::WORDS;
use crate::{
    db::Writer,
    engine::{About, Change, Computed, Resource},
    error::{Error, Problems, Result},
    kit::{Line, Lines},
};

/// A place of the business.
#[derive(Object)]
pub struct Branch {
    /// What it is called.
    #[oai(validator(max_length = 100))]
    pub name: String,
    /// Whether it is the head office; a business has at most one.
    #[oai(default)]
    pub is_head_office: bool,
    /// The number to call it on.
    #[oai(validator(max_length = 20))]
    pub phone: Option<String>,
    /// Where it is, in words.
    #[oai(validator(max_length = 255))]
    pub address: Option<String>,
    /// Where it is: degrees north.
    #[oai(validator(minimum(value = "-90"), maximum(value = "90")))]
    pub lat: Option<f64>,
    /// Where it is: degrees east.
    #[oai(validator(minimum(value = "-180"), maximum(value = "180")))]
    pub lon: Option<f64>,
    /// When it is open; a weekday that is not named is closed.
    #[oai(default)]
    pub opening_hours: Lines<BranchHour>,
}

/// A time on a weekday during which a branch is open.
#[derive(Object)]
pub struct BranchHour {
    /// Its id; left out for a new one.
    pub id: Option<i64>,
    /// The day of the week, from 1 for Monday to 7 for Sunday.
    #[oai(validator(minimum(value = "1"), maximum(value = "7")))]
    pub weekday: i32,
    /// When it opens, `HH:MM` on the clock of the business.
    #[oai(validator(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub opens: String,
    /// When it closes, `HH:MM` on the same day.
    #[oai(validator(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub closes: String,
}

impl Line for BranchHour {
    const TABLE: &'static str = "branch_hours";
}

impl Resource for Branch {
    const ABOUT: About = About {
        path: "accounts/branches",
        table: "branches",
        list: &["name", "is_head_office", "phone", "staff_count"],
        search: &["name"],
        filter: &["is_head_office"],
        order: &["name", "created_at"],
        computed: &[Computed::integer(
            "staff_count",
            "(SELECT count(*) FROM staff_profiles p WHERE p.business_id = t.business_id AND p.branch_id = t.id \
             AND p.deleted_at IS NULL AND p.status <> 'left')",
            "How many people work there, those on leave included.",
        )],
        access: WORDS,
        // Those that have not ended forbid deleting it, see `deleting`.
        kept_by: &["memberships"],
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let mut problems = Problems::default();
        let another = "SELECT 1 FROM branches WHERE business_id = ?1 AND is_head_office = 1 AND deleted_at IS NULL AND id IS NOT ?2";
        if self.is_head_office && change.tx.exists(another, &[change.tx.actor().business_id().into(), change.id.into()])? {
            problems.add("is_head_office", "There is a head office already.");
        }
        if self.lat.is_some() != self.lon.is_some() {
            problems.add(if self.lat.is_none() { "lat" } else { "lon" }, "Give both lat and lon, or neither.");
        }
        let hours = &self.opening_hours.0;
        let wrong: Vec<Problems> = hours.iter().enumerate().map(|(index, hour)| hour.problems(&hours[..index])).collect();
        if wrong.iter().any(|row| !row.is_empty()) {
            problems.rows("opening_hours", wrong);
        }
        problems.or_ok()
    }

    fn deleting(&self, id: i64, tx: &mut Writer<'_>) -> Result<()> {
        let args = [tx.actor().business_id().into(), id.into()];
        if tx.exists("SELECT 1 FROM memberships WHERE business_id = ?1 AND branch_id = ?2 AND status <> 'ended'", &args)? {
            return Err(Error::conflict("in_use", "There are members who are limited to this branch."));
        }
        Ok(())
    }
}

impl BranchHour {
    /// What is wrong with it, beside the hours named before it.
    fn problems(&self, earlier: &[Self]) -> Problems {
        let mut problems = Problems::default();
        // Times of one width: the order of the texts is the order of the times.
        if self.opens >= self.closes {
            problems.add("closes", "Ensure the closing time is after the opening time.");
        }
        if earlier.iter().any(|other| other.weekday == self.weekday && other.opens < self.closes && self.opens < other.closes) {
            problems.add("opens", "Ensure the hours of a day do not overlap.");
        }
        problems
    }
}
