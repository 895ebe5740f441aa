//! Which of Kong's `audit_log_ignore_paths` hide more than the reading of the audit log.
//!
//! A pattern is judged by what it matches among [`OTHERS`] and [`READS`], and not by how it is written. Of
//! Perl's patterns this knows what such a list needs; one that it does not know counts as hiding.

use std::cell::Cell;

/// Paths by which the audit log itself is read.
const READS: [&str; 10] = [
    "/",
    "/audit/requests",
    "/audit/requests/",
    "/audit/requests?size=1000&after=2026-11-28T12%3A00%3A00Z",
    "/audit/requests?offset=WyIyMDI2Il0",
    "/audit/objects",
    "/audit/objects/",
    "/audit/objects?size=1000&after=2026-11-28T12%3A00%3A00Z",
    "/audit/objects?offset=WyIyMDI2Il0",
    "/default/audit/requests",
];

/// Some of everything else that the Admin API has.
const OTHERS: [&str; 44] = [
    "/services",
    "/services/2f0d4d31-9e3e-4f6e-9d3b-0a3c2f8e7b11",
    "/services/orders/routes",
    "/routes",
    "/routes/orders?tags=a",
    "/consumers",
    "/consumers/alice/key-auth",
    "/consumer_groups",
    "/plugins",
    "/plugins/enabled",
    "/certificates",
    "/ca_certificates",
    "/snis",
    "/upstreams",
    "/upstreams/a/targets",
    "/vaults",
    "/keys",
    "/key-sets",
    "/workspaces",
    "/workspaces/default",
    "/default/services",
    "/default/plugins",
    "/rbac/users",
    "/rbac/roles/reader/endpoints",
    "/admins",
    "/admins/register",
    "/auth",
    "/auth?session_logout=true",
    "/userinfo",
    "/groups",
    "/developers",
    "/applications",
    "/files",
    "/licenses",
    "/license/report",
    "/event-hooks",
    "/keyring",
    "/status",
    "/config",
    "/schemas/services",
    "/tags",
    "/cache",
    "/clustering/status",
    "/debug/node/log-level",
];

/// Words of the paths in [`READS`].
const WORDS: [&str; 4] = ["audit", "requests", "objects", "default"];

/// Whether Kong leaves calls out of its audit log for this pattern that are no reading of it. Kong before 0.35
/// compares the text as it stands.
pub fn hides(pattern: &str, as_text: bool) -> bool {
    if as_text {
        return OTHERS.iter().any(|path| path.contains(pattern));
    }
    let Some(alternatives) = Parser::parse(pattern) else { return true };
    // What is named in it beside the audit log is among no list of samples.
    let names_another = pattern
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| word.len() > 2)
        .any(|word| !WORDS.iter().any(|known| known.contains(&word.to_ascii_lowercase())));
    names_another
        || alternatives.iter().any(|one| {
            let found = |path: &&str| found(std::slice::from_ref(one), path);
            OTHERS.iter().any(|path| found(path) != Some(false))
                || !READS.iter().any(|path| found(path) == Some(true))
        })
}

/// One after the other.
type Sequence = Vec<Piece>;

struct Piece {
    node: Node,
    least: usize,
    most: usize,
}

enum Node {
    Start,
    End,
    Any,
    Char(char),
    /// One of these spans, or none of them.
    Class(Vec<(char, char)>, bool),
    Group(Vec<Sequence>),
}

struct Parser<'p> {
    rest: std::iter::Peekable<std::str::Chars<'p>>,
    depth: usize,
}

impl<'p> Parser<'p> {
    fn parse(pattern: &'p str) -> Option<Vec<Sequence>> {
        let pattern = pattern.strip_prefix("(?i)").unwrap_or(pattern);
        let mut parser = Self { rest: pattern.chars().peekable(), depth: 0 };
        let alternatives = parser.alternatives()?;
        parser.rest.next().is_none().then_some(alternatives)
    }

