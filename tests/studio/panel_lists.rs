//! The panel's lists and records: names for ids, counts, dates, totals, and how somebody likes to see them.

use serde_json::json;
use studio::{
    actor::Role,
    engine::{Output, field::Kind},
    resources,
};

use crate::{
    panel::{Browser, admin, between},
    samples::World,
    support::Server,
};

/// A number that is the id of something says of what: people are shown what it is called.
#[test]
fn every_id_says_what_it_is_of() {
    let is_id = |name: &str, help: &str| name.ends_with("_id") || name.ends_with("_by") || help.starts_with("The id of");
    let mut wrong = vec![];
    for d in resources::all() {
        let fields =
            d.visible().filter(|field| field.kind == Kind::Integer).map(|field| (field.name, field.schema.description.unwrap_or_default()));
        let computed = d.about.computed.iter().filter(|one| matches!(one.output, Output::Integer)).map(|one| (one.name, one.doc));
        let open = fields.chain(computed).filter(|(name, help)| is_id(name, help) && d.id_of(name).is_none());
        wrong.extend(open.map(|(name, _)| format!("{}: {name}", d.about.path)));
    }
    assert!(wrong.is_empty(), "not in `About::ids`: {wrong:?}");
}

#[test]
fn a_record_shows_names_and_leads_on() {
    let server = Server::start();
    let world = World::new_in(&server);
    let party = world.kept("finance/parties");
    let invoice = world.admin.create("/api/finance/invoices/", json!({"party": party, "amount": "10.00"}))["id"].clone();
    world.admin.post(&format!("/api/finance/invoices/{invoice}/issue/"), json!({})).expect(200);
    let record = world.admin.get(&format!("/api/finance/invoices/{invoice}/")).expect(200);
    let page = admin(&world).get(&format!("/admin/finance/invoices/{invoice}/")).text;
    let shown = |title: &str| {
        let rest = page.split(&format!(">{title}</dt>")).nth(1).unwrap_or_else(|| panic!("no {title}: {page}"));
        between(rest, "<dd>", "</dd>").expect("a value")
    };
    let me = world.admin.get("/api/auth/me/").expect(200);
    let (issuer, entry) = (shown("Issued by"), shown("Journal entry"));
    assert!(issuer.contains(&format!("/admin/accounts/users-list/{}/", me["id"])), "{issuer}");
    assert!(!issuer.contains(&format!(">{}<", record["issued_by"])), "{issuer}");
    assert!(entry.contains(&format!("/admin/finance/journal/{}/", record["journal_entry_id"])), "{entry}");
    // And the entry says what it was posted for.
    let entry = admin(&world).get(&format!("/admin/finance/journal/{}/", record["journal_entry_id"])).text;
    assert!(entry.contains(&format!("href=\"/admin/finance/invoices/{invoice}/\"")), "{entry}");
}

