//! A world in memory for the core: a clock of its own, a Kong, a CloudTrail, a store, and what goes
//! wrong with each. Everything is drawn from one seed, so that a history can be played again.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use kong_cloudtrail::ports::{
    Clock, Http, HttpError, HttpLimits, HttpRequest, HttpResponse, KeyValue, KeyValueError, Log,
    Random,
};
use serde_json::{Value, json};

/// An entry that Kong keeps.
#[derive(Clone, Debug)]
pub struct Kept {
    pub id: String,
    pub time: i64,
    /// From when on Kong shows it: commits come late.
    pub visible: i64,
    pub expires: i64,
}

/// How often what goes wrong, in percent of the calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub kong: u32,
    pub cloudtrail: u32,
    /// The events are accepted, and the answer is lost.
    pub lost_answers: u32,
    pub events: u32,
    pub store: u32,
    /// After how many calls of any kind the process dies.
    pub dies_after: Option<u32>,
}

pub struct World {
    pub faults: Cell<Faults>,
    pub time_filters: Cell<bool>,
    /// Both streams' entries, by name.
    pub kept: RefCell<BTreeMap<&'static str, Vec<Kept>>>,
    /// How often each event was accepted.
    pub accepted: RefCell<HashMap<String, u32>>,
    pub lost_batches: Cell<u32>,
    /// This host's wall clock less the true time, in seconds.
    pub skew: Cell<i64>,
    /// Kong's clock less the true time, in seconds.
    pub kong_skew: Cell<i64>,
    pub lines: RefCell<Vec<String>>,
    now: Cell<Duration>,
    state: Cell<u64>,
    calls: Cell<u32>,
    dead: Cell<bool>,
    values: RefCell<HashMap<String, Vec<u8>>>,
    wakes: RefCell<Vec<(Duration, Waker)>>,
}

