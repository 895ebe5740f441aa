//! The store in Redis: `type = "redis"`.
//!
//! Keys are not prefixed, so all labels with one URL share one key space. As in Spin 4.0.2: no
//! time-outs, so a Redis that hangs holds up the caller; a batch get sends `KEYS` with the keys as
//! arguments, which Redis refuses; a swap is WATCH, MULTI, SET, EXEC on a connection of its own,
//! and although it writes exactly when nothing changed, its answer is always "failed", because the
//! `UNWATCH` that follows is sent with an argument.

use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, Client};
use tokio::sync::OnceCell;

use super::{CompareAndSwap, Store, StoreError, StoreManager, SwapError, Value};

/// The stores in one Redis database.
pub struct RedisStores {
    client: Client,
    connection: OnceCell<ConnectionManager>,
}

impl RedisStores {
    /// The stores at `url` (`redis://` or `rediss://`), connected to at the first use.
    pub fn new(url: &str) -> Result<Self> {
        // The parser's message is left out: a URL may hold a password.
        let client = Client::open(url).ok().context("`url` is no redis:// or rediss:// URL")?;
        Ok(Self { client, connection: OnceCell::new() })
    }
}

async fn connect(client: &Client) -> Result<ConnectionManager, StoreError> {
    let endless =
        ConnectionManagerConfig::new().set_connection_timeout(None).set_response_timeout(None);
    client.get_connection_manager_with_config(endless).await.map_err(StoreError::other)
}

#[async_trait]
impl StoreManager for RedisStores {
    fn place(&self) -> String {
        format!("Redis at {}", self.client.get_connection_info().addr())
    }

    async fn open(&self, _label: &str) -> Result<Arc<dyn Store>, StoreError> {
        let connection = self.connection.get_or_try_init(|| connect(&self.client)).await?.clone();
        // A broken connection is noticed, and made anew behind the scenes, at its next use.
        if let Err(error) = connection.clone().ping::<()>().await {
            tracing::debug!("Redis does not answer a ping: {error}");
        }
        Ok(Arc::new(RedisStore { client: self.client.clone(), connection }))
    }

    /// By `CONFIG`; where that is renamed or refused, as on managed services, by `INFO`.
    async fn eviction(&self) -> Result<Option<String>, StoreError> {
        const SETTING: &str = "maxmemory-policy";
        let connection = self.connection.get_or_try_init(|| connect(&self.client)).await?.clone();
        let mut asked = connection.clone();
        let config: redis::RedisResult<Vec<String>> =
            redis::cmd("CONFIG").arg("GET").arg(SETTING).query_async(&mut asked).await;
        match config {
            Ok(pair) if pair.len() == 2 => return Ok(pair.into_iter().nth(1)),
            Ok(_) => {}
            Err(error) => tracing::debug!("CONFIG GET {SETTING}: {error}"),
        }
        let info: String = redis::cmd("INFO")
            .arg("memory")
            .query_async(&mut connection.clone())
            .await
            .map_err(|error| StoreError::Other(error.to_string()))?;
        let told = info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"));
        told.map(|policy| Some(policy.trim().to_owned()))
            .ok_or_else(|| StoreError::Other(format!("neither CONFIG nor INFO tells {SETTING}")))
    }
}

struct RedisStore {
    client: Client,
    connection: ConnectionManager,
}

impl RedisStore {
    fn connection(&self) -> ConnectionManager {
        self.connection.clone()
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn get(&self, key: &str) -> Result<Option<Value>, StoreError> {
        self.connection().get(key).await.map_err(StoreError::other)
    }

    async fn set(&self, key: &str, value: Value) -> Result<(), StoreError> {
        self.connection().set(key, value).await.map_err(StoreError::other)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.connection().del(key).await.map_err(StoreError::other)
    }

    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.connection().exists(key).await.map_err(StoreError::other)
    }

    async fn keys(&self) -> Result<Vec<String>, StoreError> {
        self.connection().keys("*").await.map_err(StoreError::other)
    }

    async fn get_many(
        &self,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Value>)>, StoreError> {
        // Spin's mistake, kept: KEYS where MGET is meant.
        redis::cmd("KEYS")
            .arg(keys)
            .query_async(&mut self.connection())
            .await
            .map_err(StoreError::other)
    }

    async fn set_many(&self, pairs: Vec<(String, Value)>) -> Result<(), StoreError> {
        self.connection().mset(&pairs).await.map_err(StoreError::other)
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), StoreError> {
        self.connection().del(keys).await.map_err(StoreError::other)
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        self.connection().incr(key, delta).await.map_err(StoreError::other)
    }

    async fn compare_and_swap(&self, key: &str) -> Result<Arc<dyn CompareAndSwap>, StoreError> {
        Ok(Arc::new(RedisSwap { key: key.to_owned(), connection: connect(&self.client).await? }))
    }
}

struct RedisSwap {
    key: String,
    /// WATCH belongs to a connection, so no other command may share this one.
    connection: ConnectionManager,
}

#[async_trait]
impl CompareAndSwap for RedisSwap {
    async fn current(&self) -> Result<Option<Value>, StoreError> {
        let mut connection = self.connection.clone();
        redis::cmd("WATCH")
            .arg(&self.key)
            .exec_async(&mut connection)
            .await
            .map_err(StoreError::other)?;
        connection.get(&self.key).await.map_err(StoreError::other)
    }

    async fn swap(&self, value: Value) -> Result<(), SwapError> {
        let mut connection = self.connection.clone();
        let written: redis::RedisResult<()> =
            redis::pipe().atomic().set(&self.key, value).query_async(&mut connection).await;
        // Spin's mistake, kept: UNWATCH takes no argument, so Redis refuses it each time.
        let unwatched = redis::cmd("UNWATCH").arg(&self.key).exec_async(&mut connection).await;
        unwatched.and(written).map_err(|error| {
            tracing::debug!("swap: {error}");
            SwapError::Failed
        })
    }

    async fn delete(&self) -> Result<(), SwapError> {
        let deleted: Option<(u64,)> = redis::pipe()
            .atomic()
            .del(&self.key)
            .query_async(&mut self.connection.clone())
            .await
            .map_err(|error| SwapError::Other(error.to_string()))?;
        // No answer at all when the key was touched: then nothing was done.
        if deleted == Some((1,)) { Ok(()) } else { Err(SwapError::Failed) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn its_place_is_told_without_user_and_password() {
        for url in
            ["redis://user:hunter2@redis.internal:6380/3", "rediss://:hunter2@redis.internal:6380"]
        {
            assert_eq!(RedisStores::new(url).unwrap().place(), "Redis at redis.internal:6380");
        }
    }
}
