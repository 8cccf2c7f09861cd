//! The description of the API names what is answered, all of it, and nothing else.

#![allow(clippy::unwrap_used)] // a test may

use std::collections::BTreeSet;

use firstlight::app::App;
use firstlight::config::file::Text;
use firstlight::config::plan;
use firstlight::endpoints::ENDPOINTS;
use firstlight::http::api::openapi::Description;
use firstlight::roster::Home;
use utoipa::OpenApi;

#[tokio::test]
async fn every_route_of_the_api_is_described_and_every_description_is_a_route() {
    let text = Text { origin: "test".to_owned(), toml: "[http]\nlisten = [\"127.0.0.1:0\"]\n".to_owned() };
    let app = App::start(plan::plan(&text, ENDPOINTS).unwrap(), Home::default()).unwrap();
    let table = app.routes().table().iter().filter(|entry| entry.path.starts_with("/api/v1"));
    let routes: BTreeSet<(String, String)> = table
        .map(|entry| (entry.path.replace("{*", "{"), entry.method.as_str().to_ascii_lowercase()))
        .collect();
    assert!(app.stop().await);

    let description = serde_json::to_value(Description::openapi()).unwrap();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"), "{}", description["openapi"]);
    let paths = description["paths"].as_object().unwrap();
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(|method| (path.clone(), method.clone()))
        })
        .collect();
    assert_eq!(described, routes);
    let text = description.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(description.pointer(reference).is_some(), "{reference} is not there");
    }
}
