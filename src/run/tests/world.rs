//! One host, a Kong with the rows that a test gives it, and a CloudTrail or an S3 that takes what no test has it
//! refuse.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::io::Read as _;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use base64::Engine as _;
use kong_cloudtrail_sim::kong as sim;
use kong_cloudtrail_sim::kong::page::{Manner, Place, Rows, page};
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::coverage::Sweep;
use crate::ledger::{DeadLetters, Head, SegmentMeta, UNREADABLE};
use crate::ports::{HttpError, HttpRequest};
use crate::report::{Outcome, Report};
use crate::run::run;
use crate::store::Store;
use crate::terms::{Bucket, Stream};
use crate::testing::{Answer, Faulty, InMemory, Planned, answer};
use crate::wire::read_rfc3339;

pub const NOON: i64 = 1_795_348_800;
pub const DAY: i64 = 86_400;

/// In place of a code: CloudTrail's next answer does not mention the event.
pub const UNMENTIONED: &str = "";

/// The other ends of a run's connections.
pub struct Ends {
    /// Kong's rows: the times that filters go by, and what is shown.
    pub rows: [Vec<(Option<i64>, Value)>; 2],
    pub version: &'static str,
    /// What `GET /` shows of Kong's configuration.
    pub configuration: Value,
    /// A proxy takes `before` and `after` out of the query.
    pub filters_dropped: bool,
    /// The status of all that Kong answers.
    pub kong_status: u16,
    /// The statuses of pages with a row of these ids.
    pub fails: BTreeMap<String, u16>,
    /// An offset that Kong no longer knows, and the status that says so.
    pub lost_offset: Option<(String, u16)>,
    /// What Kong answers on a path in place of what it should.
    pub kong_says: BTreeMap<&'static str, Answer>,
    /// How far Kong's clock is ahead, in seconds; where there is none, it tells no time.
    pub kong_clock: Option<i64>,
    /// What a host other than Kong answers in place of what it should, by how its name begins.
    pub aws_says: BTreeMap<&'static str, Answer>,
    /// Whose STS says that the credentials are.
    pub account: &'static str,
    /// How CloudTrail answers events of these ids.
    pub codes: BTreeMap<String, &'static str>,
    /// The code with which CloudTrail refuses each call.
    pub refusal: Option<&'static str>,
    /// So many calls CloudTrail throttles.
    pub throttled: u32,
    /// What CloudTrail or S3 has taken.
    pub accepted: Vec<String>,
    /// What becomes of the next objects that are sent to S3.
    pub fates: VecDeque<Fate>,
    /// The ids of the events of each object.
    pub objects: BTreeMap<String, Vec<String>>,
}

/// What becomes of an object that is sent.
#[derive(Clone, Copy)]
pub enum Fate {
    /// It arrives, and the answer is lost.
    Arrives,
    /// It does not arrive, and there is no answer.
    Lost,
    /// It is refused with this status and code.
    Refused(u16, &'static str),
}

/// The host: its store may fail.
pub type Host = Faulty<InMemory<'static>>;

pub struct World {
    pub ports: Host,
    pub ends: Rc<RefCell<Ends>>,
    pub variables: BTreeMap<&'static str, String>,
}

impl World {
    pub fn new() -> Self {
        let ends = Rc::new(RefCell::new(Ends {
            rows: Default::default(),
            version: "3.9.0.0-enterprise-edition",
            configuration: json!({"audit_log": true, "audit_log_record_ttl": 30 * DAY}),
            filters_dropped: false,
            kong_status: 200,
            fails: BTreeMap::new(),
            lost_offset: None,
            kong_says: BTreeMap::new(),
            kong_clock: None,
            aws_says: BTreeMap::new(),
            account: "123456789012",
            codes: BTreeMap::new(),
            refusal: None,
            throttled: 0,
            accepted: Vec::new(),
            fates: VecDeque::new(),
            objects: BTreeMap::new(),
        }));
        let service = ends.clone();
        let mut ports = InMemory::at(NOON * 1000, move |request| {
            let mut ends = service.borrow_mut();
            ends.answer(request)
        });
        ports.latency = Duration::from_millis(10);
        let variables = [
            ("kong_admin_api", "https://kong:8001"),
            ("channel_arn", "arn:aws:cloudtrail:eu-west-1:123456789012:channel/a"),
            ("aws_access_key_id", "AKIDEXAMPLE"),
            ("aws_secret_access_key", "secret"),
            ("max_calls_per_sec", "1000"),
        ];
        let variables = variables.map(|(name, value)| (name, value.to_owned())).into();
        let ports = Faulty { inner: ports, faults: Planned::default() };
        Self { ports, ends, variables }
    }

