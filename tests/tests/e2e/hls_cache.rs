//! An ordinary HTTP cache in front: many viewers, one request each to us.

#![allow(clippy::unwrap_used)] // a test may

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use firstlight_e2e::camera::free_port;
use firstlight_e2e::{Server, eventually, http, program};
use hls::reading::MediaPlaylist;

const SOURCE: &str = "{ test = { width = 320, height = 240, fps = 25, gop = 25 } }";
const REQUESTS: usize = 1_000;
const CLIENTS: usize = 20;

/// nginx with the cache of our documentation.
struct Cache {
    child: Child,
    address: SocketAddr,
    folder: std::path::PathBuf,
}

impl Cache {
    fn before(server: &Server) -> Self {
        let address = free_port();
        let folder = program::scratch().join(format!("nginx-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let config = format!(
            "daemon off; worker_processes 1; pid {0}/pid; error_log {0}/error.log;
            events {{ worker_connections 512; }}
            http {{
              access_log off; client_body_temp_path {0}/body; proxy_temp_path {0}/proxy;
              fastcgi_temp_path {0}/fastcgi; uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;
              proxy_cache_path {0}/cache keys_zone=hls:1m max_size=100m inactive=1m;
              server {{
                listen {address};
                location / {{
                  proxy_pass http://{1};
                  proxy_http_version 1.1;
                  proxy_cache hls;
                  proxy_cache_lock on; proxy_cache_lock_timeout 15s; proxy_cache_lock_age 15s;
                  add_header X-Cache $upstream_cache_status;
                }}
              }}
            }}",
            folder.display(),
            server.address()
        );
        let file = folder.join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let mut nginx = Command::new("nginx");
        nginx.arg("-p").arg(&folder).arg("-c").arg(&file).arg("-e").arg(folder.join("error.log"));
        // As root it would leave for a user who may not write here.
        let child = nginx
            .args(["-g", "user root;"])
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is needed by the tests");
        let cache = Self { child, address, folder };
        eventually("nginx listens", || TcpStream::connect(address).ok());
        cache
    }

    /// The answers to that many requests, by what the cache did.
    fn ask(&self, path: &str) -> BTreeMap<String, usize> {
        let ask = || -> Vec<String> {
            let one = |_| {
                let answer = http::get(self.address, path, &[]);
                assert_eq!(answer.status, 200, "{path}: {}", answer.body);
                answer.header("x-cache").unwrap().to_owned()
            };
            (0..REQUESTS / CLIENTS).map(one).collect()
        };
        let did: Vec<String> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        let mut counted = BTreeMap::new();
        did.into_iter().for_each(|what| *counted.entry(what).or_default() += 1);
        counted
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // The master takes its worker along when it is asked to end, not when it is killed.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_thousand_requests_through_nginx_are_one_each_to_us() {
    let server = Server::with_source(SOURCE);
    let cache = Cache::before(&server);
    let text = http::get(cache.address, "/front/live.m3u8", &[]).body;
    let playlist = MediaPlaylist::parse(&text).unwrap();
    let segment = playlist.segments.iter().find_map(|segment| segment.uri.clone()).unwrap();
    let init = playlist.segments.iter().find_map(|segment| segment.map.clone()).unwrap();
    let (number, part) = playlist.next();
    let waited_for = format!("live.m3u8?_HLS_msn={number}&_HLS_part={part}");
    let hinted = playlist.preload.unwrap();
    for path in [waited_for, hinted, segment, init] {
        let did = cache.ask(&format!("/front/{path}"));
        let missed: usize = did.iter().filter(|(what, _)| *what != "HIT").map(|(_, count)| count).sum();
        assert_eq!((missed, did.values().sum()), (1, REQUESTS), "{path}: {did:?}");
    }
}
