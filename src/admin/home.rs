//! What is worth a look at the start of the day.

use poem::Response;
use serde_json::{Value as Json, json};

use super::{
    call::Refusal,
    cells::moment,
    figures,
    frame::{one_of, open_to, url_of},
    glance::Glance,
    session::Visit,
};
use crate::engine::{CREATE, Reach, descriptor, verbs};

/// So many of one's own doings.
const RECENT: usize = 10;

pub(super) async fn page(visit: &Visit<'_>) -> Result<Response, Refusal> {
    // What waits for somebody is found by their name: it is few, and known at once.
    let (actor, glance, own) = (visit.actor()?, Glance::of(visit), Glance::now(visit));
    let (mut waiting, mut all, mut charts, mut quick, mut is_long) = (vec![], vec![], vec![], vec![], false);
    for d in open_to(actor) {
        is_long |= !(d.about.figures.is_empty() && d.about.charts.is_empty()) && glance.is_long(d)?;
        for figure in d.about.figures {
            if let Some(shown) = figures::figure(if figure.waits { &own } else { &glance }, d, figure).await? {
                if figure.waits { &mut waiting } else { &mut all }.push(shown);
            }
        }
        for chart in d.about.charts {
            charts.extend(figures::chart(&glance, d, chart).await?);
        }
        if !d.about.figures.is_empty() && !d.about.read_only && d.reach(actor, CREATE) != Reach::Nothing {
            quick.push(
                json!({"words": visit.t_with("Add {one}", &[("one", &one_of(visit, d).to_lowercase())]), "url": format!("{}add/", url_of(d))}),
            );
        }
    }
    figures::remember(visit, waiting.iter().filter_map(|one| one["count"].as_u64()).sum());
    waiting.retain(|one| one["count"] != 0);
    let zone = actor.zone();
    let hour = zone.to_datetime(actor.now).hour();
    let greeting = match hour {
        5..=11 => visit.t("Good morning"),
        12..=17 => visit.t("Good afternoon"),
        _ => visit.t("Good evening"),
    };
    let today = visit.date("%A, %-d %B %Y", actor.today());
    let context = json!({"title": greeting, "crumbs": [], "today": today, "waiting": waiting, "figures": all, "charts": charts, "quick": quick, "is_long": is_long, "behind": glance.is_behind().then(|| format!("/admin/?{}=1", Glance::NOW)), "recent": recent(visit)?});
    visit.page("home.html", context).await
}

/// How many things wait for the visitor, for the script that shows it above every page.
pub(super) async fn waiting(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let count = figures::count_waiting(visit).await?;
    Ok(Response::builder().content_type("application/json").header("cache-control", "no-store").body(json!({"count": count}).to_string()))
}

/// What the visitor has done last, with the records as they are called now.
fn recent(visit: &Visit<'_>) -> Result<Vec<Json>, Refusal> {
    let actor = visit.actor()?;
    let done = visit.panel.app.db.read(|reader| verbs::recent(reader, actor, RECENT))?;
    let one = |done: &verbs::Done| -> Result<Option<Json>, Refusal> {
        let Some(d) = descriptor::by_table(&done.table) else { return Ok(None) };
        let Some(href) = super::cells::link(visit, &done.table, done.id) else { return Ok(None) };
        let Some(name) = super::cells::labels(visit, &done.table, &[done.id])?.remove(&done.id) else { return Ok(None) };
        let did = done.action.rsplit('.').next().unwrap_or_default().replace('-', "_");
        Ok(Some(json!({"name": name, "href": href, "did": visit.heading_of(&did), "of": one_of(visit, d), "at": moment(visit, &done.at)})))
    };
    Ok(done.iter().map(one).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}
