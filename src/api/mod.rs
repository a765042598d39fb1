//! The JSON face: HTTP in, verbs called, DRF's shapes out.

pub mod api_keys;
mod audit_log;
mod bulk;
mod businesses;
mod comments;
mod crud;
mod docs;
mod documents;
mod envelope;
mod events;
mod facets;
mod files;
mod front;
mod identity;
mod imports;
mod integrations;
mod jobs;
mod messages;
mod party_finance;
mod people;
mod search;
mod server_state;
mod shared_page;
mod stamp;
mod system;
mod tags;
mod transfer;
mod upload;

use std::collections::HashMap;

use poem::{Endpoint, EndpointExt, IntoEndpoint, Response, endpoint::BoxEndpoint, http::Method};
use poem_openapi::{
    OpenApi, OpenApiService,
    registry::{MetaApi, Registry},
};

use serde_json::{Map, Value as Json, json};

pub use self::front::protect;
use self::{
    api_keys::ApiKeys,
    audit_log::AuditLog,
    businesses::Businesses,
    documents::Documents,
    events::Events,
    files::FileVerbs,
    front::Front,
    identity::Everywhere,
    imports::Imports,
    integrations::Integrations,
    jobs::Jobs,
    messages::Messages,
    party_finance::PartyFinance,
    people::{Invitations, Members, People, SignIns},
    search::Search,
    server_state::ServerState,
    stamp::{House, Resources},
};
use crate::{app::App, outbox::own::Own, resources};

type Operations = House<(Everywhere, Resources, Shared, Belonging, Running, Finance, resources::Verbs)>;
/// What goes across resources.
type Shared = (Search, Events, Imports, FileVerbs, ApiKeys);
/// Who belongs to which business, and the businesses themselves.
type Belonging = (Invitations, Members, People, SignIns, Businesses, Integrations);
/// What those who run a business, and the server, look after.
type Running = (AuditLog, Messages, Jobs, ServerState);
/// What finance takes and answers that its room alone cannot: files, and pages of what is no record.
type Finance = (Documents, PartyFinance);

/// All operations and, beside them, the documents and the checks.
struct Served {
    operations: Operations,
    app: App,
}

impl OpenApi for Served {
    /// Nothing: `Description` has the document, and serving needs none of it.
    fn meta() -> Vec<MetaApi> {
        vec![]
    }
    fn register(_: &mut Registry) {}
    fn add_routes(self, table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        self.operations.add_routes(table);
        let mut others = HashMap::new();
        system::add_routes(&mut others, &self.app);
        shared_page::add_routes(&mut others, &self.app);
        if self.app.config.api.docs {
            docs::add_routes(&mut others, &self.app.config.api.title);
        }
        table.extend(others.into_iter().map(|(path, methods)| (path, stamp::both(methods, None).0)));
    }
}

/// The OpenAPI document of this program.
fn document(title: &str) -> OpenApiService<Description, ()> {
    OpenApiService::new(Description, title, env!("CARGO_PKG_VERSION"))
        .description("The business back office of a small organisation. Sign in, then send `Authorization: Bearer <access token>`.")
}

/// The operations as far as the document is concerned: no application is needed to describe them.
struct Description;

impl OpenApi for Description {
    fn meta() -> Vec<MetaApi> {
        Operations::meta()
    }
    fn register(registry: &mut Registry) {
        Operations::register(registry);
    }
    fn add_routes(self, _: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {}
}

/// The OpenAPI document as JSON.
pub fn openapi_json(title: &str) -> String {
    serde_json::to_string_pretty(&described(title)).unwrap_or_default()
}

/// The OpenAPI document as YAML.
pub fn openapi_yaml(title: &str) -> String {
    serde_yaml::to_string(&described(title)).unwrap_or_default()
}

/// The document as poem-openapi writes it, and what that leaves out.
pub fn described(title: &str) -> Json {
    let mut document: Json = serde_json::from_str(&document(title).spec()).unwrap_or_default();
    document["servers"] = json!([{"url": "/"}]);
    share(&mut document);
    envelope::describe(&mut document);
    admit_nulls(&mut document["components"]["schemas"]);
    // The least that signs somebody in: what "Try it out" starts from.
    document["components"]["schemas"]["Login"]["example"] = json!({"username": "user@example.com", "password": "password"});
    admit_members(&mut document);
    document["components"]["schemas"]["NullEnum"] = json!({"enum": [null], "description": "Nothing."});
    let operations =
        document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut).filter_map(Json::as_object_mut).flat_map(Map::values_mut);
    for operation in operations.filter_map(Json::as_object_mut) {
        // No token is needed; a validator wants that said.
        operation.entry("security").or_insert_with(|| json!([{}]));
    }
    document
}

