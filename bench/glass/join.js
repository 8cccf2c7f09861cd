/**
 * Runs inside a page: joins by WebRTC again and again, and measures from the offer's POST to the first picture that is shown.
 *
 * It must be self-contained, it is sent to the browser as text. One viewer stays throughout, so that the camera is on and the joins are warm.
 *
 * @param {{ whep: string, joins: number }} options
 */
export async function join({ whep, joins }) {
  const watch = async () => {
    const peer = new RTCPeerConnection();
    for (const kind of ["video", "audio"]) peer.addTransceiver(kind, { direction: "recvonly" });
    const video = document.createElement("video");
    Object.assign(video, { muted: true, autoplay: true, playsInline: true });
    document.body.append(video);
    peer.ontrack = ({ streams }) => (video.srcObject = streams[0]);
    await peer.setLocalDescription();
    const shown = new Promise((done) => video.requestVideoFrameCallback(() => done(performance.now())));
    const asked = performance.now();
    const headers = { "Content-Type": "application/sdp" };
    const answer = await fetch(whep, { method: "POST", headers, body: peer.localDescription.sdp });
    if (answer.status !== 201) throw new Error(`the answer is ${answer.status}: ${await answer.text()}`);
    const session = new URL(answer.headers.get("Location"), whep);
    await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    const leave = async () => {
      await fetch(session, { method: "DELETE" });
      peer.close();
      video.remove();
    };
    return { ms: (await shown) - asked, leave };
  };
  const standing = await watch();
  const times = [];
  for (let at = 0; at < joins; at += 1) {
    const { ms, leave } = await watch();
    times.push(ms);
    await leave();
    // Not in step with the pictures.
    await new Promise((done) => setTimeout(done, 40 + Math.random() * 200));
  }
  await standing.leave();
  return times;
}
