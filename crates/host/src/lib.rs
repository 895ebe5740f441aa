//! A host for Spin timer, command and HTTP components on wasmtime, with Spin's interfaces and Spin's
//! rules: for tests, the demonstration, and one machine where Spin is not wanted.
//!
//! # What it reads
//!
//! The very files that Spin reads, by way of [`kong_cloudtrail_application`]: the manifest, a runtime
//! config, `.env`, and `SPIN_VARIABLE_*`. It takes everything as [`Options`] and looks at no
//! process-wide state, so that several applications can run side by side in one test.
//! `kong-cloudtrail up` and `once` are its command line.
//!
//! # What it imitates
//!
//! Spin 4.0.2, by its source and as observed:
//!
//! - the interfaces: WASI 0.2's command world, `wasi:http/outgoing-handler`,
//!   `fermyon:spin/key-value` and `fermyon:spin/variables` 2.0.0, `wasi:keyvalue` `store`, `atomics`
//!   and `batch` 0.2.0-draft2; both key-value interfaces reach the same stores by label;
//! - `wasi:http/incoming-handler`, and `/.well-known/spin/health`, which Spin answers by itself;
//! - a fresh instance for each call or request; the timer sleeps first, then calls, so that the period is the
//!   interval plus the call; a trap ends the timer trigger, with exit status 0;
//! - variables: templates, their sources and order, refusal at start of a required one without a
//!   value;
//! - `allowed_outbound_hosts`: checked at load with defaults, resolved at the first request, where
//!   one bad value refuses every request and the component is not told why;
//! - `[[client_tls]]` of the runtime config, HTTP/2 where the server offers it, and what the
//!   component learns of a TLS failure, which is little;
//! - the SQLite and Redis stores with their mistakes ([`kong_cloudtrail_application::key_value`]), the embedded default in
//!   `.spin/sqlite_key_value.db`, interchangeable with Spin's;
//! - `files` copied at load; the component's environment is the manifest's alone.
//!
//! # What was seen on which Spin
//!
//! `cargo xtask spin` holds Spin to the tests that the host is held to. Where a Spin was tried by hand,
//! the table says so; where it is otherwise than the host, it says how. An empty place was not seen.
//!
//! | | Spin 4.0.2 | Spin 3.6.3 |
//! | --- | --- | --- |
//! | the key-value interfaces, row by row as in `tests/conformance` | alike, by hand | alike, by hand |
//! | the whole job on SQLite and Redis, and the runs after it | alike | alike, ten scenarios by hand |
//! | a missing variable, `allowed_outbound_hosts`, mistakes in the variables | alike | |
//! | `[[client_tls]]`: private, wrong and missing authority, client certificates | alike | `ca_use_platform_roots` is refused, `ca_use_webpki_roots` is true where `ca_roots_file` is absent |
//! | a `ca_roots_file` without PEM | refused at the start, alike | starts, and every handshake fails |
//! | https without `[[client_tls]]` | the system's authorities and the public web's, alike | the public web's alone |
//! | `rediss://` with the system's authorities, a user with few rights | alike | |
//! | a Redis that cannot be opened | reported after 5 to 10 minutes, here after seconds | |
//! | the command trigger's exit statuses | alike | |
//! | a trap under the timer | alike: status 0 | |
//! | 601 open stores in one call | alike | alike, by hand |
//! | SIGKILL in mid-run, and the next run | alike | |
//! | SIGINT in mid-run | the lease stays until it runs out; here it is freed | |
//! | stores that refuse writes: a demoted Redis, rights, memory, disks | alike | |
//! | token files with `--direct-mounts` | alike; a relative `source` is refused here, below | |
//! | what Spin says at its start | on stderr, alike | on stdout |
//!
//! # Where it differs, on purpose
//!
//! - It runs one component of one timer, command or HTTP trigger, from a local file; other triggers in
//!   the manifest are named on stderr and left alone. Inline components, composed dependencies,
//!   remote sources and manifest version 1 are refused.
//! - The component's stdout and stderr are told line by line; no log file is written.
//! - A call can be interrupted, and says what it had swapped in, so that a lease can be given back.
//! - Each HTTP request has a connection of its own (Spin pools). On systems other than Linux the
//!   platform's authorities are read as a list, not asked for a verdict.
//! - `[outbound_networking]` and variable providers other than those above are refused in the
//!   runtime config, not ignored.
//! - Redis over TLS is checked by rustls, not by the system's library: of `SSL_CERT_FILE` and
//!   `SSL_CERT_DIR` the one that is set counts alone.
//! - No raw sockets: `wasi:sockets` is there and denies everything. No call to the application's
//!   own address, no service chaining.
//! - With `--direct-mounts` a relative `source` in `files` is refused: Spin looks for it beside the
//!   manifest, then mounts the folder of that path from the current folder.
//! - A malformed `.env` file is refused at load (Spin reports it at each use).
//! - Where Spin's SQLite store panics (`increment` on a value that it did not write), the component
//!   traps.
//! - Of an HTTP component it serves the route `/...` alone, over HTTP/1.1 without TLS, and without the
//!   headers that Spin adds to a request.
//! - Messages are its own. None holds a variable's value or a store's URL (invariant 7).
//!
//! # Use
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use kong_cloudtrail_host::{App, Line, Options, application};
//!
//! let application =
//!     application::Options { manifest: "spin.toml".into(), ..application::Options::default() };
//! let app = App::load(Options { application, ..Options::default() })?;
//! let outcome = app.tick().await?;
//! println!("{} in {:?}, {} bytes", outcome.outcome(), outcome.elapsed, outcome.peak_memory);
//!
//! // With progress: lines as they are printed.
//! app.call(app.entry(), |line| {
//!     if let Line::Stdout(line) = line {
//!         println!("{line}");
//!     }
//! })
//! .await?;
//! # Ok(())
//! # }
//! ```

mod allowed_hosts;
mod app;
mod bindings;
mod client_tls;
mod files;
mod handles;
mod http;
mod https;
mod instance;
mod lines;
mod serve;

pub use app::{App, Call, Ending, Entry, Line, Options, Outcome, report};
pub use kong_cloudtrail_application::{self as application, Sources, key_value};
