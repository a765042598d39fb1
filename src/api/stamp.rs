//! From one set of operations to all: `Crud` is stamped for every resource, and every operation of the house gets its tag, its
//! operationId, its trailing slash, its error answers and its `Allow`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use poem::{
    Endpoint, EndpointExt, IntoResponse, Request, Response,
    endpoint::BoxEndpoint,
    http::{HeaderValue, Method, StatusCode},
};
use poem_openapi::{
    OpenApi,
    registry::{
        MetaApi, MetaMediaType, MetaOperation, MetaOperationParam, MetaParamIn, MetaResponse, MetaSchema, MetaSchemaRef, MetaTag, Registry,
    },
};
use serde_json::json;

use super::crud::Crud;
use crate::{
    auth::gate::{Gate, OtherMethod},
    engine::{
        Expand, Output,
        descriptor::{Descriptor, Write},
        field::{Field, Kind},
        query::Pages,
    },
    error::Error,
    resources,
};

// ------------------------------------------------------------------------------------------------ resources

/// `Crud` for every resource.
pub struct Resources(pub Pages);

impl OpenApi for Resources {
    fn meta() -> Vec<MetaApi> {
        resources::all().iter().flat_map(|d| Crud::meta().into_iter().map(|api| stamp(api, d))).collect()
    }

    fn register(registry: &mut Registry) {
        Crud::register(registry);
        for d in resources::all() {
            (d.register)(registry);
            registry.schemas.extend(components(d));
        }
        registry.schemas.extend(shared_components());
    }

    fn add_routes(self, table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        for resource in resources::all() {
            let mut routes = HashMap::new();
            Crud { resource, pages: self.0 }.add_routes(&mut routes);
            for (path, mut methods) in routes {
                methods.retain(|method, _| offers(resource, &path, method));
                if !methods.is_empty() {
                    table.insert(place(resource, &path), methods);
                }
            }
        }
    }
}

fn place(d: &Descriptor, path: &str) -> String {
    format!("/{}{}", d.about.path, path.trim_end_matches('/'))
}

/// Resources that are only read have no operations that write; those without soft delete have nothing to restore.
fn offers(d: &Descriptor, path: &str, method: &Method) -> bool {
    let about_deleted = path.ends_with("/deleted") || path.ends_with("/restore");
    (!d.about.read_only || method == Method::GET && !about_deleted) && (d.about.soft_delete || !about_deleted && method != Method::DELETE)
}

fn stamp(mut api: MetaApi, d: &'static Descriptor) -> MetaApi {
    for path in &mut api.paths {
        path.operations.retain(|operation| offers(d, &path.path, &operation.method));
        path.path = place(d, &path.path);
        for operation in &mut path.operations {
            let verb = operation.operation_id.unwrap_or_default();
            operation.operation_id = Some(leak(format!("{}_{verb}", d.about.path.replace(['/', '-'], "_"))));
            operation.summary = operation.summary.map(|summary| leak(in_words(summary, d)));
            operation.description = operation.description.map(|text| leak(in_words(text, d)));
            operation.params.extend(parameters(d, verb));
            let bodies = operation.request.iter_mut().flat_map(|request| &mut request.content);
            let answers = operation.responses.responses.iter_mut().flat_map(|response| &mut response.content);
            for media in bodies.chain(answers) {
                if let MetaSchemaRef::Reference(name) = &mut media.schema {
                    *name = name.replace("RecordRead", &d.read_name()).replace("Record", &d.name);
                }
            }
        }
    }
    api.paths.retain(|path| !path.operations.is_empty());
    api
}

/// "a record" becomes "a lead", "records" "leads".
fn in_words(text: &str, d: &Descriptor) -> String {
    let article = if d.words.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    text.replace("a record", &format!("{article} {}", d.words))
        .replace("records", &crate::kit::words(d.about.table))
        .replace("record", &d.words)
}

fn leak(text: String) -> &'static str {
    text.leak()
}

