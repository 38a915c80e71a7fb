//! The statistics of data channels from the state of a connection.

use super::data::{RTCDataChannelStats, RTCDataStats};
use crate::connection::core::state::ConnectionState;
use crate::engine::data::{ChannelCounters, DataCounters};
use crate::engine::sctp::{SctpCounters, StreamCounters};

impl ConnectionState {
    pub(super) fn data_stats(&self) -> RTCDataStats {
        let engine = &self.engine;
        let DataCounters {
            channels_opened,
            channels_closed,
            dropped_messages,
            refused_channels,
            early_packets,
            sctp,
        } = engine.data_counters();
        let SctpCounters {
            dropped,
            retransmitted,
            abandoned,
        } = sctp;
        RTCDataStats {
            channels: self.channels.len(),
            channels_opened,
            channels_closed,
            round_trip_time: engine.data_rtt().map(|rtt| rtt.as_secs_f64()),
            max_datagram: engine.largest_data_datagram(),
            retransmitted,
            abandoned,
            dropped_packets: dropped,
            early_packets,
            dropped_messages,
            refused_channels,
        }
    }

    pub(super) fn data_channels(&self) -> Vec<RTCDataChannelStats> {
        let channels = self.channels.values();
        channels
            .map(|channel| {
                let ChannelCounters {
                    messages_sent,
                    bytes_sent,
                    messages_received,
                    bytes_received,
                    stream,
                } = self.engine.channel_counters(channel.key);
                let StreamCounters {
                    retransmitted,
                    abandoned,
                } = stream;
                RTCDataChannelStats {
                    label: channel.spec.label.clone(),
                    protocol: channel.spec.protocol.clone(),
                    data_channel_identifier: channel.id(),
                    state: channel.state(),
                    messages_sent,
                    bytes_sent,
                    messages_received,
                    bytes_received,
                    buffered_amount: self.engine.channel_buffered(channel.key),
                    retransmitted,
                    messages_abandoned: abandoned,
                }
            })
            .collect()
    }
}
