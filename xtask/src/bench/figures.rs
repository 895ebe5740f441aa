//! What was measured, the least that was possible, and the targets.

use std::time::Duration;

use serde_json::{Value, json};

/// What a call to Kong takes.
pub const KONG_LATENCY: Duration = Duration::from_millis(20);
/// What a PutAuditEvents call takes.
pub const PUT_LATENCY: Duration = Duration::from_millis(60);
/// PutAuditEvents calls within any one second.
pub const QUOTA: u64 = 100;

const MIB: u64 = 1024 * 1024;

/// What a run took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub wall: Duration,
    pub kong: u64,
    pub cloudtrail: u64,
    pub kv: u64,
}

/// One job, done in three ways.
pub struct Job {
    pub ours: Cost,
    pub lambda: Cost,
    pub floor: Cost,
}

/// The component's comparison of all that Kong retains with the ledger, when nothing is new.
pub struct Comparison {
    pub ours: Cost,
    /// In bytes.
    pub peak_memory: u64,
}

/// What a store holds.
pub struct Store {
    pub keys: u64,
    pub bytes: u64,
}

/// With so many entries retained.
pub struct Size {
    pub retained: u64,
    pub first: Job,
    pub steady: Job,
    pub comparison: Comparison,
    /// Of the component's first run, in bytes.
    pub peak_memory: u64,
    /// Answers to the component's first run that throttled it, and all.
    pub throttled: u64,
    pub calls: u64,
    /// After the first run.
    pub ours_store: Store,
    pub lambda_store: Store,
}

/// Events a second of CPU time.
pub struct Throughput {
    pub component: f64,
    pub native: f64,
    /// Without the CPU's SHA instructions.
    pub native_soft: f64,
}

pub struct Figures {
    /// Rising.
    pub sizes: Vec<Size>,
    /// Entries that are new in the steady state.
    pub new: u64,
    pub throughput: Throughput,
    pub idle_cpu: Duration,
}

/// The fewest calls that do a job, and the least time that they take: pages one after the other,
/// since each names the next; batches from the first page on, as fast as the quota lets them; one
/// page of the other stream beside that; one read and one write of the store, which takes no time.
pub fn floor(pages: u64, batches: u64) -> Cost {
    let more_pages = KONG_LATENCY * u32::try_from(pages.saturating_sub(1)).unwrap_or(u32::MAX);
    let quota_full = Duration::from_secs(batches.saturating_sub(1) / QUOTA);
    let wall = KONG_LATENCY + more_pages.max(quota_full) + PUT_LATENCY;
    Cost { wall, kong: pages + 1, cloudtrail: batches, kv: 2 }
}

/// One target, and whether it is met.
pub struct Target {
    pub what: String,
    pub goal: &'static str,
    pub measured: String,
    pub met: bool,
}

impl Store {
    /// Bytes for each of so many entries.
    pub fn per(&self, entries: u64) -> f64 {
        ratio(self.bytes, entries)
    }
}

impl Job {
    fn lambda_over_ours(&self) -> f64 {
        self.lambda.wall.as_secs_f64() / self.ours.wall.as_secs_f64()
    }
}

impl Figures {
    /// All targets, in the order in which they were set.
    pub fn targets(&self) -> Vec<Target> {
        let Some(largest) = self.sizes.last() else { return Vec::new() };
        let mut targets = Vec::new();
        let mut add = |what: &str, goal, measured, met| {
            targets.push(Target { what: what.to_owned(), goal, measured, met });
        };
        self.steady(largest, &mut add);
        self.first(largest, &mut add);
        self.cpu(&mut add);
        targets
    }

