//! The OpenAPI document: it is the one in `openapi.json` (set `STUDIO_UPDATE` to accept a change), it is served, it is complete, and
//! it tells the truth about the routes, the fields and the refusals.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::{Map, Value, json};
use studio::{actor::Role, api, engine::Descriptor, resources};

use crate::support::{Server, parameters};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Operations that nobody has to be signed in for.
const PUBLIC: [&str; 19] = [
    "invitations/accept/",
    "register/",
    "login/",
    "token/",
    "token/refresh/",
    "token/verify/",
    "token/blacklist/",
    "logout/",
    "2fa/verify/",
    "2fa/verify/begin/",
    "passkeys/sign-in/",
    "passkeys/sign-in/begin/",
    "send-otp/",
    "verify-otp/",
    "staff-login/",
    "verify-email/",
    "password-reset-request/",
    "password-reset-confirm/",
    "email-change-confirm/",
];

/// Served, and no part of the document.
const BESIDE: [&str; 8] = [
    "/healthz",
    "/readyz",
    "/api/docs/",
    "/api/redoc/",
    "/api/schema/",
    "/api/docs/start.js",
    "/api/redoc/start.js",
    "/api/docs/swagger-ui.css",
];

fn document() -> Value {
    crate::support::document().clone()
}

/// An operation of the document.
struct Operation {
    path: String,
    method: String,
    value: Value,
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method.to_uppercase(), self.path)
    }
    fn id(&self) -> &str {
        self.value["operationId"].as_str().unwrap_or_default()
    }
    fn is_public(&self) -> bool {
        let section = ["/api/auth/", "/api/users/", "/api/v1/accounts/"].iter().find_map(|section| self.path.strip_prefix(section));
        section.is_some_and(|rest| PUBLIC.contains(&rest))
    }
    fn statuses(&self) -> Vec<&str> {
        self.value["responses"].as_object().map(|all| all.keys().map(String::as_str).collect()).unwrap_or_default()
    }
    fn answers_page(&self) -> bool {
        let reference = &self.value["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
        reference.as_str().is_some_and(|name| name.starts_with("#/components/schemas/Paginated"))
    }
}

fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().expect("paths");
    let each = |(path, methods): (&String, &Value)| -> Vec<Operation> {
        let methods = methods.as_object().expect("methods").iter().filter(|(method, _)| METHODS.contains(&method.as_str()));
        methods.map(|(method, value)| Operation { path: path.clone(), method: method.clone(), value: value.clone() }).collect()
    };
    let all: Vec<Operation> = paths.iter().flat_map(each).collect();
    assert!(all.len() > 100, "the operations were found");
    all
}

#[track_caller]
fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

// ------------------------------------------------------------------------------------------------ the snapshot

#[test]
fn the_document_is_the_snapshot() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/studio/openapi.json");
    let now = serde_json::to_string_pretty(&document()).expect("JSON") + "\n";
    if std::env::var_os("STUDIO_UPDATE").is_some() {
        fs::write(&file, &now).expect("the snapshot can be written");
    }
    let before = fs::read_to_string(&file).unwrap_or_default();
    if before != now {
        panic!("the document changed; run with STUDIO_UPDATE=1 to accept it:\n{}", difference(&before, &now));
    }
}