fn schema(ty: &'static str) -> MetaSchema {
    MetaSchema::new(ty)
}

fn inline(schema: MetaSchema) -> MetaSchemaRef {
    MetaSchemaRef::Inline(Box::new(schema))
}

// ------------------------------------------------------------------------------------------------ parameters

fn parameter(name: &str, in_type: MetaParamIn, schema: MetaSchema, description: &str) -> MetaOperationParam {
    MetaOperationParam {
        name: name.to_owned(),
        schema: inline(schema),
        in_type,
        description: Some(description.to_owned()),
        required: false,
        deprecated: false,
        explode: true,
        style: None,
    }
}

/// What the handlers read from the request themselves.
fn parameters(d: &Descriptor, verb: &str) -> Vec<MetaOperationParam> {
    let query = |name: &str, schema: MetaSchema, description: &str| parameter(name, MetaParamIn::Query, schema, description);
    let header = |name: &str, description: &str| parameter(name, MetaParamIn::Header, schema("string"), description);
    let pages = || {
        [
            query("page", schema("integer"), "A page number within the paginated result set."),
            query("page_size", schema("integer"), "Number of results to return per page."),
        ]
    };
    let mut all = vec![];
    match verb {
        "list" | "deleted_list" | "minimal_list" => {
            let names: Vec<&str> = d.about.order.iter().map(|name| name.trim_start_matches('-')).collect();
            let ordering = format!("Which field to use when ordering the results; `-` before it descends: {}.", names.join(", "));
            all.push(query("ordering", schema("string"), &ordering));
            all.extend(pages());
            if !d.about.search.is_empty() {
                all.push(query("search", schema("string"), &format!("Words to find in {}.", d.about.search.join(", "))));
            }
            all.extend(d.about.filter.iter().flat_map(|name| filters(d, name)));
            all.extend(d.about.filter_by.iter().map(|(name, _)| query(name, schema("string"), &format!("Only those with this {name}."))));
            if verb == "list" && d.about.soft_delete {
                all.push(query("include_deleted", schema("boolean"), "Deleted ones as well; for those who run the business."));
            }
            all.push(header("If-None-Match", "The `ETag` of an answer the client has: unchanged, the answer is 304."));
        }
        "history_list" => all.extend(pages()),
        "retrieve" => all.push(header("If-None-Match", "The `ETag` of an answer the client has: unchanged, the answer is 304.")),
        "create" => all.push(query("strict", schema("boolean"), "Warnings, such as of a duplicate, become refusals.")),
        "update" | "partial_update" | "destroy" => {
            all.push(header("If-Match", "The `ETag` that the client has read: changed since, the answer is 412."));
        }
        _ => {}
    }
    all
}

/// A filter, and the tests that its kind allows.
fn filters(d: &Descriptor, name: &str) -> Vec<MetaOperationParam> {
    let field = d.field(name);
    let mut exact = field.map_or_else(|| computed_schema(d, name), |field| bare(&field.schema));
    exact.description = None;
    let query = |name: String, schema: MetaSchema, text: String| parameter(&name, MetaParamIn::Query, schema, &text);
    let mut all = vec![query(name.to_owned(), exact.clone(), format!("Only those whose {name} is this."))];
    let kind = field.map(|field| &field.kind);
    if !matches!(kind, Some(Kind::Bool)) && exact.ty != "boolean" {
        all.push(query(format!("{name}__in"), schema("string"), format!("Only those whose {name} is one of these, separated by commas.")));
    }
    let ranged =
        matches!(kind, Some(Kind::Date | Kind::DateTime | Kind::Integer | Kind::Number | Kind::Money)) || exact.format == Some("date-time");
    if ranged {
        all.push(query(format!("{name}__gte"), exact.clone(), format!("Only those whose {name} is this or more.")));
        all.push(query(format!("{name}__lte"), exact, format!("Only those whose {name} is this or less.")));
    }
    if field.is_some_and(|field| field.nullable) {
        all.push(query(format!("{name}__isnull"), schema("boolean"), format!("Only those that have no {name}, or that have one.")));
    }
    all
}

