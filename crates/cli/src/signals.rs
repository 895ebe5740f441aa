//! SIGINT and SIGTERM: what they end, and what is freed first.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use kong_cloudtrail::lease;
use kong_cloudtrail::ports::KeyValueError;
use kong_cloudtrail::store::fault;
use kong_cloudtrail_application::key_value::swapped::Swapped;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The stores have no time-outs of their own, and whoever sent the signal waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// What asks for an end.
#[derive(Clone, Copy)]
pub enum Signal {
    Interrupt,
    Terminate,
}

impl Signal {
    /// The exit status of what it has ended, as a shell reports it.
    pub fn status(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// The first signal is for the caller. A second one ends the process where it stands: a component
/// that computes for ever can be ended in no other way.
pub struct Signals(watch::Receiver<Option<Signal>>);

impl Signals {
    /// Listens from now on. Needs a runtime of several threads.
    pub fn listen() -> Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let (first, received) = watch::channel(None);
        tokio::spawn(async move {
            loop {
                let signal = tokio::select! {
                    _ = interrupt.recv() => Signal::Interrupt,
                    _ = terminate.recv() => Signal::Terminate,
                };
                if first.send_replace(Some(signal)).is_some() {
                    std::process::exit(signal.status().into());
                }
            }
        });
        Ok(Self(received))
    }

    /// Waits for the first signal.
    pub async fn first(&self) -> Signal {
        let mut received = self.0.clone();
        match received.wait_for(Option::is_some).await.map(|signal| *signal) {
            Ok(Some(signal)) => signal,
            // Nobody listens any more: the process is at its end.
            _ => std::future::pending().await,
        }
    }
}

/// Frees the lease of what the signal has interrupted, and says what became of it.
pub async fn free(signal: Signal, swapped: &Swapped) -> ExitCode {
    let freed = tokio::time::timeout(PATIENCE, swapped.take_back(lease::is_key)).await;
    let lease = match freed {
        Ok(Ok(true)) => "its lease is freed, so that the next run can begin at once".to_owned(),
        Ok(Ok(false)) => "it held no lease".to_owned(),
        Ok(Err(error)) => {
            let why = fault::told(&KeyValueError(error.to_string()));
            format!("its lease was not freed and runs out by itself: {why}")
        }
        Err(_) => {
            let secs = PATIENCE.as_secs();
            format!("the store did not answer for {secs} s, and a lease runs out by itself")
        }
    };
    eprintln!("Interrupted by {signal}: {lease}");
    signal.status().into()
}
