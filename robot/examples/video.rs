//! A browser watches the robot: RTCBot's tutorial "Streaming Video". `cargo run --example video -- test`, then open <http://localhost:8080>.

use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::{get, post};
use firstlight_robot::prelude::*;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let device = std::env::args().nth(1).unwrap_or("/dev/video0".to_owned());
    let camera = Camera::open(device);
    let connect = async move |offer: String| {
        let robot = RtcConnection::new();
        robot.video.put_subscription(&camera);
        let answer = robot.get_local_description(Some(offer.parse()?)).await?;
        // Dropped when the browser is gone: a connection lives as long as somebody has it.
        tokio::spawn(async move { robot.closed().await });
        Ok::<_, Error>(answer.to_string())
    };
    let app = axum::Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/rtcbot.js", get(async || ([("content-type", "application/javascript")], rtcbot_js())))
        .route(
            "/connect",
            post(async move |offer| {
                connect(offer).await.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
            }),
        );
    let address = std::env::var("LISTEN").unwrap_or("127.0.0.1:8080".to_owned());
    axum::serve(tokio::net::TcpListener::bind(address).await?, app).await
}

const PAGE: &str = r#"<!doctype html>
<title>RTCBot: Video</title>
<script src="/rtcbot.js"></script>
<video autoplay playsinline muted controls></video>
<script>
  const conn = new rtcbot.RTCConnection();
  conn.video.subscribe((stream) => (document.querySelector("video").srcObject = stream));
  async function connect() {
    const offer = await conn.getLocalDescription();
    const response = await fetch("/connect", { method: "POST", body: JSON.stringify(offer) });
    await conn.setRemoteDescription(await response.json());
  }
  connect();
</script>"#;
