//! Names of browsers' candidates (`UUID.local`), asked for by multicast (RFC 6762): the system's
//! resolver often knows none. And those of this side's, answered.

mod answering;
mod ask;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod packet;
mod reply;
mod serve;

pub(super) use answering::Answering;
pub(super) use ask::find;
pub(super) use serve::interfaces;

/// A name that nobody else has: a random UUID (RFC 9562 section 5.4).
pub(super) fn new_name() -> std::sync::Arc<str> {
    let random = u128::from_be_bytes(crate::random::bytes());
    let version = (random & !(0xf << 76)) | (4 << 76);
    let hex = format!("{:032x}", (version & !(0b11 << 62)) | (0b10 << 62));
    let mut name = String::new();
    for (at, digit) in hex.chars().enumerate() {
        if [8, 12, 16, 20].contains(&at) {
            name.push('-');
        }
        name.push(digit);
    }
    (name + ".local").into()
}
