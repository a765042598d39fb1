//! The panel in other languages: every text of its own is in every catalogue, and pages speak the language that was asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use studio::{
    actor::Role,
    engine::{
        field::Kind,
        table::columns::{heading, heading_of},
    },
    resources,
};

use crate::{
    panel::{Browser, admin, between, form_of, sent, set},
    samples::World,
    support::Server,
};

/// Names that are the same in all languages, and what programs are told.
const NAMES: [&str; 5] = ["studio", "Authorization: Bearer", "X-Api-Key", "English", "Excel"];
/// Rust's own words: logs, what is never shown, and what the API is told.
const UNSHOWN: [&str; 10] = [
    "Bearer ",
    "a page could not be",
    "no page of an error",
    "a template of the panel is wrong",
    "a handful of columns",
    "form of the panel",
    "Sign in first.",
    "No random bytes",
    "there is no active business",
    "a language of the panel cannot be read",
];

fn admin_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin")
}

/// The files below a folder with an ending, by their names, with what is in them.
fn files(ending: &str) -> Vec<(String, String)> {
    let (mut folders, mut all) = (vec![admin_folder()], vec![]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                let name = path.strip_prefix(admin_folder()).expect("below").to_string_lossy().into_owned();
                all.push((name, fs::read_to_string(&path).expect("a text")));
            }
        }
    }
    assert!(all.len() > usize::from(ending == "html") * 30, "{ending}");
    all
}

/// The text literal that something begins with, and what follows it.
fn literal(code: &str) -> Option<(String, &str)> {
    let body = code.trim_start().strip_prefix('"')?;
    let (mut text, mut letters) = (String::new(), body.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((text, &body[at + 1..])),
            '\\' => text.push(letters.next()?.1),
            _ => text.push(letter),
        }
    }
    None
}

/// The texts that a file asks for by these functions, each with the one for a single thing, if it has one.
fn asked(code: &str, functions: &[&str]) -> Vec<(String, Option<String>)> {
    let mut all = vec![];
    for function in functions {
        let call = format!("{function}(");
        for (at, _) in code.match_indices(&call) {
            let is_other = code[..at].chars().next_back().is_some_and(|before| before.is_alphanumeric() || before == '_');
            let Some((one, rest)) = literal(&code[at + call.len()..]).filter(|_| !is_other) else { continue };
            let several = rest.trim_start().strip_prefix(',').and_then(literal).map(|(text, _)| text);
            all.push(match several.filter(|_| matches!(*function, "t" | "t_count")) {
                Some(several) => (several, Some(one)),
                None => (one, None),
            });
        }
    }
    all
}

/// All texts of the panel.
fn texts() -> BTreeMap<String, Option<String>> {
    let mut all = BTreeMap::new();
    for (_, page) in files("html") {
        all.extend(asked(&page, &["t"]));
    }
    for (_, code) in files("rs").iter().filter(|(name, _)| !name.starts_with("languages")) {
        all.extend(asked(code, &["t", "t_with", "t_count", "key", "date"]));
    }
    all
}

fn catalogues() -> Vec<(String, Value)> {
    let read = |(name, text): (String, String)| (name, serde_json::from_str(&text).expect("a catalogue"));
    files("json").into_iter().map(read).collect()
}

/// The names of what is put into a text.
fn places(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name).collect()
}

#[test]
fn catalogues_have_every_text_and_no_other() {
    let texts = texts();
    assert!(texts.len() > 500 && texts.contains_key("Save") && texts["{n} rows"].as_deref() == Some("{n} row"), "{}", texts.len());
    let catalogues = catalogues();
    assert!(catalogues.iter().any(|(name, _)| name == "languages/fr.json"));
    for (name, catalogue) in catalogues {
        let known = catalogue["texts"].as_object().expect("texts");
        let lacks: Vec<&String> = texts.keys().filter(|text| !known.contains_key(*text)).collect();
        let unused: Vec<&String> = known.keys().filter(|text| !texts.contains_key(*text)).collect();
        assert!(lacks.is_empty() && unused.is_empty(), "{name} lacks {lacks:#?} and need not have {unused:#?}");
        for (text, own) in known {
            let forms: Vec<&str> = match own {
                Value::Array(forms) => forms.iter().filter_map(Value::as_str).collect(),
                own => vec![own.as_str().expect("a text")],
            };
            assert!(forms.len() > 1 || texts[text].is_none(), "{name}: {text} needs a form for one and one for several");
            for form in forms {
                assert!(!form.trim().is_empty() && places(form).is_subset(&places(text)), "{name}: {text}: {form}");
            }
        }
        for (names, count) in [("months", 12), ("short_months", 12), ("days", 7)] {
            assert_eq!(catalogue[names].as_array().map(Vec::len), Some(count), "{name}: {names}");
        }
    }
}

