//! Passwords of rooms: a server keeps what one can be verified with, and never the password.

use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use tokio::sync::Semaphore;

use super::seal::random;
use crate::room::Refusal;
use crate::signalling::ErrorCode;

/// So many passwords are looked at together: each takes 19 MiB and some of a core's time.
const AT_ONCE: usize = 2;
/// So many more wait.
const WAITING: usize = 64;
/// The longest password.
const MAX_PASSWORD: usize = 256;

#[derive(Debug)]
pub(crate) struct Passwords {
    turns: Semaphore,
    waiting: AtomicUsize,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(AT_ONCE),
            waiting: AtomicUsize::new(0),
        }
    }
}

fn unavailable() -> Refusal {
    Refusal::new(
        ErrorCode::Unavailable,
        "too many passwords wait to be looked at; try again in some seconds",
    )
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Passwords {
    /// What a password can be verified with.
    pub(crate) async fn verifier(&self, password: String) -> Result<String, Refusal> {
        if password.is_empty() || password.len() > MAX_PASSWORD {
            return Err(Refusal::new(
                ErrorCode::BadPassword,
                format!("a password has from 1 to {MAX_PASSWORD} bytes"),
            ));
        }
        let made = self.in_turn(move || {
            let salt = SaltString::encode_b64(&random::<16>()).ok()?;
            let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
            hash.ok().map(|hash| hash.to_string())
        });
        made.await?.ok_or_else(unavailable)
    }

    /// Whether it is the right password.
    pub(crate) async fn verify(&self, password: String, verifier: String) -> Result<bool, Refusal> {
        if password.len() > MAX_PASSWORD {
            return Ok(false);
        }
        self.in_turn(move || {
            PasswordHash::new(&verifier).is_ok_and(|hash| {
                Argon2::default()
                    .verify_password(password.as_bytes(), &hash)
                    .is_ok()
            })
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= WAITING.saturating_add(AT_ONCE) {
            return Err(unavailable());
        }
        let _turn = self.turns.acquire().await.map_err(|_| unavailable())?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| unavailable())
    }
}
