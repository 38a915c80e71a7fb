//! What this side has sent and heard of checks, and what may be concluded when there is no path.

use std::fmt;

/// What became of the checks since the last restart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Datagrams with checks, repetitions counted, consent checks not.
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    /// Answered by an error.
    pub(crate) refused: u64,
    /// Checks of the peer, authenticated.
    pub(crate) heard: u64,
    /// [`IceCounters`](super::IceCounters) when it began: other credentials than this session's.
    pub(super) strange_before: u64,
}

/// Why there is no path, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Diagnosis {
    ConsentLost,
    NoDescription,
    NoLocalCandidate,
    NoRemoteCandidate,
    /// All candidates of the peer name credentials that never came.
    OtherCandidates,
    /// None of the candidates go together.
    NoPair,
    /// What comes in is of another session.
    OtherCredentials,
    Refused,
    NotNominated,
    OneWay,
    Silence {
        checks: u64,
        pairs: usize,
        relay: bool,
    },
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConsentLost => "the peer stopped answering: it is gone, or the network is",
            Self::NoDescription => "the peer's description never came",
            Self::NoLocalCandidate => "no local candidate: no network, or no relay was given",
            Self::NoRemoteCandidate => "no candidate of the peer came",
            Self::OtherCandidates => {
                "the peer's candidates belong to another description than the one that came"
            }
            Self::NoPair => "no local candidate goes with one of the peer's, as IPv4 with IPv6",
            Self::OtherCredentials => {
                "what comes in has other credentials: one side has an old or foreign description"
            }
            Self::Refused => "the peer refuses the checks",
            Self::NotNominated => "checks were answered, but the peer chose no pair",
            Self::OneWay => "the peer's checks arrive, but none of ours is answered",
            Self::Silence {
                checks,
                pairs,
                relay,
            } => {
                write!(
                    f,
                    "none of {checks} checks on {pairs} pairs was answered and none of the peer's \
                     arrived: addresses or ports are wrong, or UDP is blocked on the way"
                )?;
                return f.write_str(if *relay { "" } else { "; no side has a relay" });
            }
        })
    }
}
