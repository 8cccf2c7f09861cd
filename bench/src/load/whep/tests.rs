//! A viewer against str0m on the other side: the handshake, and what the viewer reports.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use str0m::bwe::Bitrate;
use str0m::change::SdpOffer;
use str0m::format::Codec;
use str0m::media::Mid;
use str0m::net::{Protocol as Transport, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use super::super::{Group, Load, Target};

/// What the other side learns of the viewer.
#[derive(Debug, Default)]
struct Learned {
    /// Numbers of packets, by receiver reports.
    newest: u64,
    lost: Option<u64>,
    /// By the arrivals of all packets.
    lost_by_arrivals: Option<f32>,
    is_gone: bool,
}

/// Answers one viewer and sends pictures until it is gone, or for so long.
fn serve(listener: TcpListener, limit: Duration) -> JoinHandle<Learned> {
    thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let address = socket.local_addr().unwrap();
        let config = RtcConfig::new().set_ice_lite(true).set_rtp_mode(true);
        let config =
            config.set_stats_interval(Some(Duration::from_millis(100))).enable_bwe(Some(Bitrate::mbps(5)));
        let mut rtc = config.build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        let (mut tcp, _) = listener.accept().unwrap();
        let answer = answer(&mut rtc, &offer(&mut tcp));
        let head = format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n", answer.len());
        tcp.write_all((head + &answer).as_bytes()).unwrap();
        drop(tcp);

        let (mut learned, mut buffer) = (Learned::default(), [0; 2_000]);
        let (mut is_connected, mut number, mut next) = (false, 65_530, Instant::now());
        let end = Instant::now() + limit;
        while Instant::now() < end && rtc.is_alive() {
            loop {
                match rtc.poll_output().unwrap() {
                    Output::Timeout(_) => break,
                    Output::Transmit(send) => {
                        socket.send_to(&send.contents, send.destination).unwrap();
                    }
                    Output::Event(Event::Connected) => is_connected = true,
                    Output::Event(Event::MediaEgressStats(stats)) => {
                        if let Some(remote) = stats.remote {
                            learned.newest = learned.newest.max(*remote.maximum_sequence_number);
                            learned.lost = Some(remote.packets_lost);
                        }
                    }
                    Output::Event(Event::PeerStats(stats)) => {
                        learned.lost_by_arrivals = stats.egress_loss_fraction.or(learned.lost_by_arrivals);
                    }
                    Output::Event(_) => {}
                }
            }
            let now = Instant::now();
            if is_connected && now >= next {
                next = now + Duration::from_millis(10);
                write(&mut rtc, &mut number, now);
            }
            let input = match socket.recv_from(&mut buffer) {
                Ok((length, source)) => {
                    let contents = buffer[..length].try_into().unwrap();
                    Input::Receive(
                        Instant::now(),
                        Receive { proto: Transport::Udp, source, destination: address, contents },
                    )
                }
                Err(_) => Input::Timeout(Instant::now()),
            };
            rtc.handle_input(input).unwrap();
            rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
        }
        learned.is_gone = !rtc.is_alive();
        learned
    })
}

/// The offer that is posted.
fn offer(tcp: &mut impl Read) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4_096]);
    loop {
        let count = tcp.read(&mut buffer).unwrap();
        text += std::str::from_utf8(&buffer[..count]).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            assert!(head.starts_with("POST /bench/whep HTTP/1.1\r\n"), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
            if body.len() >= length.parse().unwrap() {
                return body.to_owned();
            }
        }
        assert!(count > 0, "{text}");
    }
}

fn answer(rtc: &mut Rtc, offer: &str) -> String {
    let offer = SdpOffer::from_sdp_string(offer).unwrap();
    rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string()
}

/// Sends a picture of two packets, whose numbers begin anew soon.
fn write(rtc: &mut Rtc, number: &mut u64, now: Instant) {
    let format = rtc.codec_config().params().iter().find(|known| known.spec().codec == Codec::H264);
    let format = format.unwrap().pt();
    let mut api = rtc.direct_api();
    let stream = api.stream_tx_by_mid(Mid::from("1"), None).unwrap();
    for (payload, ends) in [([0x7c, 0x85, 1], false), ([0x7c, 0x45, 1], true)] {
        let write = RtpWrite::new(format, (*number).into(), *number as u32 * 90, now, payload);
        stream.write_rtp(write.marker(ends));
        *number += 1;
    }
}

#[test]
fn a_viewer_shakes_hands_opens_pictures_and_reports_what_came() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("whep://{}/bench/whep", listener.local_addr().unwrap());
    let server = serve(listener, Duration::from_secs(20));
    let load = Load::start(vec![Group::healthy(&Target::parse(&url).unwrap(), 1)]).unwrap();
    load.wait_ready(Duration::from_secs(10)).unwrap();
    // A report a second, behind a beginning.
    thread::sleep(Duration::from_millis(2_500));
    let report = load.stop().unwrap().remove(0);
    let learned = server.join().unwrap();
    assert_eq!(report.first_decodable_ms.count, 1);
    assert!((report.missing, report.damaged, report.closed) == (0, 0, 0), "{report:?}");
    assert!(learned.newest > 65_536 && learned.lost == Some(0), "{learned:?}");
    assert_eq!((learned.lost_by_arrivals, learned.is_gone), (Some(0.0), true));
}