/// The first lines that differ, with where they stand.
fn difference(before: &str, now: &str) -> String {
    let (before, now): (Vec<&str>, Vec<&str>) = (before.lines().collect(), now.lines().collect());
    let start = before.iter().zip(&now).take_while(|(a, b)| a == b).count();
    let most = before.len().min(now.len()) - start;
    let same = before.iter().rev().zip(now.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let part = |lines: &[&str], sign: char| -> String {
        let changed = &lines[start..lines.len() - same];
        let shown: String = changed.iter().take(12).map(|line| format!("{sign} {line}\n")).collect();
        if changed.len() > 12 { format!("{shown}{sign} ... and {} more lines\n", changed.len() - 12) } else { shown }
    };
    format!("@ line {}\n{}{}", start + 1, part(&before, '-'), part(&now, '+'))
}

#[test]
fn the_document_is_served() {
    let server = Server::start();
    let client = server.client();
    assert_eq!(client.get("/api/schema/").expect(200), document());
    let yaml: Value = serde_yaml::from_str(&client.get("/api/schema/?format=yaml").text).expect("YAML");
    assert_eq!(yaml, document());
    let titled = Server::start_with(|config| config.api.title = "Acme & Sons".into());
    assert_eq!(titled.client().get("/api/schema/").expect(200)["info"]["title"], "Acme & Sons");
    let closed = Server::start_with(|config| config.api.docs = false);
    for path in ["/api/schema/", "/api/docs/", "/api/redoc/"] {
        assert_eq!(closed.client().get(path).status, 404, "{path} with api.docs = false");
    }
}

// ------------------------------------------------------------------------------------------------ operations

/// As drf-spectacular names them: the path without `/api`, and a verb.
fn expected_id(operation: &Operation) -> String {
    let parts = operation.path.trim_start_matches("/api/").split('/').filter(|part| !part.is_empty() && !part.starts_with('{'));
    let path = parts.map(|part| part.replace('-', "_")).collect::<Vec<_>>().join("_");
    let verb = match operation.method.as_str() {
        "get" if operation.answers_page() => "list",
        "get" => "retrieve",
        "post" => "create",
        "put" => "update",
        "patch" => "partial_update",
        _ => "destroy",
    };
    format!("{path}_{verb}")
}

#[test]
fn operations_are_named_and_complete() {
    let document = document();
    let operations = operations(&document);
    let tags: BTreeSet<&str> = document["tags"].as_array().expect("tags").iter().filter_map(|tag| tag["name"].as_str()).collect();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    operations.iter().for_each(|operation| *count.entry(operation.id()).or_default() += 1);
    let mut wrong: Vec<String> =
        count.iter().filter(|(_, count)| **count > 1).map(|(id, count)| format!("{id} is used {count} times")).collect();
    for operation in &operations {
        let name = operation.name();
        let mut must = |holds: bool, what: String| {
            if !holds {
                wrong.push(format!("{name}: {what}"))
            }
        };
        let expected = expected_id(operation);
        let collides = operation
            .id()
            .strip_prefix(&format!("{expected}_"))
            .is_some_and(|n| n.parse::<u32>().is_ok_and(|n| n > 1) && count.contains_key(expected.as_str()));
        must(operation.id() == expected || collides, format!("is called {}, not {expected}", operation.id()));
        must(operation.path.ends_with('/') && operation.path.starts_with("/api/"), "does not start with /api/ and end with a slash".into());
        let text = |key: &str| operation.value[key].as_str().unwrap_or_default().to_owned();
        must(!text("summary").is_empty(), "has no summary".into());
        must(
            !text("summary").contains("record") && !text("description").contains("record"),
            format!("speaks of records: {}", text("summary")),
        );
        let own: Vec<&str> = operation.value["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        must(
            own.len() == 1 && tags.contains(own[0]) && operation.path.split('/').any(|part| part == own[0]),
            format!("has the tags {own:?}"),
        );
        // Who may call it.
        let is_for_people = ["/api/auth/", "/api/users/", "/api/v1/"].iter().any(|section| operation.path.starts_with(section))
            || ["/reset-2fa/", "/access/", "/sessions/{session}/", "/end-sessions/"].iter().any(|end| operation.path.ends_with(end))
            || ["/api/jobs/", "/api/system/", "/api/outbox/{id}/retry/", "/api/outbox/retry-failed/"]
                .iter()
                .any(|begin| operation.path.starts_with(begin))
            || operation.path.starts_with("/api/business") && operation.method != "get"
            || ["/api/events/ticket/", "/api/finance/lock/"].contains(&operation.path.as_str());
        let security = match (operation.is_public(), is_for_people) {
            (true, _) => json!([{}]),
            (_, true) => json!([{"jwtAuth": []}]),
            _ => json!([{"jwtAuth": []}, {"apiKeyAuth": []}, {"apiKeyBearer": []}]),
        };
        must(operation.value["security"] == security, format!("has the security {}", operation.value["security"]));
        // What it answers; the refusals are shared components.
        let answer = |status: &str| {
            let answer = &operation.value["responses"][status];
            answer["$ref"].as_str().and_then(|reference| document.pointer(&reference[1..])).unwrap_or(answer)
        };
        let statuses = operation.statuses();
        must(statuses.iter().any(|status| status.starts_with('2')), "documents no success".into());
        let mut refusals = vec!["400", "401", "405", "429", "500", "503"];
        if !operation.is_public() {
            refusals.push("403");
        }
        if operation.path.contains('{') {
            refusals.push("404");
        }
        if operation.value.get("requestBody").is_some() {
            refusals.extend(["408", "413", "415"]);
        }
        for status in refusals {
            must(statuses.contains(&status), format!("does not document {status}"));
        }
        for status in statuses.iter().filter(|status| status.starts_with(['4', '5'])) {
            let schema = &answer(status)["content"]["application/json"]["schema"]["$ref"];
            let component = if *status == "400" { "ValidationError" } else { "Error" };
            must(*schema == format!("#/components/schemas/{component}"), format!("{status} is {schema}"));
        }
        for status in &statuses {
            must(!answer(status)["description"].as_str().unwrap_or_default().is_empty(), format!("{status} is not described"));
        }
        if operation.method == "delete" {
            must(
                statuses.contains(&"204") && operation.value["responses"]["204"].get("content").is_none(),
                "does not answer 204 without a body".into(),
            );
        }
        let method_has_body = matches!(operation.method.as_str(), "put" | "patch");
        must(!method_has_body || operation.value.get("requestBody").is_some(), "has no body".into());
        // Its parameters.
        must(operation.value.get("parameters").is_none_or(Value::is_array), "has no list of parameters".into());
        let parameters = parameters(&document, &operation.value);
        let in_path: BTreeSet<&str> = parameters.iter().filter(|p| p["in"] == "path").filter_map(|p| p["name"].as_str()).collect();
        let variables: BTreeSet<&str> = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        must(in_path == variables, format!("has the path parameters {in_path:?}"));
        for parameter in parameters.iter().filter(|p| p["in"] != "path") {
            must(parameter["description"].is_string(), format!("does not describe {}", parameter["name"]));
        }
        let names: Vec<(&Value, &Value)> = parameters.iter().map(|p| (&p["name"], &p["in"])).collect();
        must(names.iter().enumerate().all(|(at, name)| !names[..at].contains(name)), "names a parameter twice".into());
    }
    none(wrong);
    assert_eq!(document["components"]["securitySchemes"]["jwtAuth"]["scheme"], "bearer");
    assert_eq!(document["components"]["securitySchemes"]["jwtAuth"]["bearerFormat"], "JWT");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.0.")));
    assert!(document["tags"].as_array().expect("tags").iter().all(|tag| tag["description"].is_string()), "every tag is described");
}

/// What a client may send to a list is documented there.
#[test]
fn lists_document_their_parameters() {
    let document = document();
    let mut wrong = vec![];
    for d in resources::all() {
        let listed = parameters(&document, &document["paths"][format!("/api/{}/", d.about.path)]["get"]);
        let mut expected = vec!["ordering".to_owned(), "page".into(), "page_size".into()];
        expected.extend((!d.about.search.is_empty()).then(|| "search".to_owned()));
        expected.extend(d.filters.iter().map(|name| (*name).to_owned()));
        expected.extend(d.about.filter_by.iter().map(|(name, _)| (*name).to_owned()));
        expected.extend(d.about.soft_delete.then(|| "include_deleted".to_owned()));
        wrong.extend(
            expected
                .iter()
                .filter(|name| !listed.iter().any(|p| p["in"] == "query" && p["name"] == **name))
                .map(|name| format!("{}: {name}", d.about.path)),
        );
    }
    none(wrong);
    let page = &document["components"]["schemas"]["PaginatedZoneList"];
    assert_eq!(page["required"], json!(["count", "results"]));
    assert_eq!(
        page["properties"]["next"],
        json!({"type": "string", "format": "uri", "nullable": true, "example": "http://api.example.org/accounts/?page=4"})
    );
    assert_eq!(page["properties"]["previous"]["example"], "http://api.example.org/accounts/?page=2");
    assert_eq!(page["properties"]["count"]["example"], 123);
}

/// Documented, listed by `routes()`, and served with exactly these methods.
#[test]
fn documented_routes_are_the_served_ones() {
    let documented: BTreeSet<(String, String, String)> = operations(&document())
        .iter()
        .map(|operation| (operation.method.to_uppercase(), operation.path.clone(), operation.id().to_owned()))
        .collect();
    let listed: BTreeSet<(String, String, String)> = api::routes()
        .into_iter()
        .map(|(method, path, id)| {
            (
                method,
                path.split('/')
                    .map(|part| part.strip_prefix(':').map_or(part.to_owned(), |name| format!("{{{name}}}")))
                    .collect::<Vec<_>>()
                    .join("/"),
                id,
            )
        })
        .collect();
    assert_eq!(documented, listed, "the document and routes()");
    let server = Server::start();
    let (admin, nobody) = (server.member("ann", Role::Admin), server.client());
    let mut methods: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    documented.iter().for_each(|(method, path, _)| methods.entry(path).or_default().push(method));
    let mut wrong = vec![];
    for (path, methods) in &methods {
        let real = path.replace("{id}", "987654321");
        let mut allow: Vec<&str> =
            ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().filter(|method| methods.contains(method)).collect();
        allow.extend(methods.contains(&"GET").then_some("HEAD"));
        allow.push("OPTIONS");
        let allow = allow.join(", ");
        for real in [real.as_str(), real.trim_end_matches('/')] {
            let answer = nobody.send("OPTIONS", real, None);
            if answer.status != 200 || answer.header("allow") != Some(&allow) || !answer.text.is_empty() {
                wrong.push(format!("OPTIONS {real}: {} {:?} {}, not {allow}", answer.status, answer.header("allow"), answer.text));
            }
            for method in methods {
                let answer =
                    admin.send(method, real, matches!(*method, "POST" | "PUT" | "PATCH").then(|| ("application/json", b"[]".to_vec())));
                if answer.status == 405 || answer.status >= 500 || answer.header("allow") != Some(&allow) {
                    wrong.push(format!("{method} {real}: {} {:?}", answer.status, answer.header("allow")));
                }
            }
        }
    }
    let beside: Vec<&str> = BESIDE.into_iter().filter(|path| nobody.get(path).status != 200).collect();
    wrong.extend(beside.into_iter().map(|path| format!("{path} is not served")));
    wrong.extend(BESIDE.into_iter().filter(|path| methods.contains_key(path)).map(|path| format!("{path} is documented")));
    none(wrong);
}

// ------------------------------------------------------------------------------------------------ components

fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn references_resolve_and_components_are_used() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    let dangling = found.iter().filter(|reference| document.pointer(reference.trim_start_matches('#')).is_none());
    let mut wrong: Vec<String> = dangling.map(|reference| format!("{reference} leads nowhere")).collect();
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let unused = schemas.keys().filter(|name| !found.contains(format!("#/components/schemas/{name}").as_str()));
    wrong.extend(unused.map(|name| format!("{name} is not used")));
    none(wrong);
}

