//! The faces of the program behind one front: the API, and the panel, which calls the API itself.

use std::sync::Arc;

use poem::{Endpoint, EndpointExt, Request, Response, endpoint::BoxEndpoint};

use crate::{admin::Panel, api, app::App};

struct Faces {
    api: Arc<BoxEndpoint<'static>>,
    panel: Panel,
}

impl Endpoint for Faces {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let path = request.uri().path();
        let is_panel = path.strip_prefix("/admin").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_panel { Ok(self.panel.answer(request).await) } else { self.api.call(request).await }
    }
}

/// The endpoint of the whole program.
pub fn endpoint(app: &App) -> impl Endpoint<Output = Response> + 'static {
    let api = Arc::new(api::operations(app));
    let panel = Panel::new(app, api.clone(), api::described);
    api::front(app, Faces { api, panel }.boxed())
}
