//! Who may come, and as what.

use std::net::IpAddr;

use ortc_rooms::desk::Admission;
use ortc_rooms::room::Refusal;
use ortc_rooms::signalling::{ErrorCode, Hello, Role};

use crate::site::Site;
use crate::tokens::Claims;

/// What the desk is to know of who says hello.
///
/// # Errors
///
/// [`Refusal`] if the token is not good, or one is wanted.
pub(crate) fn admit(site: &Site, hello: &Hello, from: IpAddr) -> Result<Admission, Refusal> {
    let hooked = site.hooks.on_connect(hello, from);
    hooked.map_err(|words| Refusal::new(ErrorCode::NotAllowed, words))?;
    // Who was let in once comes back by what `welcome` gave, whatever became of the token.
    match &hello.token {
        Some(token) => match site.tokens.check(token) {
            Ok(claims) => Ok(admission(claims)),
            Err(_) if hello.resume.is_some() => Ok(Admission::returning()),
            Err(error) => Err(Refusal::new(ErrorCode::BadToken, error.to_string())),
        },
        None if site.config.token_required && hello.resume.is_some() => Ok(Admission::returning()),
        None if site.config.token_required => {
            let words = "this server wants a token, which its operator or an invitation gives";
            Err(Refusal::new(ErrorCode::BadToken, words))
        }
        None if site.config.roles_free => Ok(Admission::open(hello)),
        // All but an admin's rights may be taken: they are none.
        None => match hello.role {
            Some(Role::Admin) => Err(Refusal::new(
                ErrorCode::NotAllowed,
                "an admin needs a token here; with the server's setting `roles_free` it does not",
            )),
            role => Ok(Admission::new(role.unwrap_or_default())),
        },
    }
}

fn admission(claims: Claims) -> Admission {
    let rooms = claims.only();
    let admission = Admission::new(claims.role);
    let admission = match claims.sub {
        Some(userid) => admission.with_userid(userid),
        None => admission,
    };
    match rooms {
        Some(rooms) => admission.with_rooms(rooms),
        None => admission,
    }
}
