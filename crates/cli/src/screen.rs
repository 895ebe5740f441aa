//! How stdout and stderr are: terminals or not, with how much room, and with colours or without.

use std::fmt::Display;
use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, Width, presets,
};
use kong_cloudtrail::wire::rfc3339;

/// What is well.
pub const WELL: Style = AnsiColor::Green.on_default().bold();
/// What somebody should look at.
pub const ATTENTION: Style = AnsiColor::Yellow.on_default().bold();
/// What failed, or cannot be told.
pub const FAILED: Style = AnsiColor::Red.on_default().bold();
pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();

/// Columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;
/// So many columns are taken for granted: a text is not cut into single words.
const LEAST: usize = 40;

/// A terminal that somebody reads.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Its columns.
    pub width: usize,
    /// Whether it has colours, and nobody has switched them off.
    pub colour: bool,
}

impl Screen {
    /// That of stdout; none in a pipe, or where lines of JSON are asked for.
    pub fn of_stdout(json: bool) -> Option<Self> {
        let stdout = std::io::stdout();
        (!json && stdout.is_terminal()).then(|| Self::new(terminal_size::terminal_size_of(stdout)))
    }

    /// That of stderr; none where it is no terminal.
    pub fn of_stderr() -> Option<Self> {
        let stderr = std::io::stderr();
        stderr.is_terminal().then(|| Self::new(terminal_size::terminal_size_of(stderr)))
    }

    fn new(size: Option<(terminal_size::Width, terminal_size::Height)>) -> Self {
        let width = size.map_or(COLUMNS, |(width, _)| usize::from(width.0)).max(LEAST);
        let colour = anstyle_query::term_supports_ansi_color() && !anstyle_query::no_color();
        Self { width, colour }
    }

    pub fn paint(self, style: Style, text: impl Display) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_string() }
    }

    /// Text that begins behind `indent` columns, which are there already, and goes on below them.
    pub fn wrap(self, indent: usize, text: &str) -> String {
        let room = self.width.saturating_sub(indent + 1).max(LEAST / 2);
        let (mut wrapped, mut used) = (String::new(), 0);
        for word in text.split_whitespace() {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > room {
                wrapped.push('\n');
                wrapped.extend(std::iter::repeat_n(' ', indent));
                used = 0;
            } else if used > 0 {
                wrapped.push(' ');
                used += 1;
            }
            wrapped.push_str(word);
            used += length;
        }
        wrapped
    }

    /// A header and a line for each row. The columns from `counts` on are numbers. Where there is too little room, the
    /// last column is cut.
    pub fn table(self, header: &[&str], counts: usize, rows: &[Vec<String>]) -> Vec<String> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(self.width).unwrap_or(u16::MAX));
        table.set_header(header.to_vec());
        for cells in rows {
            let mut row = Row::from(cells);
            row.max_height(1);
            table.add_row(row);
        }
        let last = header.len().saturating_sub(1);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_constraint(if index < last || counts < header.len() {
                ColumnConstraint::ContentWidth
            } else {
                ColumnConstraint::LowerBoundary(Width::Fixed(10))
            });
            if index >= counts {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        if let Some(header) = lines.first_mut() {
            *header = self.paint(BOLD, &header);
        }
        lines
    }
}

/// `2026-11-28 12:38:00`, in UTC.
pub fn moment(secs: i64) -> String {
    rfc3339(secs).trim_end_matches('Z').replacen('T', " ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: Screen = Screen { width: 50, colour: false };

    #[test]
    fn a_long_text_goes_on_below_its_beginning_and_a_long_word_is_not_cut() {
        let text = format!("one two {} three", "x".repeat(60));
        let wrapped = NARROW.wrap(4, &text);
        assert_eq!(wrapped, format!("one two\n    {}\n    three", "x".repeat(60)));
        assert!(NARROW.wrap(10, &"four ".repeat(40)).lines().all(|line| line.len() <= 50));
    }

    #[test]
    fn colours_are_there_where_the_terminal_has_them_alone() {
        assert_eq!(NARROW.paint(WELL, "ok"), "ok");
        assert_eq!(
            Screen { colour: true, ..NARROW }.paint(WELL, "ok"),
            "\u{1b}[1m\u{1b}[32mok\u{1b}[0m"
        );
    }

    #[test]
    fn a_table_has_its_numbers_at_the_right_and_cuts_its_last_column() {
        let rows = [vec!["a".to_owned(), "1,204".to_owned()], vec!["bcd".into(), "7".into()]];
        let lines = NARROW.table(&["DAY", "KONG"], 1, &rows);
        assert_eq!(lines, [" DAY   KONG", " a    1,204", " bcd      7"]);
        let rows = [vec!["i".repeat(30), "w".repeat(40)]];
        let lines = NARROW.table(&["ID", "USER"], 2, &rows);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].contains(&rows[0][0]) && lines[1].chars().count() <= 50, "{lines:?}");
    }
}
