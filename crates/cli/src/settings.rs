//! What is odd about the settings, told on stderr before anything reads them.

use kong_cloudtrail::variables::{Place, oddities};
use kong_cloudtrail_application::Options;
use kong_cloudtrail_application::manifest::Manifest;

/// Tells of names that set nothing, with the nearest that does, and of examples that are still there. A mistake in the
/// files is left to whoever reads them next.
pub fn warn(options: &Options) {
    let sources = &options.variables;
    let env_file = sources.read_env_file().unwrap_or_default();
    let manifest = Manifest::read(&options.manifest_file());
    let declared = manifest.map(|manifest| manifest.variables).unwrap_or_default();
    let declared: Vec<&str> = declared.keys().map(String::as_str).collect();
    let settings = [
        (Place::Given, &sources.given),
        (Place::Environment, &sources.environment),
        (Place::EnvFile, &env_file),
    ];
    let settings = settings.into_iter().flat_map(|(place, set)| {
        set.iter().map(move |(name, value)| (place, name.as_str(), value.as_str()))
    });
    for told in oddities(settings, &declared) {
        eprintln!("warning: {told}");
    }
}
