//! Runs in memory, from Kong's pages to what a destination takes.

use std::cell::RefCell;
use std::io::Read as _;
use std::rc::Rc;

use flate2::read::GzDecoder;
use kong_cloudtrail::ports::{HttpRequest, HttpResponse};
use kong_cloudtrail::run::run;
use kong_cloudtrail::terms::Event;
use kong_cloudtrail::testing::{InMemory, answer};
use kong_cloudtrail_sim::kong as sim;
use kong_cloudtrail_sim::kong::page::{Manner, Place as Position, page};
use serde_json::{Value, json};

use super::Place;

pub const DAY: i64 = 86_400;

/// Kong's rows by stream, the newest first, and when each was stored; none where it tells no time.
pub type Rows = [Vec<(Option<i64>, Value)>; 2];

/// An event, and the object that it is in, where there are objects.
#[derive(Clone)]
pub struct Sent {
    pub object: String,
    pub event: Event,
}

/// What a destination took, in that order.
pub type Taken = Rc<RefCell<Vec<Sent>>>;

/// The rows of these entries.
pub fn rows<'e>(requests: impl Iterator<Item = &'e Value>, objects: &[Value]) -> Rows {
    let timed = |entry: &Value| (entry["request_timestamp"].as_i64(), entry.clone());
    let mut rows: Rows = [requests.map(timed).collect(), objects.iter().map(timed).collect()];
    for stream in &mut rows {
        stream.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
    }
    rows
}

struct Shown<'k>(Vec<&'k (Option<i64>, Value)>);

impl sim::page::Rows for Shown<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }
    fn place(&self, n: usize) -> Position {
        (self.0[n].0.unwrap_or(i64::MAX), (self.0.len() - n) as u64)
    }
    fn stored_at(&self, n: usize) -> Option<i64> {
        self.0[n].0
    }
    fn write(&self, n: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0[n].1.to_string().as_bytes());
    }
}

/// What a Kong with these rows answers. It does not show the hidden request.
pub fn kong(rows: &Rows, hidden: Option<&str>, request: &HttpRequest) -> HttpResponse {
    let version: sim::version::Version = "3.9.0.0-enterprise-edition".parse().unwrap();
    let stream = match request.uri().path() {
        "/" => {
            let configuration = json!({"audit_log": true, "audit_log_record_ttl": 30 * DAY});
            let root = json!({"version": version.to_string(), "configuration": configuration});
            return answer(200, root.to_string());
        }
        "/audit/requests" => sim::Stream::Requests,
        _ => sim::Stream::Objects,
    };
    let is_shown = |row: &&(Option<i64>, Value)| {
        hidden.is_none_or(|hidden| row.1["request_id"] != json!(hidden))
            || stream == sim::Stream::Objects
    };
    let shown = rows[usize::from(stream == sim::Stream::Objects)].iter().filter(is_shown);
    let query = request.uri().query().unwrap_or_default();
    let page = page(Manner::sound(&version), stream, &Shown(shown.collect()), query);
    answer(200, page.unwrap())
}

/// Takes an object in, as S3 does.
pub fn put_object(request: &HttpRequest, taken: &Taken) -> HttpResponse {
    let object = request.uri().path().trim_start_matches('/').replace("%3D", "=");
    let mut lines = String::new();
    GzDecoder::new(&request.body()[..]).read_to_string(&mut lines).unwrap();
    taken.borrow_mut().extend(lines.lines().map(|line| {
        let (id, rest) = line.strip_prefix(r#"{"id":""#).unwrap().split_once(r#"","#).unwrap();
        let event = Event { id: id.to_owned(), time: 0, data: format!("{{{rest}") };
        Sent { object: object.clone(), event }
    }));
    let mut answer = answer(200, "");
    answer.headers_mut().insert("etag", http::HeaderValue::from_static("\"a\""));
    answer
}

/// The variables of a run to that place.
pub fn variable(to: Place, name: &str) -> Option<String> {
    let value = match (name, to) {
        ("kong_admin_api", _) => "https://kong:8444",
        ("aws_access_key_id" | "aws_secret_access_key", _) => "AKIDEXAMPLE",
        ("max_calls_per_sec", _) => "1000",
        ("destination", Place::Bucket) => "s3",
        ("bucket", Place::Bucket) => "kong-trail",
        ("bucket_region", Place::Bucket) => "eu-west-1",
        ("account_id", Place::Bucket) => "123456789012",
        ("channel_arn", Place::Lake) => "arn:aws:cloudtrail:eu-west-1:123456789012:channel/a",
        _ => return None,
    };
    Some(value.to_owned())
}

/// What a run writes of these rows into an empty bucket: the lines of each object, in the order in which S3 took them.
pub fn objects(rows: &Rows) -> Vec<Vec<Sent>> {
    let newest = rows.iter().flatten().filter_map(|(time, _)| *time).max().unwrap();
    let taken = Taken::default();
    let ports = InMemory::at((newest + 300) * 1000, |request| {
        if request.method() == http::Method::PUT {
            Ok(put_object(request, &taken))
        } else {
            Ok(kong(rows, None, request))
        }
    });
    let report = ports.clock.run(run(&ports, |name| Ok(variable(Place::Bucket, name))));
    assert!(report.line().contains(r#""outcome":"ok""#), "{}", report.line());
    drop(ports);
    let taken = taken.take();
    taken.chunk_by(|one, next| one.object == next.object).map(<[Sent]>::to_vec).collect()
}
