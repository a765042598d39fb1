//! `Crud` stamped for every resource that offers it, in the resource's own words.

use std::collections::HashMap;

use poem::{endpoint::BoxEndpoint, http::Method};
use poem_openapi::{
    OpenApi,
    registry::{MetaApi, MetaSchemaRef, Registry},
};

use super::{
    components::{components, shared_components},
    leak,
    parameters::parameters,
};
use crate::{
    api::{bulk::Bulk, crud::Crud},
    engine::{descriptor::Descriptor, query::Pages},
    resources,
};

/// What every resource offers.
type Each = (Crud, Bulk);

/// `Each` for every resource.
pub struct Resources(pub Pages);

impl OpenApi for Resources {
    fn meta() -> Vec<MetaApi> {
        resources::all().iter().flat_map(|d| Each::meta().into_iter().map(|api| stamp(api, d))).collect()
    }

    fn register(registry: &mut Registry) {
        Each::register(registry);
        for d in resources::all() {
            (d.register)(registry);
            registry.schemas.extend(components(d));
        }
        registry.schemas.extend(shared_components());
    }

    fn add_routes(self, table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        for resource in resources::all() {
            let mut routes = HashMap::new();
            let each: Each = (Crud { resource, pages: self.0 }, Bulk { resource });
            each.add_routes(&mut routes);
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
    let about_deleted = path.ends_with("/deleted") || path.ends_with("restore") || path.ends_with("/bulk_delete");
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
