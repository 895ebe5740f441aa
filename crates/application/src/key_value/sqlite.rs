//! The store in a SQLite file: `type = "spin"`, and the embedded default.
//!
//! File and table are Spin's own, so that the two can take turns on one file. As in Spin 4.0.2: a
//! swap from an absent key overwrites whatever came in between and reports success; a batch get
//! leaves absent keys out; a counter is eight bytes, little-endian, and on any other value Spin
//! panics ([`StoreError::Panic`]). A writer that finds the file locked waits five seconds.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::OnceCell;

use super::{CompareAndSwap, Store, StoreError, StoreManager, SwapError, Value};

/// The stores in one SQLite file, or in memory.
#[derive(Default)]
pub struct SqliteStores {
    /// None keeps everything in memory, as Spin does without a state folder.
    path: Option<PathBuf>,
    database: OnceCell<Database>,
}

impl SqliteStores {
    /// The stores in the file at `path`, which is created at the first use.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self { path, database: OnceCell::new() }
    }
}

#[async_trait]
impl StoreManager for SqliteStores {
    fn place(&self) -> String {
        match &self.path {
            Some(path) => format!("the SQLite file {}", path.display()),
            None => "memory, which ends with this process".to_owned(),
        }
    }

    async fn open(&self, label: &str) -> Result<Arc<dyn Store>, StoreError> {
        let path = self.path.clone();
        let database = self
            .database
            .get_or_try_init(|| async {
                off_the_reactor(move || {
                    let connection = match path {
                        Some(path) => {
                            if let Some(folder) = path.parent() {
                                std::fs::create_dir_all(folder).map_err(|error| {
                                    StoreError::other(format_args!("{error}: {}", folder.display()))
                                })?;
                            }
                            Connection::open(path)
                        }
                        None => Connection::open_in_memory(),
                    }
                    .map_err(StoreError::other)?;
                    prepare(&connection).map_err(StoreError::other)?;
                    Ok(Arc::new(Mutex::new(connection)))
                })
                .await
                .map(|connection| Database { connection, place: self.place() })
            })
            .await?;
        Ok(Arc::new(SqliteStore { label: label.to_owned(), database: database.clone() }))
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute(
        "CREATE TABLE IF NOT EXISTS spin_key_value (
             store TEXT NOT NULL,
             key   TEXT NOT NULL,
             value BLOB NOT NULL,
             PRIMARY KEY (store, key)
         )",
        [],
    )?;
    rusqlite::vtab::array::load_module(connection)
}

#[derive(Clone)]
struct Database {
    connection: Arc<Mutex<Connection>>,
    place: String,
}

impl Database {
    /// Runs `statements` on the one connection.
    async fn run<T: Send + 'static>(
        &self,
        statements: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = self.connection.clone();
        let done = off_the_reactor(move || {
            statements(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        // SQLite does not name its file.
        done.await.map_err(|error| match error {
            StoreError::Other(why) => StoreError::Other(format!("{why}: {}", self.place)),
            error => error,
        })
    }
}

/// SQLite blocks, up to its busy time-out.
async fn off_the_reactor<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(StoreError::other)?
}

fn read(connection: &Connection, label: &str, key: &str) -> rusqlite::Result<Option<Value>> {
    connection
        .prepare_cached("SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2")?
        .query_row([label, key], |row| row.get(0))
        .optional()
}

fn write(connection: &Connection, label: &str, key: &str, value: &[u8]) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (store, key) DO UPDATE SET value = ?3",
        )?
        .execute(params![label, key, value])
}

/// A list of keys as one parameter, for `rarray`.
fn array(keys: Vec<String>) -> Rc<Vec<SqlValue>> {
    Rc::new(keys.into_iter().map(SqlValue::from).collect())
}

