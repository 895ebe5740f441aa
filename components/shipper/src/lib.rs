//! The component that ships: its two entry points, on the core and its adapters for Spin.
#![cfg(target_family = "wasm")]

use cloudtrail_core::ports::Clock as _;
use cloudtrail_core::report::{Outcome, Report};
use cloudtrail_core::run::run;
use cloudtrail_core::spin::{Host, print, variable};

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
        if tick() == Outcome::Failed {
            // A returned error is not enough. The command trigger up to 0.5.3, which SpinKube's shim 0.24.0
            // has, drops it and succeeds.
            std::process::exit(1);
        }
        Ok(())
    }
}

/// One run; its report is printed whatever happens (invariant 4).
fn tick() -> Outcome {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let mut report = Report::default();
        report.add(
            Outcome::Failed,
            format!("kong-cloudtrail has a defect at {place}: please report it; nothing that was not accepted is recorded"),
        );
        print(&report.line());
    }));
    let host = Host::open();
    let mut report = wstd::runtime::block_on(run(&host, variable));
    // This includes the time that it took to open the store.
    report.duration_ms = u64::try_from(host.elapsed().as_millis()).unwrap_or(u64::MAX);
    print(&report.line());
    report.outcome
}