#[test]
fn filters_say_how_many_there_are() {
    let server = Server::start();
    let world = World::new_in(&server);
    for _ in 0..3 {
        world.another("field/leads");
    }
    let lost = world.another("field/leads");
    world.admin.post(&format!("/api/field/leads/{lost}/lose/"), json!({"lost_reason": "price"})).expect(200);
    let browser = admin(&world);
    let page = browser.get("/admin/field/leads/").text;
    // Beside the list, each with the way to it.
    let facet = |page: &str, label: &str| {
        let rest = page.split(&format!(">{label} <span class=\"count\">")).next().filter(|before| before.len() < page.len());
        let tag = rest.and_then(|before| before.rsplit("<a ").next()).unwrap_or_else(|| panic!("no {label}: {page}")).to_owned();
        let count =
            page.split(&format!(">{label} <span class=\"count\">")).nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
        (
            between(&format!(" {tag}"), "href=\"", "\"").expect("a link").replace("&amp;", "&"),
            tag.contains("aria-current"),
            count.to_owned(),
        )
    };
    for (option, count) in [("Prospect", "3"), ("Lost", "1"), ("Won", "0")] {
        assert_eq!(facet(&page, option).2, count, "{option}");
    }
    let (url, is_chosen, _) = facet(&page, "Lost");
    assert_eq!((url.as_str(), is_chosen), ("?stage=lost", false));
    // The filter itself still says what else there is; the others are of what it leaves. What is chosen is left again by a second click.
    let narrowed = browser.get(&format!("/admin/field/leads/{url}&ordering=stage&page_size=50")).text;
    assert_eq!(facet(&narrowed, "Prospect").2, "3");
    let (url, is_chosen, count) = facet(&narrowed, "Lost");
    assert!(is_chosen && count == "1" && !url.contains("stage=lost") && url.contains("page_size=50"), "{url}");
    // Searching keeps what the list is narrowed to, and so does what asks for days.
    for form in narrowed.split("<form ").filter(|form| form.contains("method=\"get\" action=\"/admin/field/leads/\"")) {
        let form = form.split("</form>").next().unwrap_or_default();
        assert!(form.contains("name=\"stage\" value=\"lost\"") && form.contains("value=\"stage\""), "{form}");
    }
    // Many rows are not counted unasked, and can be narrowed all the same.
    assert!(page.contains("<details open><summary>Stage</summary>"), "{page}");
}

/// A page that stands open asks whether others have written; so long as they have not, it is answered at once.
#[test]
fn a_list_that_stands_open_is_told_of_changes() {
    let server = Server::start();
    let world = World::new_in(&server);
    let lead = world.another("field/leads");
    let (browser, path) = (admin(&world), "/admin/field/leads/?stage=prospect");
    let tag = |page: &str| between(page, "data-etag=\"", "\">").expect("a tag").replace("&quot;", "\"");
    let ask = |tag: &str| {
        let cookie = format!("studio_admin={}", browser.cookie("studio_admin"));
        server.client().with("cookie", &cookie).with("if-none-match", tag).get(path)
    };
    let seen = tag(&browser.get(path).text);
    assert_eq!((ask(&seen).status, ask(&seen).text.len()), (304, 0));
    world.admin.patch(&format!("/api/field/leads/{lead}/"), json!({"business_name": "Written meanwhile"})).expect(200);
    let now = ask(&seen).text;
    assert!(now.contains("Written meanwhile") && tag(&now) != seen, "{now}");
    assert_eq!(ask(&tag(&now)).status, 304);
    // Somebody else is told nothing by what they have not seen.
    let stranger = server.client().with("if-none-match", &tag(&now)).get(path);
    assert_eq!(stranger.status, 303, "{}", stranger.text);
}

/// A field is a filter without anybody saying so; what a resource does not name is there for whoever looks for it.
#[test]
fn all_other_fields_are_more_filters() {
    let server = Server::start();
    let world = World::new_in(&server);
    let lead = |name: &str, notes: &str| {
        world.admin.create(
            "/api/field/leads/",
            json!({"business_name": name, "contact_phone": format!("555{:04}", world.next()), "notes": notes}),
        );
    };
    lead("Harbour Hotel", "Asked for SOLAR panels");
    lead("Corner Shop", "Wants a till");
    let browser = admin(&world);
    let page = browser.get("/admin/field/leads/").text;
    let more = between(&page, "<details class=\"further\"><summary>More filters</summary>", "</form>").expect("closed");
    for field in ["notes__icontains", "lat__gte", "lost_at__lte", "tags", "contact_email__icontains"] {
        assert!(more.contains(&format!("name=\"{field}\"")), "{field}: {more}");
    }
    assert!(more.contains("<summary>Follow up type</summary>") && !more.contains("phone_norm"), "{more}");
    assert!(
        !more.contains("name=\"follow_up_date__gte\"") && page.contains("name=\"follow_up_date__gte\""),
        "named ones come first: {more}"
    );
    let narrowed = browser.get("/admin/field/leads/?notes__icontains=solar&stage=prospect").text;
    assert!(narrowed.contains("Harbour Hotel") && !narrowed.contains("Corner Shop"), "{narrowed}");
    assert!(narrowed.contains("Notes contains solar") && narrowed.contains("<details class=\"further\" open>"), "{narrowed}");
    let more = between(&narrowed, "<details class=\"further\" open>", "</form>").expect("open");
    assert!(more.contains("name=\"notes__icontains\" value=\"solar\""), "{more}");
    // One of few values is a click, and says how many there are.
    let types = between(&more, "<summary>Follow up type</summary>", "</details>").expect("a facet");
    assert!(types.contains("?notes__icontains=solar&amp;stage=prospect&amp;follow_up_type=call"), "{types}");
}