    /// One whose destination is S3.
    pub fn of_s3() -> Self {
        let mut world = Self::new();
        world.ship_to_s3();
        world
    }

    /// Has S3 as its destination from now on.
    pub fn ship_to_s3(&mut self) {
        self.variables.remove("channel_arn");
        for (name, value) in [
            ("destination", "s3"),
            ("bucket", "trail"),
            ("bucket_region", "eu-west-1"),
            ("account_id", "123456789012"),
        ] {
            self.set(name, value);
        }
    }

    /// Runs, and dies when so many objects were sent in all. What is under way then is lost.
    pub fn die_at(&self, objects: usize) {
        let is_put = |request: &HttpRequest| request.method() == http::Method::PUT;
        let sent = || self.ports.sent.borrow().iter().filter(|(_, it)| is_put(it)).count();
        let variable = |name: &str| Ok(self.variables.get(name).cloned());
        let running = std::pin::pin!(run(&self.ports, variable));
        let enough = poll_fn(|_| if sent() >= objects { Poll::Ready(()) } else { Poll::Pending });
        let ended = self.ports.clock.run(futures::future::select(running, enough));
        assert!(matches!(ended, futures::future::Either::Right(_)), "it died");
    }

    /// Objects that were sent arrive after all, but for so many of the first.
    pub fn arrive(&self, but: usize) {
        let sent = self.ports.sent.borrow();
        let puts = sent.iter().filter(|(_, request)| request.method() == http::Method::PUT);
        puts.skip(but).for_each(|(_, request)| drop(self.ends.borrow_mut().put_object(request)));
    }

    pub fn set(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.variables.insert(name, value.to_owned());
        self
    }

    pub fn run(&self) -> Report {
        self.ports.clock.run(run(&self.ports, |name| Ok(self.variables.get(name).cloned())))
    }

    pub fn run_ok(&self) -> Report {
        let report = self.run();
        assert_eq!(report.outcome, Outcome::Ok, "{:?}", report.error);
        report
    }

    pub fn now(&self) -> i64 {
        use crate::ports::Clock;
        self.ports.now_ms().div_euclid(1000)
    }

    pub fn pass(&self, seconds: i64) {
        self.ports.clock.advance(Duration::from_secs(seconds.unsigned_abs()));
    }

    /// Kong has a request entry of that time.
    pub fn request(&self, id: &str, time: i64) {
        self.row(
            Stream::Requests,
            id,
            Some(time),
            json!({"method": "GET", "path": "/x", "status": 200}),
        );
    }

    /// Kong has an object entry of that time.
    pub fn object(&self, id: &str, time: i64) {
        let fields = json!({"dao_name": "services", "operation": "create", "entity": "{}"});
        self.row(Stream::Objects, id, Some(time), fields);
    }

    /// Kong has a row with these fields.
    pub fn row(&self, stream: Stream, id: &str, time: Option<i64>, mut fields: Value) {
        fields[stream.id_field()] = json!(id);
        fields["request_timestamp"] = json!(time);
        self.ends.borrow_mut().rows[stream as usize].push((time, fields));
    }

    /// Kong has so many request entries, the first of that time, the others so many seconds after each other.
    pub fn requests(&self, name: &str, count: i64, from: i64, apart: i64) {
        (0..count).for_each(|n| self.request(&format!("{name}{n:05}"), from + n * apart));
    }

    /// Kong holds nothing any more.
    pub fn clear(&self) {
        self.ends.borrow_mut().rows = Default::default();
    }

    /// The ids of what CloudTrail has taken, each once.
    pub fn accepted(&self) -> BTreeSet<String> {
        let ends = self.ends.borrow();
        let ids: BTreeSet<_> = ends.accepted.iter().cloned().collect();
        assert_eq!(ids.len(), ends.accepted.len(), "nothing is taken twice");
        ids
    }

    /// The windows that Kong was asked for of a stream, in their order, each once.
    pub fn windows(&self, stream: Stream) -> Vec<(Option<i64>, Option<i64>)> {
        let mut windows = Vec::new();
        for (_, request) in self.ports.sent.borrow().iter() {
            if request.uri().path() == format!("/audit/{}", stream.name()) {
                let bound = |name| parameter(request, name).and_then(|text| read_rfc3339(&text));
                windows.push((bound("after"), bound("before")));
            }
        }
        windows.dedup();
        windows
    }