    fn takes(&mut self, c: char) -> bool {
        self.rest.next_if_eq(&c).is_some()
    }

    fn alternatives(&mut self) -> Option<Vec<Sequence>> {
        let mut alternatives = vec![Sequence::new()];
        while let Some(&c) = self.rest.peek() {
            match c {
                ')' => break,
                '|' => {
                    self.rest.next();
                    alternatives.push(Sequence::new());
                }
                _ => {
                    let piece = self.piece()?;
                    alternatives.last_mut()?.push(piece);
                }
            }
        }
        Some(alternatives)
    }

    fn piece(&mut self) -> Option<Piece> {
        let node = match self.rest.next()? {
            '^' => Node::Start,
            '$' => Node::End,
            '.' => Node::Any,
            '[' => self.class()?,
            '(' => self.group()?,
            '\\' => self.escape()?,
            '*' | '+' | '?' | '{' => return None,
            c => Node::Char(c),
        };
        let (least, most) = match self.rest.peek() {
            Some('*') => (0, usize::MAX),
            Some('+') => (1, usize::MAX),
            Some('?') => (0, 1),
            Some('{') => return None,
            _ => return Some(Piece { node, least: 1, most: 1 }),
        };
        self.rest.next();
        // Lazy or possessive: what matches is found all the same.
        let _ = self.takes('?') || self.takes('+');
        Some(Piece { node, least, most })
    }

    fn group(&mut self) -> Option<Node> {
        const DEEPEST: usize = 10;
        self.depth += 1;
        if self.depth > DEEPEST || self.takes('?') && !self.takes(':') {
            return None;
        }
        let alternatives = self.alternatives()?;
        self.depth -= 1;
        self.takes(')').then_some(Node::Group(alternatives))
    }