#[test]
fn what_is_referred_to_is_found_by_words_without_the_script() {
    let server = Server::start();
    let world = World::new_in(&server);
    for at in 0..41 {
        world.admin.create("/api/field/zones/", json!({"name": format!("Zone {at:02}")}));
    }
    let zone = world.admin.get("/api/field/zones/?search=Zone+07").expect(200)["results"][0]["id"].clone();
    let browser = admin(&world);
    assert!(browser.get("/admin/field/leads/").text.contains("name=\"zone__text\""), "of many it is typed");
    let answer = browser.get("/admin/field/leads/?stage=won&zone=&zone__text=Zone+07");
    assert_eq!(answer.header("location"), Some(format!("/admin/field/leads/?stage=won&zone={zone}").as_str()), "{}", answer.text);
    let answer = browser.get("/admin/field/leads/?stage=won&zone=&zone__text=Nowhere");
    assert_eq!(answer.header("location"), Some("/admin/field/leads/?stage=won"), "{}", answer.text);
    let page = browser.get("/admin/field/leads/?stage=won").text;
    assert!(page.contains("Nothing is called “Nowhere”."), "{page}");
}

/// What is to be got is not added to what is to be paid.
#[test]
fn amounts_of_several_sorts_are_told_apart() {
    let server = Server::start();
    let world = World::new_in(&server);
    let party = world.kept("finance/parties");
    let make = |direction: &str, number: &str, amount: &str| {
        let body = json!({"party": party, "direction": direction, "number": number, "currency": "USD", "amount": amount});
        world.admin.create("/api/finance/invoices/", body)
    };
    make("outgoing", "F-1", "100.00");
    make("outgoing", "F-2", "20.50");
    let browser = admin(&world);
    let foot =
        |query: &str| between(&browser.get(&format!("/admin/finance/invoices/{query}")).text, "<tfoot>", "</tfoot>").expect("totals");
    let alone = foot("");
    assert!(alone.contains("Total of the list") && alone.contains("120.50"), "{alone}");
    make("incoming", "B-1", "7.00");
    let both = foot("");
    assert!(both.contains(">Outgoing<") && both.contains("120.50") && both.contains(">Incoming<") && both.contains("7.00"), "{both}");
    assert!(!both.contains("127.50") && !both.contains("Total of the list"), "{both}");
    assert!(foot("?direction=incoming").contains("Total of the list"));
    // The API has the whole as before, and beside it what it is made of, in the order of the choices.
    let totals = world.admin.get("/api/finance/invoices/facets/?totals=total").expect(200)["totals"][0].clone();
    assert_eq!(totals["amounts"], json!([{"currency": "USD", "amount": "127.50"}]));
    let of = |direction: &str, amount: &str| json!({"of": {"direction": direction, "kind": "invoice"}, "amounts": [{"currency": "USD", "amount": amount}]});
    let expected = [of("outgoing", "120.50"), of("incoming", "7.00")];
    let told = totals["by"].as_array().expect("sorts");
    assert!(told.len() == 2 && expected.iter().all(|one| told.contains(one)), "{totals}");
    // Where all amounts are of one sort, nothing is said of sorts.
    world.another("field/leads");
    let leads = world.admin.get("/api/field/leads/facets/").expect(200);
    assert!(leads["totals"].as_array().expect("totals").iter().all(|total| total["by"].is_null()), "{leads}");
}

