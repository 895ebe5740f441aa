//! The three members of eventData that hold objects, and how each is kept within its limit.

use std::borrow::Cow;

use super::document::Document;
use super::json::{self, Object};
use super::parts::{self, Parts, REFERENCE_LEN};

/// 100 kB for `requestParameters` and `responseElements`, 28 kB for `additionalEventData`
/// (CloudTrail user guide, "CloudTrail Lake integrations event schema"), a kB taken as 1,000.
pub(super) const REQUEST_PARAMETERS_LIMIT: usize = 100_000;
const RESPONSE_ELEMENTS_LIMIT: usize = 100_000;
const ADDITIONAL_EVENT_DATA_LIMIT: usize = 28_000;

/// Where in `additionalEventData` the fields stand that cannot stand under their own name.
pub(super) const OTHER_FIELDS: &str = "otherFields";

/// A value in an event: a string, or JSON text.
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Json(Cow<'a, str>),
}

impl Value<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => json::string_len(text),
            Self::Json(json) => json.len(),
        }
    }
}

pub(super) struct Member<'a> {
    pub name: Cow<'a, str>,
    pub value: Value<'a>,
    /// Goes out in parts whatever its size.
    pub apart: bool,
    /// Stays under its own name even when there are too many names.
    pub named: bool,
}

impl<'a> Member<'a> {
    /// A string of ours, or one that the mapping names.
    pub fn text(name: &'static str, text: impl Into<Cow<'a, str>>) -> Self {
        Self { name: name.into(), value: Value::Text(text.into()), apart: false, named: true }
    }

    /// JSON of ours.
    pub fn json(name: &'static str, json: String) -> Self {
        Self { name: name.into(), value: Value::Json(json.into()), apart: false, named: true }
    }

    /// A list of names.
    pub fn names(name: &'static str, names: &[&str]) -> Self {
        let mut list = String::new();
        for name in names {
            list.push(if list.is_empty() { '[' } else { ',' });
            json::string(&mut list, name);
        }
        list.push(']');
        Self::json(name, list)
    }

    /// A field of the entry, verbatim.
    pub fn verbatim(name: &'a str, value: &'a str, named: bool) -> Self {
        let apart = !json::is_plain(value) || parts::is_reference(value);
        Self { name: name.into(), value: Value::Json(value.into()), apart, named }
    }

    fn len(&self) -> usize {
        json::string_len(&self.name) + 1 + self.value.len()
    }

    /// The fewest bytes that it can take: with a reference for its value, where that is shorter or must be.
    fn least_len(&self) -> usize {
        let value = if self.apart { REFERENCE_LEN } else { self.value.len().min(REFERENCE_LEN) };
        json::string_len(&self.name) + 1 + value
    }
}

/// Fields that cannot stand under their own name, as a list of names and values.
#[derive(Default)]
pub(super) struct Others {
    list: String,
    apart: bool,
}

impl Others {
    pub fn push(&mut self, name: &str, value: &str) {
        self.list.push(if self.list.is_empty() { '[' } else { ',' });
        let mut item = Object::open(&mut self.list);
        item.text("name", name);
        item.json("value", value);
        item.close();
        self.apart |= !json::is_plain(value);
    }

    /// The list as a member, if there is anything in it.
    pub fn member<'a>(mut self) -> Option<Member<'a>> {
        (!self.list.is_empty()).then(|| {
            self.list.push(']');
            Member {
                name: OTHER_FIELDS.into(),
                value: Value::Json(self.list.into()),
                apart: self.apart,
                named: true,
            }
        })
    }
}

/// `requestParameters`, `responseElements` or `additionalEventData`.
pub(super) struct Section<'a> {
    name: &'static str,
    limit: usize,
    pub document: Option<Document<'a>>,
    pub members: Vec<Member<'a>>,
    pub others: Others,
}

impl<'a> Section<'a> {
    pub(crate) fn request_parameters() -> Self {
        Self::new("requestParameters", REQUEST_PARAMETERS_LIMIT)
    }

    pub(crate) fn response_elements() -> Self {
        Self::new("responseElements", RESPONSE_ELEMENTS_LIMIT)
    }

    pub fn additional_event_data() -> Self {
        Self::new("additionalEventData", ADDITIONAL_EVENT_DATA_LIMIT)
    }

    fn new(name: &'static str, limit: usize) -> Self {
        Self { name, limit, document: None, members: Vec::new(), others: Others::default() }
    }

    /// Writes the section within its limit; what is too large goes to `parts`. Nothing is written
    /// when there is nothing in it.
    pub fn write(mut self, event: &mut Object<'_>, parts: &mut Parts<'a>) {
        self.fit(parts);
        if self.document.is_none() && self.members.is_empty() {
            return;
        }
        let mut object = event.object(self.name);
        if let Some(document) = &self.document {
            document.write(&mut object);
        }
        for member in &self.members {
            match &member.value {
                Value::Text(text) => object.text(&member.name, text),
                Value::Json(json) => object.json(&member.name, json),
            }
        }
        object.close();
    }

    fn fit(&mut self, parts: &mut Parts<'a>) {
        if self.least_len() > self.limit {
            self.gather();
        }
        self.members.extend(std::mem::take(&mut self.others).member());
        for member in self.members.iter_mut().filter(|member| member.apart) {
            take(self.name, member, parts);
        }
        if self.len() > self.limit
            && let Some(document) = self.document.take()
        {
            self.members.push(Member::text(document.name, document.text));
        }
        let mut len = self.len();
        while len > self.limit
            && let Some(largest) = self.members.iter_mut().max_by_key(|member| member.value.len())
            && largest.value.len() > REFERENCE_LEN
        {
            len -= largest.value.len();
            take(self.name, largest, parts);
            len += largest.value.len();
        }
    }

    /// Moves the fields that the mapping does not name into the list of others, so that their
    /// names can go out in parts too.
    fn gather(&mut self) {
        for member in self.members.extract_if(.., |member| !member.named) {
            if let Value::Json(value) = &member.value {
                self.others.push(&member.name, value);
            }
        }
    }

    fn len(&self) -> usize {
        let document = self.document.as_ref().map_or(0, |document| document.len() + 1);
        1 + document + self.members.iter().map(|member| member.len() + 1).sum::<usize>()
    }

    /// What the section would take with a reference for every value, and one for the list of others.
    fn least_len(&self) -> usize {
        let others = json::string_len(OTHER_FIELDS) + 1 + REFERENCE_LEN + 1;
        1 + others + self.members.iter().map(|member| member.least_len() + 1).sum::<usize>()
    }
}

fn take<'a>(section: &str, member: &mut Member<'a>, parts: &mut Parts<'a>) {
    let value = std::mem::replace(&mut member.value, Value::Json("".into()));
    member.value = parts.take(format!("{section}.{}", member.name), value);
}
