//! Redundant audio in a list of codecs (RFC 2198 section 5).

use super::{CodecId, Kind, RTCCodec, RTCCodecParam, first_supported};

/// Packets that one packet carries again, at most. With more the delay outgrows a jitter buffer.
const MAX_DISTANCE: usize = 2;

impl RTCCodec {
    /// Redundant audio (RFC 2198): packets that carry `primary`, and again what the packet before
    /// them carried, so that a single loss costs nothing.
    ///
    /// It is received wherever it is listed beside `primary`. It is **sent** when it is listed
    /// before it, as browsers have it; no default list holds it, since it doubles the rate:
    ///
    /// ```
    /// use ortc::RTCCodec;
    ///
    /// let opus = RTCCodec::opus(111);
    /// let codecs = vec![RTCCodec::red(63, &opus), opus];
    /// # assert_eq!(codecs[0].params[0].name, "111/111");
    /// ```
    ///
    /// Its parameter is `111/111` as in SDP, the payload type of `primary` twice; three times has
    /// each packet carry the two before it.
    pub fn red(payload_type: u8, primary: &RTCCodec) -> Self {
        let id = primary.payload_type;
        Self {
            clock_rate: Some(primary.effective_clock_rate()),
            num_channels: Some(primary.effective_channels()),
            params: vec![RTCCodecParam {
                name: format!("{id}/{id}"),
                value: None,
            }],
            ..Self::new("red", payload_type)
        }
    }
}

/// The payload types that a red codec names: its own block's, then those of the redundant ones.
fn named(red: &RTCCodec) -> Vec<u8> {
    let types = red.params.iter().find_map(|param| {
        let types: Result<Vec<u8>, _> = param.name.split('/').map(str::parse).collect();
        types.ok().filter(|_| param.value.is_none())
    });
    types.unwrap_or_default()
}

/// The codec whose packets a red codec of the list carries.
pub(crate) fn red_primary<'a>(codecs: &'a [RTCCodec], red: &RTCCodec) -> Option<&'a RTCCodec> {
    let primary = match named(red).first() {
        Some(id) => codecs.iter().find(|codec| codec.payload_type == *id),
        None => first_supported(codecs),
    };
    primary.filter(|primary| {
        is_audio(primary)
            && red
                .clock_rate
                .is_none_or(|rate| rate == primary.effective_clock_rate())
    })
}

fn is_audio(codec: &RTCCodec) -> bool {
    let facts = codec.facts();
    facts.is_some_and(|facts| facts.is_primary && facts.kind == Kind::Audio)
}

fn reds(codecs: &[RTCCodec]) -> impl Iterator<Item = (&RTCCodec, &RTCCodec)> {
    codecs
        .iter()
        .filter(|codec| codec.id() == Some(CodecId::Red))
        .filter_map(|red| Some((red, red_primary(codecs, red)?)))
}

/// Each payload type of redundant audio, and those that may be inside: audio of one clock.
pub(crate) fn red_payload_types(codecs: &[RTCCodec]) -> Vec<(u8, Vec<u8>)> {
    reds(codecs)
        .map(|(red, primary)| {
            let rate = primary.effective_clock_rate();
            let inside = codecs.iter().filter(|codec| is_audio(codec));
            let inside = inside.filter(|codec| codec.effective_clock_rate() == rate);
            (
                red.payload_type,
                inside.map(|codec| codec.payload_type).collect(),
            )
        })
        .collect()
}

/// The payload type to send `active` with redundantly, and how many packets each carries again;
/// `None` unless a red codec for it comes before it in the list.
pub(crate) fn red_to_send(codecs: &[RTCCodec], active: &RTCCodec) -> Option<(u8, usize)> {
    let id = active.payload_type;
    let at = codecs.iter().position(|codec| codec.payload_type == id)?;
    let before = codecs.get(..at)?;
    let (red, _) = reds(codecs).find(|(red, primary)| {
        primary.payload_type == id
            && before.contains(red)
            && named(red).iter().all(|named| *named == id)
    })?;
    let distance = named(red).len().saturating_sub(1);
    Some((red.payload_type, distance.clamp(1, MAX_DISTANCE)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn g043_redundant_audio_is_sent_where_it_comes_first() {
        let opus = RTCCodec::opus(111);
        let red = RTCCodec::red(63, &opus);
        // What a browser's `a=rtpmap:63 red/48000/2` and `a=fmtp:63 111/111` become.
        let json = serde_json::json!({
            "payload-id": 63, "name": "red", "clockRate": 48000, "numChannels": 2,
            "params": [{ "name": "111/111" }],
        });
        assert_eq!(serde_json::to_value(&red).unwrap(), json);
        assert_eq!(red.effective_kind(), Some(Kind::Audio));
        let rest = [RTCCodec::ulaw(), RTCCodec::dtmf(101)];
        let list = |reds: &[RTCCodec], after: &[RTCCodec]| -> Vec<RTCCodec> {
            [reds, std::slice::from_ref(&opus), &rest, after].concat()
        };
        let send = |codecs: &[RTCCodec]| red_to_send(codecs, &opus);
        assert_eq!(send(&list(&[], &[])), None);
        assert_eq!(send(&list(&[], std::slice::from_ref(&red))), None);
        assert_eq!(send(&list(std::slice::from_ref(&red), &[])), Some((63, 1)));
        let with = |name: &str| {
            let mut red = red.clone();
            red.params[0].name = name.into();
            send(&list(&[red], &[]))
        };
        assert_eq!(with("111/111/111"), Some((63, 2)));
        assert_eq!(with("111/111/111/111/111"), Some((63, 2)));
        assert_eq!(with("111"), Some((63, 1)));
        // Of another codec, of another one in the redundant blocks, of nothing.
        assert_eq!(with("0/0"), None);
        assert_eq!(with("111/0"), None);
        assert_eq!(with("50/50"), None);
        // Without the parameter it is the codec in use; the one of video has another clock.
        assert_eq!(with("x=y"), Some((63, 1)));
        assert_eq!(send(&list(&[RTCCodec::new("red", 63)], &[])), None);
    }

    #[test]
    fn redundant_audio_is_received_wherever_it_is_listed() {
        let (opus, ulaw) = (RTCCodec::opus(111), RTCCodec::ulaw());
        let codecs = [
            opus.clone(),
            ulaw.clone(),
            RTCCodec::alaw(),
            RTCCodec::red(63, &opus),
            RTCCodec::red(64, &ulaw),
            RTCCodec::red(65, &RTCCodec::opus(99)),
            RTCCodec::red(66, &RTCCodec::dtmf(101)),
            RTCCodec::dtmf(101),
        ];
        let expected = [(63, vec![111]), (64, vec![0, 8])];
        assert_eq!(red_payload_types(&codecs), expected);
    }
}
