//! What the store holds: see `src/ledger.rs`.

#![no_main]

use kong_cloudtrail_fuzz::ledger::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    check(input);
});
