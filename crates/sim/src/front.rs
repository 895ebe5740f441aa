//! What stands before a simulator's own handlers: it counts the calls, waits the set latency,
//! applies the faults, and dates the answer by the simulator's clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, header};

use crate::clock::Clock;
use crate::fault::{Fault, Rule, Trigger, disturb, pause};
use crate::random;
use crate::server::Connection;

/// The state of the middleware.
#[derive(Debug)]
pub struct Front {
    /// The simulator's clock.
    pub clock: Clock,
    latency: Duration,
    seed: u64,
    rules: Mutex<Vec<(Rule, Trigger)>>,
    calls: Mutex<BTreeMap<String, u64>>,
    stopped: AtomicU64,
}

/// Locks, also after a panic elsewhere: a test that fails must not make the simulator fail.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Front {
    pub(crate) fn new(latency: Duration, seed: u64) -> Self {
        Self {
            clock: Clock::default(),
            latency,
            seed,
            rules: Mutex::default(),
            calls: Mutex::default(),
            stopped: AtomicU64::new(0),
        }
    }

    /// Replaces the rules, with fresh counts.
    pub(crate) fn set_rules(&self, rules: Vec<Rule>) {
        *lock(&self.rules) = (0..)
            .zip(rules)
            .map(|(index, rule)| {
                let trigger = Trigger::new(rule.when.clone(), random::mix(self.seed, index));
                (rule, trigger)
            })
            .collect();
    }

    /// How many calls each path had.
    pub(crate) fn calls(&self) -> BTreeMap<String, u64> {
        lock(&self.calls).clone()
    }

    /// How many calls a fault kept from the service.
    pub(crate) fn stopped(&self) -> u64 {
        self.stopped.load(Ordering::Relaxed)
    }

    fn strike(&self, path: &str) -> Vec<Fault> {
        *lock(&self.calls).entry(path.to_owned()).or_default() += 1;
        let mut rules = lock(&self.rules);
        let struck = rules
            .iter_mut()
            .filter(|(rule, _)| rule.path.as_deref().is_none_or(|wanted| wanted == path))
            .filter_map(|(rule, trigger)| trigger.strikes().then(|| rule.fault.clone()))
            .collect::<Vec<_>>();
        // Counted here, since a reset ends the request's future.
        if struck.iter().any(|fault| matches!(fault, Fault::Reset | Fault::Status { .. })) {
            self.stopped.fetch_add(1, Ordering::Relaxed);
        }
        struck
    }
}

/// The middleware.
pub(crate) async fn stand_before(
    State(front): State<Arc<Front>>,
    request: Request,
    next: Next,
) -> Response {
    let connection = request.extensions().get::<Connection>().cloned().unwrap_or_default();
    let faults = front.strike(request.uri().path());
    pause(front.latency).await;
    let mut response = disturb(&faults, &connection, next.run(request)).await;
    if let Ok(date) = HeaderValue::from_str(&front.clock.http_date()) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}
