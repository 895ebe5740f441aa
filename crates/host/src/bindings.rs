//! Rust for `wit/host.wit`.
#![allow(missing_docs, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "wit",
    world: "host",
    imports: { default: async | trappable },
    with: {
        "fermyon:spin/key-value.store": crate::key_value::handles::OpenStore,
        "wasi:keyvalue/store.bucket": crate::key_value::handles::OpenStore,
        "wasi:keyvalue/atomics.cas": crate::key_value::handles::OpenSwap,
    },
    trappable_error_type: {
        "fermyon:spin/key-value.error" => crate::key_value::StoreError,
        "fermyon:spin/variables.error" => crate::variables::VariableError,
        "wasi:keyvalue/store.error" => crate::key_value::StoreError,
        "wasi:keyvalue/atomics.cas-error" => crate::key_value::handles::SwapFailure,
    },
});
