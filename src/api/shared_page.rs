//! What whoever has a link sees, without signing in: an invoice as a page, without scripts and without anything from elsewhere.

use std::{collections::HashMap, sync::Arc};

use poem::{
    EndpointExt, Request, Response,
    endpoint::{BoxEndpoint, make},
    http::{Method, StatusCode},
};

use crate::{
    actor::{Actor, Business},
    app::App,
    error::Result,
    resources::finance::invoice::share,
};

/// Adds `/p/{token}`, and the same on paper below it.
pub fn add_routes(table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>, app: &App) {
    for (path, paper) in [("/p/:token", false), ("/p/:token/", false), ("/p/:token/pdf", true), ("/p/:token/pdf/", true)] {
        let app = app.clone();
        let page = make(move |request: Request| {
            let app = app.clone();
            async move { answer(&app, request.raw_path_param("token").unwrap_or_default(), paper).await }
        });
        table.entry(path.into()).or_default().insert(Method::GET, page.boxed());
    }
}

async fn answer(app: &App, token: &str, paper: bool) -> Response {
    const HTML: &str = "text/html; charset=utf-8";
    let (status, media, page) = match shown(app, token, paper).await {
        Ok(Some(page)) => (StatusCode::OK, if paper { "application/pdf" } else { HTML }, page),
        Ok(None) => (StatusCode::NOT_FOUND, HTML, share::nothing().into_bytes()),
        Err(error) => return poem::IntoResponse::into_response(error),
    };
    // The address holds the token: it is told to nobody, and no cache keeps the page.
    Response::builder()
        .status(status)
        .content_type(media)
        .header("content-security-policy", share::POLICY)
        .header("referrer-policy", "no-referrer")
        .header("cache-control", "no-store")
        .header("x-robots-tag", "noindex")
        .body(page)
}

async fn shown(app: &App, token: &str, paper: bool) -> Result<Option<Vec<u8>>> {
    let Some((id, was_viewed, business)) = app.db.read(|reader| share::find(reader, token))? else { return Ok(None) };
    if !was_viewed {
        // The program notes it: nobody in particular was there.
        let of = Business::new(business, String::new(), "UTC", None);
        let actor = Actor::system(app.db.clock().now()).in_business(of);
        app.db.write(Arc::new(actor), move |tx| share::viewed(tx, id)).await?;
    }
    match paper {
        true => app.db.scan(move |reader| share::paper(reader, id)).await.map(Some),
        false => app.db.read(|reader| share::page(reader, id, business, token)).map(|page| Some(page.into_bytes())),
    }
}