fn computed_schema(d: &Descriptor, name: &str) -> MetaSchema {
    let computed = d.about.computed.iter().find(|computed| computed.name == name);
    match computed.map(|computed| computed.output) {
        Some(Output::Bool) => schema("boolean"),
        Some(Output::Integer) => schema("integer"),
        Some(Output::Number) => schema("number"),
        Some(Output::DateTime) => MetaSchema::new_with_format("string", "date-time"),
        Some(_) => schema("string"),
        None if name.ends_with("_at") => MetaSchema::new_with_format("string", "date-time"),
        None => schema("integer"),
    }
}

/// The type of a field without what only concerns its being stored.
fn bare(field: &MetaSchema) -> MetaSchema {
    MetaSchema { ty: field.ty, format: field.format, enum_items: field.enum_items.clone(), ..MetaSchema::ANY }
}

// ------------------------------------------------------------------------------------------------ components

/// The shapes of a resource: written, read, patched, and a page of it.
fn components(d: &'static Descriptor) -> Vec<(String, MetaSchema)> {
    let written = shape(d, false);
    let patched = MetaSchema { required: vec![], ..written.clone() };
    let mut all = vec![(d.name.clone(), written), (format!("Patched{}", d.name), patched)];
    if d.expands() {
        all.push((d.read_name(), shape(d, true)));
        all.extend(d.about.expand.iter().filter_map(|(_, how)| {
            if let Expand::Object(name, members) = how { Some(((*name).to_owned(), summary(members))) } else { None }
        }));
    }
    all.push((format!("Paginated{}List", d.read_name()), page_of(MetaSchemaRef::Reference(d.read_name()))));
    all
}

fn shape(d: &'static Descriptor, read: bool) -> MetaSchema {
    let mut shape = MetaSchema { description: d.schema.description, ..schema("object") };
    let read_only = |schema: MetaSchema| MetaSchema { read_only: true, ..schema };
    for (name, _, write) in d.mixin() {
        let mixin = match (name, write) {
            (_, Write::Bool) => schema("boolean"),
            ("uuid", _) => MetaSchema::new_with_format("string", "uuid"),
            (name, _) if name.ends_with("_at") => {
                MetaSchema { nullable: name == "deleted_at", ..MetaSchema::new_with_format("string", "date-time") }
            }
            (name, _) => MetaSchema { nullable: name.ends_with("_by"), ..schema("integer") },
        };
        let mixin = MetaSchema { description: Some(mixin_doc(name)), ..read_only(mixin) };
        let expanded = d.about.expand.iter().find(|(field, _)| read && *field == name).map(|(_, how)| how);
        if let Some(Expand::Object(component, _)) = expanded {
            let all_of = vec![MetaSchemaRef::Reference((*component).to_owned())];
            let person = MetaSchema { all_of, nullable: true, description: mixin.description, ..read_only(MetaSchema::ANY) };
            shape.properties.push((name, inline(person)));
            shape.properties.push((leak(format!("{name}_id")), inline(mixin)));
        } else {
            shape.properties.push((name, inline(mixin)));
        }
        shape.required.push(name);
    }
    for field in d.visible() {
        let (property, id) = property(d, field, read);
        shape.properties.push((field.name, property));
        if field.required || field.server_set {
            shape.required.push(field.name);
        }
        if let Some(id) = id {
            shape.properties.push((leak(format!("{}_id", field.name)), id));
        }
    }
    for computed in d.about.computed {
        let mut schema = match computed.output {
            Output::Json(of) => match of() {
                MetaSchemaRef::Inline(schema) => *schema,
                reference => MetaSchema { all_of: vec![reference], ..MetaSchema::ANY },
            },
            Output::Bool => schema("boolean"),
            Output::Integer => schema("integer"),
            Output::Number => schema("number"),
            Output::DateTime => MetaSchema::new_with_format("string", "date-time"),
            Output::Text => schema("string"),
        };
        schema.description = Some(computed.doc);
        schema.nullable = !matches!(computed.output, Output::Bool);
        shape.properties.push((computed.name, inline(read_only(schema))));
    }
    shape
}

