//! ICE (RFC 8445, 8838, 8863) without I/O.

pub(crate) mod candidate;

pub(crate) use candidate::{Candidate, CandidateKind};
