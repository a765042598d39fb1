//! Is it alive, is it ready: for whatever watches the program.

use std::collections::HashMap;

use poem::{
    EndpointExt, Request, Response,
    endpoint::{BoxEndpoint, make, make_sync},
    http::{Method, StatusCode},
};

use serde_json::Value;

use crate::{app::App, auth::gate, resources};

/// Adds `/healthz`, `/readyz` and the list of resources at `/api/`.
pub fn add_routes(table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>, app: &App) {
    let answer = |status: StatusCode, text: &'static str| Response::builder().status(status).content_type("application/json").body(text);
    let alive = make_sync(move |_| answer(StatusCode::OK, "{\"status\":\"ok\"}"));
    table.entry("/healthz".into()).or_default().insert(Method::GET, alive.boxed());
    for path in ["/api", "/api/"] {
        table.entry(path.into()).or_default().insert(Method::GET, make_sync(|request| root(&request)).boxed());
    }
    let app = app.clone();
    // Asked of the writer: it is what everything else waits for.
    let ready = make(move |_| {
        let app = app.clone();
        async move {
            let ready = app.db.ready().await;
            if ready {
                answer(StatusCode::OK, "{\"status\":\"ready\"}")
            } else {
                answer(StatusCode::SERVICE_UNAVAILABLE, "{\"status\":\"not ready\"}")
            }
        }
    });
    table.entry("/readyz".into()).or_default().insert(Method::GET, ready.boxed());
}

/// Where each resource is, as DRF's router lists them.
fn root(request: &Request) -> Response {
    let origin = &gate::info(request).origin;
    let resources = resources::all().iter().map(|d| (d.about.path.to_owned(), format!("{origin}/api/{}/", d.about.path).into()));
    Response::builder().content_type("application/json").body(Value::Object(resources.collect()).to_string())
}
