//! The pages of the book, the code in them, and the commands in that code. `crates/cli` reads them by this too.

use std::path::Path;

/// What stands between two fences.
pub struct Block {
    pub page: String,
    /// Of the opening fence, from 1.
    pub line: usize,
    pub language: String,
    pub text: String,
}

/// The words of one command, without redirections.
pub struct Command {
    pub page: String,
    pub line: usize,
    pub words: Vec<String>,
}

/// Where a link in brackets leads, of each that leads to no other site.
pub fn targets(text: &str) -> impl Iterator<Item = &str> {
    let rests = text.split("](").skip(1);
    rests.filter_map(|rest| rest.split(')').next()).filter(|target| !target.contains("://"))
}

/// A path without `..`, as far as it has folders to leave.
pub fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The folder of a page.
pub fn folder(page: &str) -> &str {
    page.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The pages that `docs/SUMMARY.md` names, from the root, with their texts.
pub fn pages(root: &Path) -> std::io::Result<Vec<(String, String)>> {
    let summary = std::fs::read_to_string(root.join("docs/SUMMARY.md"))?;
    let names = targets(&summary).map(|target| joined("docs", target));
    names.map(|name| std::fs::read_to_string(root.join(&name)).map(|text| (name, text))).collect()
}

/// The blocks of code of a page.
pub fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(language)) => {
                let (page, language) = (page.to_owned(), language.trim().to_owned());
                open = Some(Block { page, line: at + 1, language, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    blocks
}

/// The text without its blocks: their lines are empty.
pub fn prose(text: &str) -> String {
    let mut within = false;
    let line = |line: &str| {
        let fence = line.trim_start().starts_with("```");
        within ^= fence;
        if within || fence { "\n".to_owned() } else { format!("{line}\n") }
    };
    text.lines().map(line).collect()
}

/// What stands in backquotes in the prose, each with its line.
pub fn inline(text: &str) -> Vec<(usize, String)> {
    let prose = prose(text);
    let lines = prose.lines().enumerate();
    let spans = |(at, line): (usize, &str)| {
        let spans = line.split('`').skip(1).step_by(2).map(str::to_owned);
        spans.map(|span| (at + 1, span)).collect::<Vec<_>>()
    };
    lines.flat_map(spans).collect()
}

impl Block {
    pub fn is_shell(&self) -> bool {
        ["console", "sh", "bash"].contains(&&*self.language)
    }

    /// What a shell reads: without prompts and without what is printed.
    pub fn script(&self) -> String {
        if self.language != "console" {
            return self.text.clone();
        }
        let mut continued = false;
        let mut script = String::new();
        for line in self.text.lines() {
            let typed = line.strip_prefix("$ ").or_else(|| line.strip_prefix("> "));
            let typed = typed.or_else(|| continued.then_some(line));
            script.push_str(typed.unwrap_or_default());
            script.push('\n');
            continued = typed.is_some_and(|typed| typed.ends_with('\\'));
        }
        script
    }

    /// The commands in it, those within `$(…)` too.
    pub fn commands(&self) -> Vec<Command> {
        let mut commands = Vec::new();
        let mut script = String::new();
        for (line, next) in (self.line + 1..).zip(self.script().lines()) {
            if let Some(begun) = next.strip_suffix('\\') {
                script.push_str(begun);
                continue;
            }
            script.push_str(next);
            if quote_is_open(&script) {
                script.push(' ');
                continue;
            }
            for words in simple_commands(&script) {
                commands.push(Command { page: self.page.clone(), line, words });
            }
            script.clear();
        }
        commands
    }
}

/// Words that come before a command, and are none.
const KEYWORDS: [&str; 17] = [
    "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "{",
    "}", "!", "eval", "time",
];

/// Whether a string goes on in the next line.
fn quote_is_open(script: &str) -> bool {
    let mut quote = None;
    for c in script.chars() {
        match quote {
            Some(open) if open == c => quote = None,
            None if c == '#' => break,
            None if ['\'', '"'].contains(&c) => quote = Some(c),
            _ => {}
        }
    }
    quote.is_some()
}

/// Splits a line as a shell does, near enough for what stands in the documents.
pub fn simple_commands(line: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let line = placeholders(line);
    let mut rest = line.chars().peekable();
    let mut redirected = false;
    let end_word = |word: &mut String, words: &mut Vec<String>, redirected: &mut bool| {
        if !word.is_empty() && !std::mem::take(redirected) {
            words.push(std::mem::take(word));
        }
        word.clear();
    };
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None | Some('"'), '$') if rest.peek() == Some(&'(') => {
                rest.next();
                let inner = inside(&mut rest);
                all.extend(simple_commands(&inner));
                word.push_str("$()");
            }
            (None, '#') if word.is_empty() => break,
            (None, '<' | '>') => {
                if word.chars().all(|c| c.is_ascii_digit()) {
                    word.clear();
                }
                end_word(&mut word, &mut words, &mut redirected);
                redirected = true;
            }
            (None, ' ' | '\t') => end_word(&mut word, &mut words, &mut redirected),
            (None, '|' | ';' | '&' | '(' | ')') => {
                end_word(&mut word, &mut words, &mut redirected);
                redirected = false;
                all.push(std::mem::take(&mut words));
            }
            (_, c) => word.push(c),
        }
    }
    end_word(&mut word, &mut words, &mut redirected);
    all.push(words);
    all.into_iter().map(without_what_comes_before).filter(|words| !words.is_empty()).collect()
}

/// What stands for something to be filled in (`<id>`) as a word.
fn placeholders(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        match after.split_once('>') {
            Some((name, behind))
                if !name.is_empty()
                    && name.chars().all(|c| c.is_ascii_lowercase() || "_- ".contains(c)) =>
            {
                text.push_str("placeholder");
                rest = behind;
            }
            _ => {
                text.push('<');
                rest = after;
            }
        }
    }
    text + rest
}

/// Up to the bracket that closes.
fn inside(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut depth = 1;
    let mut text = String::new();
    for c in rest.by_ref() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth == 0 {
            break;
        }
        text.push(c);
    }
    text
}

/// Without keywords and assignments. The head of a `for` is no command.
fn without_what_comes_before(words: Vec<String>) -> Vec<String> {
    if words.first().is_some_and(|word| word == "for") {
        return Vec::new();
    }
    let assigns = |word: &str| {
        word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
    };
    let before = |word: &&String| KEYWORDS.contains(&word.as_str()) || assigns(word);
    let skipped = words.iter().take_while(before).count();
    words.into_iter().skip(skipped).collect()
}
