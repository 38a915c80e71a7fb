//! The configuration that `server/turnserver.conf` gives coturn (row F8): who has credentials
//! reaches nobody in a reserved network, and has so many allocations.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime};

use rtc_crypto::providers::RingProvider;
use rtc_crypto::{HmacAlgorithm, RTCCryptoProvider};
use stun::attributes::{
    ATTR_ERROR_CODE, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_ADDRESS_FAMILY,
    ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS, AttrType,
};
use stun::error_code::ErrorCodeAttribute;
use stun::integrity::MessageIntegrity;
use stun::message::{
    CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter, METHOD_ALLOCATE, METHOD_CHANNEL_BIND,
    METHOD_CREATE_PERMISSION, Message, MessageType, Method, Setter,
};
use stun::textattrs::TextAttribute;
use stun::xoraddr::XorMappedAddress;

use super::common::coturn::Coturn;

const SECRET: &str = "north";
const REALM: &str = "example.org";
const QUOTA: usize = 12;

/// RFC 4648 section 4.
fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in data.chunks(3) {
        let bits = part
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - part.len()));
        for digit in 0..4 {
            let at = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit > part.len() {
                '='
            } else {
                DIGITS[at as usize] as char
            });
        }
    }
    text
}

/// A client that says just what it is told.
struct Client {
    socket: UdpSocket,
    user: String,
    key: Vec<u8>,
    nonce: String,
}

impl Client {
    fn of(server: SocketAddr, user: &str) -> Self {
        let crypto = RingProvider::new();
        let mut mac = crypto
            .crypto()
            .new_hmac(HmacAlgorithm::Sha1, SECRET.as_bytes())
            .unwrap();
        let mut tag = vec![0; mac.output_len()];
        mac.sign(&[user.as_bytes()], &mut tag).unwrap();
        let password = base64(&tag);
        let realm = REALM.to_owned();
        let key = MessageIntegrity::long_term_integrity_key(
            user.to_owned(),
            realm,
            password,
            crypto.crypto(),
        );
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        Self {
            socket,
            user: user.to_owned(),
            key: key.unwrap(),
            nonce: String::new(),
        }
    }

    /// The error's code, or 0.
    fn ask(
        &mut self,
        method: Method,
        attributes: &[(AttrType, Vec<u8>)],
        peer: Option<IpAddr>,
    ) -> u16 {
        // The first answer brings the nonce.
        for _ in 0..2 {
            let crypto = RingProvider::new();
            let mut request = Message::new();
            request.new_transaction_id().unwrap();
            request.set_type(MessageType::new(method, CLASS_REQUEST));
            request.write_header();
            for (kind, value) in attributes {
                request.add(*kind, value);
            }
            if let Some(ip) = peer {
                let peer = XorMappedAddress { ip, port: 5_000 };
                peer.add_to_as(&mut request, ATTR_XOR_PEER_ADDRESS).unwrap();
            }
            let words = [
                (ATTR_USERNAME, &*self.user),
                (ATTR_REALM, REALM),
                (ATTR_NONCE, &*self.nonce),
            ];
            for (kind, word) in words {
                request.add(kind, word.as_bytes());
            }
            let integrity = MessageIntegrity::new_raw_integrity_with_provider(
                self.key.clone(),
                crypto.crypto(),
            );
            integrity.add_to(&mut request).unwrap();
            let answer = self.exchange(&request.raw);
            if answer.typ.class == CLASS_SUCCESS_RESPONSE {
                return 0;
            }
            assert!(answer.contains(ATTR_ERROR_CODE), "{answer}");
            let mut code = ErrorCodeAttribute::default();
            code.get_from(&answer).unwrap();
            if code.code.0 != 401 && code.code.0 != 438 {
                return code.code.0;
            }
            self.nonce = TextAttribute::get_from_as(&answer, ATTR_NONCE)
                .unwrap()
                .text;
        }
        panic!("the server does not take the credentials");
    }

    fn exchange(&self, request: &[u8]) -> Message {
        let mut buffer = [0; 1_500];
        for _ in 0..20 {
            self.socket.send(request).unwrap();
            if let Ok(length) = self.socket.recv(&mut buffer) {
                let mut answer = Message::new();
                answer.unmarshal_binary(&buffer[..length]).unwrap();
                assert_eq!(answer.raw[8..20], request[8..20]);
                return answer;
            }
        }
        panic!("the server does not answer");
    }

    fn allocate(&mut self, v6: bool) -> u16 {
        let udp = (ATTR_REQUESTED_TRANSPORT, vec![17, 0, 0, 0]);
        // RFC 8656 section 18.8.
        let family = (
            ATTR_REQUESTED_ADDRESS_FAMILY,
            vec![1 + u8::from(v6), 0, 0, 0],
        );
        self.ask(METHOD_ALLOCATE, &[udp, family], None)
    }

    /// What the server says to a permission and to a channel for this peer.
    fn reaches(&mut self, peer: IpAddr, channel: u16) -> [u16; 2] {
        let number = [&channel.to_be_bytes()[..], &[0, 0]].concat();
        let channel = (stun::attributes::ATTR_CHANNEL_NUMBER, number);
        [
            self.ask(METHOD_CREATE_PERMISSION, &[], Some(peer)),
            self.ask(METHOD_CHANNEL_BIND, &[channel], Some(peer)),
        ]
    }
}

const RESERVED: [&str; 32] = [
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "169.254.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.168.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
];
const PUBLIC: [&str; 6] = [
    "1.1.1.1",
    "11.0.0.1",
    "100.128.0.1",
    "172.32.0.1",
    "2606:4700::1",
    "2a00:1450::1",
];

#[test]
fn r_f8_the_configuration_of_coturn_that_comes_with_it_relays_to_no_reserved_range() {
    let server = Coturn::start_shipped(&[&format!("--static-auth-secret={SECRET}")]);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let until = now.as_secs() + 3_600;
    let mut clients = [false, true].map(|v6| {
        let mut client = Client::of(server.v4(), &format!("{until}:{v6}"));
        assert_eq!(client.allocate(v6), 0);
        client
    });
    let mut channel = 0x4000;
    let mut reaches = |peer: &str| {
        let peer: IpAddr = peer.parse().unwrap();
        channel += 1;
        clients[usize::from(peer.is_ipv6())].reaches(peer, channel)
    };
    for peer in RESERVED {
        assert_eq!(reaches(peer), [403, 403], "{peer}");
    }
    for peer in PUBLIC {
        assert_eq!(reaches(peer), [0, 0], "{peer}");
    }
    // 486: allocation quota reached (RFC 8656 section 19). The name counts, not the time before it.
    let mut held = Vec::new();
    for n in 0..=QUOTA {
        let mut client = Client::of(server.v4(), &format!("{until}:many"));
        let code = client.allocate(false);
        assert_eq!(code, if n < QUOTA { 0 } else { 486 }, "allocation {n}");
        held.push(client);
    }
}
