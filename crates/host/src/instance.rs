//! One call's state: a fresh instance for each, as in Spin.

use std::sync::Arc;

use kong_cloudtrail_application::{VariableError, Variables};
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime::{Engine, ResourceLimiter};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::bindings::fermyon::spin::{key_value, variables};
use crate::bindings::wasi::keyvalue::{atomics, batch, store};
use crate::handles::KeyValue;
use crate::http::Outbound;

pub struct Instance {
    pub wasi: WasiCtx,
    pub http: WasiHttpCtx,
    pub outbound: Outbound,
    pub table: ResourceTable,
    pub key_value: KeyValue,
    pub variables: ComponentVariables,
    pub memory: Memory,
}

impl WasiView for Instance {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Instance {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outbound, table: &mut self.table, ctx: &mut self.http }
    }
}

/// Everything that a component may import.
pub fn linker(engine: &Engine) -> wasmtime::Result<Linker<Instance>> {
    let mut linker = Linker::<Instance>::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    key_value::add_to_linker::<_, KeyValue>(&mut linker, |i| &mut i.key_value)?;
    store::add_to_linker::<_, KeyValue>(&mut linker, |i| &mut i.key_value)?;
    atomics::add_to_linker::<_, KeyValue>(&mut linker, |i| &mut i.key_value)?;
    batch::add_to_linker::<_, KeyValue>(&mut linker, |i| &mut i.key_value)?;
    variables::add_to_linker::<_, ComponentVariables>(&mut linker, |i| &mut i.variables)?;
    Ok(linker)
}

/// The component's variables, as it asks for them.
pub struct ComponentVariables(pub Arc<Variables>);

impl HasData for ComponentVariables {
    type Data<'a> = &'a mut ComponentVariables;
}

impl variables::Host for ComponentVariables {
    async fn get(&mut self, name: String) -> Result<String, VariableError> {
        self.0.get(&name)
    }

    fn convert_error(&mut self, error: VariableError) -> wasmtime::Result<variables::Error> {
        Ok(match error {
            VariableError::InvalidName(message) => variables::Error::InvalidName(message),
            VariableError::Undefined(message) => variables::Error::Undefined(message),
        })
    }
}

/// Measures and bounds the component's linear memory.
pub struct Memory {
    pub limit: usize,
    now: usize,
    pub peak: usize,
}

impl Memory {
    pub fn new(limit: Option<usize>) -> Self {
        Self { limit: limit.unwrap_or(usize::MAX), now: 0, peak: 0 }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.now - current + desired;
        if total > self.limit {
            tracing::warn!(
                "max_instance_memory: the component wants {total} bytes, {} are allowed",
                self.limit
            );
            return Ok(false);
        }
        self.now = total;
        self.peak = self.peak.max(total);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        _desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(true)
    }
}
