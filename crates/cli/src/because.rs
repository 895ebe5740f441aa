//! Who changes the ledger by hand, and why.

use std::time::SystemTime;

use clap::Args;
use kong_cloudtrail::ledger::Intervention;
use kong_cloudtrail::ports::unix_ms;

/// Most characters of a reason.
const REASON_CHARS: usize = 500;

/// That it is meant, and why: what cannot be taken back is not done without.
#[derive(Args)]
pub struct Because {
    /// That it is meant.
    #[arg(long, required = true)]
    yes: bool,
    /// Why: it is kept in the ledger and logged by the next run, with who did it and when.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("it says nothing".to_owned()),
        1..=REASON_CHARS => Ok(text.to_owned()),
        _ => Err(format!("it has more than {REASON_CHARS} characters")),
    }
}

impl Because {
    /// What goes on record.
    pub fn doing(&self, what: impl Into<String>) -> Intervention {
        Intervention {
            at_ms: unix_ms(SystemTime::now()),
            who: who(),
            what: what.into(),
            why: self.reason.clone(),
            which: Vec::new(),
            more: 0,
        }
    }
}

/// The user of this process by the system's list of users, and the machine. No variable has a say, since
/// anybody sets these.
fn who() -> String {
    let id = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = name(&users, id).map_or_else(|| format!("uid {id}"), str::to_owned);
    let machine = rustix::system::uname();
    format!("{user}@{}", machine.nodename().to_string_lossy())
}

fn name(users: &str, id: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, user) = (fields.next()?, fields.next()?, fields.next()?);
        (user.parse() == Ok(id)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_known_by_the_systems_list() {
        let users = "root:x:0:0:root:/root:/bin/bash\n\nbroken\nship:x:65532:65532::/:\n";
        assert_eq!([0, 65_532, 1].map(|id| name(users, id)), [Some("root"), Some("ship"), None]);
        assert!(who().contains('@'), "{}", who());
    }

    #[test]
    fn a_reason_says_something_and_no_more_than_is_kept() {
        assert_eq!(reason(" quota raised "), Ok("quota raised".to_owned()));
        for text in ["", " \n", &"x".repeat(501)] {
            assert!(reason(text).is_err(), "{text}");
        }
        assert!(reason(&"é".repeat(500)).is_ok());
    }
}
