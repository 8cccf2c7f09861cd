//! The streams: listed, shown, made, changed and removed.
//!
//! A definition has the keys of the configuration, as JSON. It is judged by the same code, and may have less (see `roster::judge`).

#![allow(unused_qualifications)] // in what utoipa makes of parameters

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use hub::StreamName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::stream::StreamInfo;
use super::{Api, answer, body};
use crate::auth::{Identity, Right};
use crate::http::problem::{Problem, Refusal, Unchangeable, Undefinable, Unknown};
use crate::roster::Edit;

/// How a stream is defined: the keys of `[streams.NAME]` in the configuration.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // for the description only: values are read as the configuration reads them
pub(super) struct Definition {
    /// Its source: an address, or an object with one member as in the configuration. Without it the stream waits for a publisher. A command
    /// or a file cannot be a source here.
    #[schema(required = false, example = "tcp://192.168.1.20:8000")]
    source: Option<SourceSpec>,
    /// How long the source stays warm after the last viewer left.
    #[schema(required = false, pattern = r"^[0-9]{1,4}(ms|s|m|h)$", example = "10s")]
    linger: Option<String>,
    /// Whether the source runs only while somebody watches.
    #[schema(required = false)]
    on_demand: Option<bool>,
    /// Without a source: what becomes of somebody who comes to publish while another does.
    #[schema(required = false)]
    on_second_publisher: Option<SecondPublisher>,
    /// Without a source: what plays while somebody watches and nobody publishes; written as a source.
    #[schema(required = false)]
    filler: Option<SourceSpec>,
}

/// What becomes of a second publisher.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SecondPublisher {
    /// They are turned away.
    Refuse,
    /// The first one has to go.
    TakeOver,
}

/// A source.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code)] // as above
pub(super) enum SourceSpec {
    /// An address, as `test`, `tcp://HOST:PORT`, `udp://:PORT`, or `from:NAME` for one made from another stream.
    Address(String),
    /// An object with one member, as `{ "test": { "width": 640 } }`, or `{ "from": "front", "video": { "width": 640 } }`.
    Table(std::collections::BTreeMap<String, Value>),
}

/// A stream that is to be made: its name, and how it is defined.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // as above
pub(super) struct NewStream {
    /// Its name: segments of letters, digits and `-_.~@`, joined by `/`.
    #[schema(pattern = r"^[A-Za-z0-9_-]{1,64}$", example = "front")]
    name: String,
    /// As in a definition.
    #[schema(required = false)]
    source: Option<SourceSpec>,
    /// As in a definition.
    #[schema(required = false, pattern = r"^[0-9]{1,4}(ms|s|m|h)$", example = "10s")]
    linger: Option<String>,
    /// As in a definition.
    #[schema(required = false)]
    on_demand: Option<bool>,
    /// As in a definition.
    #[schema(required = false)]
    on_second_publisher: Option<SecondPublisher>,
    /// As in a definition.
    #[schema(required = false)]
    filler: Option<SourceSpec>,
}

/// How a stream is to be made.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct How {
    /// Only judge what was sent, and make nothing: 204 if it would be taken.
    #[serde(default)]
    #[param(required = false)]
    check: bool,
}

/// A stream that was made or changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedStream {
    #[serde(flatten)]
    stream: StreamInfo,
    /// Whether the change is there after a restart.
    kept: bool,
}

#[utoipa::path(get, path = "/api/v1/streams", operation_id = "listStreams", tag = "streams", summary = "All streams that you may see, by name",
    responses((status = 200, body = [StreamInfo]), Refusal))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(identity): Extension<Identity>,
    headers: HeaderMap,
) -> Response {
    let cameras = api.context.cameras.list();
    let seen = cameras.iter().filter(|camera| identity.may(Right::View, camera.stream().name()));
    let list: Vec<StreamInfo> = seen.map(|camera| StreamInfo::of(camera, &api, &identity)).collect();
    answer(&api, &headers, Json(list))
}

#[utoipa::path(get, path = "/api/v1/streams/{name}", operation_id = "getStream", tag = "streams", summary = "One stream",
    params(("name" = String, Path, description = "Its name, slashes and all")),
    responses((status = 200, body = StreamInfo, headers(("ETag" = String, description = "Changes with the stream's definition"))),
        Unknown, Refusal))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Extension(identity): Extension<Identity>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let camera = api.context.cameras.get(&name).ok_or_else(|| missing(&name))?;
    let mut response = answer(&api, &headers, Json(StreamInfo::of(&camera, &api, &identity)));
    tag(&api, &name, &mut response);
    Ok(response)
}

#[utoipa::path(post, path = "/api/v1/streams", operation_id = "createStream", tag = "streams", summary = "Make a stream", params(How), request_body = NewStream,
    responses((status = 204, description = "It would be made"), (status = 201, body = ChangedStream, headers(("Location" = String, description = "Its address in the API"))),
        Undefinable, (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"),
        Refusal))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    Extension(identity): Extension<Identity>,
    Query(how): Query<How>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let mut object = body::object(request).await?;
    let name =
        name_in(object.remove("name"))?.ok_or_else(|| Problem::key("name", "a new stream needs one"))?;
    may_change(&identity, &name)?;
    let edit = Edit::Create { name: name.clone(), definition: definition(object)? };
    if how.check {
        api.roster.judge(edit, &identity)?;
        return Ok(answer(&api, &headers, StatusCode::NO_CONTENT));
    }
    api.roster.change(edit, &identity).await?;
    changed(&api, &identity, &headers, &name, StatusCode::CREATED)
}

