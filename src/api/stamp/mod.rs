//! Every operation of the house, finished: with its tag, its operationId, its trailing slash, its error answers and its `Allow`.

mod components;
mod methods;
mod parameters;
mod resources;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use poem::{endpoint::BoxEndpoint, http::Method};
use poem_openapi::{
    OpenApi,
    registry::{MetaApi, MetaMediaType, MetaOperation, MetaResponse, MetaSchema, MetaSchemaRef, MetaTag, Registry},
};

pub(super) use self::{methods::both, resources::Resources};
use crate::{
    actor::Scopes,
    app::doors,
    auth::{
        api_key::only_reads,
        gate::{Gate, KEY_SCHEMES},
    },
};

/// What is answered anew each time, with an `Idempotency-Key` too: a ticket is good once, a secret is not kept for a second answer, and
/// whoever tries a provider out, or runs a job, again wants to know how it is now.
fn is_repeatable(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let ends = [
        "/events/ticket",
        "/reauthenticate",
        "/reauthenticate/begin",
        "/auth/api-keys",
        "/reset-2fa",
        "/password-change",
        "/email-change",
        "/resend-verification",
        "/businesses/switch",
        "/integrations/{id}/test",
        "/jobs/{name}/run",
    ];
    !path.contains("/2fa/") && !path.contains("/passkeys") && !ends.iter().any(|end| path.ends_with(end))
}

/// Every operation of the API, finished: below `/api`, with tag, operationId, error answers, `Allow`, and both spellings of its path.
pub(super) struct House<T> {
    pub api: T,
    pub gate: Arc<Gate>,
}

impl<T: OpenApi> OpenApi for House<T> {
    fn meta() -> Vec<MetaApi> {
        let mut apis = T::meta();
        let mut seen = BTreeMap::new();
        for path in apis.iter_mut().flat_map(|api| &mut api.paths) {
            for operation in &mut path.operations {
                resources::add_parameters(&path.path, operation);
                finish(&path.path, operation, &mut seen);
            }
            path.path = format!("/api{}/", path.path.trim_end_matches('/'));
        }
        // Operations of one path may come from several places; the document names each path once.
        let mut merged: Vec<MetaApi> = vec![MetaApi { paths: vec![] }];
        for path in apis.into_iter().flat_map(|api| api.paths) {
            let known = merged[0].paths.iter_mut().find(|known| known.path == path.path);
            match known {
                Some(known) => known.operations.extend(path.operations),
                None => merged[0].paths.push(path),
            }
        }
        merged
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
        for tag in T::meta().iter().flat_map(|api| &api.paths).filter_map(|path| tag(&path.path)) {
            registry.create_tag(MetaTag { name: leak(tag.to_owned()), description: tag_doc(tag), external_docs: None });
        }
    }

    fn add_routes(self, table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        let mut routes = HashMap::new();
        self.api.add_routes(&mut routes);
        let guarded: HashSet<String> = T::meta()
            .into_iter()
            .flat_map(|api| api.paths)
            .filter(|path| path.operations.iter().any(|op| !op.security.is_empty()))
            .map(|path| shape(&path.path))
            .collect();
        for (path, methods) in routes {
            let is_guarded = guarded.contains(&shape(&path));
            let path = format!("/api{}", path.trim_end_matches('/'));
            let (plain, slashed) = both(methods, is_guarded.then(|| self.gate.clone()));
            table.insert(format!("{path}/"), slashed);
            table.insert(path, plain);
        }
    }
}

/// What the spellings of a path have in common: `/leads/{id}` of the document is `/leads/:id` of the router.
fn shape(path: &str) -> String {
    let parts = path.trim_end_matches('/').split('/');
    parts.map(|part| if part.starts_with([':', '{']) { ":" } else { part }).collect::<Vec<_>>().join("/")
}

fn tag(path: &str) -> Option<&str> {
    path.split('/').find(|part| !part.is_empty())
}

fn tag_doc(tag: &str) -> Option<&'static str> {
    Some(match tag {
        "auth" | "users" => "Signing in and out, and one's own profile.",
        "v1" => "Signing in and out, as the music institute's front end does.",
        "accounts" => "People and how the business is organised.",
        "businesses" => "The businesses that one belongs to.",
        "business" => "The business that one acts in.",
        "integrations" => "The services that the business uses.",
        "audit" => "What was done in the business, by whom.",
        "outbox" => "What the business sends, and what became of it.",
        "jobs" => "The recurring work of the server.",
        "system" => "How the server is.",
        "search" => "One search through everything.",
        "events" => "What changes, as it changes.",
        "imports" => "How far imports have come.",
        "field" => "Leads, visits and zones of field sales.",
        "finance" => "Parties, accounts, the cash book and the journal.",
        "saved-views" => "People's ways of looking at lists: filters, order and columns under a name.",
        "comments" => "What is said about records of any kind, and what people think of it.",
        "files" => "What is attached to records of any kind.",
        _ => return None,
    })
}

