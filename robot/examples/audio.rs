//! A browser watches the robot and hears it: RTCBot's tutorial "Adding Audio". `cargo run --example audio -- test test`, then open <http://localhost:8080>.

use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::{get, post};
use firstlight_robot::prelude::*;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let device = |at, usual: &str| std::env::args().nth(at).unwrap_or(usual.to_owned());
    let camera = Camera::open(device(1, "/dev/video0"));
    let microphone = Microphone::open(device(2, "default"));
    let connect = async move |offer: String| {
        let robot = RtcConnection::new();
        robot.video.put_subscription(&camera);
        robot.audio.put_subscription(&microphone);
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
<title>RTCBot: Video and Audio</title>
<script src="/rtcbot.js"></script>
<video autoplay playsinline controls></video> <audio autoplay></audio>
<script>
  const conn = new rtcbot.RTCConnection();
  conn.video.subscribe((stream) => (document.querySelector("video").srcObject = stream));
  conn.audio.subscribe((stream) => (document.querySelector("audio").srcObject = stream));
  async function connect() {
    const offer = await conn.getLocalDescription();
    const response = await fetch("/connect", { method: "POST", body: JSON.stringify(offer) });
    await conn.setRemoteDescription(await response.json());
  }
  connect();
</script>"#;