#[utoipa::path(put, path = "/api/v1/streams/{name}", operation_id = "putStream", tag = "streams", summary = "Make a stream, or define it anew",
    params(("name" = String, Path, description = "Its name, slashes and all"),
        ("If-Match" = Option<String>, Header, description = "The ETag that the stream must have")),
    request_body = Definition,
    responses((status = 200, body = ChangedStream), (status = 201, body = ChangedStream, headers(("Location" = String, description = "Its address in the API"))),
        Undefinable, Unchangeable, Refusal))]
pub(super) async fn replace(
    State(api): State<Arc<Api>>,
    Extension(identity): Extension<Identity>,
    Path(name): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let name = StreamName::new(&name).map_err(|e| Problem::key("name", e.to_string()))?;
    let mut object = body::object(request).await?;
    if name_in(object.remove("name"))?.is_some_and(|other| other != name) {
        return Err(Problem::key("name", "is not the name in the address; PATCH gives a stream another one"));
    }
    let known = api.context.cameras.get(name.as_str()).is_some();
    let edit = Edit::Put { name: name.clone(), definition: definition(object)?, tag: expected(&headers) };
    api.roster.change(edit, &identity).await?;
    changed(&api, &identity, &headers, &name, if known { StatusCode::OK } else { StatusCode::CREATED })
}

#[utoipa::path(patch, path = "/api/v1/streams/{name}", operation_id = "changeStream", tag = "streams",
    summary = "Change some keys of a stream, or its name; null takes a key away",
    params(("name" = String, Path, description = "Its name, slashes and all"),
        ("If-Match" = Option<String>, Header, description = "The ETag that the stream must have")),
    request_body(content = Definition, content_type = "application/merge-patch+json"),
    responses((status = 200, body = ChangedStream),
        Undefinable, Unknown, Unchangeable, Refusal))]
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    Extension(identity): Extension<Identity>,
    Path(name): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let name = StreamName::new(&name).map_err(|_| missing(&name))?;
    let mut object = body::object(request).await?;
    let rename = name_in(object.remove("name"))?.filter(|other| *other != name);
    if let Some(rename) = &rename {
        may_change(&identity, rename)?;
    }
    let keys = object.into_iter().map(|(key, value)| match value {
        Value::Null => Ok((key, None)),
        value => body::as_toml(&key, value).map(|value| (key, Some(value))),
    });
    let keys = keys.collect::<Result<_, _>>()?;
    let now = rename.clone().unwrap_or_else(|| name.clone());
    api.roster.change(Edit::Patch { name, keys, rename, tag: expected(&headers) }, &identity).await?;
    changed(&api, &identity, &headers, &now, StatusCode::OK)
}

#[utoipa::path(delete, path = "/api/v1/streams/{name}", operation_id = "removeStream", tag = "streams", summary = "Remove a stream; who watches it is told",
    params(("name" = String, Path, description = "Its name, slashes and all"),
        ("If-Match" = Option<String>, Header, description = "The ETag that the stream must have")),
    responses((status = 204, description = "It is gone"),
        Unknown, Unchangeable, Refusal))]
pub(super) async fn remove(
    State(api): State<Arc<Api>>,
    Extension(identity): Extension<Identity>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let name = StreamName::new(&name).map_err(|_| missing(&name))?;
    api.roster.change(Edit::Remove { name, tag: expected(&headers) }, &identity).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn missing(name: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no stream named {name:?}"))
}

/// The route's check knows the name in the address; this is for one in the body.
fn may_change(identity: &Identity, name: &StreamName) -> Result<(), Problem> {
    let refused =
        || Problem::new(StatusCode::FORBIDDEN, format!("you may not make or change a stream named {name}"));
    identity.may(Right::Admin, name).then_some(()).ok_or_else(refused)
}

fn name_in(value: Option<Value>) -> Result<Option<StreamName>, Problem> {
    match value {
        None => Ok(None),
        Some(Value::String(name)) => {
            StreamName::new(&name).map(Some).map_err(|e| Problem::key("name", e.to_string()))
        }
        Some(_) => Err(Problem::key("name", "must be a text")),
    }
}

fn definition(object: Map<String, Value>) -> Result<toml::Table, Problem> {
    let keys = object.into_iter().filter(|(_, value)| !value.is_null());
    keys.map(|(key, value)| body::as_toml(&key, value).map(|value| (key, value))).collect()
}

fn expected(headers: &HeaderMap) -> Option<String> {
    headers.get(header::IF_MATCH).map(|tag| String::from_utf8_lossy(tag.as_bytes()).into_owned())
}

fn tag(api: &Api, name: &str, response: &mut Response) {
    let tag = api.roster.defined(name).and_then(|defined| HeaderValue::from_str(&defined.tag).ok());
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
}

/// The stream as it is now, after a change.
fn changed(
    api: &Api,
    identity: &Identity,
    headers: &HeaderMap,
    name: &StreamName,
    status: StatusCode,
) -> Result<Response, Problem> {
    // Another change may have taken it away meanwhile.
    let camera = api.context.cameras.get(name.as_str()).ok_or_else(|| missing(name.as_str()))?;
    let stream = StreamInfo::of(&camera, api, identity);
    let body = Json(ChangedStream { stream, kept: api.roster.keeps() });
    let mut response = answer(api, headers, (status, body).into_response());
    tag(api, name.as_str(), &mut response);
    if status == StatusCode::CREATED {
        let location = HeaderValue::from_str(&format!("/api/v1/streams/{name}")).ok();
        response.headers_mut().extend(location.map(|location| (header::LOCATION, location)));
    }
    Ok(response)
}
