//! A component's stdout and stderr, handed on line by line as they are printed.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// What is told of each line.
pub type OnLine = Box<dyn FnMut(&str) + Send>;

/// One of the component's two streams. Clones write to the same lines.
#[derive(Clone)]
pub struct Lines(Arc<Mutex<State>>);

struct State {
    unfinished: Vec<u8>,
    lines: Vec<String>,
    on_line: OnLine,
}

impl State {
    fn line(&mut self, bytes: &[u8]) {
        let line = String::from_utf8_lossy(bytes).into_owned();
        (self.on_line)(&line);
        self.lines.push(line);
    }
}

impl Lines {
    pub fn new(on_line: OnLine) -> Self {
        Self(Arc::new(Mutex::new(State { unfinished: Vec::new(), lines: Vec::new(), on_line })))
    }

    /// All lines, with what came after the last line break.
    pub fn take(&self) -> Vec<String> {
        let mut state = self.state();
        let rest = std::mem::take(&mut state.unfinished);
        if !rest.is_empty() {
            state.line(&rest);
        }
        std::mem::take(&mut state.lines)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, bytes: &[u8]) {
        let mut state = self.state();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                None => state.unfinished.extend_from_slice(piece),
                Some(end) => {
                    let mut line = std::mem::take(&mut state.unfinished);
                    line.extend_from_slice(end);
                    state.line(&line);
                }
            }
        }
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    // The default would write from a task of its own, and lines could come after the call's end.
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 * 1024)
    }
}

impl AsyncWrite for Lines {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn lines_come_when_they_are_whole_however_they_were_written() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let lines = Lines::new(Box::new(move |line| sink.lock().unwrap().push(line.to_owned())));
        lines.push(b"on");
        assert_eq!(*seen.lock().unwrap(), Vec::<String>::new());
        lines.push(b"e\ntwo\n\nla");
        assert_eq!(*seen.lock().unwrap(), ["one", "two", ""]);
        lines.push(b"st");
        assert_eq!(lines.take(), ["one", "two", "", "last"]);
        assert_eq!(seen.lock().unwrap().len(), 4);
    }
}
