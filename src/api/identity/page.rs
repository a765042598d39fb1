//! Pages for people who come by a link of an e-mail and have no front end that awaits them: no scripts, nothing from elsewhere.

use poem::Request;
use serde_json::json;

use crate::{engine::reply::Reply, outbox::template::escaped};

/// What pages may do: show themselves, and send their form back.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:4rem auto;padding:0 1rem;color:#18181b}\
                     label,input,button{display:block;width:100%;box-sizing:border-box;font:inherit}\
                     input,button{margin:.5rem 0 1rem;padding:.5rem}";

/// Is it somebody with a browser who asks?
pub fn wants_page(request: &Request) -> bool {
    request.headers().get("accept").and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

/// What happened, in words: a page for a browser, else JSON.
pub fn told<S>(request: &Request, words: &str) -> Reply<S> {
    if wants_page(request) { page(words, "") } else { Reply::json(&json!({"detail": words})) }
}

/// A refusal as a page.
pub fn refusal<S>(words: &str) -> Reply<S> {
    page(words, "").with_status(400)
}

/// A form with a button, which sends the link's parts to where the page is from. `fields` is HTML.
pub fn form<S>(request: &Request, title: &str, button: &str, fields: &str, (uid, token): (&str, &str)) -> Reply<S> {
    let hidden = |name: &str, value: &str| format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escaped(value));
    let body = format!(
        "<form method=\"post\" action=\"{}\">{}{}{fields}<button type=\"submit\">{}</button></form>\n",
        escaped(request.original_uri().path()),
        hidden("uid", uid),
        hidden("token", token),
        escaped(button)
    );
    page(title, &body)
}

fn page<S>(title: &str, body: &str) -> Reply<S> {
    let title = escaped(title);
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title}</title><link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style></head>\n\
         <body>\n<h1>{title}</h1>\n{body}</body>\n</html>\n"
    );
    // The address of the page holds a token: it is told to nobody.
    Reply::html(page).header("Content-Security-Policy", POLICY.to_owned()).header("Referrer-Policy", "no-referrer".to_owned())
}