    fn escape(&mut self) -> Option<Node> {
        let (digits, word) =
            (vec![('0', '9')], vec![('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]);
        Some(match self.rest.next()? {
            'd' => Node::Class(digits, true),
            'w' => Node::Class(word, true),
            'W' => Node::Class(word, false),
            'A' => Node::Start,
            'z' | 'Z' => Node::End,
            c if c.is_ascii_alphanumeric() => return None,
            c => Node::Char(c),
        })
    }

    fn class(&mut self) -> Option<Node> {
        let among = !self.takes('^');
        let mut spans = Vec::new();
        loop {
            let first = match self.rest.next()? {
                ']' if !spans.is_empty() => return Some(Node::Class(spans, among)),
                '\\' => match self.escape()? {
                    Node::Char(c) => c,
                    Node::Class(inner, true) => {
                        spans.extend(inner);
                        continue;
                    }
                    _ => return None,
                },
                '[' => return None,
                c => c,
            };
            let last = if self.takes('-') { self.rest.next()? } else { first };
            // A hyphen at the end stands for itself.
            if last == ']' && first != last {
                spans.extend([(first, first), ('-', '-')]);
                return Some(Node::Class(spans, among));
            }
            spans.push((first, last));
        }
    }
}

/// Whether the pattern is found in the path; none where that takes too long to find out.
fn found(pattern: &[Sequence], path: &str) -> Option<bool> {
    let path: Vec<char> = path.chars().collect();
    let search = Search { path: &path, steps: Cell::new(0) };
    let found = (0..=path.len()).any(|at| search.any(pattern, at, &|_| true));
    (found || !search.is_out_of_steps()).then_some(found)
}

struct Search<'s> {
    path: &'s [char],
    steps: Cell<u32>,
}

impl Search<'_> {
    /// A pattern that takes more than this is one that nobody writes for a path.
    fn is_out_of_steps(&self) -> bool {
        self.steps.get() > 20_000
    }

    fn any(&self, alternatives: &[Sequence], at: usize, then: &dyn Fn(usize) -> bool) -> bool {
        alternatives.iter().any(|sequence| self.sequence(sequence, at, then))
    }

    fn sequence(&self, pieces: &[Piece], at: usize, then: &dyn Fn(usize) -> bool) -> bool {
        match pieces.split_first() {
            None => then(at),
            Some((piece, rest)) => self.repeated(piece, 0, at, &|at| self.sequence(rest, at, then)),
        }
    }

    fn repeated(&self, piece: &Piece, had: usize, at: usize, then: &dyn Fn(usize) -> bool) -> bool {
        self.steps.set(self.steps.get() + 1);
        if self.is_out_of_steps() {
            return false;
        }
        let once_more =
            |next| (next > at || had < piece.least) && self.repeated(piece, had + 1, next, then);
        had < piece.most && self.node(&piece.node, at, &once_more) || had >= piece.least && then(at)
    }

    fn node(&self, node: &Node, at: usize, then: &dyn Fn(usize) -> bool) -> bool {
        let here = self.path.get(at).map(char::to_ascii_lowercase);
        match node {
            Node::Start => at == 0 && then(at),
            Node::End => at == self.path.len() && then(at),
            Node::Any => here.is_some() && then(at + 1),
            Node::Char(c) => here == Some(c.to_ascii_lowercase()) && then(at + 1),
            Node::Class(spans, among) => {
                here.is_some_and(|here| {
                    let upper = here.to_ascii_uppercase();
                    let is_in = |(first, last): &(char, char)| {
                        (*first..=*last).contains(&here) || (*first..=*last).contains(&upper)
                    };
                    spans.iter().any(is_in) == *among
                }) && then(at + 1)
            }
            Node::Group(alternatives) => self.any(alternatives, at, then),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::hides;

    #[test]
    fn a_pattern_that_covers_reads_of_the_audit_log_alone_hides_nothing_however_it_is_written() {
        for pattern in [
            "^/$",
            "^/?$",
            r"^\/$",
            "^/audit/requests",
            "^/audit/objects",
            "/audit/requests",
            "/audit",
            "^/audit",
            "^/audit/",
            "/audit/.*",
            "^/audit/.*$",
            r"^\/audit\/requests",
            "^/audit/requests$",
            r"^/audit/requests\?",
            r"^/audit/requests(\?.*)?$",
            "^/audit/(requests|objects)",
            "^/audit/(?:requests|objects)/?",
            "^/(audit/requests|audit/objects)$",
            "^/audit/[ro]",
            "^/[a-z]+/audit/requests",
            "(?i)^/AUDIT/requests",
            r"\A/audit/\w+\z",
            "^/audit/requests|^/$",
            "audit/objects",
            "^/audit/[^/]*$",
            "^(/default)?/audit/requests",
            "^/audit(/.*)?$",
        ] {
            assert!(!hides(pattern, false), "{pattern}");
        }
    }

    #[test]
    fn one_that_covers_more_or_something_unknown_hides() {
        for pattern in [
            "",
            "^/",
            "/",
            ".*",
            "^/audit|^/services",
            "^/a",
            "^/services",
            "/status",
            "^/audit/requests|",
            "^/(audit|plugins)",
            "^/(audit|something-else)",
            "^/something-else",
            "(?!/audit)",
            r"^/audit/\1",
            "^/audit{2}",
            "[",
            "(",
            "*",
            "^/.*s$",
            "(a*)*b|^/audit",
            "^/[[:alpha:]]+",
        ] {
            assert!(hides(pattern, false), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_takes_for_ever_is_given_up() {
        assert!(hides("^/audit(.*)*(.*)*(.*)*(.*)*(.*)*!", false));
    }

    #[test]
    fn kong_before_0_35_compares_texts() {
        for (pattern, hidden) in [
            ("^/audit/requests", false),
            ("/audit/requests", false),
            ("/services", true),
            ("/", true),
        ] {
            assert_eq!(hides(pattern, true), hidden, "{pattern}");
        }
    }
}
