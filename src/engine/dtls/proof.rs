//! What a signature of the handshake proves, looked at before rtc-dtls may see the messages: it
//! cannot take one back.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use ring::signature as ring;

/// The public key of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key<'a> {
    pub(super) kind: KeyKind,
    /// The subjectPublicKey (RFC 5280 section 4.1.2.7), without the octet of unused bits.
    pub(super) bytes: &'a [u8],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyKind {
    P256,
    P384,
    Ed25519,
    Rsa { bits: usize },
    Other(&'static str),
}

impl KeyKind {
    /// Whether a signature with it can be verified.
    pub(super) fn is_supported(&self) -> bool {
        match self {
            Self::P256 | Self::P384 | Self::Ed25519 => true,
            Self::Rsa { bits } => (2048..=8192).contains(bits),
            Self::Other(_) => false,
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::P256 => "ECDSA P-256".to_owned(),
            Self::P384 => "ECDSA P-384".to_owned(),
            Self::Ed25519 => "Ed25519".to_owned(),
            Self::Rsa { bits } => format!("RSA {bits}"),
            Self::Other(name) => (*name).to_owned(),
        }
    }
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT: u8 = 0x06;
/// The version of a TBSCertificate, `[0] EXPLICIT`.
const VERSION: u8 = 0xa0;

/// One DER value: its tag, its content, and what follows it.
fn value(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&[length], rest) = rest.split_first_chunk()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (&length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(length)), rest)
        }
        0x83 => {
            let (&[a, b, c], rest) = rest.split_first_chunk()?;
            (u32::from_be_bytes([0, a, b, c]) as usize, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn expect(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = value(der)?;
    (tag == wanted).then_some((content, rest))
}

/// The public key of an X.509 certificate in DER (RFC 5280 section 4.1); `None` if it is none.
pub(super) fn key(certificate: &[u8]) -> Option<Key<'_>> {
    let (certificate, _) = expect(certificate, SEQUENCE)?;
    let (mut rest, _) = expect(certificate, SEQUENCE)?;
    if let Some((_, behind)) = expect(rest, VERSION) {
        rest = behind;
    }
    (_, rest) = expect(rest, INTEGER)?;
    // Signature algorithm, issuer, validity, subject.
    for _ in 0..4 {
        (_, rest) = expect(rest, SEQUENCE)?;
    }
    let (info, _) = expect(rest, SEQUENCE)?;
    let (algorithm, info) = expect(info, SEQUENCE)?;
    let (bits, _) = expect(info, BIT_STRING)?;
    let (&0, bytes) = bits.split_first()? else {
        return None;
    };
    let (algorithm, parameters) = expect(algorithm, OBJECT)?;
    let kind = match algorithm {
        // rsaEncryption (RFC 3279 section 2.3.1).
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01] => {
            let (modulus, _) = expect(expect(bytes, SEQUENCE)?.0, INTEGER)?;
            KeyKind::Rsa {
                bits: bit_length(modulus),
            }
        }
        // id-ecPublicKey and the curves of RFC 5480 section 2.1.1.1.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01] => match value(parameters)? {
            (OBJECT, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], _) => KeyKind::P256,
            (OBJECT, [0x2b, 0x81, 0x04, 0x00, 0x22], _) => KeyKind::P384,
            (OBJECT, [0x2b, 0x81, 0x04, 0x00, 0x23], _) => KeyKind::Other("ECDSA P-521"),
            (OBJECT, _, _) => KeyKind::Other("ECDSA key on an unknown curve"),
            _ => KeyKind::Other("ECDSA key on a curve without a name"),
        },
        // RFC 8410 section 3.
        [0x2b, 0x65, 0x70] => KeyKind::Ed25519,
        [0x2b, 0x65, 0x71] => KeyKind::Other("Ed448"),
        // id-RSASSA-PSS (RFC 4055 section 3.1).
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a] => KeyKind::Other("RSA-PSS"),
        [0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01] => KeyKind::Other("DSA"),
        _ => KeyKind::Other("key of an unknown kind"),
    };
    Some(Key { kind, bytes })
}

fn bit_length(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = number.get(zeros..).unwrap_or_default();
    let unused = digits
        .first()
        .map_or(0, |first| first.leading_zeros() as usize);
    digits.len().saturating_mul(8).saturating_sub(unused)
}

/// The first certificate of a Certificate message (RFC 5246 section 7.4.2).
pub(super) fn leaf(body: &[u8]) -> Option<&[u8]> {
    let length = |&[a, b, c]: &[u8; 3]| u32::from_be_bytes([0, a, b, c]) as usize;
    let (list, rest) = body.split_first_chunk::<3>()?;
    let list = rest.get(..length(list))?;
    let (first, list) = list.split_first_chunk::<3>()?;
    list.get(..length(first))
}

/// A hash and a signature function (RFC 5246 section 7.4.1.4.1), and a signature with them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed<'a> {
    algorithm: [u8; 2],
    pub(super) signature: &'a [u8],
}

fn signed(bytes: &[u8]) -> Option<Signed<'_>> {
    let (algorithm, rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    Some(Signed {
        algorithm: *algorithm,
        signature: rest.get(..usize::from(u16::from_be_bytes(*length)))?,
    })
}

/// A ServerKeyExchange: the parameters that it signs, and the signature (RFC 8422 section 5.4).
pub(super) fn key_exchange(body: &[u8]) -> Option<(&[u8], Signed<'_>)> {
    let (&[curve_type, _, _, length], _) = body.split_first_chunk::<4>()?;
    let (parameters, rest) = body.split_at_checked(usize::from(length).checked_add(4)?)?;
    const NAMED_CURVE: u8 = 3;
    (curve_type == NAMED_CURVE).then_some(())?;
    Some((parameters, signed(rest)?))
}

/// A CertificateVerify (RFC 5246 section 7.4.8).
pub(super) fn certificate_verify(body: &[u8]) -> Option<Signed<'_>> {
    signed(body)
}

/// Whether the holder of `key` signed `message`.
pub(super) fn verify(key: &Key<'_>, message: &[u8], signed: &Signed<'_>) -> bool {
    let [hash, signature] = signed.algorithm;
    let algorithm: &dyn ring::VerificationAlgorithm = match (&key.kind, signature, hash) {
        (KeyKind::P256, 3, 4) => &ring::ECDSA_P256_SHA256_ASN1,
        (KeyKind::P256, 3, 5) => &ring::ECDSA_P256_SHA384_ASN1,
        (KeyKind::P384, 3, 4) => &ring::ECDSA_P384_SHA256_ASN1,
        (KeyKind::P384, 3, 5) => &ring::ECDSA_P384_SHA384_ASN1,
        (KeyKind::Rsa { .. }, 1, 4) => &ring::RSA_PKCS1_2048_8192_SHA256,
        (KeyKind::Rsa { .. }, 1, 5) => &ring::RSA_PKCS1_2048_8192_SHA384,
        (KeyKind::Rsa { .. }, 1, 6) => &ring::RSA_PKCS1_2048_8192_SHA512,
        // RFC 8422 section 5.1.3: ed25519 is 0x0807.
        (KeyKind::Ed25519, 7, 8) => &ring::ED25519,
        _ => return false,
    };
    ring::UnparsedPublicKey::new(algorithm, key.bytes)
        .verify(message, signed.signature)
        .is_ok()
}