/// A record is changed from its row, by whoever may.
#[test]
fn rows_lead_to_their_forms() {
    let server = Server::start();
    let world = World::new_in(&server);
    let lead = world.another("field/leads");
    let link = format!("href=\"/admin/field/leads/{lead}/change/\" data-quick");
    assert!(admin(&world).get("/admin/field/leads/").text.contains(&link));
    world.admin.create("/api/finance/invoices/", json!({"party": world.kept("finance/parties"), "amount": "10.00", "issue": true}));
    let journal = admin(&world).get("/admin/finance/journal/").text;
    assert!(journal.contains("<th scope=\"row\"") && !journal.contains("data-quick"), "{journal}");
}

#[test]
fn a_list_is_gone_through_by_its_dates_and_added_up() {
    let server = Server::start();
    let world = World::new_in(&server);
    let party = world.kept("finance/parties");
    for (day, amount) in [("2024-05-10", "100.00"), ("2026-01-15", "20.50"), ("2026-02-03", "3.00"), ("2026-02-17", "1.00")] {
        world.admin.create(
            "/api/finance/invoices/",
            json!({"party": party, "issue_date": day, "due_date": day, "currency": "USD", "amount": amount}),
        );
    }
    let browser = admin(&world);
    let list = "/admin/finance/invoices/";
    let page = browser.get(list).text;
    let year = |text: &str, label: &str| {
        let nav = between(text, "<nav class=\"dates\"", "</nav>").unwrap_or_else(|| panic!("no dates: {text}"));
        let link = nav.split("<a ").find(|link| link.contains(&format!(">{label} <small>"))).unwrap_or_else(|| panic!("no {label}: {nav}"));
        let url = between(&format!(" {link}"), "href=\"", "\"").expect("a link").replace("&amp;", "&");
        (url, between(link, "<small>(", ")").expect("a count"))
    };
    let (url, count) = year(&page, "2026");
    assert_eq!(count, "3");
    assert!(page.contains("124.50"), "{page}");
    let months = browser.get(&format!("{list}{url}")).text;
    assert!(months.contains("24.50") && !months.contains("124.50"), "{months}");
    assert_eq!(year(&months, "January 2026").1, "1");
    let (url, count) = year(&months, "February 2026");
    assert_eq!(count, "2");
    let days = browser.get(&format!("{list}{url}")).text;
    assert_eq!(year(&days, "17 Feb").1, "1");
    assert!(days.contains(">All dates</a>") && days.contains("4.00"), "{days}");
}

#[test]
fn a_list_is_as_somebody_left_it() {
    let server = Server::start();
    let world = World::new_in(&server);
    world.another("field/leads");
    let browser = admin(&world);
    let list = "/admin/field/leads/";
    let heads = |page: &str| page.matches("<th scope=\"col\"").count();
    let usual = heads(&browser.get(list).text);
    let chosen = browser.get(&format!("{list}?column=business_name&column=created_at"));
    assert_eq!(heads(&chosen.text), 2);
    let cookie = chosen.headers.iter().find(|(_, line)| line.starts_with("studio_list=")).map(|(_, line)| line.clone()).expect("a cookie");
    assert!(cookie.contains("; Path=/admin/field/leads/;") && cookie.contains("HttpOnly"), "{cookie}");
    let again = browser.get(list).text;
    assert_eq!(heads(&again), 2);
    assert!(browser.get(&format!("{list}?page_size=100")).text.contains(">100 a page<"));
    assert!(browser.get(list).text.contains(">100 a page<"));
    assert_eq!(heads(&browser.get(list).text), 2, "the columns are kept with it");
    // A column that there is not is none, and the usual ones come back.
    assert_eq!(heads(&browser.get(&format!("{list}?column=nothing")).text), usual);
    browser.get(&format!("{list}?column=business_name"));
    assert_eq!(heads(&browser.get(&format!("{list}?column=")).text), usual);
    assert_eq!(heads(&browser.get(list).text), usual);
    // It is this person's: whoever comes next to the same browser has their own.
    browser.get(&format!("{list}?column=business_name"));
    server.member("theo", Role::Manager);
    let other = Browser::signed_in(&server, "theo");
    let kept = browser.cookies.borrow()["studio_list"].clone();
    other.cookies.borrow_mut().insert("studio_list".into(), kept);
    assert_eq!(heads(&other.get(list).text), usual);
}

