//! The files, parsed.

use std::collections::BTreeMap;

use hcl::{Block, Body, Expression, ObjectKey};

pub use super::documents::{path, text};

/// The variables of spin.toml by name, and whether each is secret.
pub fn component_variables() -> BTreeMap<String, bool> {
    let manifest: toml::Table = text("spin.toml").parse().unwrap();
    let secret = |variable: &toml::Value| variable.get("secret").and_then(toml::Value::as_bool);
    let variables = manifest["variables"].as_table().unwrap().iter();
    variables.map(|(name, variable)| (name.clone(), secret(variable) == Some(true))).collect()
}

/// A module of Terraform: all files of one folder.
pub struct Module {
    /// Text by file name.
    pub files: BTreeMap<String, String>,
    blocks: Vec<Block>,
}

impl Module {
    pub fn read(folder: &str) -> Self {
        let entries = std::fs::read_dir(path(folder)).unwrap().map(|entry| entry.unwrap().path());
        let files: BTreeMap<String, String> = entries
            .filter(|path| path.extension().is_some_and(|kind| kind == "tf"))
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, std::fs::read_to_string(path).unwrap())
            })
            .collect();
        assert!(!files.is_empty(), "{folder} has no Terraform");
        let parsed = |(name, text): (&String, &String)| -> Body {
            hcl::parse(text).unwrap_or_else(|why| panic!("{folder}/{name}: {why}"))
        };
        let blocks = files.iter().map(parsed).flat_map(Body::into_blocks).collect();
        Self { files, blocks }
    }

    pub fn text(&self) -> String {
        self.files.values().cloned().collect()
    }

    /// The blocks of that kind, as in `variable "name" {}`.
    pub fn blocks(&self, kind: &str) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(move |block| block.identifier() == kind)
    }

    /// The resources of that type, by name.
    pub fn resources(&self, of: &str) -> BTreeMap<&str, &Body> {
        let typed = self.blocks("resource").filter(|block| label(block, 0) == of);
        typed.map(|block| (label(block, 1), block.body())).collect()
    }

    /// The data source of that type and name.
    pub fn data(&self, of: &str, name: &str) -> &Body {
        let mut found = self.blocks("data");
        found.find(|block| label(block, 0) == of && label(block, 1) == name).unwrap().body()
    }

    /// A local value.
    pub fn local(&self, name: &str) -> &Expression {
        let mut values = self.blocks("locals").flat_map(|block| block.body().attributes());
        values.find(|value| value.key() == name).unwrap_or_else(|| panic!("local.{name}")).expr()
    }
}

pub fn label(block: &Block, position: usize) -> &str {
    block.labels()[position].as_str()
}

/// An argument, as it is written.
pub fn argument(body: &Body, name: &str) -> Option<String> {
    body.attributes().find(|argument| argument.key() == name).map(|argument| plain(argument.expr()))
}

/// An expression as it is written; a string without its quotes.
pub fn plain(expression: &Expression) -> String {
    match expression {
        Expression::String(text) => text.clone(),
        other => written(other),
    }
}

/// An expression as it is written, on one line.
pub fn written(expression: &Expression) -> String {
    let text = hcl::format::to_string(expression).unwrap();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace("[ ", "[").replace(" ]", "]")
}

/// The members of an object by name.
pub fn members(expression: &Expression) -> BTreeMap<String, &Expression> {
    let Expression::Object(object) = expression else { panic!("{expression:?} is no object") };
    let name = |key: &ObjectKey| match key {
        ObjectKey::Identifier(name) => name.to_string(),
        ObjectKey::Expression(name) => plain(name),
        other => panic!("{other:?}"),
    };
    object.iter().map(|(key, value)| (name(key), value)).collect()
}
