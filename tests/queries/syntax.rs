//! That the queries in SQL are what each place can take.

use sqlparser::ast::Statement;
use sqlparser::dialect::{AnsiDialect, DatabricksDialect, GenericDialect};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::log_group::FIELDS;
use super::{Place, bucket, lake, log_group};

/// Functions that SQLite has as well as the place, alike in what the queries use of them.
const ALIKE: [&str; 14] = [
    "cast",
    "coalesce",
    "concat",
    "count",
    "dense_rank",
    "json_extract",
    "length",
    "lower",
    "max",
    "min",
    "replace",
    "row_number",
    "substr",
    "sum",
];
/// Most characters of a query: `QueryStatement` of CloudTrail's `StartQuery`, `queryString` of that of CloudWatch
/// Logs. Athena takes many more.
const LIMIT: usize = 10_000;

impl Place {
    /// What stands for the table in its queries.
    fn table(self) -> &'static str {
        match self {
            Self::Lake => "<event_data_store_id>",
            Self::LogGroup => "<log_group>",
            Self::Bucket => "<trail>",
        }
    }

    /// Functions that its stand-in has of its own.
    fn registered(self) -> &'static [&'static str] {
        match self {
            Self::Lake => &lake::REGISTERED,
            Self::LogGroup => &log_group::REGISTERED,
            Self::Bucket => &bucket::REGISTERED,
        }
    }

    fn with_table(self, name: &str) -> String {
        let query = self.query(name);
        assert!(query.contains(self.table()), "{name} in {self:?}");
        query.replace(self.table(), "events")
    }

    /// The tokens of a query that count.
    fn tokens(self, name: &str) -> Vec<Token> {
        let mut tokens =
            Tokenizer::new(&GenericDialect {}, &self.with_table(name)).tokenize().unwrap();
        tokens.retain(|token| !matches!(token, Token::Whitespace(_)));
        tokens
    }
}

fn every_query() -> impl Iterator<Item = (Place, String)> {
    Place::ALL
        .into_iter()
        .flat_map(|place| place.names("sql").into_iter().map(move |name| (place, name)))
}

#[test]
fn every_query_is_one_select() {
    for (place, name) in every_query() {
        let text = place.with_table(&name);
        // The crate knows neither dialect: `cargo xtask test` holds each with a parser that does.
        let parsed = match place {
            Place::Lake | Place::Bucket => Parser::parse_sql(&AnsiDialect {}, &text),
            Place::LogGroup => Parser::parse_sql(&DatabricksDialect {}, &text),
        };
        let statements = parsed.unwrap_or_else(|error| panic!("{name} in {place:?}: {error}"));
        assert!(matches!(statements[..], [Statement::Query(_)]), "{name} in {place:?}");
    }
}

#[test]
fn every_query_is_short_enough_to_be_started() {
    for (place, name) in every_query() {
        let length = place.query(&name).chars().count();
        assert!(length < LIMIT, "{name} in {place:?} has {length} characters");
    }
}

#[test]
fn every_function_is_one_that_the_place_has() {
    // Keywords that a parenthesis may follow, and a type.
    let keywords = ["and", "by", "from", "in", "join", "map", "or", "over"];
    for (place, name) in every_query() {
        for pair in place.tokens(&name).windows(2) {
            let [Token::Word(word), Token::LParen] = pair else { continue };
            let word = word.value.to_lowercase();
            let known = ALIKE.contains(&word.as_str())
                || place.registered().contains(&word.as_str())
                || keywords.contains(&word.as_str());
            assert!(known, "{name} calls {word}: see that {place:?} has it, and name it here");
        }
    }
}

