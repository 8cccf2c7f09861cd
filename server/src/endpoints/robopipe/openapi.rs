//! The OpenAPI 3.1 document of Robopipe's API, made from the table of operations and the fields they judge by.

use serde_json::{Map, Value, json};

use super::operations::{Content, OPERATIONS, Operation};
use super::{cameras, config, control};

/// The document.
pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS.iter().filter(|operation| !matches!(operation.answer.1, Content::Socket)) {
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        item[operation.method.as_str().to_ascii_lowercase()] = describe(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Robopipe API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Robopipe's API as firstlight serves it. Each address is answered with and without a slash at its end, also under \
                /camera for /cameras and /sensors for /streams. Video is at /cameras/{mxid}/streams/{stream_name}/video, a WebSocket.",
        },
        "paths": paths,
        "components": { "schemas": schemas() },
    })
}

fn describe(operation: &Operation) -> Value {
    let reference = |schema: &str| json!({ "$ref": format!("#/components/schemas/{schema}") });
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    parameters.extend(operation.query.iter().map(|(name, schema)| {
        json!({ "name": name, "in": "query", "required": false, "schema": reference(schema) })
    }));
    let (status, content) = operation.answer;
    let content = match content {
        Content::Json(schema) => json!({ "application/json": { "schema": reference(schema) } }),
        Content::Image => {
            let file = json!({ "schema": { "type": "string", "format": "binary" } });
            json!({ "image/jpeg": file, "image/png": file })
        }
        Content::Socket => json!({}),
    };
    let mut responses = json!({ "403": answer("Not allowed", &reference("Refusal")) });
    if operation.path.contains('{') {
        responses["404"] = answer("Camera or stream not found, or not active", &reference("Null"));
    }
    if operation.path.contains('{') || !operation.query.is_empty() {
        let wrong = "A name or a value that is wrong, or that the source cannot obey";
        responses["422"] = answer(wrong, &reference("HTTPValidationError"));
    }
    if operation.needs_picture() {
        responses["503"] = answer("The camera shows nothing", &reference("Refusal"));
    }
    responses[status.to_string()] = json!({ "description": operation.summary, "content": content });
    let mut described = json!({
        "summary": operation.summary,
        "operationId": operation_id(operation),
        "tags": [operation.path.split('/').nth(1).unwrap_or_default()],
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(schema) = operation.body {
        described["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": reference(schema) } } });
    }
    described
}

fn answer(description: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

/// As FastAPI makes them: the path's words and the method.
fn operation_id(operation: &Operation) -> String {
    let words: String =
        operation.path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let words: Vec<&str> = words.split('_').filter(|word| !word.is_empty()).collect();
    format!("{}_{}", words.join("_"), operation.method.as_str().to_ascii_lowercase())
}

fn schemas() -> Value {
    let text = || json!({ "type": "string" });
    let number = || json!({ "type": "number" });
    let whole = || json!({ "type": "integer" });
    let device = object(
        ["mxid", "name", "camera_name", "platform", "protocol", "state", "status"].map(|name| (name, text())),
        true,
    );
    let temperature = object(["average", "css", "dss", "mss", "upa"].map(|name| (name, number())), true);
    let memory = object(["total", "used", "remaining"].map(|name| (name, whole())), true);
    let activity = object([("active", json!({ "type": "boolean" }))], true);
    let named = object([("name", text()), ("active", json!({ "type": "boolean" }))], true);
    let sizes = config::SIZES.map(|name| (name, super::fields::Kind::Size.schema()));
    let configured = || sizes.iter().cloned().chain([("fps", config::FPS.schema())]);
    let mut resolution = config::SIZES.map(|name| (name, config::size_schema())).to_vec();
    resolution.push(("fps", config::FPS.schema()));
    resolution.push((
        "sensor_crop",
        json!({ "type": "array", "items": { "type": "number", "const": 0 }, "minItems": 2, "maxItems": 2 }),
    ));
    let controls = || control::FIELDS.iter().map(|field| (field.name, field.kind.schema()));
    let with_null = |schema: Value| json!({ "anyOf": [schema, { "type": "null" }] });
    let focus = [("focus", json!({ "type": "null" }))];
    let wrong = json!({
        "type": "object",
        "required": ["type", "loc", "msg", "input"],
        "properties": {
            "type": text(), "loc": { "type": "array", "items": { "type": ["string", "integer"] } }, "msg": text(), "input": {}, "ctx": {}
        },
    });
    json!({
        "DeviceInfo": device,
        "DeviceInfos": { "type": "array", "items": { "$ref": "#/components/schemas/DeviceInfo" } },
        "Stats": object([
            ("chip_temperature", temperature), ("cmx_memory_usage", memory.clone()), ("ddr_memory_usage", memory),
        ], true),
        "InfraredLights": object(cameras::LIGHTS.map(|(name, kind)| (name, kind.schema())), false),
        "Streams": { "anyOf": [
            { "type": "object", "additionalProperties": activity }, { "type": "array", "items": named },
        ] },
        "StreamConfig": object(configured(), true),
        "StreamConfigUpdate": object(resolution, false),
        "SensorControl": object(controls().chain(focus.clone()), true),
        "SensorControlUpdate": object(controls().map(|(name, schema)| (name, with_null(schema))).chain(focus), false),
        "Circuits": { "type": "array", "maxItems": 0 },
        "ImageFormat": super::still::FORMAT.schema(),
        "Boolean": { "type": "boolean" },
        "Null": { "type": "null" },
        "Refusal": object([("detail", text())], true),
        "HTTPValidationError": object([("detail", json!({ "type": "array", "items": wrong }))], true),
    })
}

fn object<'n>(properties: impl IntoIterator<Item = (&'n str, Value)>, required: bool) -> Value {
    let properties: Map<String, Value> =
        properties.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let names: Vec<String> = properties.keys().cloned().collect();
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if required {
        object["required"] = json!(names);
    }
    object
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn references<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(key, member)| match member.as_str() {
                Some(target) if key == "$ref" => drop(found.insert(target)),
                _ => references(member, found),
            }),
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_operation_is_described_once_and_every_reference_leads_somewhere() {
        let document = document();
        let described: Vec<&str> = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|item| item.as_object().unwrap().values())
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        let sockets = OPERATIONS.iter().filter(|o| matches!(o.answer.1, Content::Socket)).count();
        assert_eq!(described.len(), OPERATIONS.len() - sockets);
        assert_eq!(described.iter().collect::<BTreeSet<_>>().len(), described.len(), "{described:?}");
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for target in found {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }
}
