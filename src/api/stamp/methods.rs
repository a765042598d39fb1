//! Every method of a path answers something: its operation, 405, or what it allows.

use std::{collections::HashMap, sync::Arc};

use poem::{
    Endpoint, EndpointExt, IntoResponse, Request, Response,
    endpoint::BoxEndpoint,
    http::{HeaderValue, Method, StatusCode},
};

use crate::{
    auth::gate::{Gate, OtherMethod},
    error::Error,
};

/// The operations of a path, for its spelling without and with a slash at the end.
type Methods = HashMap<Method, BoxEndpoint<'static>>;

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
