//! A data channel as `Stream` and `Sink` of messages, and as a stream of bytes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::channel::RTCDataChannel;
use super::options::RTCDataChannelMessage;
use crate::error::{DataChannelCloseReason, Error, Result};

/// Bytes of one message that the byte stream makes.
const PIECE: usize = 64 * 1024;

type Sending = Pin<Box<dyn Future<Output = Result<()>> + Send + Sync>>;
type Receiving = Pin<Box<dyn Future<Output = Option<RTCDataChannelMessage>> + Send + Sync>>;

/// The messages of a channel as a `Stream`, which ends with the channel, and as a `Sink`, whose
/// closing closes the channel once all is sent. From [`RTCDataChannel::into_messages`].
pub struct RTCDataChannelMessages {
    channel: RTCDataChannel,
    receiving: Option<Receiving>,
    sending: Option<Sending>,
}

/// A channel as a stream of bytes: the borders of messages are gone. Text is taken as its bytes.
/// From [`RTCDataChannel::into_bytes_stream`].
pub struct RTCDataChannelStream {
    messages: RTCDataChannelMessages,
    /// What of the last message is unread.
    rest: Bytes,
}

impl RTCDataChannel {
    /// The channel as a `Stream` and `Sink` of whole messages.
    pub fn into_messages(self) -> RTCDataChannelMessages {
        RTCDataChannelMessages {
            channel: self,
            receiving: None,
            sending: None,
        }
    }

    /// The channel as `AsyncRead` and `AsyncWrite`, for protocols that want a stream of bytes. The
    /// channel should be ordered and reliable.
    ///
    /// Reading comes to the end of the stream where the peer, or this side, closed the channel; it
    /// is an error of kind `ConnectionAborted` where the connection ended first, since then nobody
    /// knows whether that was all.
    pub fn into_bytes_stream(self) -> RTCDataChannelStream {
        RTCDataChannelStream {
            messages: self.into_messages(),
            rest: Bytes::new(),
        }
    }

    /// Whether what was read is all that there was, now that it is over.
    fn whole(&self) -> io::Result<()> {
        match self.reason() {
            None | Some(DataChannelCloseReason::Closed | DataChannelCloseReason::RemoteClosed) => {
                Ok(())
            }
            Some(reason) => {
                let error = Error::ChannelClosed(reason);
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, error))
            }
        }
    }
}

impl RTCDataChannelMessages {
    /// The channel.
    pub fn channel(&self) -> &RTCDataChannel {
        &self.channel
    }

    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        if let Some(sending) = &mut self.sending {
            let sent = ready!(sending.as_mut().poll(context));
            self.sending = None;
            return Poll::Ready(sent);
        }
        Poll::Ready(Ok(()))
    }

    fn begin(&mut self, message: RTCDataChannelMessage) {
        let channel = self.channel.clone();
        self.sending = Some(Box::pin(async move { channel.send(message).await }));
    }

    fn poll_flushed(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_sent(context))?;
        if self.channel.is_flushed()? {
            return Poll::Ready(Ok(()));
        }
        let channel = self.channel.clone();
        self.sending = Some(Box::pin(async move { channel.flush().await }));
        self.poll_sent(context)
    }

    fn poll_closed(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_sent(context))?;
        self.channel.close();
        Poll::Ready(Ok(()))
    }
}

impl Stream for RTCDataChannelMessages {
    type Item = RTCDataChannelMessage;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.receiving.is_none() {
            if let Some(message) = this.channel.try_recv() {
                return Poll::Ready(Some(message));
            }
            let channel = this.channel.clone();
            this.receiving = Some(Box::pin(async move { channel.recv().await }));
        }
        let Some(receiving) = &mut this.receiving else {
            return Poll::Ready(None);
        };
        let message = ready!(receiving.as_mut().poll(context));
        this.receiving = None;
        Poll::Ready(message)
    }
}

impl<M: Into<RTCDataChannelMessage>> Sink<M> for RTCDataChannelMessages {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_sent(context)
    }

    fn start_send(self: Pin<&mut Self>, message: M) -> Result<()> {
        self.get_mut().begin(message.into());
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_flushed(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_closed(context)
    }
}

impl AsyncRead for RTCDataChannelStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.rest.is_empty() {
            match ready!(Pin::new(&mut this.messages).poll_next(context)) {
                Some(message) => this.rest = message.into_bytes(),
                None => return Poll::Ready(this.messages.channel.whole()),
            }
        }
        let length = this.rest.len().min(buffer.remaining());
        buffer.put_slice(this.rest.get(..length).unwrap_or_default());
        this.rest.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for RTCDataChannelStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.messages.poll_sent(context)).map_err(broken)?;
        let length = data.len().min(PIECE);
        if length == 0 {
            return Poll::Ready(Ok(0));
        }
        let piece = data.get(..length).unwrap_or_default();
        this.messages.begin(piece.into());
        // Has it queued at once if there is room.
        match this.messages.poll_sent(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(broken(error))),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(length)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .messages
            .poll_flushed(context)
            .map_err(broken)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().messages.poll_closed(context).map_err(broken)
    }
}

fn broken(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, error)
}

impl std::fmt::Debug for RTCDataChannelMessages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RTCDataChannelMessages")
            .field(&self.channel)
            .finish()
    }
}

impl std::fmt::Debug for RTCDataChannelStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RTCDataChannelStream")
            .field(&self.messages.channel)
            .finish()
    }
}