    /// Works on the store as a run with these variables has it.
    pub fn on_store<T>(&self, work: impl FnOnce(&Store<'_, Host>) -> T) -> T {
        work(&Store::new(&self.ports, "default"))
    }

    /// Works on the dead letters.
    pub fn on_letters<T>(&self, work: impl FnOnce(&mut DeadLetters<'_, Host>) -> T) -> T {
        self.on_store(|store| work(&mut DeadLetters::load(store).unwrap()))
    }

    /// The stored head.
    pub fn head(&self) -> Head {
        let values = self.ports.store.values.borrow();
        Head::decode(&values["kong-cloudtrail:default:{0}head"][crate::seal::HEADER_BYTES..])
            .unwrap()
    }

    /// The segments that it names of a stream.
    pub fn buckets(&self, stream: Stream) -> BTreeMap<Bucket, Vec<SegmentMeta>> {
        self.head().stream(stream).buckets.clone()
    }

    /// Whether since when something of Kong cannot be read is remembered.
    pub fn remembers_failing(&self) -> bool {
        self.on_letters(|letters| letters.remember_failing(UNREADABLE))
    }

    /// The sweep of a stream that is under way.
    pub fn sweep(&self, stream: Stream) -> Option<Sweep> {
        self.head().stream(stream).coverage.under_way().cloned()
    }

    /// Whether a message with that text was logged since this was asked last.
    pub fn told(&self, text: &str) -> bool {
        let told = self.messages().iter().any(|message| message.contains(text));
        self.ports.lines.borrow_mut().clear();
        told
    }

    /// The messages logged so far.
    pub fn messages(&self) -> Vec<String> {
        let lines = self.ports.lines.borrow();
        let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter_map(|line| Some(line["message"].as_str()?.to_owned())).collect()
    }
}

fn parameter(request: &HttpRequest, name: &str) -> Option<String> {
    let query = request.uri().query()?;
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned())
}

impl Ends {
    fn answer(&mut self, request: &HttpRequest) -> Answer {
        let host = request.uri().host().unwrap_or_default();
        let told = self.aws_says.iter().find(|(prefix, _)| host.starts_with(**prefix));
        if let Some((_, answer)) = told {
            return answer.clone();
        }
        if host.starts_with("sts.") {
            return Ok(self.identity());
        }
        if host.starts_with("logs.") {
            return Ok(self.put_logs(request));
        }
        match *request.method() {
            http::Method::POST => return self.put(request),
            http::Method::PUT => return self.put_object(request),
            _ => {}
        }
        if let Some(answer) = self.kong_says.get(request.uri().path()) {
            return answer.clone();
        }
        let mut answer = self.get(request)?;
        if let Some(ahead) = self.kong_clock {
            let now = time::OffsetDateTime::from_unix_timestamp(NOON + ahead).unwrap();
            let now = now.format(&time::format_description::well_known::Rfc2822).unwrap();
            answer.headers_mut().insert("date", now.parse().unwrap());
        }
        Ok(answer)
    }

    fn identity(&self) -> crate::ports::HttpResponse {
        let account = self.account;
        answer(
            200,
            format!(
                "<R><GetCallerIdentityResult><Arn>arn:aws:iam::{account}:user/kong</Arn><UserId>A</UserId>\
                 <Account>{account}</Account></GetCallerIdentityResult></R>"
            ),
        )
    }

    /// PutLogEvents: what is older than 14 days is refused.
    fn put_logs(&mut self, request: &HttpRequest) -> crate::ports::HttpResponse {
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let events = body["logEvents"].as_array().unwrap();
        let oldest = (NOON - 14 * DAY) * 1000;
        let too_old =
            events.iter().filter(|event| event["timestamp"].as_i64() < Some(oldest)).count();
        for event in &events[too_old..] {
            let message: Value = serde_json::from_str(event["message"].as_str().unwrap()).unwrap();
            self.accepted.push(message["id"].as_str().unwrap().to_owned());
        }
        let refused = json!({"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": too_old}});
        answer(200, if too_old > 0 { refused.to_string() } else { "{}".to_owned() })
    }

    #[expect(clippy::unnecessary_wraps, reason = "an answer of a service, as lost ones are")]
    fn get(&mut self, request: &HttpRequest) -> Answer {
        let stream = match request.uri().path() {
            _ if self.kong_status != 200 => return Ok(answer(self.kong_status, "{}")),
            "/" => {
                let root = json!({"version": self.version, "configuration": self.configuration});
                return Ok(answer(200, root.to_string()));
            }
            "/audit/requests" => Stream::Requests,
            _ => Stream::Objects,
        };
        let version: sim::version::Version = self.version.parse().unwrap();
        let manner = Manner { filters_dropped: self.filters_dropped, ..Manner::sound(&version) };
        let mut shown: Vec<_> = self.rows[stream as usize].iter().collect();
        shown.sort_by_key(|(time, _)| std::cmp::Reverse(time.unwrap_or(i64::MAX)));
        let stream = match stream {
            Stream::Requests => sim::Stream::Requests,
            Stream::Objects => sim::Stream::Objects,
        };
        if let Some((offset, status)) = &self.lost_offset
            && parameter(request, "offset").as_ref() == Some(offset)
        {
            return Ok(answer(*status, "{}"));
        }
        let page = page(manner, stream, &Shown(shown), request.uri().query().unwrap_or_default());
        let page = match page {
            Ok(page) => page,
            Err(refusal) => return Ok(answer(400, refusal.to_string())),
        };
        let text = String::from_utf8_lossy(&page);
        let fails = self.fails.iter().find(|(id, _)| text.contains(&format!("\"{id}\"")));
        Ok(fails.map_or_else(|| answer(200, page.clone()), |(_, status)| answer(*status, "{}")))
    }

