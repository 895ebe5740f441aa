//! An application: loaded and compiled once, called as often as wanted.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use kong_cloudtrail_application::key_value::Managers;
use kong_cloudtrail_application::key_value::swapped::Swapped;
use kong_cloudtrail_application::manifest::{Manifest, Trigger};
use kong_cloudtrail_application::{self as application, Application, Variables};
use wasmtime::component::{Component, InstancePre, ResourceTable};
use wasmtime::{Cache, CacheConfig, Config, Engine, Store};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx};
use wasmtime_wasi_http::WasiHttpCtx;

use crate::allowed_hosts;
use crate::client_tls::ClientTls;
use crate::files::{self, Mounts};
use crate::handles::KeyValue;
use crate::http::Outbound;
use crate::instance::{ComponentVariables, Instance, Memory, linker};
use crate::lines::Lines;

/// What to load, and how.
#[derive(Default)]
pub struct Options {
    /// The application's files, variables and stores.
    pub application: application::Options,
    /// Where compiled components are kept between processes; wasmtime's own cache folder, as with
    /// Spin, unless set.
    pub cache_dir: Option<PathBuf>,
    /// The component sees the folders in `files` themselves, not copies made at load.
    pub direct_mounts: bool,
}

/// What of the component is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `handle-timer-request`, as Spin's timer trigger calls it.
    Timer,
    /// `wasi:cli/run`, as Spin's command trigger calls it.
    Command,
    /// `wasi:http/incoming-handler`, which [`App::serve`] calls.
    Http,
}

/// A line that the component printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// On its stdout.
    Stdout(&'a str),
    /// On its stderr.
    Stderr(&'a str),
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It returned; `wasi:cli/run` returned ok.
    Returned,
    /// The component exited with a status other than 0.
    Failed,
    /// `wasi:cli/run` returned an error. That is a failure too, but not to every host: Spin's
    /// command trigger up to 0.5.3 drops it and succeeds.
    ReturnedError,
    /// It trapped, with wasmtime's message.
    Trapped(String),
}

/// What became of a call that could be interrupted.
pub enum Call<T> {
    /// It came to its end.
    Ended(Outcome),
    /// By what it was given up before, and what it had swapped in.
    Interrupted(T, Arc<Swapped>),
}

/// What a call did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// The last stdout line that is a report: a JSON object with `"event":"run"`.
    pub report: Option<serde_json::Value>,
    /// All stdout lines.
    pub stdout: Vec<String>,
    /// All stderr lines.
    pub stderr: Vec<String>,
    /// The most linear memory that the component held, in bytes.
    pub peak_memory: usize,
    /// How long it took, instantiation included.
    pub elapsed: Duration,
}

impl Outcome {
    /// The report's `outcome`; empty without a report.
    pub fn outcome(&self) -> &str {
        self.report.as_ref().and_then(|report| report["outcome"].as_str()).unwrap_or_default()
    }
}

/// The report in `line`, if it is one.
pub fn report(line: &str) -> Option<serde_json::Value> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    (value["event"] == "run").then_some(value)
}

/// A loaded application.
pub struct App {
    manifest: Manifest,
    component: InstancePre<Instance>,
    exports_timer: bool,
    variables: Arc<Variables>,
    stores: Arc<Managers>,
    allowed_hosts: Arc<[String]>,
    tls: Arc<ClientTls>,
    files: Mounts,
    max_memory: Option<usize>,
}