#[test]
fn lists_are_ordered_by_several_columns() {
    let server = Server::start();
    let world = World::new_in(&server);
    world.another("field/leads");
    let browser = admin(&world);
    let link = |page: &str, title: &str| {
        let head = page.split("<th scope=\"col\"").skip(1).find(|head| head.contains(&format!(">{title}"))).expect("a column").to_owned();
        between(&head, "<a href=\"", "\"").expect("a link").replace("&amp;", "&")
    };
    let list = "/admin/field/leads/";
    let ordering = |url: &str| -> Option<String> {
        let all = form_urlencoded::parse(url.trim_start_matches('?').as_bytes()).into_owned();
        all.filter(|(name, _)| name == "ordering").map(|(_, value)| value).next()
    };
    let first = link(&browser.get(&format!("{list}?column=created_at&column=follow_up_date")).text, "Follow up date");
    assert_eq!(ordering(&first).as_deref(), Some("follow_up_date"));
    let second = link(&browser.get(&format!("{list}{first}")).text, "Created at");
    assert_eq!(ordering(&second).as_deref(), Some("created_at,follow_up_date"));
    let page = browser.get(&format!("{list}{second}")).text;
    assert!(page.contains("aria-sort=\"ascending\"") && page.contains("↑2"), "{page}");
    let third = link(&browser.get(&format!("{list}?ordering=-created_at,follow_up_date")).text, "Created at");
    assert_eq!(ordering(&third).as_deref(), Some("follow_up_date"), "out of the order again");
}

#[test]
fn several_become_one() {
    let server = Server::start();
    let world = World::new_in(&server);
    let browser = admin(&world);
    for path in ["field/leads", "finance/parties"] {
        let ids: Vec<String> = (0..3).map(|_| world.another(path).to_string()).collect();
        let (list, bulk) = (format!("/admin/{path}/"), format!("/admin/{path}/bulk/"));
        assert!(browser.get(&list).text.contains("<option value=\"merge\">"), "{path}");
        let mut form: Vec<(&str, &str)> = vec![("what", "merge"), ("id", &ids[0])];
        assert_eq!(browser.post(&bulk, &form).status, 303, "one alone is one");
        form.extend([("id", ids[1].as_str()), ("id", ids[2].as_str())]);
        let asked = browser.post(&bulk, &form);
        assert!(
            asked.status == 200 && asked.text.contains("type=\"radio\"") && asked.text.contains("the one that stays"),
            "{}",
            asked.text
        );
        let count = || world.admin.get(&format!("/api/{path}/")).expect(200)["count"].as_u64();
        assert_eq!(count(), Some(3));
        // Without a choice, and with one that is none of them, nothing happens.
        form.push(("confirmed", "1"));
        assert_eq!(browser.post(&bulk, &form).status, 400);
        let other = [form.clone(), vec![("into", "99999")]].concat();
        assert_eq!(browser.post(&bulk, &other).status, 400);
        assert_eq!(count(), Some(3));
        form.push(("into", ids[1].as_str()));
        let merged = browser.post(&bulk, &form);
        assert_eq!(merged.header("location"), Some(format!("{list}{}/", ids[1]).as_str()), "{}", merged.text);
        assert_eq!(count(), Some(1));
    }
    // Who may not, is not offered it.
    server.staff("finn", &[studio::actor::Capability::Finance]);
    world.another("finance/parties");
    let finn = Browser::signed_in(&server, "finn");
    assert!(!finn.get("/admin/finance/parties/").text.contains("<option value=\"merge\">"));
}