/// A template as what is written as it stands: the text between tags, and the attributes that people read.
fn written(page: &str) -> Vec<String> {
    let (mut bare, mut rest) = (String::new(), page);
    while let Some(at) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let end = if rest[at..].starts_with("{{") { "}}" } else { "%}" };
        bare.push_str(&rest[..at]);
        // Something stands there, which is no text of the template.
        bare.push('\u{1}');
        rest = rest[at..].split_once(end).expect("an end").1;
    }
    bare.push_str(rest);
    let mut all = vec![];
    for (at, part) in bare.split('<').enumerate() {
        let (tag, text) = if at == 0 { ("", part) } else { part.split_once('>').unwrap_or((part, "")) };
        all.push(text.to_owned());
        for name in ["aria-label", "title", "placeholder", "alt"] {
            let value = tag.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split('"').next());
            all.extend(value.map(str::to_owned));
        }
    }
    all
}

#[test]
fn no_text_is_written_past_the_catalogues() {
    let is_word = |text: &str| text.chars().filter(|letter| letter.is_alphabetic()).count() > 1;
    let mut past = vec![];
    for (name, page) in files("html") {
        let texts = written(&page).into_iter().map(|text| NAMES.iter().fold(text, |text, name| text.replace(name, "")));
        // What macros put into tags.
        let texts = texts.filter(|text| {
            !text.contains("=\"") && is_word(text) && !text.trim_matches(|c: char| c == '\u{1}' || c.is_whitespace()).is_empty()
        });
        past.extend(texts.filter(|text| !text.contains("\u{1} required\u{1}")).map(|text| format!("{name}: {text}")));
        // Words in what is worked out.
        for part in page.split("{{").skip(1).filter_map(|part| part.split_once("}}")).map(|(part, _)| part) {
            let own: Vec<String> = asked(part, &["t"]).into_iter().flat_map(|(text, one)| [Some(text), one]).flatten().collect();
            let words = part.split('"').skip(1).step_by(2).filter(|word| word.starts_with(char::is_uppercase));
            past.extend(words.filter(|word| !own.iter().any(|text| text == word)).map(|word| format!("{name}: {word}")));
        }
    }
    for (name, code) in files("rs") {
        let own: BTreeSet<String> = asked(&code, &["t", "t_with", "t_count", "key", "date"])
            .into_iter()
            .flat_map(|(text, one)| [Some(text), one])
            .flatten()
            .collect();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for (at, _) in line.match_indices('"') {
                let Some((text, _)) = literal(&line[at..]) else { continue };
                let mut words = text.split(' ');
                let is_sentence =
                    text.starts_with(char::is_uppercase) && words.next().is_some_and(|word| word.chars().skip(1).all(char::is_lowercase));
                let is_shown = is_sentence && is_word(&text) && text.chars().all(|c| c.is_alphanumeric() || " .,:;?!'…-{}".contains(c));
                let is_known = own.contains(&text) || UNSHOWN.iter().any(|known| text.starts_with(known)) || NAMES.contains(&text.as_str());
                if is_shown && !is_known && text.contains(' ') {
                    past.push(format!("{name}: {text}"));
                }
            }
        }
    }
    assert_eq!(past, Vec::<String>::new());
}

/// What descriptors call things: each text once.
fn names() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let choices = |kind: &Kind| if let Kind::Choice(names) = kind { names.clone() } else { vec![] };
    for d in resources::all() {
        all.extend([heading_of(d.about.table), heading_of(&d.words)]);
        all.extend(d.about.path.split_once('/').map(|(section, _)| heading_of(section)));
        let rows = d.fields.iter().filter_map(|field| if let Kind::Lines(_, rows) = &field.kind { Some(rows) } else { None }).flatten();
        for field in d.visible().chain(rows) {
            let title = heading(field);
            all.insert(title.strip_suffix(" ID").map_or(title.clone(), str::to_owned));
            all.extend(choices(&field.kind).into_iter().filter(|name| !name.is_empty()).map(heading_of));
        }
        all.extend(d.about.computed.iter().map(|computed| heading_of(computed.name)));
        all.extend(d.about.groups.iter().map(|(title, _)| (*title).to_owned()));
        all.extend(d.about.figures.iter().map(|figure| figure.words.to_owned()));
        all.extend(d.about.charts.iter().map(|chart| chart.title.to_owned()));
        all.extend(d.about.actions.iter().map(|action| heading_of(&action.name.replace('-', "_"))));
    }
    all.into_iter().filter(|name| name.chars().filter(|letter| letter.is_alphabetic()).count() > 1).collect()
}

