//! Why a stream ended.

use crate::socket::ice_server::IceServerErrorKind;

/// The kind, and details for people.
pub(in crate::socket) type End = (IceServerErrorKind, String);
