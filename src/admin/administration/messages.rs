//! Jobs and outbox: what the business sends and what became of it; for superusers the recurring work of the server as well.

use poem::Response;
use serde_json::{Value as Json, json};

use super::{id_in, url, wrong_in};
use crate::{
    admin::{
        call::{Ask, Refusal},
        cells::plain,
        filters,
        languages::key,
        session::Visit,
        widgets::texts,
    },
    engine::field::Kind,
    error::Error,
};

const STATUSES: [&str; 5] = ["failed", "pending", "sending", "sent", "cancelled"];
const SIZE: &str = "50";

pub(super) async fn page(visit: &Visit<'_>, rest: &[&str]) -> Result<Response, Refusal> {
    match rest {
        [] => list(visit).await,
        ["retry-failed"] if visit.is_post() => {
            let answer = visit.ask(Ask::post("outbox/retry-failed/", &json!({}))).await?.done()?;
            Ok(visit.see_saying(
                &url("outbox"),
                visit.t_count("{n} message is sent again.", "{n} messages are sent again.", answer["retried"].as_u64().unwrap_or(0), &[]),
            ))
        }
        [id, "retry"] if visit.is_post() => retry(visit, id_in(id)?).await,
        ["jobs", name, "run"] if visit.is_post() => run(visit, name).await,
        _ => Err(Error::not_found().into()),
    }
}

async fn list(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let status = visit.asked("status").and_then(|status| STATUSES.into_iter().find(|known| *known == status)).unwrap_or_default();
    let page: u64 = visit.asked("page").and_then(|page| page.parse().ok()).unwrap_or(1).max(1);
    let of = |status: &'static str| Ask::get("outbox/").with_all(Some(("status", status)).filter(|_| !status.is_empty()));
    let number = page.to_string();
    let found = visit.ask(of(status).with("page", &number).with("page_size", SIZE)).await?.done()?;
    let (mut tabs, mut failed) = (vec![], 0);
    for (name, title) in [("", visit.t("All"))].into_iter().chain(STATUSES.map(|name| (name, visit.heading_of(name)))) {
        let count = visit.ask(of(name).with("page_size", "1")).await?.body["count"].as_u64().unwrap_or(0);
        if name == "failed" {
            failed = count;
        }
        let url = filters::with(&visit.query, "status", Some(name).filter(|name| !name.is_empty()));
        tabs.push(json!({"title": title, "count": count, "url": url, "current": name == status}));
    }
    let at = |value: &Json| plain(visit, &Kind::DateTime, value);
    let row = |one: &Json| {
        let template = one["template"].as_str().unwrap_or_default();
        json!({"id": one["id"], "to": one["recipient"], "what": visit.heading_of(&template.replace(['.', '-'], "_")), "by": visit.heading_of(one["channel"].as_str().unwrap_or("email")),
            "status": plain(visit, &Kind::Choice(vec![]), &one["status"]), "attempts": one["attempts"], "error": one["last_error"].as_str().map(|words| visit.english(words)),
            "made": at(&one["created_at"]), "sent": at(&one["sent_at"]), "due": (one["status"] == "pending").then(|| at(&one["due_at"])),
            "failed": one["status"] == "failed"})
    };
    let rows: Vec<Json> = found["results"].as_array().into_iter().flatten().map(row).collect();
    let turn = |page: u64| filters::with(&visit.query, "page", Some(page.to_string().as_str()));
    let jobs = if visit.actor()?.is_superuser { jobs(visit).await? } else { Json::Null };
    let title = visit.t(if jobs.is_null() { key("Outbox") } else { key("Jobs and outbox") });
    let context = json!({"title": title, "crumbs": [], "url": url("outbox"), "tabs": tabs, "rows": rows, "failed": failed, "jobs": jobs,
        "previous": (!found["previous"].is_null()).then(|| turn(page - 1)), "next": (!found["next"].is_null()).then(|| turn(page + 1))});
    visit.page("administration/outbox.html", context).await
}

async fn jobs(visit: &Visit<'_>) -> Result<Json, Refusal> {
    let at = |value: &Json| plain(visit, &Kind::DateTime, value);
    let job = |job: &Json| {
        json!({"name": job["name"], "title": visit.heading_of(job["name"].as_str().unwrap_or("job")), "what": visit.name(job["description"].as_str().unwrap_or_default()),
            "when": visit.name(job["when"].as_str().unwrap_or_default()), "next": at(&job["next_run_at"]),
            "last": at(&job["last_run_at"]), "status": plain(visit, &Kind::Choice(vec![]), &job["last_status"]), "result": job["last_result"].as_str().map(|words| visit.english(words)),
            "running": job["running"]})
    };
    let found = visit.get("jobs/").await?;
    Ok(found["results"].as_array().into_iter().flatten().map(job).collect())
}

async fn retry(visit: &Visit<'_>, id: i64) -> Result<Response, Refusal> {
    let answer = visit.ask(Ask::post(&format!("outbox/{id}/retry/"), &json!({}))).await?;
    let words = wrong_in(visit, answer)?.map_or_else(|| visit.t("The message is sent again."), |errors| texts(visit, &errors).join(" "));
    Ok(visit.see_saying(&url("outbox"), words))
}

async fn run(visit: &Visit<'_>, name: &str) -> Result<Response, Refusal> {
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if !is_name {
        return Err(Error::not_found().into());
    }
    let answer = visit.ask(Ask::post(&format!("jobs/{name}/run/"), &json!({}))).await?;
    let result = answer.body["last_result"].as_str().unwrap_or_default().to_owned();
    let words =
        wrong_in(visit, answer)?.map_or_else(|| format!("{}: {result}", visit.heading_of(name)), |errors| texts(visit, &errors).join(" "));
    Ok(visit.see_saying(&url("outbox"), words))
}
