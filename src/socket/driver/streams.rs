//! What comes over streams to TURN servers, and of them.

use std::time::Instant;

use bytes::BytesMut;

use super::Driver;
use super::receiving::find;
use crate::socket::member::with;
use crate::socket::streams::StreamNews;
use crate::socket::turn::{RelayInput, StreamId, first_message};

impl Driver {
    pub(super) fn stream_news(&mut self, news: StreamNews) {
        let now = Instant::now();
        match news {
            StreamNews::Messages(id, messages) => self.receive_messages(now, id, messages),
            StreamNews::Ended(id, (kind, message)) => {
                self.relays.stream_ended(now, id, kind, &message);
            }
        }
        self.pump_relays(now);
        self.shared.poll_gathering(now);
        let mut touched = std::mem::take(&mut self.touched);
        for id in touched.drain(..) {
            self.service(id);
        }
        self.touched = touched;
        self.drops.tell(now, &self.shared);
    }

    fn receive_messages(&mut self, now: Instant, stream: StreamId, mut messages: BytesMut) {
        // They were cut out by the same rule.
        while let Ok(Some(length)) = first_message(&messages) {
            let mut message = messages.split_to(length);
            let input = self.relays.handle_stream(now, stream, &message);
            let RelayInput::Data {
                relayed,
                peer,
                payload,
            } = input
            else {
                continue;
            };
            let data = message.get_mut(payload).unwrap_or_default();
            if let Some((id, member)) = find(&self.shared, now, relayed, peer, data) {
                with(now, &member, |member| {
                    member.datagram(now, relayed, peer, data)
                });
                if !self.touched.contains(&id) {
                    self.touched.push(id);
                }
            }
        }
    }
}
