//! `/openapi.json`, and `/docs`: the same document for people, without a script.
//!
//! Nothing in it depends on a stream or on who asks, so each is made once: when it is first asked for, since making it takes most of a megabyte that a
//! server nobody asks would hold for nothing.

use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use serde_json::Value;

use super::cors::Grant;
use super::{Face, openapi};
use crate::auth::Access;
use crate::endpoint::Route;

/// The page has no script and frames nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// Both routes.
pub(super) fn routes(face: &Arc<Face>) -> Vec<Route> {
    let face = Arc::clone(face);
    let json = get(move |headers: HeaderMap| {
        let mut response = served(DOCUMENT.clone(), "application/json");
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(grant) = Grant::to(&headers, &face.context.origins) {
            grant.apply(&mut response);
        }
        async move { response }
    });
    let html = get(move || {
        let mut response = served(PAGE.clone(), "text/html; charset=utf-8");
        let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        async move { response }
    });
    vec![
        Route::new(Method::GET, "/openapi.json", Access::Public, json),
        Route::new(Method::GET, "/docs", Access::Public, html),
    ]
}

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(openapi::document().to_string()));
static PAGE: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(page(&openapi::document())));

fn served(body: Bytes, kind: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, body).into_response()
}

const STYLE: &str = "\
main { max-width: 880px; margin: 0 auto; padding: 0 16px 64px; display: grid; gap: 12px; }\
header { max-width: 880px; margin: 0 auto; padding: 20px 16px; display: grid; gap: 12px; }\
h1 { font-size: 26px; letter-spacing: -.02em; } h2 { margin-top: 20px; font-size: 18px; }\
header p, .about { color: var(--quiet); } header p { overflow-wrap: anywhere; }\
details { background: var(--raised); border: 1px solid var(--rule); border-radius: var(--radius); padding: 0 14px; min-width: 0; }\
summary { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: baseline; padding: 10px 0; cursor: pointer; }\
summary code { overflow-wrap: anywhere; }\
.method { font: 650 12px/1 var(--figures); min-width: 58px; color: var(--accent); }\
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 6px 16px; margin: 0 0 14px; }\
dd { margin: 0; overflow-wrap: anywhere; } dt { font-family: var(--figures); }\
pre { overflow-x: auto; background: var(--sunken); border-radius: 9px; padding: 12px; font-size: 13px; margin: 0 0 14px; }";

/// The document as a page.
fn page(document: &Value) -> String {
    let title = text(&document["info"]["title"]);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} · firstlight</title>\
         <link rel=\"icon\" href=\"/assets/icon.svg\"><link rel=\"stylesheet\" href=\"/assets/style.css\"><style>{STYLE}</style></head>\
         <body><header><a class=\"mark\" href=\"/\">firstlight</a><h1>{title}</h1><p>{}</p>\
         <p>For programs: <a href=\"/openapi.json\">openapi.json</a></p></header><main><h2>Operations</h2>",
        text(&document["info"]["description"]),
    );
    for (path, methods) in members(&document["paths"]) {
        for (method, operation) in members(methods) {
            operation_on(&mut html, path, method, operation);
        }
    }
    html.push_str("<h2>Schemas</h2>");
    // A browser opens the fold around what a link leads to, if that is inside.
    for (name, schema) in members(&document["components"]["schemas"]) {
        let schema = escape(&serde_json::to_string_pretty(schema).unwrap_or_default());
        let name = escape(name);
        let _ = write!(
            html,
            "<details><summary><code>{name}</code></summary><pre id=\"{name}\">{schema}</pre></details>"
        );
    }
    html.push_str("</main></body></html>\n");
    html
}

fn operation_on(html: &mut String, path: &str, method: &str, operation: &Value) {
    let _ = write!(
        html,
        "<details><summary><span class=\"method\">{}</span><code>{}</code><span class=\"about\">{}</span></summary><dl>",
        escape(&method.to_ascii_uppercase()),
        escape(path),
        text(&operation["summary"]),
    );
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
        let _ = write!(html, "<dt>{name}</dt><dd>in the {place}{}</dd>", schema(&parameter["schema"]));
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        let _ = write!(html, "<dt>body</dt><dd>JSON{}</dd>", schema(body));
    }
    for (status, response) in members(&operation["responses"]) {
        let held = members(&response["content"]).map(|(kind, held)| {
            format!("<span class=\"about\">, {}</span>{}", escape(kind), schema(&held["schema"]))
        });
        let held: String = held.collect();
        let _ = write!(html, "<dt>{}</dt><dd>{}{held}</dd>", escape(status), text(&response["description"]));
    }
    html.push_str("</dl></details>");
}

/// A link to the schema a reference names.
fn schema(schema: &Value) -> String {
    let name = schema["$ref"].as_str().and_then(|target| target.rsplit('/').next()).map(escape);
    name.map(|name| format!(", <a href=\"#{name}\">{name}</a>")).unwrap_or_default()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
