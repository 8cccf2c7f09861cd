/** A page as a peer by WebRTC: what it does, and what its browser counts. */

/** @typedef {import("puppeteer-core").Page} Page */

/**
 * Watches in a page, as the documentation says; gives the answer's status.
 * @param {Page} tab @param {string} stream @param {number} [port] in place of the server's for UDP
 */
export const watch = (tab, stream, port) =>
  tab.evaluate(async (stream, port) => {
    const video = document.createElement("video");
    video.autoplay = true;
    video.style.cssText = "position:fixed;inset:0;width:320px";
    document.body.prepend(video);
    const connection = new RTCPeerConnection();
    Object.assign(window, { video, connection });
    connection.addTransceiver("video", { direction: "recvonly" });
    connection.addTransceiver("audio", { direction: "recvonly" });
    connection.ontrack = ({ streams }) => (video.srcObject = streams[0]);
    await connection.setLocalDescription(await connection.createOffer());
    const response = await fetch(`/${stream}/whep`, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: connection.localDescription?.sdp,
    });
    let text = await response.text();
    if (port) text = text.replace(/(a=candidate:\S+ 1 udp \d+ \S+) \d+/gi, `$1 ${port}`).replace(/a=candidate:\S+ 1 tcp .*\r\n/gi, "");
    Object.assign(window, { session: response.headers.get("location") });
    if (response.ok) await connection.setRemoteDescription({ type: "answer", sdp: text });
    return { status: response.status, text };
  }, stream, port);

/** What the browser counts. @param {Page} tab */
export const figures = (tab) =>
  tab.evaluate(async () => {
    const { connection, video } = /** @type {any} */ (window);
    const reports = [...(await connection.getStats()).values()].filter((report) => report.type === "inbound-rtp");
    const [pictures, sound] = ["video", "audio"].map((kind) => reports.find((report) => report.kind === kind));
    return {
      decoded: pictures?.framesDecoded ?? 0,
      freezes: pictures?.freezeCount ?? 0,
      lost: (pictures?.packetsLost ?? 0) + (sound?.packetsLost ?? 0),
      energy: sound?.totalAudioEnergy ?? 0,
      sounds: sound?.packetsReceived ?? 0,
      tracks: video.srcObject?.getTracks().length ?? 0,
      width: video.videoWidth,
      delay: pictures?.jitterBufferEmittedCount ? pictures.jitterBufferDelay / pictures.jitterBufferEmittedCount : 0,
    };
  });

/**
 * Publishes a fake camera and microphone; gives the answer's status.
 * @param {Page} tab @param {string} stream
 */
export const publish = (tab, stream) =>
  tab.evaluate(async (stream) => {
    const media = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 }, audio: true });
    const connection = new RTCPeerConnection();
    Object.assign(window, { connection });
    for (const track of media.getTracks()) connection.addTransceiver(track, { direction: "sendonly", streams: [media] });
    await connection.setLocalDescription(await connection.createOffer());
    const response = await fetch(`/${stream}/whip`, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: connection.localDescription?.sdp,
    });
    const text = await response.text();
    if (response.ok) await connection.setRemoteDescription({ type: "answer", sdp: text });
    return { status: response.status, text };
  }, stream);
