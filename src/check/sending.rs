//! What a run needs of AWS: credentials, whose they are, and the destination's consent.

use super::row::{Found, Rows};
use super::{NOT_SOUND, PATIENCE};
use crate::aws::credentials::Source;
use crate::aws::credentials_remedy;
use crate::config::Sending;
use crate::destination::{Identity, Protocol, Sender, Stop, Trial, Undelivered, Whose};
use crate::log::Logger;
use crate::ports::Ports;
use crate::terms::Event;
use crate::wire::rfc3339;
use crate::words::Told;

const CREDENTIALS: (&str, &str) = ("credentials", "the source that is configured is asked");
const IDENTITY: (&str, &str) = ("identity", "GetCallerIdentity of STS");
const DESTINATION: (&str, &str) = ("destination", "an event that must be refused for its content");

/// All of them; how many calls the destination had, and how many were made again.
pub(super) async fn rows<P: Ports>(
    log: Logger<'_, P>,
    sending: &Sending,
    rows: &mut Rows,
) -> (u64, u64) {
    let port = log.port();
    let (protocol, source) = (sending.destination.as_ref(), &sending.credentials);
    let deadline = port.elapsed() + PATIENCE;
    let sender = Sender::new(log, protocol, source, sending.pace, deadline);
    let tried = format!("{}: {}", CREDENTIALS.1, source.name());
    let end_ms = match sender.credentials_end_ms().await {
        Ok(end_ms) => end_ms,
        Err(error) => {
            rows.add(CREDENTIALS.0, tried, Found::Fail(error.told()));
            for (name, tried) in [IDENTITY, (DESTINATION.0, protocol.profile().trial)] {
                rows.add(name, tried, Found::skipped("there are no credentials to sign with"));
            }
            return (sender.calls(), sender.retries());
        }
    };
    rows.add(CREDENTIALS.0, tried, Found::Ok(until(source, end_ms)));
    let whose = whose(&sender, sending).await;
    let is_refused = matches!(whose, Found::Fail(_));
    rows.add(IDENTITY.0, IDENTITY.1, whose);
    // A target of the same name in another account must not be asked.
    let found = if is_refused && protocol.gate().is_some() {
        Found::skipped("it is not certain that the credentials are of its account")
    } else {
        destination(&sender, protocol, port.now_ms()).await
    };
    rows.add(DESTINATION.0, protocol.profile().trial, found);
    (sender.calls(), sender.retries())
}

/// Where the variables are not sound.
pub(super) fn skip(rows: &mut Rows) {
    for (name, tried) in [CREDENTIALS, IDENTITY, DESTINATION] {
        rows.add(name, tried, Found::skipped(NOT_SOUND));
    }
}

fn until(source: &Source, end_ms: Option<i64>) -> String {
    match (source, end_ms) {
        (_, Some(end_ms)) => {
            format!("it gives some that last until {}", rfc3339(end_ms.div_euclid(1000)))
        }
        (Source::Static(keys), None) if keys.session_token.is_some() => {
            "they are set, and temporary (aws_session_token): nobody tells until when they last"
                .to_owned()
        }
        (Source::Static(_), None) => "they are set, and do not end by themselves".to_owned(),
        (_, None) => "it gives some, and does not say until when they last".to_owned(),
    }
}

/// A destination that has a gate needs STS in each run. For the others what STS says is a help.
async fn whose<P: Ports>(sender: &Sender<'_, P>, sending: &Sending) -> Found {
    const NO_MATTER: &str = "(runs to this destination do not ask STS)";
    let protocol = sending.destination.as_ref();
    let is_needed = protocol.gate().is_some();
    let sts = match &sending.sts {
        Ok(sts) if !sts.is_empty() => sts.clone(),
        Ok(_) => return Found::skipped("no endpoint of STS is known"),
        Err(mistakes) => return Found::Skipped(mistakes.to_string()),
    };
    let place = protocol.profile().place.clone();
    let asked = Whose::new(sts, place.clone());
    let stop = match sender.ask(&asked, Event::default(), &|| true).await {
        Ok(None) => return of_identity(sender, protocol, asked.told()).await,
        Ok(Some(why)) => Stop::Account(Told::new(why.to_string(), asked.profile().unreachable)),
        Err(stop) => stop,
    };
    let is_of_credentials =
        matches!(&stop, Stop::Refused { code, .. } if credentials_remedy(code).is_some());
    if is_needed || is_of_credentials {
        return Found::Fail(stop.told());
    }
    let Told { cause, remedy } = stop.told();
    Found::Warn(Told::new(format!("{cause} {NO_MATTER}"), remedy))
}

async fn of_identity<P: Ports>(
    sender: &Sender<'_, P>,
    protocol: &dyn Protocol,
    told: Option<Identity>,
) -> Found {
    let Some(Identity { account, arn }) = told else { return Found::skipped("STS told nothing") };
    let meant = &protocol.profile().place.account;
    if account == *meant {
        return Found::Ok(format!("{arn} of the account {account}"));
    }
    if let Some(gate) = protocol.gate()
        && let Err(stop) = sender.ask(gate, Event::default(), &|| true).await
    {
        return Found::Fail(stop.told());
    }
    Found::Ok(format!(
        "{arn} of the account {account}, and the target is of {meant}: its resource policy must allow that principal"
    ))
}

async fn destination<P: Ports>(
    sender: &Sender<'_, P>,
    protocol: &dyn Protocol,
    now_ms: i64,
) -> Found {
    let profile = protocol.profile();
    let name = profile.name;
    match sender.ask(&Trial(protocol), Trial::event(now_ms), &|| true).await {
        Ok(Some(Undelivered::Refused(why))) => Found::Ok(format!(
            "{name} refused it for its content ({why}), {}",
            profile.trial_proves
        )),
        Ok(Some(why)) => Found::Fail(Told::new(why.to_string(), profile.unreachable)),
        Ok(None) => Found::Fail(Told::new(
            format!("{name} took an event that it must refuse: kong-cloudtrail-check is in it now"),
            "report it, with the version of this program",
        )),
        Err(stop) => Found::Fail(stop.told()),
    }
}
