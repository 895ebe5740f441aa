//! What the component is, from its own type.

use std::collections::BTreeSet;
use std::path::Path;

use wasmparser::{Operator, Parser, Payload};

/// Names of what the outermost component imports and exports, and its size.
fn interfaces() -> (BTreeSet<String>, BTreeSet<String>, usize) {
    interfaces_of(&super::support::component())
}

fn interfaces_of(component: &Path) -> (BTreeSet<String>, BTreeSet<String>, usize) {
    let bytes = std::fs::read(component).expect("built by `cargo xtask build`");
    let (mut imports, mut exports, mut depth) = (BTreeSet::new(), BTreeSet::new(), 0);
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports
                    .extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports
                    .extend(section.into_iter().map(|export| export.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    (imports, exports, bytes.len())
}

#[test]
fn the_component_is_at_most_two_mebibytes() {
    let (_, _, size) = interfaces();
    assert!(size <= 2 * 1024 * 1024, "{size} bytes");
}

#[test]
fn its_code_has_the_vector_instructions_of_cargos_configuration() {
    let bytes = std::fs::read(super::support::component()).expect("built by `cargo xtask build`");
    let vectors = Parser::new(0).parse_all(&bytes).any(|payload| match payload.unwrap() {
        Payload::CodeSectionEntry(body) => {
            let mut operators = body.get_operators_reader().unwrap().into_iter();
            operators.any(|operator| matches!(operator.unwrap(), Operator::I32x4Add))
        }
        _ => false,
    });
    assert!(vectors, "SHA-256 is computed without them");
}

#[test]
fn it_exports_the_two_entry_points_and_nothing_else() {
    let (_, exports, _) = interfaces();
    let exports: Vec<&str> = exports.iter().map(String::as_str).collect();
    assert_eq!(exports, ["handle-timer-request", "wasi:cli/run@0.2.0"]);
}

/// The toy uses the core and its adapters, and has an entry point of its own.
#[test]
fn another_component_on_the_core_inherits_no_export() {
    let toy = super::support::component().with_file_name("kong_cloudtrail_toy.wasm");
    let (imports, exports, _) = interfaces_of(&toy);
    let exports: Vec<&str> = exports.iter().map(String::as_str).collect();
    assert!(matches!(exports[..], [run] if run.starts_with("wasi:cli/run@0.2.")), "{exports:?}");
    assert!(imports.contains("fermyon:spin/key-value@2.0.0"), "{imports:?}");
}

#[test]
fn it_imports_wasi_0_2_and_what_spin_gives_and_nothing_else() {
    let (imports, _, _) = interfaces();
    for import in &imports {
        let (package, version) = import.split_once('@').unwrap_or_default();
        let namespace = package.split('/').next().unwrap();
        let known = match namespace {
            "fermyon:spin" => version == "2.0.0",
            "wasi:keyvalue" => version == "0.2.0-draft2",
            "wasi:cli" | "wasi:clocks" | "wasi:filesystem" | "wasi:http" | "wasi:io"
            | "wasi:random" => version.starts_with("0.2.") && !version.contains('-'),
            _ => false,
        };
        assert!(known, "{import} is not of the contract: {imports:#?}");
    }
    for needed in [
        "fermyon:spin/variables@2.0.0",
        "fermyon:spin/key-value@2.0.0",
        "wasi:keyvalue/atomics@0.2.0-draft2",
    ] {
        assert!(imports.contains(needed), "{needed}");
    }
}
