//! Believable admin activity, as a pure function of a seed: call `i` of a burst and the rows that it
//! wrote can be told again at any time, so nothing of them is held.
//!
//! A burst is a span of time with a number of requests and of objects. In every ten calls four
//! write; the burst's objects are shared out evenly over the writing calls, so that each object
//! entry names the request that caused it. A writing call to which no object fell has failed. The
//! others read, log in to Kong Manager or out of it, or probe `/status` without a user, which Kong
//! refuses where RBAC is enforced.

use std::borrow::Cow;
use std::sync::Arc;

use uuid::Uuid;

use super::change::{Asked, Change, Row};
use super::version::Version;
use crate::random::{generator, mix, uuid};

/// Which four of ten calls write. The first always does, so that a burst of one call can write.
const WRITES: [[u32; 4]; 4] = [[0, 2, 5, 7], [0, 3, 4, 8], [0, 1, 6, 9], [0, 4, 5, 6]];

const USERS: [&str; 12] = [
    "platform-ci",
    "doc_lord",
    "doc_knight",
    "alice.meyer",
    "bogdan.ilic",
    "chen.li",
    "deck-sync",
    "terraform",
    "esther.okafor",
    "kong_admin",
    "release-bot",
    "sre-oncall",
];

/// The Kong that wrote entries, as far as it makes a difference to what they say.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) version: Arc<Version>,
    pub(crate) users: Users,
}

/// What Kong makes of the users who call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Users {
    /// It knows them, and lets in who is none.
    Named,
    /// It knows them, and refuses who is none: RBAC is enforced.
    Required,
    /// It knows none: RBAC is not enforced.
    Unknown,
}

/// An Admin API call, as far as the audit log tells of it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) at: i64,
    pub(crate) request_id: String,
    pub(crate) user: Option<(Uuid, &'static str)>,
    /// Whether the user's name and the source were written down.
    pub(crate) named: bool,
    pub(crate) from_manager: bool,
    pub(crate) client_ip: String,
    pub(crate) workspace: Uuid,
    pub(crate) method: Cow<'static, str>,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) payload: Option<String>,
    pub(crate) removed_from_payload: Option<&'static str>,
}

/// A row that an Admin API call wrote.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) call: Call,
    pub(crate) id: Uuid,
    pub(crate) row: Row,
}

/// A number of calls and of objects written, spread over a span of time.
#[derive(Debug)]
pub(crate) struct Burst {
    salt: u64,
    users: u64,
    calls: u64,
    objects: u64,
    first_at: i64,
    span: i64,
    payload_bytes: usize,
    writer: Writer,
}

impl Burst {
    /// `requests` calls and `objects` rows between `first_at` and `first_at + span`. Users and
    /// workspaces come from `seed` alone, and not from the burst's `number`, so that they are the same in every burst of a trail.
    pub(crate) fn new(
        (seed, number): (u64, u64),
        (requests, objects): (u32, u32),
        (first_at, span): (i64, i64),
        payload_bytes: usize,
        writer: Writer,
    ) -> Self {
        // Objects without requests were written by calls that are not in the trail.
        let calls = if requests == 0 { u64::from(objects) * 5 / 2 + 1 } else { requests.into() };
        let salt = mix(seed, number);
        let objects = u64::from(objects);
        Self { salt, users: seed, calls, objects, first_at, span, payload_bytes, writer }
    }

    /// When call `index` was made: rising with the index.
    pub(crate) fn at(&self, index: u32) -> i64 {
        let jitter = i128::from(mix(self.salt, u64::from(index) ^ (1 << 40)) % 1000);
        let offset = (i128::from(index) * 1000 + jitter) * i128::from(self.span)
            / (i128::from(self.calls) * 1000);
        self.first_at + i64::try_from(offset).unwrap_or(self.span)
    }

    /// When object `index` was written: with its call.
    pub(crate) fn object_at(&self, index: u32) -> i64 {
        self.at(self.call_of(self.writing(index).0))
    }

