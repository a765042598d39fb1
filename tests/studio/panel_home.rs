//! The first page of the panel: what waits for somebody, figures with sums, charts that lead to their lists.

use serde_json::{Value, json};
use studio::{
    actor::{Capability, Role},
    engine::{Bars, Output, field::Kind, filter::kind_of},
    resources,
};

use crate::{
    panel::{Browser, admin, between},
    samples::World,
    support::Server,
};

fn invoice(world: &World, direction: &str, due: &str, amount: &str) -> Value {
    let body = json!({"party": world.kept("finance/parties"), "direction": direction, "number": world.name("F"), "issue_date": "2025-06-01",
        "due_date": due, "currency": "USD", "amount": amount, "issue": true});
    world.admin.create("/api/finance/invoices/", body)
}

/// The card of a figure.
fn card<'p>(page: &'p str, words: &str) -> Option<&'p str> {
    page.split("<a class=\"card\"")
        .skip(1)
        .map(|card| card.split("</a>").next().unwrap_or_default())
        .find(|card| card.contains(&format!("<span>{words}</span>")))
}

fn number(card: &str) -> String {
    between(card, "<strong>", "</strong>").expect("a number")
}

#[test]
fn figures_add_up_and_lead_to_their_lists() {
    let server = Server::start();
    let world = World::new_in(&server);
    let browser = admin(&world);
    invoice(&world, "outgoing", "2025-06-10", "100.00");
    invoice(&world, "outgoing", "2030-01-01", "20.50");
    invoice(&world, "incoming", "2025-06-10", "7.00");
    let home = browser.get("/admin/").text;
    for (words, count, sum) in
        [("To receive", "2", "120.50 USD"), ("Overdue invoices", "1", "100.00 USD"), ("Bills to pay", "1", "7.00 USD")]
    {
        let card = card(&home, words).unwrap_or_else(|| panic!("no {words}: {home}"));
        assert!(number(card) == count && card.contains(sum), "{words}: {card}");
        // The list has as many.
        let url = between(&format!(" {card}"), "href=\"", "\"").expect("a link").replace("&amp;", "&");
        let list = browser.get(&url).text;
        assert!(list.contains(&format!("<span class=\"count\">{count}</span>")) && list.contains(sum.trim_end_matches(" USD")), "{list}");
    }
    // By age: each step leads to its list.
    let chart = between(&home, "<h2>To receive, by age", "</section>").expect("the chart");
    for (words, amount) in [("Not due yet", "20.50 USD"), ("1 to 30 days", "0"), ("Over 90 days", "100.00 USD")] {
        let row = chart.split("<tr>").find(|row| row.contains(&format!(">{words}</a>"))).expect("a row");
        assert!(row.contains(&format!("<td class=\"num\">{amount}</td>")), "{row}");
        let url = between(row, "href=\"", "\"").expect("a link").replace("&amp;", "&");
        let list = browser.get(&url).text;
        assert!(amount == "0" && list.contains("Nothing was found") || list.contains("<span class=\"count\">1</span>"), "{url}: {list}");
    }
}

#[test]
fn charts_are_drawn_and_told() {
    let server = Server::start();
    let world = World::new_in(&server);
    let browser = admin(&world);
    assert!(!browser.get("/admin/").text.contains("<svg class=\"months\""), "there is nothing to draw");
    for _ in 0..3 {
        world.another("field/leads");
    }
    let today = "2026-03-02";
    for (kind, day, amount) in [
        ("income", "2026-02-10", "50.00"),
        ("income", "2026-02-20", "25.00"),
        ("expense", today, "10.00"),
        ("income", "2020-01-01", "999.00"),
    ] {
        let body = json!({"type": kind, "amount": amount, "date": day});
        world.admin.create("/api/finance/transactions/", body);
    }
    let home = browser.get("/admin/").text;
    let stages = between(&home, "<h2>Leads by stage", "</section>").expect("the chart");
    let row = stages.split("<tr>").find(|row| row.contains(">Prospect</a>")).expect("a row");
    assert!(
        row.contains("<td class=\"num\">3</td>")
            && row.contains("href=\"/admin/field/leads/?stage=prospect\"")
            && row.contains("width=\"100.0\""),
        "{row}"
    );
    assert!(stages.contains(">Won</a>"), "{stages}");
    let chart = between(&home, "<h2>Income and expenses by month", "</section>").expect("the chart");
    assert!(chart.contains("role=\"img\"") && chart.contains("<title ") && chart.contains("<desc "), "{chart}");
    let desc = between(&chart, "<desc", "</desc>").expect("a description");
    assert!(desc.contains("Income of 12 months: 75.00 USD.") && desc.contains("Expenses of 12 months: 10.00 USD."), "{desc}");
    let month = chart.split("<tr>").find(|row| row.contains(">February 2026<")).expect("the month");
    assert!(month.contains(">75.00 USD</a>"), "{month}");
    let url = between(month, "href=\"", "\"").expect("a link").replace("&amp;", "&");
    assert!(browser.get(&url).text.contains("<span class=\"count\">2</span>"), "{url}");
}

