"""GStreamer's webrtcbin as a WHEP player.

    python3 webrtcbin_whep.py URL

It would make itself a certificate with a key for RSA, which our DTLS does not know: it is given one for ECDSA.

What happens to it is a line of JSON each on its output. It ends with its input.
"""

import hashlib
import json
import re
import ssl
import subprocess
import sys
import threading
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402


speaking = threading.Lock()


def tell(**what):
    with speaking:  # from several threads
        print(json.dumps(what), flush=True)


def certificate():
    """A certificate and its key, as PEM."""
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made = subprocess.run(
        ["openssl", "req", "-x509", *kind, "-keyout", "-", "-out", "-", "-subj", "/CN=peer", "-days", "2"],
        check=True, capture_output=True, text=True,
    )
    return made.stdout


def fingerprint(pem):
    der = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERTIFICATE") :])
    return ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())


def main(url):
    Gst.init(None)
    pem = certificate()
    pipeline = Gst.Pipeline()
    peer = Gst.ElementFactory.make("webrtcbin")
    peer.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
    pipeline.add(peer)

    def has(_bin, _inner, element):
        factory = element.get_factory()
        if factory and factory.get_name() == "dtlsdec":
            element.set_property("pem", pem)

    peer.connect("deep-element-added", has)
    for caps in (
        "application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=96,packetization-mode=(string)1,profile-level-id=(string)42e01f",
        "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=97,encoding-params=(string)2",
    ):
        receives = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
        peer.emit("add-transceiver", receives, Gst.Caps.from_string(caps))

    seen = {}

    def decoded(_, pad):
        kind = pad.get_current_caps().get_structure(0).get_name().split("/")[0]
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("signal-handoffs", True)
        sink.set_property("sync", False)

        def unit(_sink, _buffer, pad):
            seen[kind] = seen.get(kind, 0) + 1
            if seen[kind] in (1, 30):
                structure = pad.get_current_caps().get_structure(0)
                tell(kind=kind, count=seen[kind], width=structure.get_value("width") if kind == "video" else None)

        sink.connect("handoff", unit)
        pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def arrived(_, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        decoder = Gst.ElementFactory.make("decodebin")
        decoder.connect("pad-added", decoded)
        pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def offered(promise):
        reply = promise.get_reply()  # kept: the offer is part of it
        offer = reply.get_value("offer")
        peer.emit("set-local-description", offer, None)
        # It still speaks of the certificate that it made itself.
        sdp = re.sub("(a=fingerprint:sha-256 ).*", rf"\g<1>{fingerprint(pem)}", offer.sdp.as_text())
        request = urllib.request.Request(url, sdp.encode(), {"Content-Type": "application/sdp"})
        try:
            with urllib.request.urlopen(request) as response:
                _, answer = GstSdp.SDPMessage.new_from_text(response.read().decode())
                tell(status=response.status)
        except urllib.error.HTTPError as error:
            return tell(status=error.code, text=error.read().decode())
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, answer)
        peer.emit("set-remote-description", answer, None)

    def needed(_):
        peer.emit("create-offer", None, Gst.Promise.new_with_change_func(offered))

    peer.connect("on-negotiation-needed", needed)
    peer.connect("pad-added", arrived)
    peer.connect("notify::ice-connection-state", lambda *_: tell(ice=peer.get_property("ice-connection-state").value_nick))
    pipeline.set_state(Gst.State.PLAYING)
    loop = GLib.MainLoop()

    def wait():
        sys.stdin.read()
        GLib.idle_add(loop.quit)  # once it runs

    threading.Thread(target=wait, daemon=True).start()
    loop.run()
    pipeline.set_state(Gst.State.NULL)


main(sys.argv[1])
