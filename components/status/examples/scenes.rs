//! Writes the page in each of its states into a folder, as HTML: `scenes <folder>`.
#![allow(clippy::unwrap_used)]

#[path = "../tests/page/scenes.rs"]
mod scenes;

fn main() {
    let folder = std::env::args_os().nth(1).map(std::path::PathBuf::from).expect("scenes <folder>");
    for (name, scene) in scenes::SCENES {
        let page = kong_cloudtrail_status::page::render(&scene().shown());
        std::fs::write(folder.join(name).with_extension("html"), page).unwrap();
    }
}
