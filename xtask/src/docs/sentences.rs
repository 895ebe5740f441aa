//! The longest sentences of the documents, for whoever wants to shorten them.

use super::blocks;

/// How many are shown.
pub const SHOWN: usize = 20;

pub struct Sentence {
    pub page: String,
    pub line: usize,
    pub words: usize,
    pub text: String,
}

/// Made of the program's own texts, or records of what was once so: nobody shortens these.
const LEFT: [&str; 3] = ["docs/errors.md", "docs/decisions/", "CHANGELOG.md"];

/// The longest ones of all pages but those, the longest first.
pub fn longest(pages: &[(String, String)]) -> Vec<Sentence> {
    let mut all: Vec<_> = pages
        .iter()
        .filter(|(page, _)| !LEFT.iter().any(|left| page.starts_with(left)))
        .flat_map(|(page, text)| sentences(page, text))
        .collect();
    all.sort_by_key(|sentence| std::cmp::Reverse(sentence.words));
    all.truncate(SHOWN);
    all
}

/// The sentences of a page. A heading, an item of a list and a cell of a table end one.
pub fn sentences(page: &str, text: &str) -> Vec<Sentence> {
    let mut all = Vec::new();
    let mut paragraph = String::new();
    let mut begun = 1;
    let mut end = |paragraph: &mut String, line: usize| {
        for text in split(&std::mem::take(paragraph)) {
            let words = text.split_whitespace().count();
            all.push(Sentence { page: page.to_owned(), line, words, text });
        }
    };
    for (at, line) in blocks::prose(text).lines().enumerate() {
        let line = line.trim();
        let begins = line.is_empty() || line.starts_with(['#', '|', '-', '>', '!', '<']);
        let numbered =
            line.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
        if begins || numbered {
            end(&mut paragraph, begun);
            begun = at + 1;
        }
        if line.starts_with('|') {
            for cell in line.split(" | ") {
                paragraph.push_str(cell.trim_matches(['|', ' ']));
                end(&mut paragraph, at + 1);
            }
        } else if !line.is_empty() && !line.starts_with('<') {
            if paragraph.is_empty() {
                begun = at + 1;
            }
            let item = line.trim_start_matches(['#', '-', ' ']);
            let item =
                if numbered { item.split_once(". ").map_or(item, |(_, text)| text) } else { item };
            paragraph.extend([item, " "]);
        }
    }
    end(&mut paragraph, begun);
    all
}

/// Sentences of a paragraph, without the addresses of its links.
fn split(paragraph: &str) -> Vec<String> {
    let shown = without_addresses(paragraph);
    let mut sentences = vec![String::new()];
    for word in shown.split_whitespace() {
        if let Some(last) = sentences.last_mut() {
            last.extend([word, " "]);
        }
        let bare = word.trim_end_matches(['*', '"', ')', '_', '`']);
        if bare.ends_with(['.', '?', '!']) {
            sentences.push(String::new());
        }
    }
    sentences.retain(|sentence| !sentence.is_empty());
    sentences.into_iter().map(|sentence| sentence.trim().to_owned()).collect()
}

fn without_addresses(text: &str) -> String {
    let mut parts = text.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| {
        let behind = part.split_once(')').map_or("", |(_, behind)| behind);
        format!("{shown}]{behind}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_at_full_stops_items_and_cells() {
        let text = "# A title\n\nOne [two](a.b/c) three.\nFour *five*. Six\n\n- seven eight\n- nine\n\n| ten eleven | twelve |\n\n```sh\nno words\n```\n";
        let words: Vec<_> =
            sentences("a.md", text).iter().map(|found| (found.line, found.words)).collect();
        assert_eq!(words, [(1, 2), (3, 3), (3, 2), (3, 1), (6, 2), (7, 1), (9, 2), (9, 1)]);
    }
}
