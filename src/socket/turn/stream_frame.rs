//! STUN messages and ChannelData one behind the other on a stream: RFC 8489 section 6.2.2, RFC 8656
//! section 12.5.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

/// What is neither a STUN message nor ChannelData: where the next message begins cannot be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::socket) struct NoMessage;

/// RFC 8489 section 5.
const STUN_HEADER: usize = 20;
/// RFC 8656 section 12.4.
const CHANNEL_HEADER: usize = 4;

/// The length of the message that `data` begins with, padding included; `None` while it is not
/// whole.
///
/// # Errors
/// There is no message.
pub(in crate::socket) fn first_message(data: &[u8]) -> Result<Option<usize>, NoMessage> {
    let [kind, _, l0, l1, ..] = *data else {
        return match data.first() {
            Some(kind) if *kind > 79 || (4..64).contains(kind) => Err(NoMessage),
            _ => Ok(None),
        };
    };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let whole = match kind {
        // RFC 8489 section 5: all attributes are padded to four bytes.
        0..=3 if length.is_multiple_of(4) => STUN_HEADER.saturating_add(length),
        // RFC 8656 section 12.5: over TCP and TLS it must be padded.
        64..=79 => CHANNEL_HEADER.saturating_add(length.next_multiple_of(4)),
        _ => return Err(NoMessage),
    };
    Ok((whole <= data.len()).then_some(whole))
}

/// How much of `data` is whole messages.
///
/// # Errors
/// The bytes after them begin no message.
pub(in crate::socket) fn whole_messages(data: &[u8]) -> Result<usize, NoMessage> {
    let mut end = 0usize;
    while let Some(length) = first_message(data.get(end..).unwrap_or_default())? {
        end = end.saturating_add(length);
    }
    Ok(end)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn stun(length: usize) -> Vec<u8> {
        let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        message[2..4].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        message.resize(20 + length, 7);
        message
    }

    fn channel(length: u8) -> Vec<u8> {
        let mut message = vec![0x40, 1, 0, length];
        message.resize(4 + usize::from(length).next_multiple_of(4), 7);
        message
    }

    /// However the stream is cut, the same messages come out.
    #[test]
    fn messages_are_found_wherever_the_stream_is_cut() {
        let messages = [channel(0), stun(0), channel(5), stun(8), channel(4)];
        let stream = messages.concat();
        for cut in 0..=stream.len() {
            let whole = whole_messages(&stream[..cut]).unwrap();
            let mut ends = 0;
            for message in &messages {
                if ends + message.len() > cut {
                    break;
                }
                ends += message.len();
            }
            assert_eq!(whole, ends, "cut at {cut}");
        }
        let mut rest = &stream[..];
        for message in &messages {
            let length = first_message(rest).unwrap().unwrap();
            assert_eq!(&rest[..length], message);
            rest = &rest[length..];
        }
        assert_eq!(first_message(rest), Ok(None));
    }

    #[test]
    fn what_is_no_message_is_known_from_the_first_byte_on() {
        for first in 0..=255u8 {
            let known = matches!(first, 0..=3 | 64..=79);
            assert_eq!(first_message(&[first]).is_ok(), known, "{first}");
            assert_eq!(first_message(&[first, 0, 0, 0]).is_ok(), known, "{first}");
        }
        assert_eq!(first_message(&stun(4)[..]), Ok(Some(24)));
        let mut odd = stun(4);
        odd[3] = 5;
        assert_eq!(first_message(&odd), Err(NoMessage));
        let after = [channel(1), vec![0xff]].concat();
        assert_eq!(whole_messages(&after), Err(NoMessage));
        let largest = [&[0x4f, 0xff, 0xff, 0xff][..], &[0; 65_536]].concat();
        assert_eq!(first_message(&largest), Ok(Some(65_540)));
        assert_eq!(first_message(&largest[..65_539]), Ok(None));
    }
}