fn mixin_doc(name: &str) -> &'static str {
    match name {
        "id" => "The record's number.",
        "uuid" => "The record's universal id (RFC 9562, version 7); paths and references take it as well.",
        "created_at" => "When it was created, in UTC.",
        "updated_at" => "When it was last changed, in UTC.",
        "created_by" => "The id of the person who created it.",
        "updated_by" => "The id of the person who last changed it.",
        "deleted_at" => "When it was deleted, in UTC.",
        "is_deleted" => "Whether it is deleted.",
        _ => "Counts the changes; the first part of the `ETag`.",
    }
}

/// A field's place in the written or the read form; in the latter a reference that is shown as more has its id beside it.
fn property(d: &Descriptor, field: &Field, read: bool) -> (MetaSchemaRef, Option<MetaSchemaRef>) {
    let original = d.schema.properties.iter().find(|(name, _)| *name == field.name).map(|(_, reference)| reference.clone());
    let nullable = MetaSchema { nullable: field.nullable, read_only: field.server_set, ..MetaSchema::ANY };
    let plain = original.unwrap_or_else(|| inline(MetaSchema::ANY)).merge(nullable);
    let expand = d.about.expand.iter().find(|(name, _)| *name == field.name).map(|(_, how)| how);
    let shown = |schema: MetaSchema| {
        inline(MetaSchema { nullable: field.nullable, read_only: true, description: field.schema.description, ..schema })
    };
    match expand.filter(|_| read) {
        None => (plain, None),
        Some(Expand::Label) => (shown(schema("string")), Some(plain)),
        Some(Expand::Object(name, _)) => {
            (shown(MetaSchema { all_of: vec![MetaSchemaRef::Reference((*name).to_owned())], ..MetaSchema::ANY }), Some(plain))
        }
    }
}

fn summary(members: &[(&'static str, &'static str)]) -> MetaSchema {
    let property = |(name, _): &(&'static str, &'static str)| {
        let ty = if *name == "id" { schema("integer") } else { MetaSchema { nullable: true, ..schema("string") } };
        (*name, inline(MetaSchema { read_only: true, ..ty }))
    };
    MetaSchema { properties: members.iter().map(property).collect(), required: vec!["id"], ..schema("object") }
}

fn page_of(item: MetaSchemaRef) -> MetaSchema {
    let link = |example: &str| {
        inline(MetaSchema { nullable: true, example: Some(example.into()), ..MetaSchema::new_with_format("string", "uri") })
    };
    let properties = vec![
        ("count", inline(MetaSchema { example: Some(123.into()), ..schema("integer") })),
        ("next", link("http://api.example.org/accounts/?page=4")),
        ("previous", link("http://api.example.org/accounts/?page=2")),
        ("results", inline(MetaSchema { items: Some(Box::new(item)), ..schema("array") })),
    ];
    MetaSchema { properties, required: vec!["count", "results"], ..schema("object") }
}

