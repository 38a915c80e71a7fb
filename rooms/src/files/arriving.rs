//! What comes from the sender, in the order that it has to have.

use bytes::Bytes;
use ortc::RTCDataChannelMessage;

use super::assembly::Assembly;
use super::channel::FileChannel;
use super::error::{Code, Error, Result};
use super::hash::{Hash, block_size, blocks};
use super::message::{Message, PIECE};
use super::receiver::{Current, Phase, Receiving, WINDOW};
use super::writer::Job;

impl<C: FileChannel> Receiving<C> {
    /// What the sender says.
    ///
    /// # Errors
    ///
    /// What ends the transfer.
    pub(super) fn take(&mut self, message: RTCDataChannelMessage) -> Result<()> {
        let text = match message {
            RTCDataChannelMessage::Binary(data) => return self.piece(data),
            RTCDataChannelMessage::Text(text) => text,
        };
        let wanted = self.phase == Phase::Normal;
        match Message::read(&text)? {
            Message::Pause { on } => {
                let [_, there] = &mut self.paused;
                *there = on;
                self.show_state();
            }
            Message::Cancel {} => return Err(Error::said(Code::Cancelled, "cancelled")),
            Message::Failed {
                file: None,
                code,
                message,
            } => return Err(Error::said(code, &message)),
            Message::Reset {} if self.phase == Phase::Resetting => {
                self.phase = Phase::Rewinding;
                let dropped = self.assembly.take().map_or(0, |assembly| assembly.have());
                self.took = self.took.saturating_add(dropped as u64);
                self.current = None;
                self.begun = 0;
                self.job(Job::Rewind);
            }
            Message::Begin { file, from } if wanted => self.begin(file, from)?,
            Message::Block { index, size, hash } if wanted => self.block(index, size, hash)?,
            Message::End { hash } if wanted => self.end(hash)?,
            Message::Failed {
                file: Some(file),
                code,
                message,
            } if wanted => self.file_failed(file, Error::said(code, &message))?,
            Message::Begin { .. }
            | Message::Block { .. }
            | Message::End { .. }
            | Message::Failed { .. } => {}
            _ => return Err(Error::malformed("what no sender says now")),
        }
        Ok(())
    }

    fn begin(&mut self, file: u32, from: u64) -> Result<()> {
        if self.current.is_some() || self.asked.get(self.begun) != Some(&file) {
            return Err(Error::malformed("a file out of turn"));
        }
        self.begun = self.begun.saturating_add(1);
        let size = self.manifest.file(file)?.size;
        self.current = Some(Current {
            file,
            size,
            next: from,
        });
        self.job(Job::Begin { file, from });
        Ok(())
    }

    fn block(&mut self, index: u64, size: u32, hash: Hash) -> Result<()> {
        let current = self.current.as_mut().filter(|_| self.assembly.is_none());
        let current = current.filter(|current| {
            current.next == index && size > 0 && u64::from(size) == block_size(current.size, index)
        });
        let current = current.ok_or_else(|| Error::malformed("a block out of turn"))?;
        current.next = current.next.saturating_add(1);
        self.assembly = Some(Assembly::new(size as usize, hash));
        Ok(())
    }

    fn piece(&mut self, data: Bytes) -> Result<()> {
        let bytes = data.len() as u64;
        self.received = self.received.saturating_add(bytes);
        if data.len() > PIECE || self.received.saturating_sub(self.told) > WINDOW {
            return Err(Error::malformed("more than was asked for"));
        }
        if self.phase != Phase::Normal {
            // What was on its way when the reset was said, and no more.
            if self.received.saturating_sub(self.reset_at) > WINDOW {
                return Err(Error::malformed("more of what is not wanted"));
            }
            self.took = self.took.saturating_add(bytes);
            self.tell(false);
            return Ok(());
        }
        let assembly = self.assembly.as_mut();
        let assembly = assembly.ok_or_else(|| Error::malformed("bytes of no block"))?;
        if !assembly.add(data) {
            return Err(Error::malformed("a block that is too long"));
        }
        if let Some(complete) = self.assembly.take_if(|assembly| assembly.is_complete()) {
            let hash = complete.hash;
            let pieces = complete.into_pieces();
            self.job(Job::Block { hash, pieces });
        }
        Ok(())
    }

    fn end(&mut self, hash: Hash) -> Result<()> {
        let current = self
            .current
            .take()
            .filter(|current| self.assembly.is_none() && current.next == blocks(current.size));
        current.ok_or_else(|| Error::malformed("an end too early"))?;
        self.job(Job::End { hash });
        Ok(())
    }

    /// The sender has no more of it.
    fn file_failed(&mut self, file: u32, error: Error) -> Result<()> {
        let at = match self.current.take() {
            Some(current) if current.file == file => self.begun.saturating_sub(1),
            Some(_) => return Err(Error::malformed("the end of another file")),
            None => self.begun,
        };
        if self.asked.get(at) != Some(&file) {
            return Err(Error::malformed("the end of another file"));
        }
        self.asked.remove(at);
        self.begun = at;
        let dropped = self.assembly.take().map_or(0, |assembly| assembly.have());
        self.took = self.took.saturating_add(dropped as u64);
        self.job(Job::GiveUp(file));
        self.file_done(file, None, Err(error));
        Ok(())
    }
}