#[test]
fn what_waits_is_the_persons() {
    let server = Server::start();
    let world = World::new_in(&server);
    let asker = server.staff("sam", &[]);
    let finance = server.staff("finn", &[Capability::Finance]);
    asker.create("/api/finance/requisitions/", json!({"purpose": "Chairs", "amount": "10.00"}));
    let lead = world.another("field/leads");
    world
        .admin
        .patch(&format!("/api/field/leads/{lead}/"), json!({"assigned_rep": world.admin.id, "follow_up_date": "2026-01-05"}))
        .expect(200);
    let browser = admin(&world);
    // Before it was counted, the page asks for it.
    let page = browser.get("/admin/field/leads/").text;
    assert!(page.contains("data-waiting=\"/admin/waiting/\""), "{page}");
    assert_eq!(browser.get("/admin/waiting/").expect(200), json!({"count": 2}));
    let page = browser.get("/admin/field/leads/").text;
    assert!(page.contains("<span class=\"count\">2</span> <span class=\"words\">wait for you"), "{page}");
    let home = browser.get("/admin/").text;
    assert_eq!(number(card(&home, "Approvals waiting for you").expect("the card")), "1");
    assert_eq!(number(card(&home, "Your follow-ups due").expect("the card")), "1");
    // Nobody decides about their own, nor without the right to.
    for name in ["sam", "finn"] {
        let own = Browser::signed_in(&server, name);
        assert_eq!(own.get("/admin/waiting/").expect(200), json!({"count": 0}), "{name}");
        let home = own.get("/admin/").text;
        assert!(card(&home, "Approvals waiting for you").is_none() && home.contains("Nothing waits for you."), "{home}");
    }
    // Whoever may not see invoices sees no sums of them.
    server.member("theo", Role::Teacher);
    let theo = Browser::signed_in(&server, "theo").get("/admin/").text;
    assert!(card(&theo, "To receive").is_none() && !theo.contains("by age"), "{theo}");
    drop(finance);
}

/// What is declared names what there is.
/// Nobody waits for very many rows to be counted: what is not known has its place, and comes when it is asked for.
#[test]
fn figures_of_long_lists_are_not_waited_for() {
    let server = Server::start();
    let world = World::new_in(&server);
    world.many_leads(20_001);
    let browser = admin(&world);
    let home = browser.get("/admin/").text;
    let open = card(&home, "Open leads").expect("a figure");
    assert!(open.contains("<b class=\"num\">…</b>"), "{open}");
    let chart = between(&home, "<h2>Leads by stage", "</section>").expect("a chart");
    assert_eq!(chart.matches("<td class=\"num\">…</td>").count(), 5, "{chart}");
    // Without the script, a click asks.
    let behind = between(&home, "data-behind=\"", "\"").expect("it is behind");
    assert!(home.contains(&format!("<a href=\"{behind}\">Count them now</a>")), "{home}");
    let now = browser.get(&behind).text;
    let open = card(&now, "Open leads").expect("a figure");
    assert!(number(open) == "20,001" && open.contains("20,001.00 USD"), "{open}");
    assert!(number(card(&now, "Follow-ups due").expect("a figure")) == "20,001" && !now.contains("…</"), "{now}");
    assert!(between(&now, "<h2>Leads by stage", "</section>").expect("a chart").contains(">20,001<"), "{now}");
    // From then on it is known.
    let again = browser.get("/admin/").text;
    assert!(!now.contains("data-behind") && !again.contains("data-behind"), "{again}");
    assert_eq!(card(&again, "Open leads"), Some(open));
}

#[test]
fn declarations_name_fields() {
    for d in resources::all() {
        let is_money = |name: &str| {
            let computed = d.about.computed.iter().any(|one| one.name == name && matches!(one.output, Output::Money));
            computed || d.field(name).is_some_and(|field| field.kind == Kind::Money)
        };
        for figure in d.about.figures {
            assert!(figure.total.is_none_or(is_money), "{}: {}", d.about.path, figure.words);
        }
        for chart in d.about.charts {
            let fits = match chart.bars {
                Bars::Values(field, _) => d.about.filter.contains(&field),
                Bars::Months(total, series) => is_money(total) && !series.is_empty(),
                Bars::Ages(total, date, _) => is_money(total) && kind_of(d, date) == Some(Kind::Date),
            };
            assert!(fits, "{}: {}", d.about.path, chart.title);
        }
    }
}