impl App {
    /// Reads the application and its component, checks what Spin checks at load, and compiles the
    /// component: seconds the first time, milliseconds when the cache holds it.
    pub fn load(options: Options) -> Result<Self> {
        let Application { manifest, root, variables, stores, runtime_config } =
            Application::read(options.application)?;
        variables.require_all()?;
        let tls = ClientTls::configured(&runtime_config, &manifest.component_id)?;
        allowed_hosts::check(&manifest.component.allowed_outbound_hosts, &variables)?;
        let files = if options.direct_mounts {
            files::direct(&manifest.component)?
        } else {
            Mounts::Copied(files::copy(&manifest.component, &root)?)
        };
        let (component, exports_timer) =
            compile(&root.join(manifest.component.source()), options.cache_dir)?;
        Ok(Self {
            allowed_hosts: manifest.component.allowed_outbound_hosts.clone().into(),
            component,
            exports_timer,
            variables: Arc::new(variables),
            stores: Arc::new(stores),
            tls: Arc::new(tls),
            files,
            max_memory: runtime_config.max_instance_memory,
            manifest,
        })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What the manifest's trigger calls.
    pub fn entry(&self) -> Entry {
        match self.manifest.trigger {
            Trigger::Timer { .. } => Entry::Timer,
            Trigger::Command => Entry::Command,
            Trigger::Http => Entry::Http,
        }
    }

    /// One call of what the manifest's trigger calls, on a fresh instance.
    pub async fn tick(&self) -> Result<Outcome> {
        self.call(self.entry(), |_| {}).await
    }

    /// One call of `entry` on a fresh instance; `on_line` is told of each line as it is printed.
    ///
    /// A trap is an outcome; an error means that the component could not be called. The component
    /// computes on the caller's thread between its waits, so what must go on meanwhile needs a
    /// runtime of several threads.
    pub async fn call(
        &self,
        entry: Entry,
        on_line: impl FnMut(Line<'_>) + Send + 'static,
    ) -> Result<Outcome> {
        let never = std::future::pending::<Infallible>();
        match self.call_unless(never, entry, on_line).await? {
            Call::Ended(outcome) => Ok(outcome),
            Call::Interrupted(never, _) => match never {},
        }
    }

    /// As [`Self::call`], and gives the call up when `interruption` comes before its end.
    ///
    /// It is given up at its next wait: what it had begun is dropped, a swap excepted, which goes on.
    pub async fn call_unless<T>(
        &self,
        interruption: impl Future<Output = T>,
        entry: Entry,
        on_line: impl FnMut(Line<'_>) + Send + 'static,
    ) -> Result<Call<T>> {
        let swapped = Arc::new(Swapped::default());
        tokio::select! {
            outcome = self.run(entry, on_line, swapped.clone()) => outcome.map(Call::Ended),
            by = interruption => Ok(Call::Interrupted(by, swapped)),
        }
    }

    async fn run(
        &self,
        entry: Entry,
        on_line: impl FnMut(Line<'_>) + Send + 'static,
        swapped: Arc<Swapped>,
    ) -> Result<Outcome> {
        let started = Instant::now();
        let on_line = Arc::new(Mutex::new(on_line));
        let told = on_line.clone();
        let stdout = Lines::new(Box::new(move |line| {
            told.lock().unwrap_or_else(PoisonError::into_inner)(Line::Stdout(line));
        }));
        let stderr = Lines::new(Box::new(move |line| {
            on_line.lock().unwrap_or_else(PoisonError::into_inner)(Line::Stderr(line));
        }));
        let mut store = self.store(&stdout, &stderr, swapped)?;

        let instance = self.component.instantiate_async(&mut store).await.map_err(engine_error)?;
        let result = match entry {
            Entry::Timer => {
                if !self.exports_timer {
                    bail!("the component exports no handle-timer-request: func()");
                }
                let handler = instance
                    .get_typed_func::<(), ()>(&mut store, "handle-timer-request")
                    .map_err(engine_error)?;
                handler.call_async(&mut store, ()).await.map(Ok)
            }
            Entry::Command => {
                let command = Command::new(&mut store, &instance)
                    .map_err(|_| anyhow!("the component exports no wasi:cli/run@0.2"))?;
                command.wasi_cli_run().call_run(&mut store).await
            }
            Entry::Http => bail!("a component of the HTTP trigger is served, not called"),
        };
        let ending = match result {
            Ok(Ok(())) => Ending::Returned,
            Ok(Err(())) => Ending::ReturnedError,
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(I32Exit(0)) => Ending::Returned,
                Some(I32Exit(_)) => Ending::Failed,
                None => Ending::Trapped(format!("{error:#}")),
            },
        };
        let stdout = stdout.take();
        Ok(Outcome {
            ending,
            report: stdout.iter().rev().find_map(|line| report(line)),
            stdout,
            stderr: stderr.take(),
            peak_memory: store.data().memory.peak,
            elapsed: started.elapsed(),
        })
    }

    pub(crate) fn component(&self) -> &InstancePre<Instance> {
        &self.component
    }

    pub(crate) fn store(
        &self,
        stdout: &Lines,
        stderr: &Lines,
        swapped: Arc<Swapped>,
    ) -> Result<Store<Instance>> {
        let mut wasi = WasiCtx::builder();
        wasi.stdout(stdout.clone()).stderr(stderr.clone());
        for (name, value) in &self.manifest.component.environment {
            wasi.env(name, value);
        }
        for (folder, seen) in self.files.iter() {
            wasi.preopened_dir(folder, seen, FsPerms::ReadOnly).map_err(engine_error)?;
        }
        let instance = Instance {
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            outbound: Outbound::new(
                self.manifest.component_id.clone(),
                self.allowed_hosts.clone(),
                self.variables.clone(),
                self.tls.clone(),
            ),
            table: ResourceTable::new(),
            key_value: KeyValue::new(
                self.manifest.component.key_value_stores.clone(),
                self.stores.clone(),
                swapped,
            ),
            variables: ComponentVariables(self.variables.clone()),
            memory: Memory::new(self.max_memory),
        };
        let mut store = Store::new(self.component.engine(), instance);
        store.limiter(|instance| &mut instance.memory);
        Ok(store)
    }
}

/// Held while one is compiled: who comes second finds it in the cache.
static COMPILING: Mutex<()> = Mutex::new(());

/// Compiles the component at `path`, or takes it from the cache; says whether it has the timer's
/// export.
fn compile(path: &Path, cache_dir: Option<PathBuf>) -> Result<(InstancePre<Instance>, bool)> {
    let _compiling = COMPILING.lock();
    let mut config = Config::new();
    let mut cache = CacheConfig::new();
    if let Some(folder) = cache_dir {
        cache.with_directory(std::path::absolute(folder)?);
    }
    match Cache::new(cache) {
        Ok(cache) => _ = config.cache(Some(cache)),
        Err(error) => tracing::warn!("compiled components are not kept: {error:#}"),
    }
    let engine = Engine::new(&config).map_err(engine_error)?;
    let bytes = std::fs::read(path)
        .with_context(|| format!("cannot read the component {}: build it first", path.display()))?;
    let component = Component::new(&engine, bytes)
        .map_err(|error| anyhow!("{} is no component: {error:#}", path.display()))?;
    let exports_timer = component.get_export_index(None, "handle-timer-request").is_some();
    let component =
        linker(&engine).map_err(engine_error)?.instantiate_pre(&component).map_err(|error| {
            anyhow!("{} imports what this host does not offer: {error:#}", path.display())
        })?;
    Ok((component, exports_timer))
}

/// wasmtime's errors are of a type of their own.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` wants")]
pub(crate) fn engine_error(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("{error:#}")
}
