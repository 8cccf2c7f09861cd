//! The viewer's side of RTMP: handshake, `play`, then bytes.
//!
//! Up to the first picture a machine reads every message; from then on bytes are only counted, each read as a message: the client has to
//! be cheap.

use container::flv::TagKind;
use rtmp::{Client, ClientEvent, Purpose, Secrets, Target as Stream};

use super::protocol::{Ended, Protocol};
use super::seen::{Moment, Seen};
use super::target::Target;

/// One player.
pub(crate) struct Rtmp {
    client: Client,
    first: Vec<u8>,
    established: bool,
    decodable: bool,
}

impl Rtmp {
    pub(crate) fn new(target: &Target) -> Self {
        let path = target.path.trim_start_matches('/');
        let (app, key) = path.rsplit_once('/').unwrap_or((path, ""));
        let url = format!("rtmp://{}/{app}", target.authority);
        let stream = Stream { url, app: app.to_owned(), key: key.to_owned() };
        // The plain handshake is not signed.
        let secrets = Secrets { hmac: |_, _| [0; 32], seed: [0; 32] };
        let mut client = Client::new(stream, Purpose::Play, &secrets);
        let first = client.take_output();
        Self { client, first, established: false, decodable: false }
    }
}

impl Protocol for Rtmp {
    fn request(&self) -> Vec<u8> {
        self.first.clone()
    }

    fn receive(
        &mut self,
        bytes: &[u8],
        _: &Moment,
        seen: &mut Seen,
        reply: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        if self.decodable {
            seen.messages += 1;
            return Ok(());
        }
        self.client.receive(bytes).map_err(|error| Ended::Refused(error.to_string()))?;
        reply.extend(self.client.take_output());
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Ready { .. } => self.established = true,
                // A picture that stands alone, behind the sequence header.
                ClientEvent::Tag { kind: TagKind::Video, body, .. } => {
                    self.decodable |= body.starts_with(&[0x17, 1]);
                }
                ClientEvent::Tag { .. } => {}
                ClientEvent::Ended(_) => return Err(Ended::Finished),
            }
        }
        seen.decodable |= self.decodable;
        Ok(())
    }

    fn established(&self) -> bool {
        self.established
    }
}