/// The true time at which every history begins.
const EPOCH: i64 = 1_795_348_800;

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            faults: Cell::default(),
            time_filters: Cell::new(true),
            kept: RefCell::new(BTreeMap::from([("requests", Vec::new()), ("objects", Vec::new())])),
            accepted: RefCell::default(),
            lost_batches: Cell::new(0),
            skew: Cell::new(0),
            kong_skew: Cell::new(0),
            lines: RefCell::default(),
            now: Cell::new(Duration::ZERO),
            state: Cell::new(seed),
            calls: Cell::new(0),
            dead: Cell::new(false),
            values: RefCell::default(),
            wakes: RefCell::default(),
        }
    }

    pub fn time(&self) -> i64 {
        EPOCH + i64::try_from(self.now.get().as_secs()).unwrap()
    }

    pub fn advance(&self, seconds: u64) {
        self.now.set(self.now.get() + Duration::from_secs(seconds));
    }

    /// SplitMix64.
    pub fn draw(&self, below: u64) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn strikes(&self, percent: u32) -> bool {
        self.draw(100) < u64::from(percent)
    }

    /// Counts a call; from the fatal one on nothing has an effect any more.
    fn alive(&self) -> bool {
        self.calls.set(self.calls.get() + 1);
        if self.faults.get().dies_after.is_some_and(|calls| self.calls.get() > calls) {
            self.dead.set(true);
        }
        !self.dead.get()
    }

    /// Runs `future` to its end in this world's time, or to the death of the process.
    pub fn play<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.calls.set(0);
        self.dead.set(false);
        self.wakes.borrow_mut().clear();
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return (!self.dead.get()).then_some(value);
            }
            if self.dead.get() {
                return None;
            }
            self.pass_to_next_wake();
        }
    }

    fn pass_to_next_wake(&self) {
        let mut wakes = self.wakes.borrow_mut();
        let next =
            wakes.iter().map(|(at, _)| *at).min().expect("a pending run waits for something");
        self.now.set(next.max(self.now.get()));
        for (_, waker) in wakes.extract_if(.., |(at, _)| *at <= next) {
            waker.wake();
        }
    }

    async fn wait(&self, duration: Duration) {
        let until = self.now.get() + duration;
        std::future::poll_fn(|context: &mut Context<'_>| {
            if self.now.get() >= until && !self.dead.get() {
                return Poll::Ready(());
            }
            self.wakes.borrow_mut().push((until, context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    fn kong(&self, uri: &http::Uri) -> HttpResponse {
        if self.strikes(self.faults.get().kong) {
            return match self.draw(3) {
                0 => answer(503, "{}"),
                1 => answer(200, "<html>"),
                _ => answer(200, r#"{"data":[{"request_id":"cut off"#),
            };
        }
        let version = if self.time_filters.get() { "3.9.0.0" } else { "2.8.1.1" };
        let body = match uri.path() {
            "/" => {
                json!({"version": format!("{version}-enterprise-edition"), "configuration": {"audit_log": true}})
            }
            "/audit/requests" => self.page("requests", uri.query().unwrap_or_default()),
            _ => self.page("objects", uri.query().unwrap_or_default()),
        };
        let mut response = answer(200, &body.to_string());
        let date = self.time() + self.kong_skew.get();
        let date = time::OffsetDateTime::from_unix_timestamp(date).unwrap();
        let date = date.format(&time::format_description::well_known::Rfc2822).unwrap();
        response.headers_mut().insert("date", date.replace("+0000", "GMT").parse().unwrap());
        response
    }

    fn page(&self, stream: &'static str, query: &str) -> Value {
        let parameter = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
                .map(str::to_owned)
        };
        let bound = |name| parameter(name).and_then(|text| text.parse::<i64>().ok());
        let size: usize = parameter("size").unwrap().parse().unwrap();
        let (after, before) =
            if self.time_filters.get() { (bound("after"), bound("before")) } else { (None, None) };
        let now = self.time();
        let kept = self.kept.borrow();
        let mut shown: Vec<&Kept> = kept[stream]
            .iter()
            .filter(|entry| entry.visible <= now && entry.expires > now)
            .filter(|entry| after.is_none_or(|after| entry.time >= after))
            .filter(|entry| before.is_none_or(|before| entry.time < before))
            .collect();
        // Newest first with filters, and in no order of time before that.
        let rank = |entry: &Kept| {
            let time = if self.time_filters.get() { i64::MAX - entry.time } else { 0 };
            format!("{time:020}.{}", entry.id)
        };
        shown.sort_by_cached_key(|entry| rank(entry));
        if let Some(offset) = parameter("offset") {
            shown.retain(|entry| rank(entry) > offset);
        }
        let more = shown.len() > size;
        shown.truncate(size);
        let offset = if more { json!(rank(shown[size - 1])) } else { Value::Null };
        let data: Vec<Value> = shown.into_iter().map(|entry| shape(stream, entry, now)).collect();
        let mut page = json!({"data": data, "next": null});
        if more {
            page["offset"] = offset;
        }
        page
    }

    fn put(&self, body: &[u8]) -> Result<HttpResponse, HttpError> {
        let faults = self.faults.get();
        if self.strikes(faults.cloudtrail) {
            return match self.draw(4) {
                0 => Err(HttpError::Connection("reset".to_owned())),
                1 => Ok(answer(500, "{}")),
                2 => Ok(answer(400, r#"{"__type":"ThrottlingException"}"#)),
                _ => Err(HttpError::Timeout("first byte".to_owned())),
            };
        }
        let body: Value = serde_json::from_slice(body).unwrap();
        let events = body["auditEvents"].as_array().unwrap();
        assert!((1..=100).contains(&events.len()));
        let (mut failed, mut successful) = (Vec::new(), Vec::new());
        for event in events {
            let id = event["id"].as_str().unwrap();
            assert!(
                serde_json::from_str::<Value>(event["eventData"].as_str().unwrap())
                    .unwrap()
                    .is_object()
            );
            if self.strikes(faults.events) {
                failed.push(json!({"id": id, "errorCode": "InternalFailure", "errorMessage": ""}));
            } else {
                *self.accepted.borrow_mut().entry(id.to_owned()).or_default() += 1;
                successful.push(json!({"id": id, "eventID": id}));
            }
        }
        if self.strikes(faults.lost_answers) {
            self.lost_batches.set(self.lost_batches.get() + 1);
            return Err(HttpError::Connection("reset after acceptance".to_owned()));
        }
        Ok(answer(200, &json!({"failed": failed, "successful": successful}).to_string()))
    }

    fn stored<T>(
        &self,
        effect: impl FnOnce(&mut HashMap<String, Vec<u8>>) -> T,
    ) -> Result<T, KeyValueError> {
        let failed = || KeyValueError("connection lost".to_owned());
        if !self.alive() {
            return Err(failed());
        }
        if self.strikes(self.faults.get().store) {
            // Half of the failed calls took effect all the same.
            if self.draw(2) == 0 {
                effect(&mut self.values.borrow_mut());
            }
            return Err(failed());
        }
        Ok(effect(&mut self.values.borrow_mut()))
    }
}

fn shape(stream: &str, entry: &Kept, now: i64) -> Value {
    match stream {
        "requests" => json!({
            "request_id": entry.id, "request_timestamp": entry.time, "method": "GET", "path": format!("/services/{}", entry.id),
            "status": 200, "client_ip": "10.0.0.1", "payload": null, "ttl": entry.expires - now, "signature": null,
        }),
        _ => json!({
            "id": entry.id, "request_timestamp": entry.time, "dao_name": "services", "operation": "create",
            "entity": "{\"id\":1}", "entity_key": entry.id, "request_id": "r", "expire": entry.expires * 1000,
        }),
    }
}

fn answer(status: u16, body: &str) -> HttpResponse {
    http::Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap()
}

impl Http for World {
    async fn send(&self, request: HttpRequest, _: HttpLimits) -> Result<HttpResponse, HttpError> {
        // The call takes effect on its way, and its answer comes later.
        self.wait(Duration::from_millis(self.draw(40))).await;
        if !self.alive() {
            std::future::pending::<()>().await;
        }
        let answer = if request.uri().path() == "/PutAuditEvents" {
            self.put(request.body())
        } else if self.strikes(self.faults.get().kong) {
            Err(HttpError::Connection("refused".to_owned()))
        } else {
            Ok(self.kong(request.uri()))
        };
        self.wait(Duration::from_millis(self.draw(200))).await;
        answer
    }
}

impl KeyValue for World {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.stored(|values| values.get(key).cloned())
    }
    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), KeyValueError> {
        self.stored(|values| values.extend(pairs.iter().cloned()))
    }
    fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.stored(|values| drop(values.remove(key)))
    }
    fn swap(&self, key: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<(), KeyValueError> {
        self.stored(|values| {
            if values.get(key).map(Vec::as_slice) == expected {
                values.insert(key.to_owned(), new.to_vec());
            }
        })
    }
}

impl Clock for World {
    fn now_ms(&self) -> i64 {
        (self.time() + self.skew.get()) * 1000
    }
    fn elapsed(&self) -> Duration {
        self.now.get()
    }
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        Box::pin(self.wait(duration)) as Pin<Box<dyn Future<Output = ()>>>
    }
}

impl Random for World {
    fn u64(&self) -> u64 {
        self.draw(u64::MAX)
    }
}

impl Log for World {
    fn line(&self, line: &str) {
        self.lines.borrow_mut().push(line.to_owned());
    }
}
