//! `up` and `once`: a component on the embedded host.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use kong_cloudtrail_application::manifest::Trigger;
use kong_cloudtrail_host::{App, Call, Ending, Options, Outcome, application};

use crate::arguments::AppArgs;
use crate::printer::Printer;
use crate::signals::{self, Signal, Signals};
use crate::version::{self, VERSION};

/// The status of `once` when the run was skipped: EX_TEMPFAIL of sysexits.h.
const SKIPPED: u8 = 75;

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub struct RunArgs {
    #[command(flatten)]
    pub app: AppArgs,

    /// Print the report ({"event":"run",...}) alone.
    #[arg(short, long)]
    pub quiet: bool,

    /// The component's lines as it prints them, as in a pipe.
    #[arg(long)]
    json: bool,

    /// Mount the folders of `files` directly, as they are at any time, in place of copies made at
    /// the start.
    #[arg(long)]
    direct_mounts: bool,

    /// After each call, print on stderr what it took, as a line of JSON: time, and CPU time of this
    /// process, both with the instance's creation; the component's peak memory.
    #[arg(long)]
    pub usage: bool,
}

#[derive(Args)]
pub struct UpArgs {
    #[command(flatten)]
    run: RunArgs,

    /// Where a component of the HTTP trigger is served.
    #[arg(long, default_value = "127.0.0.1:3000", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,

    /// The first tick at once, and not after the interval.
    #[arg(long)]
    now: bool,
}

impl RunArgs {
    fn load(&self) -> Result<App> {
        self.load_with(self.app.options()?)
    }

    /// The application, its component with that task.
    pub fn load_for(&self, task: &str) -> Result<App> {
        let mut options = self.app.options()?;
        options.variables.given.insert("task".to_owned(), task.to_owned());
        self.load_with(options)
    }

    fn load_with(&self, application: application::Options) -> Result<App> {
        // What cannot be read is told by what reads it next.
        if let (Ok(component), false) =
            (version::component(&application.manifest_file()), self.quiet)
        {
            eprintln!("kong-cloudtrail {}, {component}", VERSION.as_str());
        }
        App::load(Options { application, direct_mounts: self.direct_mounts, ..Options::default() })
    }

    pub fn printer(&self) -> Printer {
        Printer::new(self.json, self.quiet)
    }
}

pub async fn once(args: &RunArgs) -> Result<ExitCode> {
    let app = args.load()?;
    if app.manifest().trigger == Trigger::Http {
        bail!("once makes a run, and this application is served: use up");
    }
    let outcome = match call(&app, args, &Signals::listen()?).await? {
        Call::Ended(outcome) => outcome,
        Call::Interrupted(signal, swapped) => return Ok(signals::free(signal, &swapped).await),
    };
    if let Ending::Trapped(message) = &outcome.ending {
        eprintln!("error: the component trapped: {message}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(match outcome.outcome() {
        "ok" => ExitCode::SUCCESS,
        "skipped" => SKIPPED.into(),
        "" => {
            eprintln!("error: the component printed no report ({{\"event\":\"run\",...}})");
            ExitCode::FAILURE
        }
        other => {
            // People have just read it.
            if !args.printer().is_for_people() {
                eprintln!("error: the run's outcome is {other:?}: see the report");
            }
            ExitCode::FAILURE
        }
    })
}

pub async fn up(UpArgs { run: args, listen, now }: &UpArgs) -> Result<ExitCode> {
    let app = args.load()?;
    let signals = Signals::listen()?;
    let interval_ms = match app.manifest().trigger {
        Trigger::Timer { interval_ms } => interval_ms,
        Trigger::Command => return run_command(&app, args, &signals).await,
        Trigger::Http => return serve(app, *listen, args.printer(), &signals).await,
    };
    let interval = Duration::from_millis(interval_ms);
    let first = if *now { "now".to_owned() } else { format!("in {interval:?}") };
    eprintln!(
        "component {:?}: the first tick {first}, then {interval:?} after each tick; SIGINT or SIGTERM \
         ends it",
        app.manifest().component_id
    );
    let mut pause = if *now { Duration::ZERO } else { interval };
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = interval,
            signal = signals.first() => return Ok(signal.status().into()),
        }
        match call(&app, args, &signals).await? {
            Call::Interrupted(signal, swapped) => return Ok(signals::free(signal, &swapped).await),
            Call::Ended(Outcome { ending: Ending::Trapped(message), .. }) => {
                eprintln!(
                    "error: the component trapped, which ends the timer trigger: {message}\n\
                     error: the exit status is 0, as Spin's is: have a supervisor restart it always"
                );
                return Ok(ExitCode::SUCCESS);
            }
            Call::Ended(_) => {}
        }
    }
}

async fn serve(
    app: App,
    listen: SocketAddr,
    printer: Printer,
    signals: &Signals,
) -> Result<ExitCode> {
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}: give --listen another port"))?;
    eprintln!(
        "component {:?}: http://{}/; SIGINT or SIGTERM ends it",
        app.manifest().component_id,
        listener.local_addr()?
    );
    tokio::select! {
        ended = app.serve(listener, move |line| printer.line(line)) => match ended? {},
        signal = signals.first() => Ok(signal.status().into()),
    }
}

async fn run_command(app: &App, args: &RunArgs, signals: &Signals) -> Result<ExitCode> {
    let outcome = match call(app, args, signals).await? {
        Call::Ended(outcome) => outcome,
        Call::Interrupted(signal, swapped) => return Ok(signals::free(signal, &swapped).await),
    };
    Ok(match outcome.ending {
        Ending::Returned => ExitCode::SUCCESS,
        Ending::Failed | Ending::ReturnedError => ExitCode::FAILURE,
        Ending::Trapped(message) => {
            eprintln!("error: the component trapped: {message}");
            ExitCode::FAILURE
        }
    })
}

/// One call unless a signal comes, its lines printed as they come.
async fn call(app: &App, args: &RunArgs, signals: &Signals) -> Result<Call<Signal>> {
    let cpu_before = cpu_time();
    let printer = args.printer();
    let prints = printer.clone();
    printer.begins();
    let call = app.call_unless(signals.first(), app.entry(), move |line| prints.line(line)).await;
    printer.ends();
    let call = call?;
    if let (Call::Ended(outcome), true) = (&call, args.usage) {
        let cpu = cpu_time().saturating_sub(cpu_before);
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let usage = serde_json::json!({
            "event": "usage",
            "outcome": outcome.outcome(),
            "wall_us": micros(outcome.elapsed),
            "cpu_us": micros(cpu),
            "peak_memory_bytes": outcome.peak_memory,
        });
        eprintln!("{usage}");
    }
    Ok(call)
}

/// CPU time of this process so far, user and system, all threads.
fn cpu_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}
