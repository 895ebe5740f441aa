//! Texts of the store, made harmless: whoever can write to the store may have written them, and Kong's and AWS's
//! words are in them.

use std::fmt::Write as _;

/// Most characters of a text that are shown.
const MOST: usize = 2000;
/// Most characters of a word.
const MOST_OF_A_WORD: usize = 40;

/// The text without characters that a reader does not see, or that change what is around them: each of them
/// stands there as its code. Cut where it is long.
pub fn plain(text: &str) -> String {
    cut(text, MOST)
}

/// As [`plain`], of what should be a word.
pub(super) fn word(text: &str) -> String {
    cut(text, MOST_OF_A_WORD)
}

fn cut(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(4 * most));
    for c in text.chars().take(most) {
        if is_unseen(c) {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    let more = text.chars().skip(most).count();
    if more > 0 {
        let _ = write!(shown, "… ({more} more characters)");
    }
    shown
}

/// Controls, and the characters of Unicode's category Cf and its like: directions, joiners, spaces of no width,
/// tags, variation selectors, line separators.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_shown_as_its_code_and_the_rest_as_it_is() {
        for (text, shown) in [
            ("/services/ä?x=<b>&\"'", "/services/ä?x=<b>&\"'"),
            ("a\u{0}b\u{1b}[31m\r\n\t", "a\\u{0}b\\u{1b}[31m\\u{d}\\u{a}\\u{9}"),
            ("\u{202e}txt.exe\u{2066}", "\\u{202e}txt.exe\\u{2066}"),
            ("a\u{200b}b\u{feff}c\u{85}", "a\\u{200b}b\\u{feff}c\\u{85}"),
            ("\u{e0041}\u{2028}", "\\u{e0041}\\u{2028}"),
        ] {
            assert_eq!(plain(text), shown);
        }
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let shown = plain(&"ä".repeat(MOST + 3));
        assert_eq!(shown, format!("{}… (3 more characters)", "ä".repeat(MOST)));
        assert_eq!(word(&"x".repeat(41)), format!("{}… (1 more characters)", "x".repeat(40)));
        assert_eq!(plain(&"x".repeat(MOST)).len(), MOST);
    }
}
