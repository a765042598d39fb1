//! Zones: territories, and who manages them.

use poem_openapi::Object;

use super::check_position;
use crate::{
    actor::Capability::Field,
    engine::{About, Access, Change, Computed, LR, LRCU, LRCUD, Resource, all},
    error::Result,
    kit::Ref,
    resources::accounts::User,
};

/// An area in which leads are and visits are made.
#[derive(Object)]
pub struct Zone {
    /// What the zone is called; no two zones have the same name.
    #[oai(validator(max_length = 100))]
    pub name: String,
    /// The larger area it belongs to.
    #[oai(validator(max_length = 100))]
    pub region: Option<String>,
    /// Who manages it, and so sees every lead in it.
    pub manager: Option<Ref<User>>,
    /// Latitude of its centre, in degrees north.
    #[oai(validator(minimum(value = "-90"), maximum(value = "90")))]
    pub lat: Option<f64>,
    /// Longitude of its centre, in degrees east.
    #[oai(validator(minimum(value = "-180"), maximum(value = "180")))]
    pub lon: Option<f64>,
    /// How far from its centre a visit may be, in metres; the business's radius when empty.
    #[oai(validator(minimum(value = "0")))]
    pub radius_m: Option<i64>,
    /// Colour on maps, as `#rrggbb`.
    #[oai(validator(max_length = 9))]
    pub color: Option<String>,
}

impl Resource for Zone {
    const ABOUT: About = About {
        path: "field/zones",
        table: "zones",
        list: &["name", "region", "manager", "open_leads", "visits_30d"],
        search: &["name", "region"],
        filter: &["region", "manager"],
        order: &["name", "created_at"],
        computed: &[
            // The index is named: the planner would take that of lists, which does not hold the stage, and read every lead for it.
            Computed::integer(
                "open_leads",
                "(SELECT count(*) FROM leads AS l INDEXED BY leads_zone_stage_idx WHERE l.business_id = t.business_id AND l.zone_id = t.id \
                 AND l.deleted_at IS NULL AND l.stage NOT IN ('won', 'lost'))",
                "How many leads of the zone are neither won nor lost.",
            ),
            Computed::integer(
                "visits_30d",
                "(SELECT count(*) FROM visits AS v WHERE v.business_id = t.business_id AND v.zone_id = t.id AND v.deleted_at IS NULL \
                 AND v.date_time >= date(:today, '-30 days') AND v.date_time < date(:today, '+1 day') AND v.status <> 'cancelled')",
                "How many visits the zone had in the last 30 days.",
            ),
        ],
        access: Access::deny().admin(all(LRCUD)).manager(all(LRCUD)).staff(all(LR)).staff_with(Field, all(LRCU)).agent(all(LR)),
        // A past visit says where it was, also when the zone is gone; a lead without its zone would lose its manager.
        kept_by: &["visits"],
        ..About::DEFAULT
    };

    fn check(&mut self, _change: &Change<'_, '_, Self>) -> Result<()> {
        check_position(self.lat, self.lon)
    }
}