/// A property with what its reference adds.
fn property<'a>(document: &'a Value, properties: &'a Map<String, Value>, name: &str) -> Vec<&'a Value> {
    let property = &properties[name];
    let mut all = vec![property];
    let direct = property["$ref"].as_str().into_iter();
    let joined = property["allOf"].as_array().into_iter().flatten().filter_map(|part| part["$ref"].as_str());
    all.extend(direct.chain(joined).filter_map(|reference| document.pointer(reference.trim_start_matches('#'))));
    all
}

fn is(parts: &[&Value], key: &str) -> bool {
    parts.iter().any(|part| part[key] == true)
}

/// What is wrong with a component of a resource.
/// May a client say what the program works out, as long as it is right?
fn is_confirmed(d: &Descriptor, name: &str) -> bool {
    d.about.confirmed.iter().any(|(confirmed, _)| *confirmed == name)
}

fn check(document: &Value, d: &Descriptor, name: &str) -> Vec<String> {
    let component = &document["components"]["schemas"][name];
    let Some(properties) = component["properties"].as_object() else { return vec![format!("{name} has no properties")] };
    let required: BTreeSet<&str> = component["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let (patched, read) = (name.starts_with("Patched"), d.expands() && name == d.read_name());
    let mut wrong = vec![];
    let mut must = |holds: bool, field: &str, what: &str| {
        if !holds {
            wrong.push(format!("{name}.{field} {what}"))
        }
    };
    must(!component["description"].as_str().unwrap_or_default().is_empty(), "", "is not described");
    for field in properties.keys() {
        let parts = property(document, properties, field);
        must(parts.iter().any(|part| part["description"].as_str().is_some_and(|text| !text.is_empty())), field, "has no description");
    }
    for (field, ..) in d.mixin() {
        if !properties.contains_key(field) {
            must(false, field, "is missing");
            continue;
        }
        must(is(&property(document, properties, field), "readOnly"), field, "is not read-only");
        must(patched || required.contains(field), field, "is always there, and not required");
    }
    for computed in d.about.computed {
        must(properties.contains_key(computed.name), computed.name, "is missing");
        let is_asked = !read && (is_confirmed(d, computed.name) || d.field(computed.name).is_some_and(|field| field.input));
        must(
            properties.contains_key(computed.name) && is(&property(document, properties, computed.name), "readOnly") != is_asked,
            computed.name,
            if is_asked { "is read-only" } else { "is not read-only" },
        );
    }
    for field in &d.fields {
        if field.hidden {
            must(!properties.contains_key(field.name), field.name, "is hidden");
            continue;
        }
        // What is only asked for is in no answer.
        if read && field.input {
            continue;
        }
        if !properties.contains_key(field.name) {
            must(false, field.name, "is missing");
            continue;
        }
        let parts = property(document, properties, field.name);
        // Beside a reference, null is a choice of its own.
        let or_null = properties[field.name]["oneOf"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["$ref"] == "#/components/schemas/NullEnum"));
        must(
            (is(&parts, "nullable") || or_null) == field.nullable,
            field.name,
            if field.nullable { "is not nullable" } else { "is nullable" },
        );
        if !read {
            // What may be sent as long as it is right is no more read-only than what is asked for.
            let fixed = field.server_set && !is_confirmed(d, field.name);
            must(is(&parts, "readOnly") == fixed, field.name, if fixed { "is not read-only" } else { "is read-only" });
        }
        // A shape that is only received says all that is there.
        let needed = read || !patched && (field.required || field.server_set);
        must(required.contains(field.name) == needed, field.name, if needed { "is not required" } else { "is required" });
    }
    if read {
        for (field, _) in d.about.expand {
            must(properties.contains_key(&format!("{field}_id")), field, "does not have its id beside it");
        }
    }
    wrong
}

