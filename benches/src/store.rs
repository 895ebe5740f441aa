//! What the keys of a Redis take, by its own account.

use anyhow::Result;
use redis::{Connection, pipe};
use serde_json::{Value, json};

/// Counts all keys, and sums `MEMORY USAGE` over them: key, value and the entry that leads to them,
/// without what an expiry takes beside.
pub fn measure(mut redis: Connection) -> Result<Value> {
    let (mut keys, mut bytes, mut cursor) = (0_usize, 0_u64, 0_u64);
    loop {
        let (next, found): (u64, Vec<Vec<u8>>) =
            redis::cmd("SCAN").arg(cursor).arg("COUNT").arg(1000).query(&mut redis)?;
        let mut usages = pipe();
        for key in &found {
            usages.cmd("MEMORY").arg("USAGE").arg(key).arg("SAMPLES").arg(0);
        }
        if !found.is_empty() {
            bytes += usages.query::<Vec<u64>>(&mut redis)?.into_iter().sum::<u64>();
        }
        keys += found.len();
        cursor = next;
        if cursor == 0 {
            return Ok(json!({ "keys": keys, "bytes": bytes }));
        }
    }
}