struct SqliteStore {
    label: String,
    database: Database,
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, key: &str) -> Result<Option<Value>, StoreError> {
        let (label, key) = (self.label.clone(), key.to_owned());
        self.database.run(move |db| read(db, &label, &key).map_err(StoreError::other)).await
    }

    async fn set(&self, key: &str, value: Value) -> Result<(), StoreError> {
        self.set_many(vec![(key.to_owned(), value)]).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.delete_many(vec![key.to_owned()]).await
    }

    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.get(key).await?.is_some())
    }

    async fn keys(&self) -> Result<Vec<String>, StoreError> {
        let label = self.label.clone();
        self.database
            .run(move |db| {
                let mut statement = db
                    .prepare_cached("SELECT key FROM spin_key_value WHERE store = ?1")
                    .map_err(StoreError::other)?;
                let keys = statement.query_map([label], |row| row.get(0));
                keys.and_then(Iterator::collect).map_err(StoreError::other)
            })
            .await
    }

    async fn get_many(
        &self,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Value>)>, StoreError> {
        let label = self.label.clone();
        self.database
            .run(move |db| {
                let mut statement = db
                    .prepare_cached(
                        "SELECT key, value FROM spin_key_value
                         WHERE store = ?1 AND key IN rarray(?2)",
                    )
                    .map_err(StoreError::other)?;
                let pairs = statement
                    .query_map(params![label, array(keys)], |row| Ok((row.get(0)?, row.get(1)?)));
                pairs.and_then(Iterator::collect).map_err(StoreError::other)
            })
            .await
    }

    async fn set_many(&self, pairs: Vec<(String, Value)>) -> Result<(), StoreError> {
        let label = self.label.clone();
        self.database
            .run(move |db| {
                let transaction = db.transaction().map_err(StoreError::other)?;
                for (key, value) in &pairs {
                    write(&transaction, &label, key, value).map_err(StoreError::other)?;
                }
                transaction.commit().map_err(StoreError::other)
            })
            .await
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), StoreError> {
        let label = self.label.clone();
        self.database
            .run(move |db| {
                db.prepare_cached(
                    "DELETE FROM spin_key_value WHERE store = ?1 AND key IN rarray(?2)",
                )
                .and_then(|mut statement| statement.execute(params![label, array(keys)]))
                .map(drop)
                .map_err(StoreError::other)
            })
            .await
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        let (label, key) = (self.label.clone(), key.to_owned());
        self.database
            .run(move |db| {
                let transaction = db.transaction().map_err(StoreError::other)?;
                let now = match read(&transaction, &label, &key).map_err(StoreError::other)? {
                    None => 0,
                    Some(value) => i64::from_le_bytes(value.try_into().map_err(|_| {
                        StoreError::Panic(format!(
                            "increment: the value at {key:?} is not eight bytes long; \
                             here Spin's own process panics"
                        ))
                    })?),
                };
                let sum = now.wrapping_add(delta);
                write(&transaction, &label, &key, &sum.to_le_bytes()).map_err(StoreError::other)?;
                transaction.commit().map_err(StoreError::other)?;
                Ok(sum)
            })
            .await
    }

    async fn compare_and_swap(&self, key: &str) -> Result<Arc<dyn CompareAndSwap>, StoreError> {
        Ok(Arc::new(SqliteSwap {
            label: self.label.clone(),
            key: key.to_owned(),
            database: self.database.clone(),
            seen: tokio::sync::Mutex::default(),
        }))
    }
}

struct SqliteSwap {
    label: String,
    key: String,
    database: Database,
    seen: tokio::sync::Mutex<Option<Value>>,
}

#[async_trait]
impl CompareAndSwap for SqliteSwap {
    async fn current(&self) -> Result<Option<Value>, StoreError> {
        let (label, key) = (self.label.clone(), self.key.clone());
        let value =
            self.database.run(move |db| read(db, &label, &key).map_err(StoreError::other)).await?;
        self.seen.lock().await.clone_from(&value);
        Ok(value)
    }

    async fn swap(&self, value: Value) -> Result<(), SwapError> {
        let (label, key) = (self.label.clone(), self.key.clone());
        let seen = self.seen.lock().await.clone();
        let rows = self
            .database
            .run(move |db| {
                match seen {
                    Some(seen) => db
                        .prepare_cached(
                            "UPDATE spin_key_value SET value = ?4
                             WHERE store = ?1 AND key = ?2 AND value = ?3",
                        )
                        .and_then(|mut statement| {
                            statement.execute(params![label, key, seen, value])
                        }),
                    // Spin's mistake, kept: nothing checks that the key is still absent.
                    None => write(db, &label, &key, &value),
                }
                .map_err(StoreError::other)
            })
            .await
            .map_err(|error| SwapError::Other(error.to_string()))?;
        if rows == 1 { Ok(()) } else { Err(SwapError::Failed) }
    }

    async fn delete(&self) -> Result<(), SwapError> {
        let (label, key) = (self.label.clone(), self.key.clone());
        let Some(seen) = self.seen.lock().await.clone() else { return Err(SwapError::Failed) };
        let rows = self
            .database
            .run(move |db| {
                db.prepare_cached(
                    "DELETE FROM spin_key_value WHERE store = ?1 AND key = ?2 AND value = ?3",
                )
                .and_then(|mut statement| statement.execute(params![label, key, seen]))
                .map_err(StoreError::other)
            })
            .await
            .map_err(|error| SwapError::Other(error.to_string()))?;
        if rows == 1 { Ok(()) } else { Err(SwapError::Failed) }
    }
}