#[test]
fn components_describe_every_field() {
    let document = document();
    let mut wrong = vec![];
    for d in resources::all() {
        let mut names = vec![d.name.clone()];
        names.extend((!d.about.read_only).then(|| format!("Patched{}", d.name)));
        names.extend(d.expands().then(|| d.read_name()));
        wrong.extend(names.iter().flat_map(|name| check(&document, d, name)));
        wrong.extend(
            document["components"]["schemas"]
                .get(format!("Paginated{}List", d.read_name()))
                .is_none()
                .then(|| format!("no page of {}", d.name)),
        );
    }
    none(wrong);
}

/// What a record answers is what its component says.
#[test]
fn answers_have_the_documented_members() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let document = document();
    let mut wrong = vec![];
    let zone = admin.create("/api/field/zones/", json!({"name": "North"}));
    let lead = admin.create("/api/field/leads/", json!({"business_name": "Duka", "contact_phone": "0700123456", "zone": zone["id"]}));
    let detail = admin.get(&format!("/api/field/leads/{}/", lead["id"])).expect(200);
    for (name, answer) in [("Zone", &zone), ("Lead", &lead), ("LeadRead", &detail)] {
        let component = &document["components"]["schemas"][name];
        let documented: BTreeSet<&String> = component["properties"].as_object().expect("properties").keys().collect();
        let answered: BTreeSet<&String> = answer.as_object().expect("a record").keys().collect();
        wrong.extend(answered.difference(&documented).map(|member| format!("{name} answers {member}, which is not documented")));
        let required = component["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        wrong.extend(
            required.filter(|member| answer.get(member).is_none()).map(|member| format!("{name} requires {member} and does not answer it")),
        );
    }
    none(wrong);
}