/// A field that was added is shown by its English name, marked as such: a catalogue lacks it then, which is no error, and is told here
/// (`cargo test --test studio names_of_things -- --nocapture`).
#[test]
fn names_of_things_are_in_the_catalogues() {
    let names = names();
    assert!(names.len() > 300 && names.contains("Due date") && names.contains("Lead actions"), "{}", names.len());
    for (name, catalogue) in catalogues() {
        let known = catalogue["names"].as_object().expect("names");
        let lacks: Vec<&String> = names.iter().filter(|name| !known.contains_key(*name)).collect();
        println!("{name} has no `names` for: {lacks:#?}");
        assert!(lacks.len() * 20 < names.len(), "{name} has no `names` for {lacks:#?}");
        assert!(known.values().all(|own| own.as_str().is_some_and(|own| !own.trim().is_empty())), "{name}");
    }
}

#[test]
fn what_is_english_in_another_language_says_so() {
    let server = Server::start();
    let world = World::new_in(&server);
    let browser = french(admin(&world));
    let form = browser.get("/admin/field/leads/add/").text;
    for text in [
        "<label for=\"f-business_name\">Nom de l’entreprise <span",
        "<option value=\"negotiation\">Négociation</option>",
        "<h2>De qui il s’agit</h2>",
        "<p class=\"help\" id=\"h-business_name\"><span lang=\"en\">The company or person.</span></p>",
    ] {
        assert!(form.contains(text), "{text}: {form}");
    }
    // Refusals that are known are French, all others are marked.
    let mut fields = form_of(&form);
    set(&mut fields, "contact_phone", "+1 555 010 0001");
    set(&mut fields, "lat", "91");
    let refused = sent(&browser, "/admin/field/leads/add/", &fields).text;
    assert!(refused.contains(">Ce champ est obligatoire.</p>") || refused.contains(">Ce champ ne peut pas être vide.</p>"), "{refused}");
    let lat = between(&refused, "id=\"e-lat\">", "</p>").expect("an error");
    assert!(lat.starts_with("<span lang=\"en\">") && lat.ends_with("</span>"), "{lat}");
    // Nothing of how that is done is left on any page, nor in what is asked for by scripts.
    let lead = world.another("field/leads");
    let places = ["", "field/leads/", "field/leads/import/", "settings/", "administration/people/invite/", "administration/system/"];
    let of_lead = ["", "history/", "delete/", "actions/lose/", "change/"].map(|what| format!("field/leads/{lead}/{what}"));
    for place in places.map(str::to_owned).into_iter().chain(of_lead) {
        let page = browser.get(&format!("/admin/{place}")).text;
        assert!(!page.contains(['\u{E000}', '\u{E001}']), "{place}: {page}");
        let names = page.split("title=\"").skip(1).filter_map(|rest| rest.split('"').next());
        assert!(names.into_iter().all(|name| !name.contains("lang=")), "{place}");
    }
    // What the API says in words is said in the page's, and so is of what kind something is.
    assert_eq!(world.admin.get(&format!("/api/field/leads/{lead}/")).expect(200)["status_display"], "New");
    let page = browser.get(&format!("/admin/field/leads/{lead}/")).text;
    let shown = page.split(">Statut affiché</span></dt>").nth(1).and_then(|rest| between(rest, "<dd>", "</dd>"));
    assert!(shown.as_deref().is_some_and(|words| words.contains("Nouveau") && !words.contains("New")), "{shown:?} {page}");
    // What explains a heading is marked on the heading, and the heading is not.
    assert!(page.contains(" lang=\"en\"><span lang=\"fr\">Statut affiché</span></dt>"), "{page}");
    let users = browser.get("/admin/accounts/users-list/").text;
    assert!(users.contains("<span class=\"tag is-admin\">Administrateur</span>"), "{users}");
    // What somebody wrote is not taken for a mark.
    let name = "A\u{E001}B\u{E000}C";
    let zone = world.admin.create("/api/field/zones/", json!({"name": name}));
    let page = browser.get(&format!("/admin/field/zones/{}/", zone["id"])).text;
    assert!(page.matches("<span").count() == page.matches("</span>").count() && page.contains("<h1>ABC</h1>"), "{page}");
}

/// Somebody who reads French.
fn french(browser: Browser) -> Browser {
    browser.cookies.borrow_mut().insert("studio_language".into(), "fr".into());
    browser
}

