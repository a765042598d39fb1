//! The API's documents: Swagger UI, ReDoc and the schema, from the binary and without a request to any other host.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use hyper::body::Bytes;
use poem::{
    Endpoint, EndpointExt, Request, Response,
    endpoint::{BoxEndpoint, make_sync},
    http::{Method, StatusCode},
};
use poem_openapi::OpenApiService;

/// What pages of documents may load: themselves. Both put styles into the page, and ReDoc searches in a worker.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
                           connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SWAGGER_START: &str = "window.ui = SwaggerUIBundle({url: '/api/schema/', dom_id: '#ui', deepLinking: true, persistAuthorization: true, \
                             displayRequestDuration: true, filter: true, validatorUrl: null});\n";
const REDOC_START: &str = "Redoc.init('/api/schema/', {hideDownloadButton: false, disableSearch: false}, document.getElementById('ui'));\n";

/// Writes a document.
type Write = Box<dyn FnOnce() -> Bytes + Send>;

type Routes = HashMap<String, HashMap<Method, BoxEndpoint<'static>>>;

/// Adds the documents to the routes.
pub fn add_routes(table: &mut Routes, title: &str) {
    // Written when it is first asked for: it would take longer than all the rest of a start.
    let name = title.to_owned();
    let json = LazyLock::new(Box::new(move || Bytes::from(super::openapi_json(&name))) as Write);
    let name = title.to_owned();
    let yaml = LazyLock::new(Box::new(move || Bytes::from(super::openapi_yaml(&name))) as Write);
    let assets: Arc<LazyLock<[Bytes; 3]>> = Arc::new(LazyLock::new(assets));
    let asset = |index: usize| {
        let assets = assets.clone();
        move || assets[index].clone()
    };
    let fixed = |text: String| {
        let text = Bytes::from(text);
        move || text.clone()
    };
    let page = |head: &str, script: &str, start: &str| {
        let title = title.replace('&', "&amp;").replace('<', "&lt;");
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n{head}<link rel=\"icon\" href=\"data:,\">\n</head>\n<body style=\"margin:0\">\n<div id=\"ui\"></div>\n\
             <script src=\"{script}\"></script>\n<script src=\"{start}\"></script>\n</body>\n</html>\n"
        )
    };
    let style = "<link rel=\"stylesheet\" href=\"/api/docs/swagger-ui.css\">\n";
    get(table, "/api/docs", text("text/html; charset=utf-8", fixed(page(style, "/api/docs/swagger-ui.js", "/api/docs/start.js"))));
    get(table, "/api/redoc", text("text/html; charset=utf-8", fixed(page("", "/api/redoc/redoc.js", "/api/redoc/start.js"))));
    get(table, "/api/docs/swagger-ui.css", text("text/css; charset=utf-8", asset(0)));
    get(table, "/api/docs/swagger-ui.js", text("text/javascript; charset=utf-8", asset(1)));
    get(table, "/api/docs/start.js", text("text/javascript; charset=utf-8", fixed(SWAGGER_START.to_owned())));
    get(table, "/api/redoc/redoc.js", text("text/javascript; charset=utf-8", asset(2)));
    get(table, "/api/redoc/start.js", text("text/javascript; charset=utf-8", fixed(REDOC_START.to_owned())));
    let file = title.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    get(table, "/api/schema", make_sync(move |request| schema(&request, &file, &json, &yaml)));
    get(table, "/", make_sync(|_| Response::builder().status(StatusCode::FOUND).header("location", "/api/docs/").finish()));
}

/// Routes a GET, with and without a slash at the end of a page's path.
fn get(table: &mut Routes, path: &str, endpoint: impl Endpoint<Output = Response> + 'static) {
    let endpoint = std::sync::Arc::new(endpoint.boxed());
    let mut add = |path: String| drop(table.entry(path).or_default().insert(Method::GET, endpoint.clone().boxed()));
    if path.len() > 1 && !path.contains('.') {
        add(format!("{path}/"));
    }
    add(path.to_owned());
}

fn text(content_type: &'static str, body: impl Fn() -> Bytes + Send + Sync) -> impl Endpoint<Output = Response> {
    make_sync(move |_| {
        Response::builder()
            .content_type(content_type)
            .header("content-security-policy", PAGE_POLICY)
            .header("cache-control", "public, max-age=3600")
            .body(body())
    })
}

/// JSON unless YAML is asked for.
fn schema(request: &Request, file: &str, json: &Bytes, yaml: &Bytes) -> Response {
    let accept = request.headers().get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = request.uri().query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("format="));
    let as_yaml = match format {
        Some("yaml") => true,
        Some("json") => false,
        Some(_) => return poem::IntoResponse::into_response(crate::error::Error::not_found()),
        None => accept.contains("yaml") && !accept.contains("json"),
    };
    let (content_type, ending, body) = if as_yaml { ("application/yaml", "yaml", yaml) } else { ("application/json", "json", json) };
    Response::builder()
        .content_type(content_type)
        .header("content-disposition", format!("inline; filename=\"{file}.{ending}\""))
        .body(body.clone())
}

/// Swagger UI's style and script and ReDoc's script, cut out of the pages that poem-openapi has with everything inline (and
/// with a font from another host).
fn assets() -> [Bytes; 3] {
    let empty = OpenApiService::new((), "", "");
    let swagger = empty.swagger_ui_html();
    let redoc = empty.redoc_html();
    let part = |page: &str, from: &str, to: &str| {
        let start = page.find(from).map_or(0, |at| at + from.len());
        let end = page[start..].find(to).map_or(page.len(), |at| start + at);
        Bytes::copy_from_slice(&page.as_bytes()[start..end])
    };
    [
        part(&swagger, "<style charset=\"UTF-8\">", "</style>\n"),
        part(&swagger, "<script charset=\"UTF-8\">", "</script>\n</head>"),
        part(&redoc, "<script charset=\"UTF-8\">", "</script>\n  </head>"),
    ]
}
