//! Offers of programs that exist, and hostile ones.

use ortc::{Kind, RTCDtlsRole};

use super::codecs::media;
use super::offer::{Fragment, MAX_OFFER, Offer};

/// As libdatachannel, which OBS has, writes one; session-level attributes among them.
const OBS: &str = "v=0\r\no=rtc 3767197920 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
a=group:BUNDLE 0 1\r\na=group:LS 0 1\r\na=msid-semantic:WMS *\r\na=setup:actpass\r\n\
a=ice-ufrag:EsAw\r\na=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\na=ice-options:ice2,trickle\r\n\
a=fingerprint:sha-256 DA:7B:57:DC:28:CE:04:4F:31:79:85:C4:31:67:EB:27:58:29:ED:77:2A:0D:24:AE:ED:AD:30:BC:BD:F1:9C:02\r\n\
m=audio 57455 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 192.0.2.1\r\na=mid:0\r\na=sendonly\r\n\
a=ssrc:1 cname:obs\r\na=ssrc:1 msid:s a\r\na=msid:s a\r\na=rtcp-mux\r\n\
a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;maxaveragebitrate=96000;stereo=1;useinbandfec=1\r\n\
a=candidate:1 1 UDP 2114977791 192.0.2.1 57455 typ host\r\na=end-of-candidates\r\n\
m=video 57455 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 192.0.2.1\r\na=mid:1\r\na=sendonly\r\n\
a=ssrc-group:FID 2 3\r\na=ssrc:2 cname:obs\r\na=msid:s v\r\na=rtcp-mux\r\n\
a=rtpmap:96 H264/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 goog-remb\r\n\
a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1\r\n\
a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";

/// What a browser's has beside that.
const SIMULCAST: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n\
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
a=extmap:2 urn:of:nobody\r\na=sendonly\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
a=rid:h send\r\na=rid:m send\r\na=rid:l send\r\na=simulcast:send h;m;~l\r\n";

#[test]
fn the_offer_of_a_program_that_streams_is_read() {
    let offer = Offer::read(OBS).unwrap();
    assert_eq!(offer.side.ice.username_frag, "EsAw");
    assert_eq!(offer.own_role(), RTCDtlsRole::Server);
    assert_eq!((offer.candidates.len(), offer.complete), (1, true));
    let video = offer.only(Kind::Video).unwrap().unwrap();
    let names: Vec<u8> = media(&video.codecs, Kind::Video)
        .map(|one| one.payload_type())
        .collect();
    assert_eq!(names, [96]);
    let track = video.description(Kind::Video, &video.codecs);
    assert_eq!(track.ssrc, Some(2));
    assert_eq!(track.rtx.unwrap().ssrc, Some(3));
    assert_eq!(track.codecs[0].param("packetization-mode"), Some("1"));
    // RFC 9725 section 4.4.2.
    let two = format!("{OBS}{}", &OBS[OBS.find("m=video").unwrap()..]);
    assert!(Offer::read(&two).unwrap().only(Kind::Video).is_err());
}

#[test]
fn several_encodings_are_one_track() {
    let audio = &OBS[..OBS.find("m=video").unwrap()];
    let offer = Offer::read(&format!("{audio}{SIMULCAST}")).unwrap();
    let video = offer.only(Kind::Video).unwrap().unwrap();
    assert_eq!(video.rids, ["h", "m", "l"]);
    let track = video.description(Kind::Video, &video.codecs);
    assert_eq!((track.ssrc, track.encodings.len()), (None, 3));
    let ids: Vec<u8> = offer.extensions().iter().map(|one| one.id).collect();
    assert_eq!(ids, [4, 10]);
}

#[test]
fn a_fragment_has_candidates_and_perhaps_credentials() {
    let told = Fragment::read(
        "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:ysXw\r\n\
         a=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n\
         a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n\
         a=candidate:rubbish\r\na=end-of-candidates\r\n",
    )
    .unwrap();
    assert_eq!((told.candidates.len(), told.complete), (1, true));
    assert_eq!(told.username.as_deref(), Some("ysXw"));
    for junk in ["", "hello", "a", "=", "xx=1", "a=mid"] {
        assert!(Fragment::read(junk).is_err(), "{junk}");
    }
}

/// Numbers that are always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }
}

/// Lines dropped, doubled and exchanged, letters changed, numbers made enormous: read or refused,
/// and whatever is read makes a description that the core takes or refuses.
#[test]
fn r_h09_no_offer_does_harm() {
    let mut numbers = Numbers(9);
    let whole = format!("{}{SIMULCAST}", &OBS[..OBS.find("m=video").unwrap()]);
    let mut read = 0;
    for round in 0..3_000 {
        let from = if round % 2 == 0 { OBS } else { &whole };
        let mut lines: Vec<String> = from.lines().map(str::to_owned).collect();
        for _ in 0..=numbers.below(4) {
            let (at, other) = (numbers.below(lines.len()), numbers.below(lines.len()));
            match numbers.below(7) {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[other].clone()),
                2 => lines.swap(at, other),
                3 => {
                    let mut bytes = lines[at].clone().into_bytes();
                    let place = numbers.below(bytes.len());
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte = b" 0:;/=\x01~"[numbers.below(8)];
                    }
                    lines[at] = String::from_utf8_lossy(&bytes).into_owned();
                }
                4 => lines[at] = lines[at].replace(char::is_numeric, "99999999"),
                5 => lines[at].push_str("; 💥=\u{0}"),
                _ => {
                    let end = numbers.below(lines[at].len());
                    lines[at] = lines[at].chars().take(end).collect();
                }
            }
        }
        let text = lines.join("\r\n");
        let _ = Fragment::read(&text);
        let Ok(offer) = Offer::read(&text) else {
            continue;
        };
        read += 1;
        for section in &offer.sections {
            if let Some(kind) = section.kind {
                let _ = section.description(kind, &section.codecs).validate();
            }
        }
    }
    assert!(read > 300, "{read} of 3000 were read");
}

#[test]
fn r_h09_enormous_offers_are_refused() {
    let long = format!("{OBS}{}", "a=x\r\n".repeat(MAX_OFFER / 4));
    assert!(Offer::read(&long).is_err());
    let sections = format!("{OBS}{}", "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n".repeat(100));
    assert!(Offer::read(&sections).is_err());
    let plain = OBS.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP");
    assert!(Offer::read(&plain).is_err());
    let many: String = (0..1_000)
        .map(|n| format!("a=candidate:{n} 1 udp 1 192.0.2.1 9 typ host\r\n"))
        .collect();
    assert!(
        Offer::read(&format!("{OBS}{many}"))
            .unwrap()
            .candidates
            .len()
            <= 64
    );
}
