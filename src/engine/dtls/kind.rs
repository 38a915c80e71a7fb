//! Handshake types (RFC 5246 section 7.4, RFC 6347 section 4.3.2).

pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const HELLO_VERIFY_REQUEST: u8 = 3;
pub(super) const CERTIFICATE: u8 = 11;
pub(super) const SERVER_KEY_EXCHANGE: u8 = 12;
pub(super) const CERTIFICATE_REQUEST: u8 = 13;
pub(super) const SERVER_HELLO_DONE: u8 = 14;
pub(super) const CERTIFICATE_VERIFY: u8 = 15;
pub(super) const CLIENT_KEY_EXCHANGE: u8 = 16;

/// The name of a message, for the log.
pub(super) fn name(kind: u8) -> &'static str {
    match kind {
        CLIENT_HELLO => "client_hello",
        SERVER_HELLO => "server_hello",
        HELLO_VERIFY_REQUEST => "hello_verify_request",
        CERTIFICATE => "certificate",
        SERVER_KEY_EXCHANGE => "server_key_exchange",
        CERTIFICATE_REQUEST => "certificate_request",
        SERVER_HELLO_DONE => "server_hello_done",
        CERTIFICATE_VERIFY => "certificate_verify",
        CLIENT_KEY_EXCHANGE => "client_key_exchange",
        _ => "unknown",
    }
}
