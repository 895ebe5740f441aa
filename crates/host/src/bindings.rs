//! Rust for `wit/host.wit`.
#![allow(missing_docs, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "wit",
    world: "host",
    imports: { default: async | trappable },
    with: {
        "fermyon:spin/key-value.store": crate::handles::OpenStore,
        "wasi:keyvalue/store.bucket": crate::handles::OpenStore,
        "wasi:keyvalue/atomics.cas": crate::handles::OpenSwap,
    },
    trappable_error_type: {
        "fermyon:spin/key-value.error" => kong_cloudtrail_application::key_value::StoreError,
        "fermyon:spin/variables.error" => kong_cloudtrail_application::VariableError,
        "wasi:keyvalue/store.error" => kong_cloudtrail_application::key_value::StoreError,
        "wasi:keyvalue/atomics.cas-error" => crate::handles::SwapFailure,
    },
});
