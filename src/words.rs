//! How texts are told: what comes from outside is cut and made harmless, and what is wrong stands apart from
//! what to do about it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::Serialize;

/// Most characters of a text from outside: all of what Kong, AWS and Redis are known to say, and of a proxy's
/// page enough.
const MOST: usize = 300;

/// A text from outside (a message, an id, a name) as it may stand in a line: at most 300 characters, the
/// last of them an ellipsis where more were there, and none that a terminal would act on or hide.
pub fn shown(text: &str) -> String {
    shown_up_to(MOST, text)
}

/// As [`shown`], with at most so many characters.
pub fn shown_up_to(most: usize, text: &str) -> String {
    let (mut shown, mut chars) = (String::new(), 0);
    let mut rest = text.trim().chars().peekable();
    while let Some(c) = rest.next() {
        let piece = if is_hidden(c) { escape(c) } else { c.to_string() };
        chars += piece.chars().count();
        let room = if rest.peek().is_some() { most - 1 } else { most };
        if chars > room {
            shown.push('…');
            break;
        }
        shown.push_str(&piece);
    }
    shown
}

/// A whole line of JSON, or JSON over several lines, with every character escaped that a terminal would act
/// on or hide. It means the same to a parser.
pub fn json_shown(json: &str) -> Cow<'_, str> {
    let hidden = |c: char| c != '\n' && is_hidden(c);
    if !json.contains(hidden) {
        return Cow::Borrowed(json);
    }
    let pieces = json.chars().map(|c| if hidden(c) { escape(c) } else { c.to_string() });
    Cow::Owned(pieces.collect())
}

/// `value` as one line of JSON, escaped in the same way.
pub fn json_line(value: &impl Serialize) -> String {
    json_shown(&serde_json::to_string(value).unwrap_or_default()).into_owned()
}

/// As JSON has it.
fn escape(c: char) -> String {
    let mut escape = String::new();
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(escape, "\\u{unit:04x}");
    }
    escape
}

/// Controls, and what a reader does not see or what changes what is around it: directions, joiners, spaces of
/// no width, fillers, tags, variation selectors, separators of lines (Unicode's Default_Ignorable_Code_Point, Zl
/// and Zp).
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

/// What is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What is wrong.
    pub cause: String,
    /// What to do; empty where there is nothing to do, or the cause says it.
    pub remedy: Cow<'static, str>,
}

impl Told {
    /// Both.
    pub fn new(cause: impl Into<String>, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self { cause: cause.into(), remedy: remedy.into() }
    }
}

impl From<String> for Told {
    fn from(cause: String) -> Self {
        Self::new(cause, "")
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, ": {}", self.remedy) }
    }
}

/// All of them in one text: each cause once, and each remedy once, behind the causes that it is for.
pub fn together<'t>(told: impl IntoIterator<Item = &'t Told>) -> String {
    let mut groups: Vec<(Vec<&str>, &str)> = Vec::new();
    for Told { cause, remedy } in told {
        if groups.iter().any(|(causes, _)| causes.contains(&cause.as_str())) {
            continue;
        }
        match groups.iter_mut().find(|(_, known)| !remedy.is_empty() && known == remedy) {
            Some((causes, _)) => causes.push(cause),
            None => groups.push((vec![cause], remedy)),
        }
    }
    let texts = groups
        .into_iter()
        .map(|(causes, remedy)| Told::new(causes.join(", and "), remedy.to_owned()).to_string());
    texts.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each kind, and the first and the last of each span.
    const HIDDEN: &str = "\0\u{7}\u{1b}\n\u{7f}\u{80}\u{9b}\u{9f}\u{ad}\u{61c}\u{180e}\u{200b}\u{200d}\u{200e}\u{200f}\
                          \u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\u{e0020}";

    #[test]
    fn what_a_terminal_acts_on_or_hides_is_escaped_and_all_else_stays() {
        let text = shown(&format!("a{HIDDEN}z"));
        assert!(text.chars().all(|c| c.is_ascii_graphic()), "{text:?}");
        assert!(text.starts_with(r"a\u0000\u0007\u001b\u000a\u007f\u0080"), "{text}");
        assert!(text.ends_with(r"\u2069\ufeff\udb40\udc20z"), "{text}");
        let kept = "Grüße, 東京 – “1 €” \u{1f600} a\\u0041";
        assert_eq!((shown(kept).as_str(), json_shown(kept)), (kept, Cow::Borrowed(kept)));
    }

    #[test]
    fn json_with_escapes_means_the_same() {
        let value = serde_json::json!({ "message": HIDDEN, "lines": [1, 2] });
        for json in [value.to_string(), format!("{value:#}")] {
            let escaped = json_shown(&json);
            assert!(!escaped.contains(|c| c != '\n' && is_hidden(c)), "{escaped:?}");
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&escaped).ok(),
                Some(value.clone())
            );
        }
    }

    #[test]
    fn a_text_from_outside_has_300_characters_at_most_the_last_an_ellipsis() {
        for (length, expected) in [(299, 299), (300, 300), (301, 300), (9000, 300)] {
            let text = shown(&"é".repeat(length));
            assert_eq!((text.chars().count(), text.ends_with('…')), (expected, length > 300));
        }
        let escaped = shown(&"\u{1b}".repeat(100));
        assert_eq!((escaped.chars().count(), escaped.ends_with("1b…")), (295, true), "{escaped}");
    }

    #[test]
    fn each_cause_and_each_remedy_is_told_once() {
        let told = |cause: &str, remedy: &'static str| Told::new(cause, remedy);
        let all = [
            told("A", "do it"),
            told("B", ""),
            told("C", "do it"),
            told("A", "do it"),
            told("B", ""),
            told("D", "do that"),
        ];
        assert_eq!(together(&all), "A, and C: do it; B; D: do that");
        assert_eq!(together([]), "");
    }
}