/// Names each refusal and each parameter once under `components`, where many operations have the same; poem-openapi repeats them in full.
fn share(document: &mut Json) {
    let (mut answers, mut parameters) = (Map::new(), Map::new());
    let operations =
        document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut).filter_map(Json::as_object_mut).flat_map(Map::values_mut);
    for operation in operations {
        let all = operation.get_mut("responses").and_then(Json::as_object_mut);
        for (status, answer) in all.into_iter().flatten().filter(|(status, _)| !status.starts_with('2')) {
            name_once(&mut answers, "responses", &format!("Answer{status}"), answer);
        }
        for parameter in operation.get_mut("parameters").and_then(Json::as_array_mut).into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap_or_default().to_owned();
            name_once(&mut parameters, "parameters", &name, parameter);
        }
    }
    document["components"]["responses"] = Json::Object(answers);
    document["components"]["parameters"] = Json::Object(parameters);
}

/// Puts a reference in the place of a part of the document: to the same part, if there is one, under its name or that and a number.
fn name_once(shared: &mut Map<String, Json>, section: &str, name: &str, part: &mut Json) {
    let is_free = |name: &String| shared.get(name).is_none_or(|known| known == part);
    let names = (1..).map(|count| if count == 1 { name.to_owned() } else { format!("{name}_{count}") });
    let Some(name) = names.into_iter().find(is_free) else { return };
    let reference = json!({"$ref": format!("#/components/{section}/{name}")});
    shared.insert(name, std::mem::replace(part, reference));
}

/// An object of which no member is described may have any; generated clients take it for an empty one otherwise.
fn admit_members(schema: &mut Json) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(admit_members),
        Json::Object(members) => {
            members.values_mut().for_each(admit_members);
            let described = ["properties", "additionalProperties", "allOf"].into_iter().any(|name| members.contains_key(name));
            if members.get("type").is_some_and(|kind| kind == "object") && !described {
                members.insert("additionalProperties".into(), Json::Bool(true));
            }
        }
        _ => {}
    }
}

/// `nullable` beside a reference admits no null in OpenAPI 3.0; a choice between the two does.
fn admit_nulls(schema: &mut Json) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(admit_nulls),
        Json::Object(members) => {
            members.values_mut().for_each(admit_nulls);
            let reference = members.get("allOf").and_then(|all| all.get(0)).filter(|first| first.get("$ref").is_some()).cloned();
            let Some(reference) = reference.filter(|_| members.get("type").is_none()) else { return };
            // What stands beside the reference is said by the schema itself, unless it adds members of its own.
            let others = members["allOf"].as_array().into_iter().flatten().skip(1);
            if others.into_iter().any(|other| other.get("$ref").is_some() || other.get("properties").is_some()) {
                return;
            }
            members.shift_remove("allOf");
            if members.shift_remove("nullable") == Some(Json::Bool(true)) {
                members.insert("oneOf".into(), json!([reference, {"$ref": "#/components/schemas/NullEnum"}]));
            } else {
                members.insert("allOf".into(), json!([reference]));
            }
        }
        _ => {}
    }
}

/// Every operation: method, path and operationId.
pub fn routes() -> Vec<(String, String, String)> {
    let operations = Operations::meta().into_iter().flat_map(|api| api.paths).flat_map(|path| {
        let name = path.path;
        path.operations
            .into_iter()
            .map(move |operation| (operation.method.to_string(), name.clone(), operation.operation_id.unwrap_or_default().to_owned()))
    });
    operations.collect()
}

/// The operations, as an endpoint that nothing guards but the gate: for `front`, and for what calls them from inside.
pub fn operations(app: &App) -> BoxEndpoint<'static> {
    let (pages, storage) = (app.pages(), app.storage.clone());
    let shared = (Search, Events::new(app), Imports(pages), FileVerbs(storage.clone()), ApiKeys);
    let finance = (Documents(storage), PartyFinance(pages));
    let (invitations, members, sign_ins) = (Invitations(app.clone()), Members(app.clone()), SignIns(app.clone()));
    let integrations = Integrations(Own::new(&app.config, &app.db, &app.vault, &app.trust), app.vault.clone());
    let belonging = (invitations, members, People, sign_ins, Businesses(app.clone()), integrations);
    let running = (AuditLog(pages), Messages(pages), Jobs(app.clone()), ServerState::new(app));
    let rooms = resources::verbs(&app.config.server.public_url());
    let api = (Everywhere(app.clone()), Resources(app.clone()), shared, belonging, running, finance, rooms);
    let operations = House { api, gate: app.gate.clone() };
    let service = OpenApiService::new(Served { operations, app: app.clone() }, "", "");
    service.into_endpoint().map_to_response().boxed()
}

/// What every request passes on its way to an endpoint.
pub fn front(app: &App, inner: BoxEndpoint<'static>) -> impl Endpoint<Output = Response> + 'static {
    Front::new(app, inner)
}
