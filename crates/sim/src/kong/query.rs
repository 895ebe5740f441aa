//! The parameters of a page: what they ask for, and how they are refused.
//!
//! Sources: `size` and `offset`, their refusals and codes, from Kong's own source and its tests
//! (Kong/kong, `kong/api/endpoints.lua`, `kong/db/errors.lua`,
//! `spec/02-integration/04-admin_api/09-routes_routes_spec.lua`); `before` and `after` from the
//! Enterprise Admin API description (Kong/developer.konghq.com, `api-specs/gateway/admin-ee`), the
//! words of their refusal from what Kong Gateway answers. The code of that refusal is likely 20:
//! the published list of codes ends with 19.

use serde_json::{Value, json};
use time::PrimitiveDateTime;
use time::macros::format_description;

use super::options::Dates;
use super::trail::{Offset, Query};

const MAX_SIZE: u16 = 1000;
const DEFAULT_SIZE: u16 = 100;

/// The parameters that Kong knows, as given. Others it ignores.
#[derive(Default)]
pub(super) struct Parameters {
    pub(super) size: Option<String>,
    pub(super) offset: Option<String>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

impl Parameters {
    pub(super) fn read(query: &str) -> Self {
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let parameter = match name.as_ref() {
                "size" => &mut parameters.size,
                "offset" => &mut parameters.offset,
                "before" => &mut parameters.before,
                "after" => &mut parameters.after,
                _ => continue,
            };
            *parameter = Some(value.into_owned());
        }
        parameters
    }

    /// The query that they ask for, or the body of Kong's refusal. Without `dates` Kong does not
    /// know the filters.
    pub(super) fn understand(&self, dates: Option<Dates>) -> Result<Query, Value> {
        let mut query = Query { size: DEFAULT_SIZE.into(), ..Query::default() };
        if let Some(size) = &self.size {
            query.size = rows(size)?;
        }
        if let Some(offset) = &self.offset {
            query.offset = Some(Offset::decode(offset).map_err(|why| {
                let text = format!("'{offset}' is not a valid offset: {why}");
                json!({"code": 7, "name": "invalid offset", "message": text})
            })?);
        }
        if let Some(dates) = dates {
            let instant = |text: &str| dates.instant(text).ok_or_else(|| bad_date(text));
            query.before = self.before.as_deref().map(instant).transpose()?;
            query.after = self.after.as_deref().map(instant).transpose()?;
        }
        Ok(query)
    }
}

fn rows(size: &str) -> Result<usize, Value> {
    let refusal = |text: &str| json!({"code": 9, "name": "invalid size", "message": text});
    let size: f64 = size.trim().parse().map_err(|_| refusal("size must be a number"))?;
    (1..=MAX_SIZE)
        .find(|allowed| (f64::from(*allowed) - size).abs() < f64::EPSILON)
        .map(usize::from)
        .ok_or_else(|| refusal("size must be an integer between 1 and 1000"))
}

fn bad_date(text: &str) -> Value {
    let message =
        format!("date param: '{text}' does not match expected format: YYYY-MM-DDTHH:MI:SSZ");
    json!({"code": 20, "name": "invalid search query", "message": message})
}

impl Dates {
    /// The second that `text` names, if it is of a form that is taken.
    fn instant(self, text: &str) -> Option<i64> {
        let unix = || unix(text).filter(|_| self != Self::Rfc3339Only);
        let rfc3339 = || rfc3339(text).filter(|_| self != Self::UnixOnly);
        unix().or_else(rfc3339)
    }
}

fn unix(text: &str) -> Option<i64> {
    let seconds = text.trim().parse::<f64>().ok().filter(|seconds| seconds.is_finite())?;
    // Entries have whole seconds, so a bound between two is the later one's.
    #[allow(clippy::cast_possible_truncation)]
    Some(seconds.ceil() as i64)
}

/// In UTC with `Z` and without fractions of a second.
fn rfc3339(text: &str) -> Option<i64> {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    let date = PrimitiveDateTime::parse(text, format).ok()?;
    Some(date.assume_utc().unix_timestamp())
}