fn finish(path: &str, operation: &mut MetaOperation, seen: &mut BTreeMap<String, usize>) {
    operation.tags = tag(path).map(|tag| leak(tag.to_owned())).into_iter().collect();
    let everything = Scopes::parse(&["*:read".to_owned(), "*:write".to_owned()]).ok();
    if !everything.is_some_and(|scopes| doors().open(&scopes, path.trim_start_matches('/'), only_reads(&operation.method))) {
        operation.security.retain(|schemes| !KEY_SCHEMES.iter().any(|scheme| schemes.contains_key(scheme)));
    }
    let id = operation.operation_id.map_or_else(|| operation_id(path, &operation.method), str::to_owned);
    let count = seen.entry(id.clone()).or_default();
    *count += 1;
    operation.operation_id = Some(leak(if *count == 1 { id } else { format!("{id}_{count}") }));
    for response in operation.responses.responses.iter_mut().filter(|response| response.description.is_empty()) {
        response.description = if response.status == Some(201) { "Created." } else { "Done." };
    }
    if operation.method == Method::POST && !operation.security.is_empty() && is_repeatable(path) {
        operation.params.push(parameters::idempotency_key());
    }
    let known: Vec<u16> = operation.responses.responses.iter().filter_map(|response| response.status).collect();
    let errors = errors(operation).into_iter().filter(|response| !known.contains(&response.status.unwrap_or_default()));
    operation.responses.responses.extend(errors.collect::<Vec<_>>());
}

/// As drf-spectacular names operations: the path, and a verb by method.
fn operation_id(path: &str, method: &Method) -> String {
    let parts: Vec<String> =
        path.split('/').filter(|part| !part.is_empty() && !part.starts_with('{')).map(|part| part.replace('-', "_")).collect();
    let verb = match *method {
        Method::GET => "retrieve",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "partial_update",
        _ => "destroy",
    };
    format!("{}_{verb}", parts.join("_"))
}

/// The refusals that an operation may answer, documented once for all.
fn errors(operation: &MetaOperation) -> Vec<MetaResponse> {
    let writes = operation.method != Method::GET;
    let guarded = !operation.security.is_empty();
    let answer = |status: u16, description: &'static str, component: &str| MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType { content_type: "application/json", schema: MetaSchemaRef::Reference(component.to_owned()) }],
        headers: vec![],
    };
    let bare = |status, description| MetaResponse { content: vec![], ..answer(status, description, "Error") };
    let mut all = vec![
        answer(400, "What was sent is wrong, by field.", "ValidationError"),
        answer(401, "Nobody is signed in, or the token is not good.", "Error"),
    ];
    if guarded {
        all.push(answer(403, "The caller may not do this.", "Error"));
        all.push(answer(404, "There is no such record for the caller.", "Error"));
    }
    if operation.params.iter().any(|parameter| parameter.name == "If-None-Match") {
        all.push(bare(304, "The client has it already."));
    }
    if writes && guarded {
        all.push(answer(409, "A rule on the state of things refuses it.", "Error"));
    }
    if operation.params.iter().any(|parameter| parameter.name == "If-Match") {
        all.push(answer(412, "It was changed since the client read it.", "Error"));
    }
    if operation.params.iter().any(|parameter| parameter.name == "Idempotency-Key") {
        all.push(answer(422, "The `Idempotency-Key` was used with another request.", "Error"));
    }
    if writes {
        all.push(answer(408, "The body did not arrive in time.", "Error"));
        all.push(answer(413, "The body is too large.", "Error"));
        all.push(answer(415, "The body's media type is not taken here.", "Error"));
    }
    all.push(answer(405, "The path does not take this method.", "Error"));
    all.push(answer(429, "Too many requests; `Retry-After` says when to try again.", "Error"));
    all.push(answer(500, "The server's fault.", "Error"));
    all.push(answer(503, "Not now; `Retry-After` says when to try again.", "Error"));
    all.sort_by_key(|response| response.status);
    all
}

fn leak(text: String) -> &'static str {
    text.leak()
}

fn schema(ty: &'static str) -> MetaSchema {
    MetaSchema::new(ty)
}

/// A text that is one of these.
fn one_of(names: &[&'static str]) -> MetaSchema {
    MetaSchema { enum_items: names.iter().map(|name| (*name).into()).collect(), ..schema("string") }
}

fn inline(schema: MetaSchema) -> MetaSchemaRef {
    MetaSchemaRef::Inline(Box::new(schema))
}
