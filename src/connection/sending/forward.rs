//! Packets of a received track onto the wire of another connection.

use crate::connection::core::shared::ConnectionShared;
use crate::connection::core::state::ConnectionState;
use crate::engine::{Engine, OutgoingRtp, SendOutcome};
use crate::error::Result;
use crate::media::forward::check_codecs;
use crate::media::renumber_descriptor;
use crate::media::sending::{MAX_RTP_PAYLOAD, SendingTrack};
use crate::media::track::{Descriptor, ForwardedBatch, Reception};
use crate::media::{Kind, RTCCodec};

/// Header extension elements of a packet that go on.
const MAX_ELEMENTS: usize = 6;

impl ConnectionShared {
    /// See [`MediaSink::forward`](crate::media::track::MediaSink::forward).
    pub(super) fn forward_batch(&self, key: u32, batch: &ForwardedBatch<'_>) -> bool {
        let mut state = self.lock();
        let ConnectionState {
            engine, sending, ..
        } = &mut *state;
        let Some(track) = sending.get_mut(&key) else {
            return false;
        };
        if !track.is_sent() || !engine.is_connected() {
            return false;
        }
        let idle = !engine.has_transmits();
        track.feed_from(batch.facts, engine.media().sent_extensions());
        let changed = send_batch(engine, track, batch);
        if track.fed.set_clock(batch.clock) {
            let ssrc = track.ssrc;
            engine.media_mut().set_sender_clock(ssrc, batch.clock);
        }
        if changed {
            state.sync_encodings(key);
        }
        drop(state);
        if idle {
            self.wake();
        }
        true
    }

    pub(super) fn takes_forwarded(&self, key: u32) -> bool {
        let state = self.lock();
        let track = state.sending.get(&key);
        track.is_some_and(SendingTrack::is_sent) && state.engine.is_connected()
    }

    pub(super) fn reception_of(&self, key: u32) -> Option<Reception> {
        let state = self.lock();
        let ssrc = state.sending.get(&key)?.ssrc;
        let view = state.engine.rtp().outbound_stats(ssrc)?.remote;
        let strain = state.engine.rtp().strain();
        Some(Reception {
            loss: view.map(|view| (f64::from(view.fraction_lost) / 256.0, view.at)),
            excess: strain.map(|strain| (strain.part, strain.at)),
            round_trip: view.and_then(|view| view.rtt),
            backlog: state.engine.media().backlog(),
        })
    }

    pub(super) fn forget_sent_of(&self, key: u32) {
        let mut state = self.lock();
        if let Some(ssrc) = state.sending.get(&key).map(|track| track.ssrc) {
            state.engine.media_mut().forget_sent(ssrc);
        }
    }

    pub(super) fn may_forward_here(&self, key: u32, codecs: &[RTCCodec]) -> Result<()> {
        let state = self.lock();
        match state.sending.get(&key) {
            Some(track) => check_codecs(codecs, &track.codecs),
            None => Ok(()),
        }
    }
}

/// True when the codec in use is another one now.
fn send_batch(engine: &mut Engine, track: &mut SendingTrack, batch: &ForwardedBatch<'_>) -> bool {
    let mut changed = false;
    for (placed, packet) in batch.iter() {
        let known = track.fed.mapping().payload_type(packet.payload_type);
        let is_filler = placed.is_filler || known.is_none();
        let payload_type = known.unwrap_or_else(|| track.payload_type());
        changed |= !is_filler && track.feeds_as(payload_type);
        let (number, timestamp) = (placed.place.sequence_number, placed.place.timestamp);
        let number = track.relay(batch.now, number, timestamp);
        let (Some(sequence_number), true) = (number, packet.payload.len() <= MAX_RTP_PAYLOAD)
        else {
            track.count_discarded(1);
            continue;
        };
        let own = batch.facts.descriptor;
        let descriptor = own.and_then(|id| packet.extensions.get(id));
        let mut numbered = [0; 255];
        let descriptor = match placed.descriptor {
            Descriptor::AsItIs => descriptor,
            Descriptor::Numbered(by) => {
                descriptor.and_then(|value| renumber_descriptor(value, by, &mut numbered))
            }
            Descriptor::LeftOut => None,
        };
        let mut elements: [(u8, &[u8]); MAX_ELEMENTS] = [(0, &[]); MAX_ELEMENTS];
        let mut count = 0usize;
        for (from, to) in track.fed.mapping().extensions() {
            let value = match Some(*from) == own {
                true => descriptor,
                false => packet.extensions.get(*from),
            };
            if let Some(value) = value
                && let Some(place) = elements.get_mut(count)
            {
                *place = (*to, value);
                count = count.saturating_add(1);
            }
        }
        // A part of the same bytes, held together with them.
        let head = placed.head();
        let rest;
        let payload = match head {
            [] => &packet.payload,
            _ => {
                rest = packet.payload.slice(head.len().min(packet.payload.len())..);
                &rest
            }
        };
        let onward = OutgoingRtp {
            marker: packet.marker,
            payload_type,
            sequence_number,
            timestamp,
            csrcs: &packet.csrcs,
            extensions: elements.get(..count).unwrap_or_default(),
            head,
            payload,
            shared: Some(payload),
        };
        let empty = OutgoingRtp {
            marker: false,
            extensions: &[],
            head: &[],
            payload: &[],
            shared: None,
            ..onward
        };
        let onward = if is_filler { &empty } else { &onward };
        let sent = match track.source.kind() {
            Kind::Video => engine.send_paced_rtp(batch.now, track.ssrc, onward),
            Kind::Audio | Kind::Dtmf => engine.send_rtp(batch.now, track.ssrc, onward),
        };
        match sent {
            Ok(SendOutcome::Sent) => {}
            // Too late for its number to be used, or the queue is full.
            Ok(_) | Err(_) => track.count_discarded(1),
        }
    }
    changed
}
