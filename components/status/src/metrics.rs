//! The metrics, as OpenMetrics.
//!
//! All are read from the store at the time of the scrape, so that several instances of the page tell the same. What
//! is not known is left out. Names and units are in `docs/status.md`, and `deploy/prometheus` goes by them.

use std::fmt;
use std::sync::atomic::AtomicU64;

use kong_cloudtrail::status::{ATTENTION, Outcome, Run, Status};
use kong_cloudtrail::terms::Stream;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// What the text is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PREFIX: &str = "kong_cloudtrail";

type Labels = Vec<(&'static str, &'static str)>;
type Gauges = Family<Labels, Gauge>;

/// The outcomes of runs that are kept.
const OUTCOMES: [Outcome; 3] = [Outcome::Ok, Outcome::Partial, Outcome::Failed];

/// The text.
pub fn encode(status: &Status) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    page(&mut registry, status);
    runs(&mut registry, status);
    ledger(&mut registry, status);
    let mut body = String::new();
    text::encode(&mut body, &registry)?;
    Ok(body)
}

fn page(registry: &mut Registry, status: &Status) {
    let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("status_page", "The status page that tells this", version);
    let healthy = Gauge::<i64>::default();
    healthy.set(status.health.is_well().into());
    registry.register("healthy", "1 where /healthz succeeds", healthy);
    let readable = Gauges::default();
    for (value, can_be_read) in status.readable {
        readable.get_or_create(&vec![("value", value)]).set(can_be_read.into());
    }
    let help = "1 where the value in the store can be read and holds good";
    registry.register("value_readable", help, readable);
}

fn runs(registry: &mut Registry, status: &Status) {
    let time = |registry: &mut Registry, name, help, run: Option<&Run>| {
        let Some(run) = run else { return };
        let gauge = Gauge::<i64>::default();
        gauge.set(run.at());
        registry.register_with_unit(name, help, Unit::Seconds, gauge);
    };
    let newest = status.newest();
    time(registry, "last_run_timestamp", "When the newest run ended that is kept", newest);
    let help = "When the newest run ended that was ok, or partial and made progress";
    time(registry, "last_progress_timestamp", help, status.last_progress());

    if let Some(run) = newest {
        newest_run(registry, run);
    }
    let attention = Gauges::default();
    for (word, _) in ATTENTION {
        if let Some(run) = status.last_with(word) {
            attention.get_or_create(&vec![("word", word)]).set(run.at());
        }
    }
    let help = "When the newest run ended, of those that are kept, whose attention has the word";
    registry.register_with_unit("attention_timestamp", help, Unit::Seconds, attention);

    let Some(totals) = &status.totals else { return };
    let runs = Family::<Labels, Counter>::default();
    for outcome in OUTCOMES {
        let label = vec![("outcome", word(&outcome))];
        let counted = totals.runs.get(outcome.word()).copied().unwrap_or_default();
        runs.get_or_create(&label).inc_by(counted);
    }
    registry.register("runs", "Runs whose report was kept", runs);
    let shipped = Family::<Labels, Counter>::default();
    for (stream, shipped_of) in Stream::ALL.into_iter().zip(totals.shipped) {
        shipped.get_or_create(&of(stream)).inc_by(shipped_of);
    }
    let help = "Entries that the destination accepted and the ledger recorded";
    registry.register_with_unit("shipped", help, entries(), shipped);
}

fn newest_run(registry: &mut Registry, run: &Run) {
    let outcomes = Gauges::default();
    for outcome in OUTCOMES {
        let is_it = run.outcome == outcome;
        outcomes.get_or_create(&vec![("outcome", word(&outcome))]).set(is_it.into());
    }
    registry.register("last_run_outcome", "1 for how the newest run ended", outcomes);

    let duration = Gauge::<f64, AtomicU64>::default();
    #[expect(clippy::cast_precision_loss, reason = "no run takes a thousand years")]
    duration.set(run.duration_ms as f64 / 1000.0);
    let help = "How long the newest run took";
    registry.register_with_unit("last_run_duration", help, Unit::Seconds, duration);

    let counts = Gauges::default();
    for (stream, told) in Stream::ALL.into_iter().zip(&run.streams) {
        for (name, count) in [
            ("fetched", told.fetched),
            ("shipped", told.shipped),
            ("unrecorded", told.unrecorded),
            ("rejected", told.rejected),
            ("pending", told.pending),
        ] {
            let mut labels = of(stream);
            labels.push(("what", name));
            counts.get_or_create(&labels).set(signed(count));
        }
    }
    registry.register_with_unit(
        "last_run",
        "What became of entries in the newest run",
        entries(),
        counts,
    );
}

fn ledger(registry: &mut Registry, status: &Status) {
    let (watermarks, lags, remembered) = (Gauges::default(), Gauges::default(), Gauges::default());
    for stream in status.streams.iter().flatten() {
        let label = of(stream.stream);
        if let Some(watermark) = stream.watermark {
            watermarks.get_or_create(&label).set(watermark);
        }
        if let Some(lag) = stream.lag_secs {
            lags.get_or_create(&label).set(lag);
        }
        remembered.get_or_create(&label).set(signed(stream.remembered));
    }
    let help = "End of what is shipped, by Kong's clock";
    registry.register_with_unit("watermark_timestamp", help, Unit::Seconds, watermarks);
    let help = "From the watermark to now";
    registry.register_with_unit("lag", help, Unit::Seconds, lags);
    let help = "Entries that the ledger remembers";
    registry.register_with_unit("ledger", help, entries(), remembered);

    let gauge = |registry: &mut Registry, name, help, value: Option<u64>| {
        let Some(value) = value else { return };
        let gauge = Gauge::<i64>::default();
        gauge.set(signed(value));
        registry.register(name, help, gauge);
    };
    let help = "Rises with each write of the ledger's head";
    gauge(registry, "ledger_generation", help, status.generation);
    let help = "Dead letters that are kept";
    gauge(registry, "dead_letters", help, status.dead_letters);
}

fn of(stream: Stream) -> Labels {
    vec![("stream", stream.name())]
}

fn entries() -> Unit {
    Unit::Other("entries".to_owned())
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Partial => "partial",
        Outcome::Failed => "failed",
        Outcome::Unknown(_) => "unknown",
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
