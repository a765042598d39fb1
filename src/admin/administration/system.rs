//! The system page: how the server is, for superusers.

use poem::Response;
use serde_json::{Value as Json, json};

use crate::{
    admin::{call::Refusal, cells::plain, languages::key, session::Visit},
    engine::field::Kind,
    error::Error,
};

pub(super) async fn page(visit: &Visit<'_>, rest: &[&str]) -> Result<Response, Refusal> {
    if !rest.is_empty() {
        return Err(Error::not_found().into());
    }
    let state = visit.get("system/").await?;
    let at = |value: &Json| plain(visit, &Kind::DateTime, value);
    let text = |words: String| json!({"kind": "text", "text": words});
    let (database, seals) = (&state["database"], &state["seals"]);
    let bytes = |value: &Json| value.as_u64().map_or_else(|| json!({"kind": "none"}), |bytes| text(size(visit, bytes)));
    let facts = [
        (key("Version"), text(state["version"].as_str().unwrap_or_default().to_owned())),
        (key("Started"), at(&state["started_at"])),
        (key("Runs for"), text(duration(visit, state["uptime_seconds"].as_u64().unwrap_or(0)))),
        (key("Database"), text(database["file"].as_str().unwrap_or_default().to_owned())),
        (key("Its size"), bytes(&database["bytes"])),
        (key("Write-ahead log"), bytes(&database["wal_bytes"])),
        (key("Room left on its disk"), bytes(&database["free_bytes"])),
        (key("Newest seal of the audit log"), plain(visit, &Kind::Integer, &seals["newest"])),
        (key("Sealed last"), at(&seals["sealed_at"])),
        (key("Entries without a seal yet"), plain(visit, &Kind::Integer, &seals["unsealed"])),
    ];
    let facts: Vec<Json> = facts.into_iter().map(|(title, cell)| json!({"title": visit.t(title), "cell": cell})).collect();
    let check = |check: &Json| {
        let title = match check["name"].as_str().unwrap_or_default() {
            "check_ledger" => visit.t("The books"),
            "verify_audit" => visit.t("The audit log"),
            other => other.to_owned(),
        };
        json!({"title": title, "at": at(&check["at"]), "status": plain(visit, &Kind::Choice(vec![]), &check["status"]), "result": check["result"]})
    };
    let list = |name: &str| state[name].as_array().cloned().unwrap_or_default();
    let context = json!({"title": visit.t("System"), "crumbs": [], "facts": facts, "checks": list("checks").iter().map(check).collect::<Vec<_>>(),
        "tables": list("tables").iter().map(|one| json!({"title": visit.heading_of(one["name"].as_str().unwrap_or("table")), "rows": one["rows"]})).collect::<Vec<_>>(),
        "outbox": list("outbox").iter().map(|one| json!({"title": visit.heading_of(one["status"].as_str().unwrap_or("sent")), "count": one["count"]})).collect::<Vec<_>>(),
        "resting": list("providers").iter().filter(|one| one["status"] == "rests").map(|one| resting(visit, one)).collect::<Vec<_>>(),
        "backup": visit.english(state["backup"].as_str().unwrap_or_default()), "has_backups": state["has_backups"],
        "warnings": list("warnings").iter().filter_map(Json::as_str).map(|words| visit.english(words)).collect::<Vec<_>>()});
    visit.page("administration/system.html", context).await
}

/// `E-mail (business 3): the provider does not answer, ...`
fn resting(visit: &Visit<'_>, one: &Json) -> String {
    let business = one["business"].as_i64().map(|id| format!(" ({id})")).unwrap_or_default();
    let by = format!("{}{business}", visit.heading_of(one["channel"].as_str().unwrap_or("email")));
    let why = one["last_error"].as_str().unwrap_or_default();
    visit.t_with(
        key("{by}: the provider fails again and again and rests for a moment; its messages wait. {why}"),
        &[("by", &by), ("why", &why)],
    )
}

/// `3.4 GB`.
fn size(visit: &Visit<'_>, bytes: u64) -> String {
    const UNITS: [&str; 4] = [key("{n} KB"), key("{n} MB"), key("{n} GB"), key("{n} TB")];
    let (mut whole, mut unit) = (bytes as f64 / 1024.0, 0);
    while whole >= 1024.0 && unit + 1 < UNITS.len() {
        whole /= 1024.0;
        unit += 1;
    }
    if bytes < 1024 {
        return visit.t_count("{n} byte", "{n} bytes", bytes, &[]);
    }
    visit.t_with(UNITS[unit], &[("n", &visit.language.grouped(&format!("{whole:.1}")))])
}

/// `3 days, 4 hours`.
fn duration(visit: &Visit<'_>, seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let days_of = |count| visit.t_count("{n} day", "{n} days", count, &[]);
    let hours_of = |count| visit.t_count("{n} hour", "{n} hours", count, &[]);
    let minutes_of = |count| visit.t_count("{n} minute", "{n} minutes", count, &[]);
    match (days, hours) {
        (0, 0) => minutes_of(minutes),
        (0, _) => format!("{}, {}", hours_of(hours), minutes_of(minutes)),
        _ => format!("{}, {}", days_of(days), hours_of(hours)),
    }
}
