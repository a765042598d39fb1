//! The JSON face: HTTP in, verbs called, DRF's shapes out.

mod crud;
mod docs;
mod front;
mod identity;
mod stamp;
mod system;

use std::collections::HashMap;

use poem::{Endpoint, Response, endpoint::BoxEndpoint, http::Method};
use poem_openapi::{
    OpenApi, OpenApiService,
    registry::{MetaApi, Registry},
};

use self::{
    front::Front,
    identity::Everywhere,
    stamp::{House, Resources},
};
use crate::{app::App, resources};

type Operations = House<(Everywhere, Resources, resources::Verbs)>;

/// All operations and, beside them, the documents and the checks.
struct Served {
    operations: Operations,
    app: App,
}

impl OpenApi for Served {
    fn meta() -> Vec<MetaApi> {
        Operations::meta()
    }
    fn register(registry: &mut Registry) {
        Operations::register(registry);
    }
    fn add_routes(self, table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        self.operations.add_routes(table);
        system::add_routes(table, &self.app);
        if self.app.config.api.docs {
            let service = document(&self.app.config.api.title);
            docs::add_routes(table, &self.app.config.api.title, service.spec(), yaml(&service.spec()));
        }
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
    document(title).spec()
}

/// The OpenAPI document as YAML.
pub fn openapi_yaml(title: &str) -> String {
    yaml(&document(title).spec())
}

fn yaml(json: &str) -> String {
    let document: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    serde_yaml::to_string(&document).unwrap_or_default()
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

/// The endpoint of the whole program.
pub fn endpoint(app: &App) -> impl Endpoint<Output = Response> + 'static {
    let api = (Everywhere(app.clone()), Resources(app.pages()), resources::verbs());
    let operations = House { api, gate: app.gate.clone() };
    let service = OpenApiService::new(Served { operations, app: app.clone() }, "", "");
    Front::new(app, service)
}
