//! A Kong Gateway control plane's Admin API, as far as the audit log is concerned.
//!
//! It answers as Kong's documentation says for the version that [`Options::version`] names. The
//! sources of the rules stand with them: [`version`] for what differs between versions, `options`
//! for settings, [`page`] for paging, filters and their refusals, `api` for other refusals, `entry`
//! for the shape of entries, `trail` for order and expiry.
//!
//! What is likely, and not confirmed by anything that Kong publishes:
//! - The upgrade that brings `request_timestamp` to object entries leaves 1 in those that are there.
//!   [`Leaves`] has null as well.
//! - From 3.10 on Kong may take dates as RFC 3339 alone: see [`Dates`].
//! - The licence is asked for by the audit log, and not by `GET /`.
//!
//! Choices where the documentation is silent:
//! - Before `/audit/objects` had an order, and before `/audit/requests` had, entries come by a number
//!   drawn for each: in no order that tells a reader anything, and the same on every page.
//! - Before 3.9.0.0, `next` of `/audit/requests` was "incorrect" with filters, the changelog says no
//!   more. Here it lacks the filters, so that who follows it reads on beyond the window.
//! - Entries go at the second in which their `ttl` runs out, and do not come back when the clock is
//!   set back. (A real Kong purges on insert, so entries may outlive their `ttl`.)
//! - The backlog is spread over [`Options::span_days`], yet over no more than 29/30 of the time for
//!   which Kong keeps records, so that it does not shrink while a test looks at it.
//! - Entries added as they stand are returned byte for byte, their `ttl` included, and whatever an
//!   upgrade leaves for their time.
//! - A Kong without a database holds nothing, also of what is added to it.
//! - `audit_log_ignore_paths` are shown by `GET /`; what they would leave out was never generated.

mod activity;
mod api;
mod bad;
mod change;
mod control;
mod entry;
mod options;
pub mod page;
mod root;
mod state;
mod trail;
pub mod version;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::bad::{BadRow, Flaw};
pub use self::options::{
    Configuration, Database, Leaves, Node, Options, Rbac, Role, Shape, Upgrade,
};
pub use self::page::{Dates, EmptyList, Endless};
use self::state::State;
use self::version::Version;
use crate::fault::Rule;
use crate::server::Server;
use crate::tls::Acceptor;

/// One of Kong's two audit streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// `/audit/requests`
    Requests,
    /// `/audit/objects`
    Objects,
}

/// What goes wrong with this Kong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Faults of single calls. Paths in them include [`Options::admin_path`].
    pub rules: Vec<Rule>,
    /// The licence is missing or has expired, so the audit log is refused. `GET /` likely answers
    /// all the same.
    pub licence_missing: bool,
    /// Paths that the token's user may not read, such as `/` or `/audit/objects`.
    pub no_permission: Vec<String>,
    /// Rows with which something is wrong.
    pub bad_rows: Vec<BadRow>,
    /// A proxy before Kong answers 504 for a page of more rows.
    pub most_rows: Option<usize>,
    /// Offsets that lead on for ever.
    pub endless: Option<Endless>,
}

/// What the simulator holds and has been asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Kong's clock, in Unix seconds.
    pub now: i64,
    /// Request entries retained.
    pub requests: usize,
    /// Object entries retained.
    pub objects: usize,
    /// Calls by path, those that faults struck included.
    pub calls: BTreeMap<String, u64>,
}

/// A Kong that runs until it is dropped.
pub struct Simulator {
    state: Arc<State>,
    server: Server,
}

impl Simulator {
    /// Starts a Kong.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the TLS settings do not go together.
    pub fn start(options: Options) -> io::Result<Self> {
        let listen = options.listen;
        let tls = options.tls.as_ref().map(Acceptor::new).transpose()?;
        let state = Arc::new(State::new(options));
        let server = Server::start(listen, api::router(&state), tls)?;
        Ok(Self { state, server })
    }

    /// The origin of the Admin API, `http://ip:port` or `https://ip:port`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What it holds and has been asked.
    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// Adds entries of fresh believable activity, stamped now.
    pub fn add_activity(&self, requests: u32, objects: u32) {
        self.state.add_activity(requests, objects);
    }

    /// Adds entries as they stand: any JSON objects.
    pub fn add_entries(&self, stream: Stream, entries: impl IntoIterator<Item = impl Serialize>) {
        let entries = entries
            .into_iter()
            .filter_map(|entry| serde_json::value::to_raw_value(&entry).ok())
            .collect();
        self.state.add_entries(stream, entries);
    }

    /// The retained entries as Kong would show them, oldest first, from the `from`th on.
    pub fn entries(&self, stream: Stream, from: usize, limit: usize) -> Vec<serde_json::Value> {
        serde_json::from_slice(&self.state.entries(stream, from, limit)).unwrap_or_default()
    }

    /// The ids of all retained entries, oldest first: `request_id` or `id`, empty where an entry
    /// has none.
    pub fn ids(&self, stream: Stream) -> Vec<String> {
        self.state.ids(stream)
    }

    /// Replaces the faults.
    pub fn set_faults(&self, faults: Faults) {
        self.state.set_faults(faults);
    }

    /// Turns it into another version, over the same database. What object entries that were there
    /// show for their `request_timestamp` where the older version had none is for `leaves` to say.
    pub fn upgrade(&self, to: Version, leaves: Leaves) {
        self.state.upgrade(to, leaves);
    }

    /// Sets Kong's `audit_log_record_ttl`, in seconds, as a restart with another one would: what is
    /// there keeps the expiry that it was written with.
    pub fn set_record_ttl(&self, secs: u32) {
        self.state.set_record_ttl(secs);
    }

    /// Sets Kong's clock to the system's plus `offset_secs`.
    pub fn set_clock(&self, offset_secs: i64) {
        self.state.front.clock.set_offset(offset_secs);
    }
}
