//! The XML in which STS answers.

use roxmltree::Document;

/// A document, or what was none.
pub struct Xml<'d>(Option<Document<'d>>);

impl<'d> Xml<'d> {
    /// Reads an answer's body.
    pub fn of(body: &'d [u8]) -> Self {
        Self(std::str::from_utf8(body).ok().and_then(|text| Document::parse(text).ok()))
    }

    /// The text of the first element of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        let mut nodes = self.0.as_ref()?.descendants();
        nodes.find(|node| node.tag_name().name() == name)?.text()
    }
}