/// Components that all resources share: errors, history, labels.
fn shared_components() -> Vec<(String, MetaSchema)> {
    let text = |description: &'static str| inline(MetaSchema { description: Some(description), ..schema("string") });
    let object = |properties: Vec<(&'static str, MetaSchemaRef)>, required: Vec<&'static str>, description: &'static str| MetaSchema {
        properties,
        required,
        description: Some(description),
        ..schema("object")
    };
    let reference = |name: &str| MetaSchemaRef::Reference(name.to_owned());
    let error = object(
        vec![("detail", text("What is wrong, in words.")), ("code", text("What is wrong, for programs."))],
        vec!["detail"],
        "Why a request was refused.",
    );
    let texts = inline(MetaSchema { items: Some(Box::new(inline(schema("string")))), ..schema("array") });
    let any = MetaSchemaRef::Inline(Box::new(MetaSchema::ANY));
    let invalid = MetaSchema {
        description: Some(
            "What is wrong with a record: texts by field, `non_field_errors` for the whole, or `detail` for a body that cannot be read.",
        ),
        additional_properties: Some(Box::new(any.clone())),
        example: Some(json!({"name": ["This field is required."]})),
        properties: vec![("non_field_errors", texts)],
        ..schema("object")
    };
    let id = || inline(schema("integer"));
    let uuid = inline(MetaSchema::new_with_format("string", "uuid"));
    let minimal = object(
        vec![("id", id()), ("uuid", uuid), ("label", text("What the record is called."))],
        vec!["id", "uuid", "label"],
        "A record's id and label.",
    );
    let change = object(
        vec![("field", text("The field's name.")), ("before", any.clone()), ("after", any)],
        vec!["field"],
        "A field before and after.",
    );
    let actor =
        object(vec![("id", id()), ("username", text("Their user name.")), ("full_name", text("Their name."))], vec!["id"], "A person.");
    let nullable = |schema: MetaSchemaRef| inline(MetaSchema { all_of: vec![schema], nullable: true, ..MetaSchema::ANY });
    let entry = object(
        vec![
            ("id", id()),
            ("at", inline(MetaSchema::new_with_format("string", "date-time"))),
            ("action", text("What was done: `leads.update`.")),
            ("actor", nullable(reference("HistoryActor"))),
            ("changes", inline(MetaSchema { items: Some(Box::new(reference("HistoryChange"))), ..schema("array") })),
            ("request_id", text("The request it was done by.")),
        ],
        vec!["id", "at", "action", "changes"],
        "Something that happened to a record.",
    );
    vec![
        ("Error".into(), error),
        ("ValidationError".into(), invalid),
        ("Minimal".into(), minimal),
        ("HistoryChange".into(), change),
        ("HistoryActor".into(), actor),
        ("HistoryEntry".into(), entry),
        ("PaginatedMinimalList".into(), page_of(reference("Minimal"))),
        ("PaginatedHistoryList".into(), page_of(reference("HistoryEntry"))),
    ]
}

// ------------------------------------------------------------------------------------------------ the house

/// Every operation of the API, finished: below `/api`, with tag, operationId, error answers, `Allow`, and both spellings of its path.
pub struct House<T> {
    pub api: T,
    pub gate: Arc<Gate>,
}