/// The words of a query outside of strings, comments and backquotes, in lower case, with its parentheses.
fn words(name: &str) -> Vec<String> {
    let word = |token: Token| match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
        Token::LParen | Token::RParen | Token::SemiColon => Some(token.to_string()),
        _ => None,
    };
    Place::LogGroup.tokens(name).into_iter().filter_map(word).collect()
}

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData_SQL.html>, Restrictions.
#[test]
fn a_log_group_is_asked_with_one_join_one_level_of_subqueries_and_one_statement() {
    for name in Place::LogGroup.names("sql") {
        let words = words(&name);
        let joins: Vec<_> = words.windows(3).filter(|words| words[2] == "join").collect();
        assert!(joins.len() <= 1, "{name}");
        assert!(joins.iter().all(|words| words[..2] == ["left", "outer"]), "{name}");
        assert!(!words.iter().any(|word| word == ";" || word == "with"), "{name}");

        let mut open = Vec::new();
        for pair in words.windows(2) {
            match pair[0].as_str() {
                "(" => open.push(pair[1] == "select"),
                ")" => _ = open.pop(),
                _ => {}
            }
            assert!(open.iter().filter(|subquery| **subquery).count() <= 1, "{name}");
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AnalyzingLogData.html>
#[test]
fn a_field_of_more_than_letters_is_in_backquotes() {
    let outer: Vec<_> = FIELDS.iter().filter_map(|field| field.split_once('.')).collect();
    for name in Place::LogGroup.names("sql") {
        let tokens = Place::LogGroup.tokens(&name);
        assert!(!tokens.contains(&Token::AtSign), "{name}");
        for pair in tokens.windows(2) {
            let [Token::Word(word), Token::Period] = pair else { continue };
            assert!(!outer.iter().any(|(object, _)| *object == word.value), "{name}: {word}");
        }
    }
}

/// An event that was sent later may say whatever it likes. So nothing but source and span is asked before the
/// first of each id is found, and no column is made of several events.
#[test]
fn the_first_event_of_each_id_is_found_before_anything_else_is_asked() {
    for (place, name) in every_query() {
        // What is asked ends with the first parenthesis that closes.
        let source = "json_extract_scalar(line, '$.eventSource')";
        let text = place.query(&name).replace(source, "source");
        let wheres = text.split(place.table()).skip(1).map(|rest| {
            let rest = rest.trim_start_matches('`');
            rest.split_once('\n').unwrap().1.split(')').next().unwrap()
        });
        let mut tables = 0;
        for condition in wheres {
            let words: Vec<_> = condition.split_whitespace().collect();
            let expected = match place {
                Place::Lake => {
                    "WHERE eventcategory = 'ActivityAuditLog' AND eventdata.eventsource = \
                     'kong-gateway' AND eventtime >= '<from>' AND eventtime < '<to>'"
                }
                Place::LogGroup => {
                    "WHERE eventSource = 'kong-gateway' AND eventTime >= '<from>' \
                     AND eventTime < '<to>'"
                }
                Place::Bucket => {
                    "WHERE source = 'kong-gateway' AND \"date\" >= '<from>' AND \"date\" < '<to>'"
                }
            };
            assert_eq!(words.join(" "), expected, "{name} in {place:?}");
            tables += 1;
        }
        let numbered = text.matches("row_number() OVER (").count();
        assert_eq!((numbered, tables > 0), (tables, true), "{name} in {place:?}");
    }
}

#[test]
fn every_query_is_explained() {
    let of_sql = Place::ALL.map(|place| (place, "sql"));
    for (place, language) in of_sql.into_iter().chain([(Place::LogGroup, "cwli")]) {
        let readme = std::fs::read_to_string(place.folder().join("README.md")).unwrap();
        for name in place.names(language) {
            assert!(readme.contains(&format!("]({name}.{language})")), "{name}.{language}");
        }
    }
}

#[test]
fn every_place_can_be_asked_whatever_lake_can() {
    assert_eq!(Place::Bucket.names("sql"), Place::Lake.names("sql"));
    // Neither language of a log group is known to have a hash: the page says how the slices make up the value.
    let lake: Vec<_> =
        Place::Lake.names("sql").into_iter().filter(|name| name != "parts").collect();
    assert_eq!(Place::LogGroup.names("sql"), lake);
    assert_eq!(Place::LogGroup.names("cwli"), lake);
}
