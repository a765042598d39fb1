//! What the database works out about a visit: where it was, and how far that can be trusted.

use crate::engine::Computed;

/// SQL over `p`, the place that was to be visited: the lead's position, else the centre of the zone, which has its own radius.
macro_rules! of_place {
    ($expression:expr) => {
        concat!(
            "(SELECT ",
            $expression,
            " FROM (SELECT coalesce(l.lat, z.lat) AS lat, coalesce(l.lon, z.lon) AS lon, ",
            "CASE WHEN l.lat IS NULL THEN z.radius_m END AS radius_m FROM (SELECT 1) ",
            "LEFT JOIN leads AS l ON l.id = t.lead_id LEFT JOIN zones AS z ON z.id = t.zone_id) AS p)"
        )
    };
}

/// Metres between check-in and `p`.
macro_rules! metres {
    () => {
        "CAST(round(distance_m(t.check_in_lat, t.check_in_lon, p.lat, p.lon)) AS INTEGER)"
    };
}

pub const WITHIN_RADIUS: &str =
    of_place!(concat!(metres!(), " <= coalesce(p.radius_m, (SELECT b.visit_radius_m FROM businesses AS b WHERE b.id = t.business_id))"));

const GEO_QUALITY: &str = "CASE WHEN t.check_in_at IS NULL THEN CASE t.status WHEN 'completed' THEN 'after_the_fact' END \
     WHEN t.check_in_lat IS NULL THEN 'missing' \
     WHEN t.captured_at < strftime('%Y-%m-%dT%H:%M:%fZ', t.check_in_at, '-2 minutes') THEN 'stale' \
     WHEN t.check_in_accuracy_m > 100 THEN 'low_accuracy' ELSE 'ok' END";

pub const ALL: &[Computed] = &[
    Computed::integer(
        "distance_m",
        of_place!(metres!()),
        "Metres from the check-in to the lead's position, or else to the centre of the zone; empty when either is unknown.",
    ),
    Computed::bool(
        "within_radius",
        WITHIN_RADIUS,
        "Was the check-in near enough? The zone's radius counts around its centre, else the business's.",
    ),
    Computed::integer(
        "duration_min",
        "(unixepoch(t.check_out_at) - unixepoch(t.check_in_at)) / 60",
        "Whole minutes from check-in to check-out.",
    ),
    Computed::text(
        "geo_quality",
        GEO_QUALITY,
        "ok; low_accuracy: by more than 100 m; stale: the position was more than 2 minutes old; missing: none was sent; \
         after_the_fact: completed without a check-in. Empty before either.",
    ),
];
