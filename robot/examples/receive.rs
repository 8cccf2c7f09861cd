//! The robot shows and plays what a browser's camera and microphone send: RTCBot's tutorial "Browser to Python". `cargo run --example receive`, then
//! open <http://localhost:8080>; elsewhere than on this machine a browser gives its camera to `https` alone.

use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::{get, post};
use firstlight_robot::prelude::*;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let connect = async |offer: String| {
        let (robot, display, speaker) = (RtcConnection::new(), Display::new("Browser"), Speaker::new());
        display.put_subscription(&robot.video);
        speaker.put_subscription(&robot.audio);
        let answer = robot.get_local_description(Some(offer.parse()?)).await?;
        // They end with the connection, and it with the browser.
        tokio::spawn(async move { (robot.closed().await, display, speaker) });
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
<title>RTCBot: Browser to Robot</title>
<script src="/rtcbot.js"></script>
<button type="button">Click me!</button>
<script>
  const conn = new rtcbot.RTCConnection();
  async function connect() {
    const streams = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    conn.video.putSubscription(streams.getVideoTracks()[0]);
    conn.audio.putSubscription(streams.getAudioTracks()[0]);
    const offer = await conn.getLocalDescription();
    const response = await fetch("/connect", { method: "POST", body: JSON.stringify(offer) });
    await conn.setRemoteDescription(await response.json());
  }
  document.querySelector("button").onclick = connect;
</script>"#;
