//! Declares the variables, reads them, gathers every mistake in them, and tells what is odd about how they were set.

mod declared;
mod odd;
mod outbound;

use std::fmt;
use std::ops::RangeInclusive;

pub use declared::{PLACEHOLDERS, STATUS_VARIABLES, VARIABLES, Variable};
pub use odd::{Place, Setting, oddities};
pub use outbound::{AllowEntry, Origin};

/// What is wrong with the variables: one sentence a mistake, each naming the variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

/// Gives a variable's value, `None` for one that is not defined, or why its provider failed.
pub type Lookup<'v> = dyn Fn(&str) -> Result<Option<String>, String> + 'v;

/// A variable that takes a whole number: name, allowed range.
pub struct Number(pub &'static str, pub RangeInclusive<u32>);

/// Reads variables one by one. An empty value counts as not set: then the default is taken.
pub struct Reader<'v> {
    lookup: &'v Lookup<'v>,
    mistakes: Vec<String>,
    warnings: Vec<String>,
}

impl<'v> Reader<'v> {
    /// A reader that has met no mistake.
    pub fn new(lookup: &'v Lookup<'v>) -> Self {
        Self { lookup, mistakes: Vec::new(), warnings: Vec::new() }
    }

    /// A reader of the same variables, whose mistakes are its own.
    #[must_use]
    pub fn aside(&self) -> Self {
        Self::new(self.lookup)
    }

    /// Gives `value`, unless there were mistakes.
    pub fn finish<T>(self, value: T) -> Result<T, Mistakes> {
        if self.mistakes.is_empty() { Ok(value) } else { Err(Mistakes(self.mistakes)) }
    }

    /// Takes note of a mistake.
    pub fn mistake(&mut self, text: impl Into<String>) {
        let text = text.into();
        // Two that read one variable make one mistake.
        if !self.mistakes.contains(&text) {
            self.mistakes.push(text);
        }
    }

    /// Warns of each of these variables that is set: they are another destination's.
    pub fn ignore(&mut self, names: &[&str], destination: &str) {
        for name in names {
            let set = self.set(name).unwrap_or_default();
            if set != declared::default(name) {
                self.warnings.push(format!(
                    "{name} is set and has no effect: it belongs to destination = {destination}"
                ));
            }
        }
    }

    /// What is odd about the variables, and no mistake.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// The trimmed value of a variable, or its default; none where both are empty.
    pub fn set(&mut self, name: &str) -> Option<String> {
        let value = (self.lookup)(name).unwrap_or_else(|why| {
            self.mistake(format!("{name} cannot be had of Spin's variable provider: {why}"));
            None
        });
        let set = value.as_deref().map_or("", str::trim);
        let value = if set.is_empty() { declared::default(name) } else { set };
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Whether the variable is defined and its value blank.
    pub fn is_blank(&self, name: &str) -> bool {
        matches!((self.lookup)(name), Ok(Some(value)) if value.trim().is_empty())
    }

    /// A variable that is `true` or `false`.
    pub fn switch(&mut self, name: &str) -> bool {
        let value = self.set(name).unwrap_or_default();
        let is = |word: &str| value.eq_ignore_ascii_case(word);
        if !is("true") && !is("false") {
            let default = declared::default(name);
            self.mistake(format!("{name} {value:?} must be true or false (default {default})"));
        }
        is("true")
    }

    /// A whole number.
    pub fn number(&mut self, Number(name, range): &Number) -> u32 {
        let value = self.set(name).unwrap_or_default();
        match value.parse::<u32>() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                self.mistake(format!(
                    "{name} {value:?} must be a whole number from {} to {} (default {})",
                    range.start(),
                    range.end(),
                    declared::default(name)
                ));
                0
            }
        }
    }

    /// Takes note of a mistake where `value` cannot stand in an HTTP header, or has a blank.
    pub fn header_safe(&mut self, name: &str, value: Option<&str>) {
        self.header_of(name, value, |c| c.is_ascii_graphic(), "line breaks and spaces");
    }

    /// The same for a value that may have blanks.
    pub fn header_safe_with_blanks(&mut self, name: &str, value: &str) {
        self.header_of(name, Some(value), |c| c.is_ascii_graphic() || c == ' ', "line breaks");
    }

    fn header_of(
        &mut self,
        name: &str,
        value: Option<&str>,
        fits: impl Fn(char) -> bool,
        look_for: &str,
    ) {
        if value.is_some_and(|value| !value.chars().all(fits)) {
            self.mistake(format!(
                "{name} holds characters that no HTTP header can carry (the value is not shown): check for {look_for}"
            ));
        }
    }

    /// The address in `name`, else the one derived. It must be reachable through the allow list.
    pub fn endpoint(
        &mut self,
        name: &str,
        example: &str,
        derived: Option<String>,
        allow_outbound: Option<&AllowEntry>,
    ) -> String {
        let set = self.set(name);
        let (shown_as, value) = match (&set, derived) {
            (Some(value), _) => (format!("{name} {}", shown(value)), value.clone()),
            (None, Some(derived)) => (format!("{derived}, which {name} would override,"), derived),
            (None, None) => return String::new(),
        };
        match Origin::parse(&value) {
            Ok(origin) => {
                self.check_reachable(&shown_as, &origin, allow_outbound);
                origin.to_string()
            }
            Err(why) => {
                self.mistake(format!("{shown_as} {why}; {example}"));
                String::new()
            }
        }
    }

    /// Takes note of a mistake where Spin's allow list does not have `origin`: Spin refuses requests to it.
    pub fn check_reachable(
        &mut self,
        what: &str,
        origin: &Origin,
        allow_outbound: Option<&AllowEntry>,
    ) {
        if !outbound::aws().any(|entry| entry.allows(origin))
            && !allow_outbound.is_some_and(|entry| entry.allows(origin))
        {
            self.mistake(format!(
                "{what} is not among the addresses that Spin lets the component reach: set allow_outbound to {origin}, or \
                 to a domain that covers all that is needed, such as https://*.example.com"
            ));
        }
    }
}

/// An address in a message, unless it holds a user and password.
pub fn shown(address: &str) -> String {
    if address.contains('@') { "(not shown)".to_owned() } else { format!("{address:?}") }
}
