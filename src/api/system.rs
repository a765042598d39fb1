//! Is it alive, is it ready: for whatever watches the program.

use std::collections::HashMap;

use poem::{
    EndpointExt, Response,
    endpoint::{BoxEndpoint, make, make_sync},
    http::{Method, StatusCode},
};

use crate::app::App;

/// Adds `/healthz` and `/readyz`.
pub fn add_routes(table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>, app: &App) {
    let answer = |status: StatusCode, text: &'static str| Response::builder().status(status).content_type("application/json").body(text);
    let alive = make_sync(move |_| answer(StatusCode::OK, "{\"status\":\"ok\"}"));
    table.entry("/healthz".into()).or_default().insert(Method::GET, alive.boxed());
    let app = app.clone();
    // The writer answering means that the disk takes data, too.
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
