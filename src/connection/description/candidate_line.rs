//! The candidate line of RFC 8839 section 5.1, for peers that speak it.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::fmt::Write as _;
use std::str::FromStr;

use super::candidate::{RTCIceCandidateDescription, is_foundation};
use crate::error::{Error, Result};
use crate::json;

/// Longer lines are refused.
const MAX_LINE: usize = 2048;

impl RTCIceCandidateDescription {
    /// Reads a candidate line as browsers signal it, with or without `a=` and `candidate:`.
    /// Unknown extensions are ignored.
    ///
    /// # Errors
    /// `InvalidParameters`: not the grammar of RFC 8839 section 5.1. The empty line, which some
    /// APIs use for the end of candidates, is not a candidate either.
    pub fn parse_candidate_line(line: &str) -> Result<Self> {
        if line.trim().is_empty() {
            return Err(Error::invalid_parameters(
                "an empty candidate is the end of candidates, which is none: nothing is to be set",
            ));
        }
        parse(line).ok_or_else(|| match json::foreign_text(line) {
            Some(foreign) => Error::invalid_parameters(format!("{foreign}; wanted is a candidate")),
            None => Error::invalid_parameters("malformed candidate line"),
        })
    }

    /// The candidate line of RFC 8839 section 5.1, without `a=`.
    ///
    /// # Errors
    /// `InvalidParameters`: a member cannot be written in that grammar.
    pub fn to_candidate_line(&self) -> Result<String> {
        let optional = [&self.rel_address, &self.tcp_type, &self.username_frag];
        let tokens = [&self.transport, &self.connection_address, &self.typ];
        let token = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        let fits = is_foundation(&self.foundation)
            && self.component <= 999
            && tokens.into_iter().all(|text| token(text))
            && optional.into_iter().flatten().all(|text| token(text));
        if !fits {
            return Err(Error::invalid_parameters(
                "the candidate cannot be written as a line",
            ));
        }
        let mut line = format!(
            "candidate:{} {} {} {} {} {} typ {}",
            self.foundation,
            self.component,
            self.transport,
            self.priority,
            self.connection_address,
            self.connection_port,
            self.typ
        );
        // RFC 8839 section 5.1: related addresses must be present for all but host candidates,
        // 0.0.0.0 or ::, and 9, stand for one that is not disclosed.
        let hidden = if self.connection_address.contains(':') {
            "::"
        } else {
            "0.0.0.0"
        };
        let derived = matches!(self.typ.as_str(), "srflx" | "prflx" | "relay");
        let related =
            (derived || self.rel_address.is_some() || self.rel_port.is_some()).then(|| {
                let address = self.rel_address.as_deref().unwrap_or(hidden);
                (address, self.rel_port.unwrap_or(9))
            });
        // Writing to a String cannot fail.
        if let Some((address, port)) = related {
            let _ = write!(line, " raddr {address} rport {port}");
        }
        if let Some(tcp_type) = &self.tcp_type {
            let _ = write!(line, " tcptype {tcp_type}");
        }
        if let Some(username_frag) = &self.username_frag {
            let _ = write!(line, " ufrag {username_frag}");
        }
        Ok(line)
    }
}

impl FromStr for RTCIceCandidateDescription {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        Self::parse_candidate_line(line)
    }
}

fn parse(line: &str) -> Option<RTCIceCandidateDescription> {
    if line.len() > MAX_LINE {
        return None;
    }
    let line = line.trim();
    let line = line.strip_prefix("a=").unwrap_or(line);
    let line = line.strip_prefix("candidate:").unwrap_or(line);
    let mut tokens = line.split_ascii_whitespace();
    let mut next = || tokens.next();
    let foundation = next().filter(|text| is_foundation(text))?.to_owned();
    let mut description = RTCIceCandidateDescription {
        foundation,
        component: number(next()?)?,
        transport: next()?.to_owned(),
        priority: number(next()?)?,
        connection_address: next()?.to_owned(),
        connection_port: u16::try_from(number(next()?)?).ok()?,
        typ: {
            next().filter(|text| *text == "typ")?;
            next()?.to_owned()
        },
        rel_address: None,
        rel_port: None,
        tcp_type: None,
        socket_id: None,
        username_frag: None,
    };
    while let Some(name) = tokens.next() {
        let value = tokens.next()?;
        match name {
            "raddr" => description.rel_address = Some(value.to_owned()),
            "rport" => description.rel_port = Some(u16::try_from(number(value)?).ok()?),
            "tcptype" => description.tcp_type = Some(value.to_owned()),
            "ufrag" => description.username_frag = Some(value.to_owned()),
            _ => {}
        }
    }
    Some(description)
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}