#[test]
fn pages_speak_the_language_that_was_asked_for() {
    let server = Server::start();
    let ask = |accepts: &str| server.client().with("accept-language", accepts).send("GET", "/admin/login/", None);
    for accepts in ["fr", "fr-CA,fr;q=0.9,en;q=0.5", "de;q=0.9, en;q=0.1, fr;q=0.8"] {
        let page = ask(accepts);
        assert_eq!(page.header("content-language"), Some("fr"), "{accepts}");
        assert!(
            page.text.contains("<html lang=\"fr\"") && page.text.contains(">Mot de passe<") && page.text.contains("<h1>Se connecter</h1>"),
            "{}",
            page.text
        );
    }
    for accepts in ["en-GB,fr;q=0.9", "de", "*", "fr;q=0", ""] {
        let page = ask(accepts);
        assert!(page.text.contains("<html lang=\"en\"") && page.text.contains(">Password<"), "{accepts}: {}", page.text);
    }
    // What was chosen in the profile is more than what the browser says.
    server.member("ada", Role::Admin);
    let browser = Browser::signed_in(&server, "ada");
    let page = browser.get("/admin/profile/").text;
    assert!(page.contains("<option value=\"fr\" lang=\"fr\">Français</option>") && page.contains("<option value=\"\" selected>"), "{page}");
    assert_eq!(browser.post("/admin/profile/language/", &[("language", "fr")]).status, 303);
    let page = browser.get("/admin/profile/").text;
    assert!(page.contains("<option value=\"fr\" lang=\"fr\" selected>") && page.contains("<h1>Votre profil</h1>"), "{page}");
    assert_eq!(browser.post("/admin/profile/language/", &[("language", "xx")]).status, 303);
    assert_eq!(browser.cookie("studio_language"), "");
    assert!(browser.get("/admin/profile/").text.contains("<h1>Your profile</h1>"));
}

#[test]
fn dates_numbers_and_sentences_are_of_the_language() {
    let server = Server::start();
    let world = World::new_in(&server);
    let browser = french(admin(&world));
    let body = json!({"party": world.kept("finance/parties"), "direction": "outgoing", "number": "<F>", "issue_date": "2025-06-01",
        "due_date": "2025-08-10", "currency": "USD", "amount": "1234567.50", "issue": true});
    let invoice = world.admin.create("/api/finance/invoices/", body);
    let list = browser.get("/admin/finance/invoices/?due_date__gte=2025-08-01").text;
    for text in [
        "1\u{202f}234\u{202f}567,50",
        "10 août 2025",
        "Échéance à partir de 1 août 2025",
        "Rechercher (factures)",
        "Ajouter\u{a0}: facture",
        ">Corbeille<",
    ] {
        assert!(list.contains(text), "{text}: {list}");
    }
    let page = browser.get(&format!("/admin/finance/invoices/{}/actions/void/", invoice["id"])).text;
    assert!(page.contains("&lt;F&gt;") && page.contains(">Annuler</a>"), "{page}");
    let home = browser.get("/admin/").text;
    assert!(home.contains(">Accueil</a>") && home.contains("<h2>Administration</h2>") && home.contains("En un coup d’œil"), "{home}");
    // The script has its words from the page.
    assert!(home.contains("data-selected=\"{n} sélectionnés\" data-nothing=\"Rien ne porte ce nom.\""), "{home}");
    // What goes into a sentence is escaped there as elsewhere.
    let party = world.admin.create("/api/finance/parties/", json!({"name": "A & <b>", "kind": "customer"}));
    let page = browser.get(&format!("/admin/finance/parties/{}/delete/", party["id"])).text;
    assert!(page.contains("<h1>Supprimer A &amp; &lt;b&gt;\u{202f}?</h1>"), "{page}");
    assert!(browser.get("/admin/search/?q=%3Cb%3E").text.contains("Résultats pour «\u{a0}&lt;b&gt;\u{a0}»"));
    // One is one, and two are several.
    for (count, words) in [(1, "1 fiche a été supprimée."), (2, "2 fiches ont été supprimées.")] {
        let ids: Vec<String> = (0..count).map(|_| world.another("field/leads").to_string()).collect();
        let mut form = vec![("what", "delete"), ("confirmed", "1")];
        form.extend(ids.iter().map(|id| ("id", id.as_str())));
        assert_eq!(browser.post("/admin/field/leads/bulk/", &form).status, 303);
        let list = browser.get("/admin/field/leads/").text;
        assert!(list.contains(words), "{words}: {list}");
    }
    // A number is taken as it is shown.
    let add = "/admin/finance/invoices/add/";
    let mut form = form_of(&browser.get(add).text);
    for (name, value) in [
        ("party", party["id"].to_string().as_str()),
        ("number", "F-2"),
        ("issue_date", "2025-06-01"),
        ("due_date", "2025-08-10"),
        ("amount", "1\u{202f}250,75"),
    ] {
        set(&mut form, name, value);
    }
    let answer = sent(&browser, add, &form);
    assert_eq!(answer.status, 303, "{}", answer.text);
    let place = answer.header("location").expect("the record").to_owned();
    let page = browser.get(&place).text;
    assert!(page.contains("Ajouté\u{a0}: facture.") && page.contains("1\u{202f}250,75"), "{page}");
}
