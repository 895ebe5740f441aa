//! What is odd about what somebody has set, told before anything reads it: a name that sets nothing, and an
//! example that stands where a value should.

use super::declared::{PLACEHOLDERS, STATUS_VARIABLES, VARIABLES};

const PREFIX: &str = "SPIN_VARIABLE_";

/// How alike a name must be to be taken for what was meant, from 0 to 1.
const ALIKE: f64 = 0.6;

/// Where something was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the command line, by the variable's own name.
    Given,
    /// In the environment.
    Environment,
    /// In the file `.env`.
    EnvFile,
}

/// Something that was set: where, its name and its value.
pub type Setting<'s> = (Place, &'s str, &'s str);

/// A sentence for each setting that is odd; none holds a value. `declared` are variables beside the components'
/// own.
pub fn oddities<'s>(
    settings: impl IntoIterator<Item = Setting<'s>>,
    declared: &[&str],
) -> Vec<String> {
    let own = VARIABLES.iter().chain(&STATUS_VARIABLES).map(|variable| variable.name);
    let known: Vec<&str> = own.chain(declared.iter().copied()).collect();
    settings.into_iter().filter_map(|setting| oddity(setting, &known)).collect()
}

fn oddity((place, name, value): Setting<'_>, known: &[&str]) -> Option<String> {
    let shown = match place {
        Place::Given => format!("--variable {name}"),
        Place::Environment => name.to_owned(),
        Place::EnvFile => format!("{name} in .env"),
    };
    let written = |variable: &str| match place {
        Place::Given => variable.to_owned(),
        _ => format!("{PREFIX}{}", variable.to_uppercase()),
    };
    let is = |variable: &&&str| written(variable) == name;
    if let Some(variable) = known.iter().find(is) {
        let is_example = PLACEHOLDERS.contains(&(*variable, value.trim()));
        return is_example
            .then(|| format!("{shown} is still the example of .env.example: set your own value"));
    }
    let meant = match (place, name.strip_prefix(PREFIX)) {
        (Place::Given, _) => name.to_lowercase(),
        (_, Some(name)) => name.to_lowercase(),
        // Other programs read the environment too, and have such names of their own.
        (Place::Environment, None) => return None,
        (Place::EnvFile, None) => {
            let meant = name.to_lowercase();
            let variable = known.iter().find(|known| **known == meant)?;
            return Some(format!("{shown} sets nothing: write {}", written(variable)));
        }
    };
    let alike = |known: &&&str| strsim::normalized_damerau_levenshtein(known, &meant);
    let nearest = known.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    Some(match nearest.filter(|nearest| alike(nearest) >= ALIKE) {
        Some(nearest) => format!(
            "{shown} sets nothing, since no variable has that name: the nearest is {}",
            written(nearest)
        ),
        None => format!("{shown} sets nothing, since no variable has that name: remove it"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd(place: Place, name: &str, value: &str) -> Option<String> {
        oddities([(place, name, value)], &["act"]).pop()
    }

    #[test]
    fn a_name_that_sets_nothing_is_told_with_the_nearest_that_does() {
        let is_told = " sets nothing, since no variable has that name: ";
        for (place, name, shown, remedy) in [
            (
                Place::Environment,
                "SPIN_VARIABLE_KONG_ADMIN_TOKN",
                "SPIN_VARIABLE_KONG_ADMIN_TOKN",
                "the nearest is SPIN_VARIABLE_KONG_ADMIN_TOKEN",
            ),
            (
                Place::EnvFile,
                "SPIN_VARIABLE_legder",
                "SPIN_VARIABLE_legder in .env",
                "the nearest is SPIN_VARIABLE_LEDGER",
            ),
            (
                Place::Environment,
                "SPIN_VARIABLE_ledger",
                "SPIN_VARIABLE_ledger",
                "the nearest is SPIN_VARIABLE_LEDGER",
            ),
            (Place::Given, "channel-arn", "--variable channel-arn", "the nearest is channel_arn"),
            (Place::Given, "colour", "--variable colour", "remove it"),
            (Place::Environment, "SPIN_VARIABLE_", "SPIN_VARIABLE_", "remove it"),
        ] {
            let told = format!("{shown}{is_told}{remedy}");
            assert_eq!(odd(place, name, "a-secret"), Some(told));
        }
    }

    #[test]
    fn what_is_known_or_another_programs_is_not_odd() {
        for (place, name) in [
            (Place::Environment, "SPIN_VARIABLE_KONG_ADMIN_API"),
            (Place::EnvFile, "SPIN_VARIABLE_STALE_AFTER_SECS"),
            (Place::Given, "page_size"),
            (Place::Given, "act"),
            (Place::Environment, "SPIN_VARIABLE_ACT"),
            (Place::Environment, "AWS_ACCESS_KEY_ID"),
            (Place::Environment, "KONG_ADMIN_API"),
            (Place::EnvFile, "COMPOSE_PROJECT_NAME"),
        ] {
            assert_eq!(odd(place, name, ""), None, "{name}");
        }
    }

    #[test]
    fn a_line_of_env_without_the_prefix_is_told() {
        let told = "AWS_ACCESS_KEY_ID in .env sets nothing: write SPIN_VARIABLE_AWS_ACCESS_KEY_ID";
        assert_eq!(odd(Place::EnvFile, "AWS_ACCESS_KEY_ID", "x").as_deref(), Some(told));
    }

    #[test]
    fn an_example_that_is_still_there_is_told_wherever_it_was_set() {
        for (variable, value) in PLACEHOLDERS {
            let name = format!("{PREFIX}{}", variable.to_uppercase());
            let told =
                format!("{name} in .env is still the example of .env.example: set your own value");
            assert_eq!(odd(Place::EnvFile, &name, value), Some(told));
            assert!(odd(Place::Given, variable, &format!(" {value}")).is_some());
            assert_eq!(odd(Place::Environment, &name, &format!("{value}0")), None);
        }
    }
}
