//! `Crud` stamped for every resource that offers it, in the resource's own words.

use std::collections::HashMap;

use poem::{endpoint::BoxEndpoint, http::Method};
use poem_openapi::{
    OpenApi,
    registry::{MetaApi, MetaOperation, MetaSchemaRef, Registry},
};

use super::{
    components::{components, shared_components},
    leak,
    parameters::parameters,
};
use crate::{
    api::{bulk::Bulk, comments::Comments, crud::Crud, facets::Counts, files::Files, tags::Tags, transfer::Transfer},
    app::App,
    engine::{CREATE, Scope, descriptor::Descriptor, field::Kind},
    resources,
};

/// What every resource offers, as far as it says so (`offers`).
type Each = (Crud, Bulk, Transfer, Tags, Comments, Files, Counts);

/// `Each` for every resource, and for what is attached to them only what makes sense for it.
pub struct Resources(pub App);

impl OpenApi for Resources {
    fn meta() -> Vec<MetaApi> {
        let resources = resources::all().iter().flat_map(|d| Each::meta().into_iter().map(|api| stamp(api, d)));
        resources.chain(resources::attached().iter().flat_map(|d| Crud::meta().into_iter().map(|api| stamp(api, d)))).collect()
    }

    fn register(registry: &mut Registry) {
        Each::register(registry);
        for d in resources::all().iter().chain(resources::attached()) {
            (d.register)(registry);
            registry.schemas.extend(components(d));
        }
        registry.schemas.extend(shared_components());
    }

    fn add_routes(self, table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        let (pages, storage) = (self.0.pages(), &self.0.storage);
        for resource in resources::all().iter().chain(resources::attached()) {
            let mut routes = HashMap::new();
            let crud = Crud { resource, pages };
            if is_attached(resource) {
                crud.add_routes(&mut routes);
            } else {
                let files = Files { resource, pages, storage: storage.clone() };
                let (bulk, transfer, comments) = (Bulk { resource }, Transfer { resource, pages }, Comments { resource, pages });
                let each: Each = (crud, bulk, transfer, Tags { resource }, comments, files, Counts { resource, pages });
                each.add_routes(&mut routes);
            }
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

fn is_attached(d: &Descriptor) -> bool {
    matches!(d.about.scope, Scope::Attached(_))
}

/// Resources that are only read have no operations that write; those without soft delete have nothing to restore.
fn offers(d: &Descriptor, path: &str, method: &Method) -> bool {
    // The document and the router each have their own name for the id.
    let part = |part: &str| if part.starts_with([':', '{']) { ":id".to_owned() } else { part.to_owned() };
    let path: String = path.split('/').map(part).collect::<Vec<_>>().join("/");
    match path.as_str() {
        "/tags" => return d.field("tags").is_some_and(|field| field.kind == Kind::Texts),
        "/:id/comments" => return d.about.comments,
        "/:id/files" => return d.about.files,
        // A picker has no use for comments; they are changed in part; and a file is not made of JSON.
        "/minimal" if is_attached(d) => return false,
        "/:id" if is_attached(d) && method == Method::PUT => return false,
        _ => {}
    }
    let about_new = path == "/" && method == Method::POST || path.ends_with("/bulk_create") || path.contains("/import");
    if about_new && !d.about.access.grants(CREATE) {
        return false;
    }
    let about_deleted = path.ends_with("/deleted") || path.ends_with("restore") || path.ends_with("/bulk_delete");
    let about_writing = method != Method::GET || about_deleted || path.ends_with("/import/template");
    !(d.about.read_only && about_writing) && (d.about.soft_delete || !about_deleted && method != Method::DELETE)
}

fn stamp(mut api: MetaApi, d: &'static Descriptor) -> MetaApi {
    for path in &mut api.paths {
        path.operations.retain(|operation| offers(d, &path.path, &operation.method));
        path.path = place(d, &path.path);
        for operation in &mut path.operations {
            let verb = operation.operation_id.unwrap_or_default();
            operation.operation_id = Some(leak(format!("{}{verb}", prefix(d))));
            operation.summary = operation.summary.map(|summary| leak(in_words(summary, d)));
            operation.description = operation.description.map(|text| leak(in_words(text, d)));
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

/// What the operationIds of a resource begin with.
fn prefix(d: &Descriptor) -> String {
    d.about.path.replace(['/', '-'], "_") + "_"
}

/// Adds what an operation of a resource reads from the request itself. Only the document asks for it: these are thousands, and a server
/// that starts has no use for them.
pub(super) fn add_parameters(path: &str, operation: &mut MetaOperation) {
    let below = |d: &'static Descriptor| {
        let rest = path.strip_prefix('/')?.strip_prefix(d.about.path)?;
        (rest.is_empty() || rest.starts_with('/')).then_some((d, if rest.is_empty() { "/" } else { rest }))
    };
    // Where a resource leaves an operation to its room, that says itself what it reads.
    let Some((d, rest)) = resources::all().iter().chain(resources::attached()).find_map(below) else { return };
    let verb = operation.operation_id.and_then(|id| id.strip_prefix(&prefix(d)));
    operation.params.extend(verb.filter(|_| offers(d, rest, &operation.method)).map(|verb| parameters(d, verb)).unwrap_or_default());
}

/// "a record" becomes "a lead", "records" "leads".
fn in_words(text: &str, d: &Descriptor) -> String {
    let article = if d.words.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    text.replace("a record", &format!("{article} {}", d.words))
        .replace("records", &crate::kit::words(d.about.table))
        .replace("record", &d.words)
}
