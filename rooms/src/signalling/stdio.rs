//! Lines of text as a transport for [`Broadcast`](super::broadcast::Broadcast): standard input and
//! output, to be copied and pasted or piped, or any other reader and writer.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
};
use tokio::sync::mpsc;

/// Lines that were read and wait.
const WAITING: usize = 64;
/// The most bytes of a line; what is longer ends the transport.
const MAX_LINE: u64 = 256 * 1024;

/// A transport of lines.
#[derive(Debug)]
pub struct Lines {
    incoming: mpsc::Receiver<String>,
    outgoing: mpsc::UnboundedSender<String>,
}

impl Lines {
    /// Reads lines here and writes them there. Within a tokio runtime.
    pub fn new(
        reader: impl AsyncBufRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let (read, incoming) = mpsc::channel(WAITING);
        let (outgoing, written) = mpsc::unbounded_channel();
        tokio::spawn(read_lines(reader, read));
        tokio::spawn(write_lines(writer, written));
        Self { incoming, outgoing }
    }

    /// Standard input and output.
    pub fn stdio() -> Self {
        Self::new(BufReader::new(tokio::io::stdin()), tokio::io::stdout())
    }
}

async fn read_lines(mut reader: impl AsyncBufRead + Unpin, lines: mpsc::Sender<String>) {
    loop {
        let mut line = String::new();
        let read = (&mut reader).take(MAX_LINE).read_line(&mut line).await;
        if !matches!(read, Ok(1..)) || !line.ends_with('\n') {
            return;
        }
        if lines.send(line.trim_end().to_owned()).await.is_err() {
            return;
        }
    }
}

async fn write_lines(
    mut writer: impl AsyncWrite + Unpin,
    mut lines: mpsc::UnboundedReceiver<String>,
) {
    while let Some(line) = lines.recv().await {
        let text = format!("{line}\n");
        if writer.write_all(text.as_bytes()).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}

impl Stream for Lines {
    type Item = String;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<String>> {
        self.incoming.poll_recv(cx)
    }
}

impl Sink<String> for Lines {
    type Error = Infallible;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, line: String) -> Result<(), Infallible> {
        // Who does not read any more ends the stream, which is seen there.
        let _ = self.outgoing.send(line);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}
