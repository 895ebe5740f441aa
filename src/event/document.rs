//! JSON that Kong holds as text: how a payload or an entity stands in an event.
//!
//! An object's members are spread, so that queries can name them. The text itself stands under the
//! field's name when it is no such object, and beside the members when they do not tell all of it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::envelope::Placed;
use super::json::{self, Object, Shape};
use crate::kong::Entry;

/// JSON that Kong holds as text: a payload or an entity.
pub(super) struct Document<'a> {
    pub name: &'static str,
    pub text: Cow<'a, str>,
    /// The value without repeated members, where the text has any.
    unrepeated: Option<String>,
    form: Form,
}

enum Form {
    /// The text, as a string.
    Text,
    /// The object, under the document's name.
    Whole,
    /// The object's members, and the text too if it must be kept.
    Members { text: bool },
}

impl<'a> Document<'a> {
    /// The entry's field `name`, if it is text. A document that has a member of one of the `reserved` names
    /// is not spread.
    pub fn of(
        entry: &Entry<'a>,
        name: &'static str,
        reserved: &[&str],
        placed: &mut Placed,
    ) -> Option<Self> {
        let text = entry.text(name)?;
        placed.elsewhere.push(name);
        let mut unrepeated = None;
        let form = match Shape::of(&text) {
            Some(Shape { members: Some(members), repeated }) if !members.is_empty() => {
                let clash = members.iter().any(|member| reserved.contains(&member.as_ref()));
                let keep_text = repeated || is_signed(entry);
                if repeated && !clash {
                    unrepeated = serde_json::from_str(&text).ok().map(|value: &RawValue| {
                        let mut out = String::with_capacity(text.len());
                        json::unrepeated(&mut out, value);
                        out
                    });
                }
                match (clash, keep_text) {
                    (false, text) => Form::Members { text },
                    (true, false) => Form::Whole,
                    (true, true) => Form::Text,
                }
            }
            _ => Form::Text,
        };
        Some(Self { name, text, unrepeated, form })
    }

    fn members(&self) -> &str {
        // Around the braces, and just within, there is only white space.
        let object = self.unrepeated.as_deref().unwrap_or(&self.text).trim();
        object[1..object.len() - 1].trim()
    }

    pub fn len(&self) -> usize {
        let name = json::string_len(self.name) + 1;
        match self.form {
            Form::Text => name + json::string_len(&self.text),
            Form::Whole => name + self.text.trim().len(),
            Form::Members { text: false } => self.members().len(),
            Form::Members { text: true } => {
                self.members().len() + 1 + name + json::string_len(&self.text)
            }
        }
    }

    pub fn write(&self, object: &mut Object<'_>) {
        match self.form {
            Form::Text => object.text(self.name, &self.text),
            Form::Whole => object.json(self.name, self.text.trim()),
            Form::Members { text } => {
                object.members(self.members());
                if text {
                    object.text(self.name, &self.text);
                }
            }
        }
    }
}

/// Whether Kong signed the entry: a signature can be checked against the text alone.
fn is_signed(entry: &Entry<'_>) -> bool {
    entry.get("signature").is_some_and(|signature| signature.get() != "null")
}
