//! The page's component can do nothing but read, by its own type.

use std::collections::BTreeMap;

use wasmparser::{ComponentType, ComponentTypeRef, InstanceTypeDeclaration, Parser, Payload};

/// What each imported interface of the component has, by name, and what it exports.
fn interfaces() -> (BTreeMap<String, Vec<String>>, Vec<String>) {
    let file = super::super::support::component().with_file_name("kong_cloudtrail_status.wasm");
    let bytes = std::fs::read(file).expect("built by `cargo xtask build`");
    let (mut types, mut imports, mut exports) = (Vec::new(), BTreeMap::new(), Vec::new());
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentTypeSection(section) if depth == 0 => {
                types.extend(section.into_iter().map(|found| members(found.unwrap())));
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.unwrap();
                    let ComponentTypeRef::Instance(index) = import.ty else { continue };
                    let members = types.get(index as usize).cloned().unwrap_or_default();
                    imports.insert(import.name.name.to_owned(), members);
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports
                    .extend(section.into_iter().map(|export| export.unwrap().name.name.to_owned()));
            }
            // Types that are given a name anew count as types too.
            Payload::ComponentAliasSection(section) if depth == 0 => {
                let aliased = section.into_iter().filter(|alias| is_type(alias.as_ref().unwrap()));
                types.extend(aliased.map(|_| Vec::new()));
            }
            _ => {}
        }
    }
    (imports, exports)
}

fn is_type(alias: &wasmparser::ComponentAlias<'_>) -> bool {
    use wasmparser::{ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind};
    match alias {
        ComponentAlias::InstanceExport { kind, .. } => *kind == ComponentExternalKind::Type,
        ComponentAlias::Outer { kind, .. } => *kind == ComponentOuterAliasKind::Type,
        ComponentAlias::CoreInstanceExport { .. } => false,
    }
}

/// The names of what an instance has.
fn members(found: ComponentType<'_>) -> Vec<String> {
    let ComponentType::Instance(declarations) = found else { return Vec::new() };
    let name = |declaration: &InstanceTypeDeclaration<'_>| match declaration {
        InstanceTypeDeclaration::Export { name, .. } => Some(name.name.to_owned()),
        _ => None,
    };
    declarations.iter().filter_map(name).collect()
}

#[test]
fn it_has_no_function_that_writes_and_none_that_reaches_out() {
    let (imports, exports) = interfaces();
    let store = &imports["fermyon:spin/key-value@2.0.0"];
    let functions: Vec<_> = store.iter().filter(|name| name.starts_with('[')).collect();
    assert_eq!(functions, ["[static]store.open", "[method]store.get"], "{store:?}");
    for (interface, members) in &imports {
        let (package, version) = interface.split_once('@').unwrap();
        let known = match package.split('/').next().unwrap() {
            "fermyon:spin" => version == "2.0.0",
            // Rust's standard library has the file system; the manifest mounts no folder.
            "wasi:cli" | "wasi:clocks" | "wasi:filesystem" | "wasi:io" | "wasi:random" => {
                version.starts_with("0.2.")
            }
            // The type of what the adapter would open for a swap, and no function of it.
            "wasi:keyvalue" => !members.iter().any(|name| name.starts_with('[')),
            "wasi:http" => package == "wasi:http/types" && version.starts_with("0.2."),
            _ => false,
        };
        assert!(known, "{interface} is not of the contract: {imports:#?}");
    }
    assert!(
        matches!(&exports[..], [handler] if handler.starts_with("wasi:http/incoming-handler@0.2"))
    );
}

#[test]
fn it_is_small() {
    let file = super::super::support::component().with_file_name("kong_cloudtrail_status.wasm");
    let size = file.metadata().unwrap().len();
    println!("{size} bytes");
    assert!(size <= 1024 * 1024, "{size} bytes");
}