    #[expect(clippy::unnecessary_wraps, reason = "an answer of a service, as lost ones are")]
    fn put(&mut self, request: &HttpRequest) -> Answer {
        let throttles = self.throttled > 0;
        self.throttled -= u32::from(throttles);
        if let Some(code) = self.refusal.or(throttles.then_some("ThrottlingException")) {
            let mut refusal = answer(400, json!({"message": "no"}).to_string());
            refusal.headers_mut().insert("x-amzn-errortype", code.parse().unwrap());
            return Ok(refusal);
        }
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let (mut failed, mut successful) = (Vec::new(), Vec::new());
        for event in body["auditEvents"].as_array().unwrap() {
            let id = event["id"].as_str().unwrap();
            if self.codes.get(id) == Some(&UNMENTIONED) {
                self.codes.remove(id);
            } else if event["eventDataChecksum"] != json!(checksum(&event["eventData"])) {
                failed
                    .push(json!({"id": id, "errorCode": "InvalidChecksum", "errorMessage": "why"}));
            } else if let Some(code) = self.codes.get(id) {
                failed.push(json!({"id": id, "errorCode": code, "errorMessage": "why"}));
            } else {
                self.accepted.push(id.to_owned());
                successful.push(json!({"id": id, "eventID": id}));
            }
        }
        Ok(answer(200, json!({"failed": failed, "successful": successful}).to_string()))
    }
}

fn checksum(data: &Value) -> String {
    let digest = sha2::Sha256::digest(data.as_str().unwrap());
    base64::prelude::BASE64_STANDARD.encode(digest)
}

impl Ends {
    /// S3, which writes an object only where there is none of its name.
    fn put_object(&mut self, request: &HttpRequest) -> Answer {
        let refused = |status, code| {
            Ok(answer(status, format!("<Error><Code>{code}</Code><Message>no</Message></Error>")))
        };
        let digest = sha2::Sha256::digest(request.body());
        let digest = base64::prelude::BASE64_STANDARD.encode(digest);
        if request.headers()["x-amz-checksum-sha256"] != digest {
            return refused(400, "BadDigest");
        }
        let fate = self.fates.pop_front();
        if let Some(Fate::Refused(status, code)) = fate {
            return refused(status, code);
        }
        let name = request.uri().path().to_owned();
        let is_there = self.objects.contains_key(&name);
        if !is_there && !matches!(fate, Some(Fate::Lost)) {
            let mut lines = String::new();
            flate2::read::GzDecoder::new(&request.body()[..]).read_to_string(&mut lines).unwrap();
            let id = |line: &str| {
                let event: Value = serde_json::from_str(line).unwrap();
                event["id"].as_str().unwrap().to_owned()
            };
            let ids: Vec<_> = lines.lines().map(id).collect();
            self.accepted.extend(ids.iter().cloned());
            self.objects.insert(name, ids);
        }
        if fate.is_some() {
            return Err(HttpError::Connection("reset".to_owned()));
        }
        if is_there {
            return refused(412, "PreconditionFailed");
        }
        let mut written = answer(200, "");
        written.headers_mut().insert("etag", http::HeaderValue::from_static("\"a\""));
        Ok(written)
    }
}

/// Rows in the order of reading.
struct Shown<'k>(Vec<&'k (Option<i64>, Value)>);

impl Rows for Shown<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }
    fn place(&self, n: usize) -> Place {
        (self.0[n].0.unwrap_or(i64::MAX), (self.0.len() - n) as u64)
    }
    fn stored_at(&self, n: usize) -> Option<i64> {
        self.0[n].0
    }
    fn write(&self, n: usize, out: &mut Vec<u8>) {
        // A replacement character stands for a byte that is not UTF-8.
        let text = self.0[n].1.to_string();
        let mut parts = text.split(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
        for part in parts {
            out.push(0xff);
            out.extend_from_slice(part.as_bytes());
        }
    }
}
