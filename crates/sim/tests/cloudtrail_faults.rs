//! How the CloudTrail Data simulator fails when told to.
#![allow(clippy::unwrap_used)]

#[path = "support/cloudtrail.rs"]
mod support;

use kong_cloudtrail_sim::cloudtrail::{EventFault, Faults, RequestError, Simulator};
use kong_cloudtrail_sim::fault::{Fault, Malformed, Rule, When};
use support::{call, event, event_data, key, options};

fn start() -> Simulator {
    Simulator::start(options()).unwrap()
}

#[tokio::test]
async fn errors_strike_the_calls_they_are_set_for() {
    let endpoint = start();
    let call = call(&[event("one", &event_data())]);
    let every_third = RequestError {
        kind: "InternalServerError".to_owned(),
        when: When { every: Some(3), ..When::default() },
        message: Some("Try again".to_owned()),
    };
    endpoint.set_faults(Faults { errors: vec![every_third], ..Faults::default() });
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(call.send(&endpoint).await.unwrap().status);
    }
    assert_eq!(statuses, [200, 200, 500, 200, 200, 500]);
    endpoint.set_faults(Faults::default());
    assert_eq!(call.send(&endpoint).await.unwrap().status, 200);
}

#[tokio::test]
async fn events_fail_at_a_rate_or_are_left_out_of_the_answer() {
    let endpoint = start();
    let events =
        (0..100).map(|number| event(&format!("id-{number}"), &event_data())).collect::<Vec<_>>();
    let failing = EventFault {
        code: Some("Throttling".to_owned()),
        when: When { rate: Some(0.3), ..When::default() },
        ids: Vec::new(),
    };
    let left_out = EventFault { code: None, when: When::default(), ids: vec!["id-7".to_owned()] };
    endpoint.set_faults(Faults { events: vec![left_out, failing], ..Faults::default() });

    let answer = call(&events).send(&endpoint).await.unwrap();

    let failed = answer.failed();
    assert!((15..=45).contains(&failed.len()), "{}", failed.len());
    assert!(failed.iter().all(|(id, code)| *code == "Throttling" && *id != "id-7"));
    assert!(!answer.successful().contains(&"id-7"));
    assert_eq!(failed.len() + answer.successful().len(), 99);
    assert_eq!(endpoint.ids(), answer.successful());
}

#[tokio::test]
async fn an_answer_can_be_lost_after_its_events_were_accepted() {
    let endpoint = start();
    let call = call(&[event("one", &event_data())]);
    let reset_after_accept = Some(When { next: Some(1), ..When::default() });
    endpoint.set_faults(Faults { reset_after_accept, ..Faults::default() });
    let lost = call.send(&endpoint).await.unwrap_err();
    assert!(format!("{lost:?}").contains("ConnectionReset"), "{lost:?}");
    call.send(&endpoint).await.unwrap();
    assert_eq!(endpoint.ids(), ["one", "one"]);
    let answers_lost: Vec<bool> = endpoint.calls().iter().map(|call| call.answer_lost).collect();
    assert_eq!(answers_lost, [true, false]);
}

#[tokio::test]
async fn each_accepted_event_is_told_by_the_call_that_brought_it() {
    let endpoint = start();
    let numbered = |id: &str| event(id, &event_data());
    call(&[numbered("one"), numbered("two")]).send(&endpoint).await.unwrap();
    let refused = EventFault {
        code: Some("InternalFailure".to_owned()),
        when: When { next: Some(1), ..When::default() },
        ids: vec![],
    };
    endpoint.set_faults(Faults { events: vec![refused], ..Faults::default() });
    call(&[numbered("three")]).send(&endpoint).await.unwrap();
    call(&[numbered("three")]).send(&endpoint).await.unwrap();

    let calls = endpoint.calls();
    let events: Vec<_> = calls.iter().map(|call| call.events.clone()).collect();
    assert_eq!(events, [0..2, 2..3], "a call that brought nothing is none of them");
    assert!(calls.iter().all(|call| call.access_key_id == key().access_key_id));
}

#[tokio::test]
async fn calls_can_be_reset_refused_or_answered_with_something_else() {
    let endpoint = start();
    let call = call(&[event("one", &event_data())]);
    let rule = |fault| Faults {
        rules: vec![Rule {
            path: Some("/PutAuditEvents".to_owned()),
            when: When::default(),
            fault,
        }],
        ..Faults::default()
    };
    endpoint.set_faults(rule(Fault::Reset));
    let reset = call.send(&endpoint).await.unwrap_err();
    assert!(format!("{reset:?}").contains("ConnectionReset"), "{reset:?}");
    endpoint.set_faults(rule(Fault::Status { code: 503, retry_after: Some(1), body: None }));
    assert_eq!(call.send(&endpoint).await.unwrap().status, 503);
    assert_eq!(endpoint.status().accepted, 0);
    assert_eq!(endpoint.status().refused_calls, 2);
    endpoint.set_faults(rule(Fault::Body(Malformed::Html)));
    assert!(call.send(&endpoint).await.unwrap_err().is_decode());
    assert_eq!(endpoint.status().accepted, 1, "the service acted");
}