    fn steady(&self, largest: &Size, add: &mut impl FnMut(&str, &'static str, String, bool)) {
        let mut constant = |what, goal, most, of: fn(&Cost) -> u64| {
            let counts: Vec<u64> = self.sizes.iter().map(|size| of(&size.steady.ours)).collect();
            let told = counts.iter().map(u64::to_string).collect::<Vec<_>>().join(" / ");
            add(what, goal, told, counts.iter().all(|n| *n == counts[0] && *n <= most));
        };
        constant(
            "steady state: calls to Kong, both streams",
            "at most 5, the same at every size",
            5,
            |cost| cost.kong,
        );
        constant(
            "steady state: key-value operations",
            "at most 16, the same at every size",
            16,
            |cost| cost.kv,
        );
        let faster = shown(largest.steady.lambda_over_ours(), 0);
        let what = format!(
            "steady state over {}: time, Lambda pattern over ours",
            thousands(largest.retained)
        );
        add(&what, "at least 100", format!("{faster:.0}"), faster >= 100.0);
    }

    fn first(&self, largest: &Size, add: &mut impl FnMut(&str, &'static str, String, bool)) {
        let Size { retained, first, peak_memory, .. } = largest;
        let what = |of: &str| format!("first run over {}: {of}", thousands(*retained));
        let over_floor = first.ours.wall.as_secs_f64() / first.floor.wall.as_secs_f64();
        let over_floor = shown(over_floor, 2);
        add(
            &what("time, ours over the floor"),
            "at most 1.25",
            format!("{over_floor:.2}"),
            over_floor <= 1.25,
        );
        let faster = shown(first.lambda_over_ours(), 1);
        add(
            &what("time, Lambda pattern over ours"),
            "at least 8",
            format!("{faster:.1}"),
            faster >= 8.0,
        );
        let fits = shown(ratio(*peak_memory, MIB), 1) <= 64.0;
        add(&what("peak guest memory"), "at most 64 MiB", mib(*peak_memory), fits);
        if let [.., smaller, _] = self.sizes.as_slice() {
            let growth = shown(ratio(*peak_memory, smaller.peak_memory), 2);
            let against =
                format!("peak guest memory over that with {}", thousands(smaller.retained));
            add(&what(&against), "at most 2", format!("{growth:.2}"), growth <= 2.0);
        }
        let ours = largest.ours_store.per(*retained);
        let over_ours = shown(largest.lambda_store.per(*retained) / ours, 1);
        let ours = shown(ours, 1);
        add(&what("store bytes an entry"), "at most 21", format!("{ours:.1}"), ours <= 21.0);
        add(
            &what("store bytes, Lambda pattern over ours"),
            "at least 4",
            format!("{over_ours:.1}"),
            over_ours >= 4.0,
        );
        let percent = shown(ratio(largest.throttled, largest.calls) * 100.0, 2);
        let told = format!("{percent:.2} % ({} of {})", largest.throttled, largest.calls);
        add(&what("throttled answers"), "below 1 %", told, percent < 1.0);
    }

    fn cpu(&self, add: &mut impl FnMut(&str, &'static str, String, bool)) {
        let Throughput { component, native, .. } = self.throughput;
        add(
            "component: events a second of CPU time",
            "at least 20,000",
            rounded(component),
            shown(component, -2) >= 20_000.0,
        );
        let share = shown(component / native, 2);
        add(
            "component over native: events a second of CPU time",
            "at least 0.5",
            format!("{share:.2}"),
            share >= 0.5,
        );
        let idle = shown(self.idle_cpu.as_secs_f64() * 1000.0, 1);
        add(
            "idle run, instance creation included: CPU time",
            "at most 25 ms",
            format!("{idle:.1} ms"),
            idle <= 25.0,
        );
    }

    /// What the chart shows: seconds by entries retained.
    pub fn chart(&self) -> Value {
        let job = |of: fn(&Size) -> &Job| -> Value {
            let series = |way: fn(&Job) -> &Cost| -> Vec<(u64, f64)> {
                let point = |size: &Size| (size.retained, way(of(size)).wall.as_secs_f64());
                self.sizes.iter().map(point).collect()
            };
            json!({
                "Lambda pattern": series(|job| &job.lambda),
                "ours": series(|job| &job.ours),
                "floor": series(|job| &job.floor),
            })
        };
        json!({
            "new": thousands(self.new),
            "first": job(|size| &size.first),
            "steady": job(|size| &size.steady),
        })
    }
}

/// A figure as it is shown, with so many decimals: what is shown is held against the target.
fn shown(figure: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (figure * scale).round() / scale
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn ratio(of: u64, to: u64) -> f64 {
    of as f64 / to as f64
}

/// With a comma before each three digits.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A rate, to the hundred.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of events")]
pub fn rounded(rate: f64) -> String {
    thousands(shown(rate, -2) as u64)
}

pub fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", ratio(bytes, MIB))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Figures);

    fn cost(millis: u64, kong: u64, kv: u64) -> Cost {
        Cost { wall: Duration::from_millis(millis), kong, cloudtrail: 14, kv }
    }

    fn size(retained: u64) -> Size {
        Size {
            retained,
            first: Job {
                ours: cost(110_000, 1002, 150),
                lambda: cost(1_000_000, 20_000, 2_000_000),
                floor: cost(100_000, 1001, 2),
            },
            steady: Job {
                ours: cost(300, 4, 12),
                lambda: cost(400_000, 20_028, 1_002_800),
                floor: cost(100, 3, 2),
            },
            comparison: Comparison { ours: cost(21_000, 1004, 130), peak_memory: 30 * 1024 * 1024 },
            peak_memory: 20 * 1024 * 1024,
            throttled: 9,
            calls: 1000,
            ours_store: Store { keys: 120, bytes: 20 * retained },
            lambda_store: Store { keys: retained, bytes: 88 * retained },
        }
    }

    fn figures() -> Figures {
        Figures {
            sizes: vec![size(100_000), size(1_000_000)],
            new: 1400,
            throughput: Throughput { component: 21_234.0, native: 40_000.0, native_soft: 30_000.0 },
            idle_cpu: Duration::from_millis(12),
        }
    }

    /// What is not met.
    fn missed(figures: &Figures) -> Vec<String> {
        figures.targets().into_iter().filter(|t| !t.met).map(|t| t.measured).collect()
    }

    #[test]
    fn the_floor_of_a_million_entries_is_set_by_the_quota() {
        let floor = floor(1000, 10_000);
        assert_eq!(floor.wall, Duration::from_millis(99_080));
        assert_eq!((floor.kong, floor.cloudtrail, floor.kv), (1001, 10_000, 2));
    }

    #[test]
    fn the_floor_of_a_few_entries_is_set_by_the_latencies() {
        assert_eq!(floor(2, 14).wall, Duration::from_millis(100));
        assert_eq!(floor(1, 100).wall, Duration::from_millis(80));
        assert_eq!(floor(1, 101).wall, Duration::from_millis(1080));
    }

    #[test]
    fn each_target_is_met_or_not_by_its_own_figure() {
        assert_eq!(missed(&figures()), Vec::<String>::new());
        let changes: [(Change, &[&str]); 13] = [
            (|f| f.sizes[0].steady.ours.kong = 3, &["3 / 4"]),
            (|f| f.sizes.iter_mut().for_each(|size| size.steady.ours.kong = 6), &["6 / 6"]),
            (|f| f.sizes[1].steady.ours.kv = 17, &["12 / 17"]),
            (|f| f.sizes[1].steady.lambda.wall = Duration::from_secs(29), &["97"]),
            (|f| f.sizes[1].first.floor.wall = Duration::from_secs(80), &["1.38"]),
            (|f| f.sizes[1].first.lambda.wall = Duration::from_secs(800), &["7.3"]),
            (|f| f.sizes[1].peak_memory = 65 * 1024 * 1024, &["65.0 MiB", "3.25"]),
            (|f| f.throughput.component = 19_940.0, &["19,900"]),
            (|f| f.throughput.native = 43_000.0, &["0.49"]),
            (|f| f.sizes[1].ours_store.bytes = 21_100_000, &["21.1"]),
            (|f| f.sizes[1].lambda_store.bytes = 70_000_000, &["3.5"]),
            (|f| f.idle_cpu = Duration::from_micros(25_400), &["25.4 ms"]),
            (|f| f.sizes[1].throttled = 10, &["1.00 % (10 of 1000)"]),
        ];
        for (change, expected) in changes {
            let mut figures = figures();
            change(&mut figures);
            assert_eq!(missed(&figures), expected);
        }
    }

    #[test]
    fn what_is_shown_decides_whether_a_target_is_met() {
        let changes: [Change; 4] = [
            |f| f.throughput.component = 19_960.0,
            |f| f.throughput.native = 42_600.0,
            |f| f.idle_cpu = Duration::from_micros(25_040),
            |f| f.sizes[1].first.floor.wall = Duration::from_millis(87_700),
        ];
        for change in changes {
            let mut figures = figures();
            change(&mut figures);
            assert_eq!(missed(&figures), Vec::<String>::new());
        }
    }

    #[test]
    fn large_numbers_have_commas() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(rounded(21_251.0), "21,300");
    }
}
