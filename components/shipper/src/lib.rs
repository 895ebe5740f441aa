//! The component that ships: its two entry points, on the core and its adapters for Spin.
#![cfg(target_family = "wasm")]

use cloudtrail_core::check::{Finding, check};
use cloudtrail_core::config::{Task, task};
use cloudtrail_core::ports::Clock as _;
use cloudtrail_core::report::{COMMIT, Outcome, Report};
use cloudtrail_core::run::run;
use cloudtrail_core::spin::{Host, print, variable};
use cloudtrail_core::verify::{self, verify};

#[allow(unsafe_code, missing_docs, clippy::pedantic)]
mod bindings {
    use super::Component;

    wit_bindgen::generate!({ world: "shipper", path: "../../wit", generate_all });
    export!(Component);
}

struct Component;

impl bindings::Guest for Component {
    fn handle_timer_request() {
        tick();
    }
}

impl bindings::exports::wasi::cli::run::Guest for Component {
    fn run() -> Result<(), ()> {
        let failed = match task(variable) {
            Task::Ship => tick() == Outcome::Failed,
            Task::Check => {
                report_defects();
                let found = wstd::runtime::block_on(check(&Host::open(), variable));
                print(&found.line());
                found.outcome == Finding::Fail
            }
            Task::Verify => {
                report_defects();
                let found = wstd::runtime::block_on(verify(&Host::open(), variable));
                print(&found.line());
                found.outcome != verify::Outcome::Ok
            }
        };
        if failed {
            // A returned error is not enough. The command trigger up to 0.5.3, which SpinKube's shim 0.24.0
            // has, drops it and succeeds.
            std::process::exit(1);
        }
        Ok(())
    }
}

/// Has a panic print a report, whatever was under way (invariant 4).
fn report_defects() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let mut report = Report::default();
        report.add(
            Outcome::Failed,
            format!("kong-cloudtrail has a defect at {place}: please report it; nothing that was not accepted is recorded"),
        );
        print(&report.line());
    }));
}

/// One run; its report is printed whatever happens.
fn tick() -> Outcome {
    let _ = COMMIT.set(cloudtrail_core::commit!());
    report_defects();
    let host = Host::open();
    let mut report = wstd::runtime::block_on(run(&host, variable));
    // This includes the time that it took to open the store.
    report.duration_ms = u64::try_from(host.elapsed().as_millis()).unwrap_or(u64::MAX);
    print(&report.line());
    report.outcome
}
