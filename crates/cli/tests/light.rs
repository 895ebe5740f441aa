//! Without its runs the program has no WebAssembly engine, and so the container image has none.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

/// The names of the packages that the program is built of with these options.
fn packages(options: &[&str]) -> Vec<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--offline", "--package", "kong-cloudtrail-cli", "--edges", "normal,build"]);
    tree.args(["--prefix", "none", "--format", "{p}"]).args(options);
    let output = tree.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn without_its_runs_it_is_built_of_no_engine() {
    let engine = |package: &String| package.starts_with("wasm") || package.starts_with("cranelift");
    assert!(packages(&[]).iter().any(engine), "with its runs it has one");
    let light = packages(&["--no-default-features"]);
    assert!(light.iter().any(|package| package == "rusqlite"), "it has the stores");
    let engines: Vec<_> = light.iter().filter(|package| engine(package)).collect();
    assert!(engines.is_empty(), "{engines:?}");
}

#[test]
fn the_container_image_has_it_without_its_runs() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Containerfile");
    let text = std::fs::read_to_string(file).unwrap().replace("\\\n", " ");
    let build = text.split("&&").find(|part| part.contains("--package kong-cloudtrail-cli"));
    assert!(build.unwrap().contains("--no-default-features"), "{build:?}");
}
