//! Frames to RTP payloads.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use bytes::Bytes;

use super::formats::{Payload, av1, h264, h265, vp8, vp9};
use super::{CodecId, RTCCodec};
use crate::{Error, Result};

/// A larger frame is refused: its packets would not fit a receiver's jitter buffer.
pub(crate) const MAX_FRAME_BYTES: usize = 4 << 20;
/// Payloads smaller than this cannot hold every format's headers and make progress.
pub(crate) const MIN_PAYLOAD: usize = 32;

/// Splits the encoded frames of one track into RTP payloads.
#[derive(Debug)]
pub(crate) struct Packetizer {
    format: Format,
}

#[derive(Debug)]
enum Format {
    Opus,
    /// One byte per channel and tick: G.711, and G.722 with its 8 kHz RTP clock.
    Bytes {
        channels: usize,
    },
    Vp8(vp8::Payloader),
    Vp9(vp9::Payloader),
    H264 {
        single_nal: bool,
    },
    H265,
    Av1,
}

impl Packetizer {
    /// # Errors
    /// `UnsupportedCodec` if frames of this codec cannot be packetised.
    pub(crate) fn for_codec(codec: &RTCCodec) -> Result<Self> {
        let unsupported =
            || Error::unsupported_codec(format!("sending frames of {:?}", codec.name));
        let format = match codec.id().ok_or_else(unsupported)? {
            CodecId::Opus => Format::Opus,
            CodecId::Pcmu | CodecId::Pcma | CodecId::G722 => Format::Bytes {
                channels: usize::try_from(codec.effective_channels()).unwrap_or(1),
            },
            CodecId::Vp8 => Format::Vp8(vp8::Payloader::default()),
            CodecId::Vp9 => Format::Vp9(vp9::Payloader::default()),
            // RFC 6184 section 6.2: mode 0 or no parameter means single NAL unit mode.
            CodecId::H264 => Format::H264 {
                single_nal: codec.param("packetization-mode") != Some("1"),
            },
            CodecId::H265 => Format::H265,
            CodecId::Av1 => Format::Av1,
            CodecId::Dtmf
            | CodecId::Rtx
            | CodecId::Red
            | CodecId::Ulpfec
            | CodecId::Flexfec
            | CodecId::ComfortNoise => return Err(unsupported()),
        };
        Ok(Packetizer { format })
    }

    /// Appends the payloads of `frame` to `out`, none longer than `max_payload` bytes.
    ///
    /// H.264 and H.265 frames are in Annex B format (start codes), AV1 frames in the low-overhead
    /// format, the others as the encoder gives them.
    ///
    /// # Errors
    /// `InvalidParameters` if the frame is empty, too large or malformed; `NotSupported` if it
    /// does not fit the codec's packetisation mode. `out` is then unchanged.
    pub(crate) fn packetize(
        &mut self,
        frame: &Bytes,
        max_payload: usize,
        out: &mut Vec<Payload>,
    ) -> Result<()> {
        if frame.is_empty() {
            return Err(Error::invalid_parameters("the sample is empty"));
        }
        if frame.len() > MAX_FRAME_BYTES {
            return Err(Error::invalid_parameters(format!(
                "the sample is longer than {MAX_FRAME_BYTES} bytes"
            )));
        }
        if max_payload < MIN_PAYLOAD {
            return Err(Error::invalid_parameters(format!(
                "packets must hold at least {MIN_PAYLOAD} bytes of payload"
            )));
        }
        let before = out.len();
        let result = match &mut self.format {
            Format::Opus => opus(frame, max_payload, out),
            Format::Bytes { channels } => {
                chunks(frame, *channels, max_payload, out);
                Ok(())
            }
            Format::Vp8(payloader) => {
                payloader.packetize(frame, max_payload, out);
                Ok(())
            }
            Format::Vp9(payloader) => {
                payloader.packetize(frame, max_payload, out);
                Ok(())
            }
            Format::H264 { single_nal } => h264::packetize(frame, max_payload, *single_nal, out),
            Format::H265 => h265::packetize(frame, max_payload, out),
            Format::Av1 => av1::packetize(frame, max_payload, out),
        };
        if result.is_err() {
            out.truncate(before);
        } else if self.is_video()
            && let Some(last) = out.last_mut()
        {
            last.marker = true;
        }
        result
    }

    fn is_video(&self) -> bool {
        !matches!(self.format, Format::Opus | Format::Bytes { .. })
    }
}

/// The table of contents and the longest frame (RFC 6716 sections 3.1 and 3.2.1).
const MAX_OPUS: usize = 1_276;

/// RFC 7587 section 4.2: one Opus packet per RTP packet, never split, so that the longest frame
/// goes out whole: with all headers it is still below the 1,500 bytes of Ethernet. The marker bit stays clear:
/// there is no sender here that knows where a talkspurt begins.
fn opus(frame: &Bytes, max_payload: usize, out: &mut Vec<Payload>) -> Result<()> {
    if frame.len() > max_payload.max(MAX_OPUS) {
        return Err(Error::invalid_parameters(format!(
            "an opus packet of {} bytes does not fit one RTP packet",
            frame.len()
        )));
    }
    out.push(Payload::new(frame.clone(), 0));
    Ok(())
}

fn chunks(frame: &Bytes, channels: usize, max_payload: usize, out: &mut Vec<Payload>) {
    let channels = channels.max(1);
    // Every packet holds whole samples of all channels (RFC 3551 section 4.1).
    let size = (max_payload / channels).max(1).saturating_mul(channels);
    let mut rest = frame.clone();
    let mut samples = 0u32;
    while !rest.is_empty() {
        let chunk = rest.split_to(size.min(rest.len()));
        let length = u32::try_from(chunk.len() / channels).unwrap_or(u32::MAX);
        out.push(Payload::new(chunk, samples));
        samples = samples.wrapping_add(length);
    }
}
