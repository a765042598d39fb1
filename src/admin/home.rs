//! What is worth a look at the start of the day.

use poem::Response;
use serde_json::{Value as Json, json};

use super::{
    call::{Ask, Refusal},
    cells::moment,
    frame::{one_of, open_to, title_of, url_of},
    session::Visit,
};
use crate::engine::{CREATE, Reach, descriptor, table::columns::heading_of, verbs};

/// So many of one's own doings.
const RECENT: usize = 10;

pub(super) async fn page(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let actor = visit.actor()?;
    let (mut figures, mut quick) = (vec![], vec![]);
    for d in open_to(actor) {
        for (words, query) in d.about.figures {
            let query = query.replace(":today", &actor.today().to_string()).replace(":me", &actor.user_id.unwrap_or_default().to_string());
            let path = format!("{}/", d.about.path);
            let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let ask =
                Ask::get(&path).with_all(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))).with("page_size", "1");
            let answer = visit.ask(ask).await?;
            if answer.status == 200 {
                figures.push(
                    json!({"words": words, "count": answer.body["count"], "url": format!("{}?{query}", url_of(d)), "of": title_of(d)}),
                );
            }
        }
        if !d.about.figures.is_empty() && !d.about.read_only && d.reach(actor, CREATE) != Reach::Nothing {
            quick.push(json!({"words": format!("Add {}", one_of(d).to_lowercase()), "url": format!("{}add/", url_of(d))}));
        }
    }
    let zone = actor.zone();
    let hour = zone.to_datetime(actor.now).hour();
    let greeting = match hour {
        5..=11 => "Good morning",
        12..=17 => "Good afternoon",
        _ => "Good evening",
    };
    let today = actor.today().strftime("%A, %-d %B %Y").to_string();
    let context = json!({"title": greeting, "crumbs": [], "today": today, "figures": figures, "quick": quick, "recent": recent(visit)?});
    visit.page("home.html", context).await
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
        Ok(Some(json!({"name": name, "href": href, "did": heading_of(&did), "of": one_of(d), "at": moment(visit, &done.at)})))
    };
    Ok(done.iter().map(one).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}