    fn writes_in(&self, tens: u64) -> &'static [u32; 4] {
        &WRITES[usize::try_from(mix(self.salt, tens ^ (1 << 41)) % 4).unwrap_or(0)]
    }

    /// How many of the calls write.
    fn writes(&self) -> u64 {
        let (tens, rest) = (self.calls / 10, self.calls % 10);
        let last = self.writes_in(tens).iter().filter(|&&place| u64::from(place) < rest).count();
        tens * 4 + last as u64
    }

    /// The call that is the `write`th to write.
    fn call_of(&self, write: u64) -> u32 {
        let place = self.writes_in(write / 4)[usize::try_from(write % 4).unwrap_or(0)];
        u32::try_from(write / 4 * 10 + u64::from(place)).unwrap_or(u32::MAX)
    }

    /// The place of a call among those that write, if it does.
    fn write_of(&self, call: u32) -> Option<u64> {
        let (tens, place) = (u64::from(call / 10), call % 10);
        let position = self.writes_in(tens).iter().position(|&write| write == place)?;
        Some(tens * 4 + position as u64)
    }

    /// The first object that the `write`th writing call wrote.
    fn first_object(&self, write: u64) -> u64 {
        (write * self.objects).div_ceil(self.writes())
    }

    /// The place of the call that wrote object `index` among those that write, and the place of
    /// the object among what that call wrote.
    fn writing(&self, index: u32) -> (u64, u64) {
        let write = u64::from(index) * self.writes() / self.objects;
        (write, u64::from(index) - self.first_object(write))
    }

    /// The id of call `index`.
    pub(crate) fn request_id(&self, index: u32) -> String {
        request_id(&mut generator(self.salt, u64::from(index) * 2), &self.writer.version)
    }

    /// The id of object `index`.
    pub(crate) fn object_id(&self, index: u32) -> Uuid {
        uuid(&mut generator(self.salt, u64::from(index) * 2 + 1))
    }

    /// Call `index`.
    pub(crate) fn call(&self, index: u32) -> Call {
        let (mut call, change, mut random) = self.begin(index);
        match change {
            Some(change) => {
                let write = self.write_of(index).unwrap_or_default();
                let failed = self.first_object(write) == self.first_object(write + 1);
                call.write(change.asked());
                if failed {
                    call.status = [400, 403, 404, 409][random.usize(..4)];
                }
            }
            None => call.read(&mut random, self.writer.users),
        }
        if self.payload_bytes > 0 {
            pad(call.payload.get_or_insert_with(|| "{}".to_owned()), self.payload_bytes);
        }
        call
    }

    /// Object `index`, with the call that wrote it (as far as the object tells of it).
    pub(crate) fn write(&self, index: u32) -> Write {
        let (write, nth) = self.writing(index);
        let (call, change, _) = self.begin(self.call_of(write));
        let mut row = match change {
            Some(change) if nth == 0 => change.row(),
            change => Row::beside(
                &mut generator(self.salt, mix(index.into(), 3)),
                call.workspace,
                change.is_some_and(|change| change.deletes()),
            ),
        };
        pad(&mut row.entity, self.payload_bytes);
        Write { call, id: self.object_id(index), row }
    }

    /// Who makes call `index`, and what it changes if it is to change anything.
    fn begin(&self, index: u32) -> (Call, Option<Change>, fastrand::Rng) {
        let Writer { version, users } = &self.writer;
        let mut random = generator(self.salt, u64::from(index) * 2);
        let request_id = request_id(&mut random, version);
        let user = random.usize(..USERS.len());
        let workspace = uuid(&mut generator(self.users, 1000 + random.u64(..3)));
        let call = Call {
            at: self.at(index),
            request_id,
            user: (*users != Users::Unknown)
                .then(|| (uuid(&mut generator(self.users, user as u64)), USERS[user])),
            named: version.names_users(),
            from_manager: random.u8(..4) == 0,
            client_ip: format!("10.0.{}.{}", user % 4, 10 + user * 7 + random.usize(..3)),
            workspace,
            method: "GET".into(),
            path: String::new(),
            status: 200,
            payload: None,
            removed_from_payload: None,
        };
        let change = self.write_of(index).map(|_| Change::drawn(&mut random, call.at, version));
        (call, change, random)
    }
}