/// Where a resource says that several become one, there is such an operation, and the other way round.
#[test]
fn merging_is_declared() {
    let document: serde_json::Value = serde_json::from_str(&studio::api::openapi_json("studio")).expect("a document");
    for d in resources::all() {
        let operation = &document["paths"][format!("/api/{}/merge/", d.about.path)]["post"];
        assert_eq!(operation.is_null(), d.about.merge.is_none(), "{}", d.about.path);
    }
}

#[test]
fn no_more_rows_are_offered_than_a_page_may_have() {
    let server = Server::start_with(|config| config.api.max_page_size = 60);
    let world = World::new_in(&server);
    world.another("field/leads");
    let list = admin(&world).get("/admin/field/leads/").text;
    assert!(list.contains("page_size=50") && !list.contains("page_size=100"), "{list}");
}

#[test]
fn several_values_of_a_filter_are_chosen_by_clicks() {
    let server = Server::start();
    let world = World::new_in(&server);
    let leads = ["field/leads"; 4].map(|path| world.another(path));
    world.admin.post(&format!("/api/field/leads/{}/lose/", leads[0]), json!({"lost_reason": "price"})).expect(200);
    world.admin.patch(&format!("/api/field/leads/{}/", leads[1]), json!({"stage": "qualified"})).expect(200);
    let browser = admin(&world);
    let list = |query: &str| browser.get(&format!("/admin/field/leads/{query}")).text;
    // The boxes by what they say, and where they lead.
    let also = |page: &str, words: &str| {
        let before = page.split(&format!("<span class=\"hidden\">{words}</span>")).next().filter(|before| before.len() < page.len());
        let tag = before.and_then(|before| before.rsplit("<a ").next()).unwrap_or_else(|| panic!("no {words}: {page}"));
        between(&format!(" {tag}"), "href=\"", "\"").expect("a link").replace("&amp;", "&")
    };
    let one = also(&list("?priority=medium"), "Also Lost");
    assert_eq!(one, "?priority=medium&stage=lost");
    let page = list(&one);
    let two = also(&page, "Also Qualified");
    assert_eq!(two, "?priority=medium&stage__in=lost%2Cqualified");
    let page = list(&two);
    assert!(page.contains("<h1>Leads <span class=\"count\" data-count>2</span></h1>") && page.contains("Stage: Lost, Qualified"), "{page}");
    // The filter still says how many there are of each, and both boxes are ticked.
    assert!(page.contains(">Prospect <span class=\"count\">2</span>"), "{page}");
    let back = also(&page, "Not Lost");
    assert_eq!(back, "?priority=medium&stage=qualified");
    assert_eq!(also(&list(&back), "Not Qualified"), "?priority=medium");
    // The words choose a value alone.
    let rest = page.split(">Prospect <span").next().and_then(|before| before.rsplit("href=\"").next()).expect("a link");
    assert!(rest.starts_with("?priority=medium&amp;stage=prospect\""), "{rest}");
    // Of what somebody refers to as well, by its name; of yes and no one is enough.
    let zone = world.admin.create("/api/field/zones/", json!({"name": "North"}))["id"].clone();
    let other = world.admin.create("/api/field/zones/", json!({"name": "South"}))["id"].clone();
    let page = list(&format!("?zone__in={zone},{other}"));
    assert!(page.contains("Zone: North, South"), "{page}");
    assert!(!page.contains(">Also Yes<"), "{page}");
}

