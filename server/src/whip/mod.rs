//! WHIP in (RFC 9725) and WHEP out (draft-ietf-wish-whep): programs that stream, and players,
//! reach a room by one request each. The only place that speaks SDP.

mod answer;
mod bridges;
mod codecs;
mod doors;
mod fault;
mod guest;
mod offer;
mod publish;
mod section;
#[cfg(test)]
mod tests;
mod watch;
mod way;

pub(crate) use bridges::Bridges;
pub(crate) use doors::routes;
