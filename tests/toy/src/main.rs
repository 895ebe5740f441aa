//! A component that uses the core's adapters, and so shows that nothing is exported for it.

#[cfg(target_family = "wasm")]
fn main() {
    use kong_cloudtrail::ports::KeyValue as _;
    use kong_cloudtrail::spin::{Host, print, variable};

    let ledger = variable("ledger").unwrap_or_default().unwrap_or_default();
    let head = Host::open().get(&format!("kong-cloudtrail:{ledger}:{{0}}head"));
    print(&format!("{head:?}"));
}

#[cfg(not(target_family = "wasm"))]
fn main() {}
