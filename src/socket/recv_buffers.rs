//! Receive buffers, shared by all sockets of the process.

use std::sync::Mutex;

use quinn_udp::RecvMeta;

use crate::locks::lock;

/// Datagrams (each possibly a GRO train of up to 64) taken by one `recvmmsg`.
pub(super) const RECV_BATCH: usize = 16;
/// One GRO train never exceeds one IP packet's 65,535 bytes.
pub(super) const RECV_BUFFER: usize = 64 * 1024;
/// Buffers kept for reuse by the whole process; more are freed after use.
const POOL_MAX: usize = 4;

static POOL: Mutex<Vec<Buffers>> = Mutex::new(Vec::new());

pub(super) struct Buffers {
    pub(super) data: Vec<u8>,
    pub(super) meta: Vec<RecvMeta>,
}

/// Receive buffers borrowed from the process-wide pool. Hold them only while datagrams are being
/// read: an idle socket owns none.
pub(crate) struct RecvBuffers(Option<Buffers>);

impl RecvBuffers {
    pub(crate) fn checkout() -> Self {
        let pooled = lock(&POOL).pop();
        Self(Some(pooled.unwrap_or_else(|| {
            Buffers {
                // Zeroed pages cost no memory before the kernel writes to them.
                data: vec![0; RECV_BATCH * RECV_BUFFER],
                meta: vec![RecvMeta::default(); RECV_BATCH],
            }
        })))
    }

    /// `None` never: the buffers leave only on drop.
    pub(super) fn get_mut(&mut self) -> Option<&mut Buffers> {
        self.0.as_mut()
    }
}

impl Drop for RecvBuffers {
    fn drop(&mut self) {
        let mut pool = lock(&POOL);
        if pool.len() < POOL_MAX {
            pool.extend(self.0.take());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_keeps_few_buffers() {
        drop((0..10).map(|_| RecvBuffers::checkout()).collect::<Vec<_>>());
        assert!((1..=POOL_MAX).contains(&POOL.lock().unwrap().len()));
    }
}