impl Call {
    /// Makes this a call that writes.
    fn write(&mut self, asked: Asked) {
        self.method = asked.method.into();
        self.path = asked.path;
        self.status = asked.status;
        self.payload = asked.payload;
        self.removed_from_payload = asked.removed_from_payload;
    }

    /// Makes this a call that writes nothing.
    fn read(&mut self, random: &mut fastrand::Rng, users: Users) {
        let number = random.u32(..400);
        match random.u8(..20) {
            0 => self.log_in(200),
            1 => self.log_in(401),
            2 => {
                self.log_in(200);
                self.method = "DELETE".into();
                "/auth?session_logout=true".clone_into(&mut self.path);
            }
            3..=6 => {
                self.user = None;
                self.from_manager = false;
                "127.0.0.1".clone_into(&mut self.client_ip);
                "/status".clone_into(&mut self.path);
                if users == Users::Required {
                    self.status = 401;
                }
            }
            7 => (self.path, self.status) = (format!("/consumers/customer-{number}"), 404),
            8 => (self.path, self.status) = ("/rbac/users".to_owned(), 403),
            9 | 10 => self.path = format!("/services/svc-{number}"),
            11 | 12 => self.path = format!("/services/svc-{number}/plugins"),
            13 => self.path = format!("/plugins/{}", uuid(random)),
            14 => "/event-hooks/?size=100".clone_into(&mut self.path),
            15 => self.path = format!("/workspaces/{}/meta", self.workspace),
            16 => self.path = format!("/consumers?size=100&offset={number}"),
            17 => "/routes?tags=team-payments,prod&size=1000".clone_into(&mut self.path),
            _ => "/services?size=100".clone_into(&mut self.path),
        }
    }

    /// Source: Kong's audit log documentation, "Kong Manager authentication".
    fn log_in(&mut self, status: u16) {
        self.from_manager = true;
        "/auth".clone_into(&mut self.path);
        self.status = status;
        if status == 401 {
            self.user = None;
        }
    }
}

/// 32 letters and digits. Before 3.4 a few are empty ("Fixed an issue where you could receive an
/// empty `request_id` when generating audit data").
fn request_id(random: &mut fastrand::Rng, version: &Version) -> String {
    let id: String = std::iter::repeat_with(|| random.alphanumeric()).take(32).collect();
    if random.u16(..400) == 0 && version.leaves_request_ids_empty() { String::new() } else { id }
}

/// Fills a JSON object up to `bytes` with a member of prose.
fn pad(object: &mut String, bytes: usize) {
    const PROSE: &str =
        "Owned by the payments platform team; see the runbook before you change it. ";
    let (begin, end) = (if object == "{}" { "" } else { "," }, "\"}");
    let begin = format!("{begin}\"description\":\"");
    // The object's own brace goes and comes back with `end`.
    let missing = bytes.saturating_sub(object.len() - 1 + begin.len() + end.len());
    if missing == 0 || object.pop() != Some('}') {
        return;
    }
    object.push_str(&begin);
    for _ in 0..missing / PROSE.len() {
        object.push_str(PROSE);
    }
    object.push_str(&PROSE[..missing % PROSE.len()]);
    object.push_str(end);
}

/// The user to whom the readers' token belongs.
pub(crate) const READER: &str = "audit-reader";

/// What a reader called, and how that went.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    /// Whether Kong knew who called.
    pub(crate) authenticated: bool,
}

/// The call by which a reader reads, when such calls are audited.
pub(crate) fn reader_call(seed: u64, number: u64, at: i64, called: Called, named: bool) -> Call {
    let mut random = generator(mix(seed, 1 << 42), number);
    Call {
        at,
        request_id: std::iter::repeat_with(|| random.alphanumeric()).take(32).collect(),
        user: called.authenticated.then(|| (uuid(&mut generator(seed, 999)), READER)),
        named,
        from_manager: false,
        client_ip: "127.0.0.1".to_owned(),
        workspace: uuid(&mut generator(seed, 1000)),
        method: called.method.into(),
        path: called.path,
        status: called.status,
        payload: None,
        removed_from_payload: None,
    }
}