#[test]
fn what_was_deleted_is_found_and_brought_back() {
    let server = Server::start();
    let world = World::new_in(&server);
    let lead = world.another("field/leads");
    world.admin.delete(&format!("/api/field/leads/{lead}/")).expect(204);
    let browser = admin(&world);
    let trash = browser.get("/admin/field/leads/deleted/").text;
    let button = format!("formaction=\"/admin/field/leads/{lead}/restore/\"");
    assert!(trash.contains(&button) && trash.contains(">Deleted by<") && trash.contains(">Deleted at<"), "{trash}");
    // A link to it, as the audit log has, leads to what happened to it.
    let there = browser.get(&format!("/admin/field/leads/{lead}/"));
    assert_eq!(there.header("location"), Some(format!("/admin/field/leads/{lead}/history/").as_str()), "{}", there.text);
    let history = browser.get(&format!("/admin/field/leads/{lead}/history/")).text;
    assert!(history.contains("in the trash") && history.contains(&format!("action=\"/admin/field/leads/{lead}/restore/\"")), "{history}");
    let back = browser.post(&format!("/admin/field/leads/{lead}/restore/"), &[]);
    assert_eq!(back.header("location"), Some(format!("/admin/field/leads/{lead}/").as_str()), "{}", back.text);
    assert!(!browser.get(&format!("/admin/field/leads/{lead}/history/")).text.contains("in the trash"));
    // Who looks into no trash hears nothing of what was in it.
    world.admin.delete(&format!("/api/field/leads/{lead}/")).expect(204);
    server.member("sam", Role::Staff);
    assert_eq!(Browser::signed_in(&server, "sam").get(&format!("/admin/field/leads/{lead}/")).status, 404);
    assert_eq!(browser.get("/admin/field/leads/999999/").status, 404);
}

/// The page of a list does not wait until its rows are counted; the number is there when somebody looks again.
#[test]
fn a_list_does_not_wait_to_be_counted() {
    let server = Server::start_with(|config| config.panel.count_milliseconds = 0);
    let world = World::new_in(&server);
    for _ in 0..25 {
        world.another("field/leads");
    }
    let lost = world.another("field/leads");
    world.admin.post(&format!("/api/field/leads/{lost}/lose/"), json!({"lost_reason": "price"})).expect(200);
    let browser = admin(&world);
    let list = |query: &str| browser.get(&format!("/admin/field/leads/?{query}")).text;
    let first = list("stage=prospect");
    assert!(first.contains(">11+</span></h1>") && first.contains("data-counting") && first.contains("1–10 of 11+"), "{first}");
    assert!(first.contains("all 11+ of the list") && first.contains("rel=\"next\""), "{first}");
    let counted = (0..1000).map(|_| list("stage=prospect")).find(|page| !page.contains("data-counting")).expect("a number at last");
    assert!(counted.contains("data-count>25</span></h1>") && counted.contains("1–10 of 25"), "{counted}");
    // Pages that are further on are found and counted as far as they go; what has no more rows than a page is counted, and so is the last one.
    assert!(list("stage=prospect&page=3").contains("21–25 of 25"));
    assert!(list("priority=medium&page=2").contains("11–20 of 21+"));
    assert!(list("stage=lost").contains("data-count>1</span></h1>"));
    assert!(list("stage=prospect&priority=medium&page=last").contains("21–25 of 25"));
    assert!(list("").contains("data-count>26</span></h1>"));
    // Clients of the API get the number that there is.
    let page = world.admin.get("/api/field/leads/?stage=prospect&priority=medium").expect(200);
    assert_eq!((&page["count"], page.get("is_counted")), (&json!(25), None));
}

/// What comes first in the other orders of a long list is looked for before somebody asks.
#[test]
fn other_orders_of_a_long_list_are_looked_for_ahead() {
    let server = Server::start();
    let world = World::new_in(&server);
    world.many_zones(2001);
    let known = || server.app.db.firsts().iter().filter(|(list, _)| list.starts_with("zones|")).count();
    assert_eq!(known(), 0);
    let page = admin(&world).get("/admin/field/zones/").text;
    assert!(page.contains("data-count>2,001</span></h1>") && page.contains("1–10 of 2,001"), "{page}");
    // By name the other way, and by their time both ways.
    (0..1000).find(|_| world.admin.get("/api/field/zones/").status == 200 && known() == 3).expect("the other orders");
    let last = world.admin.get("/api/field/zones/?ordering=-name").expect(200);
    assert_eq!(last["results"][0]["name"], "Zone 999");
}