impl<T: OpenApi> OpenApi for House<T> {
    fn meta() -> Vec<MetaApi> {
        let mut apis = T::meta();
        let mut seen = BTreeMap::new();
        for path in apis.iter_mut().flat_map(|api| &mut api.paths) {
            for operation in &mut path.operations {
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
        let guarded: Vec<String> = T::meta()
            .into_iter()
            .flat_map(|api| api.paths)
            .filter(|path| path.operations.iter().any(|op| !op.security.is_empty()))
            .map(|path| path.path)
            .collect();
        for (path, methods) in routes {
            let is_guarded = guarded.iter().any(|known| same_path(known, &path));
            let path = format!("/api{}", path.trim_end_matches('/'));
            let (plain, slashed) = both(methods, is_guarded.then(|| self.gate.clone()));
            table.insert(format!("{path}/"), slashed);
            table.insert(path, plain);
        }
    }
}

/// `/leads/{id}` of the document is `/leads/:id` of the router.
fn same_path(documented: &str, routed: &str) -> bool {
    let is_variable = |part: &str| part.starts_with([':', '{']);
    let (mut a, mut b) = (documented.trim_end_matches('/').split('/'), routed.trim_end_matches('/').split('/'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b || is_variable(a) && is_variable(b) => {}
            _ => return false,
        }
    }
}

fn tag(path: &str) -> Option<&str> {
    path.split('/').find(|part| !part.is_empty())
}

fn tag_doc(tag: &str) -> Option<&'static str> {
    Some(match tag {
        "auth" | "users" => "Signing in and out, and one's own profile.",
        "v1" => "Signing in and out, as the music institute's front end does.",
        "accounts" => "People and how the business is organised.",
        "field" => "Leads, visits and zones of field sales.",
        _ => return None,
    })
}

fn finish(path: &str, operation: &mut MetaOperation, seen: &mut BTreeMap<String, usize>) {
    operation.tags = tag(path).map(|tag| leak(tag.to_owned())).into_iter().collect();
    let id = operation.operation_id.map_or_else(|| operation_id(path, &operation.method), str::to_owned);
    let count = seen.entry(id.clone()).or_default();
    *count += 1;
    operation.operation_id = Some(leak(if *count == 1 { id } else { format!("{id}_{count}") }));
    for response in operation.responses.responses.iter_mut().filter(|response| response.description.is_empty()) {
        response.description = if response.status == Some(201) { "Created." } else { "Done." };
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

/// The operations of a path, for its spelling without and with a slash at the end.
pub type Methods = HashMap<Method, BoxEndpoint<'static>>;

pub fn both(methods: Methods, gate: Option<Arc<Gate>>) -> (Methods, Methods) {
    let offered: Vec<Method> = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]
        .into_iter()
        .filter(|method| methods.contains_key(method))
        .collect();
    let mut names: Vec<&str> = offered.iter().map(Method::as_str).collect();
    if methods.contains_key(&Method::GET) {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    let allow = HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"));
    let mut all: HashMap<Method, Arc<dyn Fn() -> BoxEndpoint<'static>>> = HashMap::new();
    for (method, endpoint) in methods {
        let shared = Arc::new(endpoint);
        let allow = allow.clone();
        all.insert(method, Arc::new(move || Allowing { inner: shared.clone(), allow: allow.clone() }.boxed()));
    }
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE, Method::CONNECT] {
        let (gate, allow) = (gate.clone(), allow.clone());
        all.entry(method).or_insert_with(|| Arc::new(move || Refusing { gate: gate.clone(), allow: allow.clone() }.boxed()));
    }
    let allow_only = allow.clone();
    all.insert(Method::OPTIONS, Arc::new(move || Options(allow_only.clone()).boxed()));
    let make = || all.iter().map(|(method, make)| (method.clone(), make())).collect();
    (make(), make())
}

/// Tells what else the path takes.
struct Allowing {
    inner: Arc<BoxEndpoint<'static>>,
    allow: HeaderValue,
}

impl Endpoint for Allowing {
    type Output = Response;
    async fn call(&self, request: Request) -> poem::Result<Response> {
        let mut response = self.inner.get_response(request).await;
        response.headers_mut().insert("allow", self.allow.clone());
        Ok(response)
    }
}

/// 405, for callers that have proven who they are.
struct Refusing {
    gate: Option<Arc<Gate>>,
    allow: HeaderValue,
}

impl Endpoint for Refusing {
    type Output = Response;
    async fn call(&self, request: Request) -> poem::Result<Response> {
        let known = self.gate.as_ref().map_or(Ok(()), |gate| gate.caller(&request).map(drop));
        let error = known.err().unwrap_or_else(|| Error::MethodNotAllowed(method_name(&request)));
        let mut response = error.into_response();
        response.headers_mut().insert("allow", self.allow.clone());
        Ok(response)
    }
}

fn method_name(request: &Request) -> String {
    request.extensions().get::<OtherMethod>().map_or_else(|| request.method().to_string(), |other| other.0.to_string())
}

struct Options(HeaderValue);

impl Endpoint for Options {
    type Output = Response;
    async fn call(&self, _: Request) -> poem::Result<Response> {
        Ok(Response::builder().status(StatusCode::OK).header("allow", self.0.clone()).finish())
    }
}
