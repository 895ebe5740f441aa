//! What is asked of each store, and what each answers.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use kong_cloudtrail_application::key_value::{Store, StoreError, StoreManager, SwapError, Value};

/// Two ways to one store, as two hosts have them.
#[derive(Clone)]
pub struct Pair {
    pub ours: Arc<dyn Store>,
    theirs: Arc<dyn Store>,
    /// Another label of the same backend.
    other_label: Arc<dyn Store>,
}

impl Pair {
    pub async fn open(ours: &dyn StoreManager, theirs: &dyn StoreManager) -> Self {
        Self {
            ours: ours.open("default").await.unwrap(),
            theirs: theirs.open("default").await.unwrap(),
            other_label: ours.open("other").await.unwrap(),
        }
    }

    async fn set(&self, pairs: &[(&str, &str)]) {
        for (key, value) in pairs {
            self.ours.set(key, value.as_bytes().to_vec()).await.unwrap();
        }
    }

    async fn read(&self, key: &str) -> String {
        text(self.theirs.get(key).await.unwrap())
    }

    /// Swaps `new` in at `key`, `between` coming between `current` and `swap`; says what the answer
    /// was and what is there afterwards.
    async fn swap(&self, key: &str, between: impl AsyncFnOnce()) -> String {
        let swap = self.ours.compare_and_swap(key).await.unwrap();
        swap.current().await.unwrap();
        between().await;
        let answer = answer(swap.swap(b"new".to_vec()).await);
        format!("{answer}, then {}", self.read(key).await)
    }

    /// Deletes `key`, `between` coming between `current` and `delete`, likewise.
    async fn delete(&self, key: &str, between: impl AsyncFnOnce()) -> String {
        let swap = self.ours.compare_and_swap(key).await.unwrap();
        swap.current().await.unwrap();
        between().await;
        let answer = answer(swap.delete().await);
        format!("{answer}, then {}", self.read(key).await)
    }
}

fn text(value: Option<Value>) -> String {
    value.map_or("absent".to_owned(), |value| String::from_utf8_lossy(&value).into_owned())
}

fn answer(result: Result<(), SwapError>) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(SwapError::Failed) => "failed",
        Err(SwapError::Other(message)) => panic!("{message}"),
    }
}

fn kind<T>(result: Result<T, StoreError>, shown: impl Fn(T) -> String) -> String {
    match result {
        Ok(value) => shown(value),
        Err(StoreError::Other(message))
            if message.contains("wrong number of arguments for 'keys'") =>
        {
            "error: wrong number of arguments for 'keys'".to_owned()
        }
        Err(StoreError::Panic(_)) => "panic".to_owned(),
        Err(StoreError::Other(_)) => "error".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn pairs(pairs: Vec<(String, Option<Value>)>) -> String {
    pairs
        .into_iter()
        .map(|(key, value)| format!("{key}={}", text(value)))
        .collect::<Vec<_>>()
        .join(" ")
}

pub type Run = fn(Pair) -> BoxFuture<'static, String>;

pub struct Statement {
    pub says: &'static str,
    pub run: Run,
    pub sqlite: &'static str,
    pub redis: &'static str,
}

/// All stores give the same answer.
const fn alike(says: &'static str, expected: &'static str, run: Run) -> Statement {
    Statement { says, run, sqlite: expected, redis: expected }
}

const fn unlike(says: &'static str, [sqlite, redis]: [&'static str; 2], run: Run) -> Statement {
    Statement { says, run, sqlite, redis }
}

pub fn statements() -> Vec<Statement> {
    [reads_and_writes(), batches(), counters(), swaps(), races(), deletes()]
        .into_iter()
        .flatten()
        .collect()
}

fn reads_and_writes() -> Vec<Statement> {
    vec![
        alike("an absent key has no value", "absent", |s| async move { s.read("a").await }.boxed()),
        alike("what is set is read back by another host", "2", |s| {
            async move {
                s.set(&[("a", "1"), ("a", "2")]).await;
                s.read("a").await
            }
            .boxed()
        }),
        alike("an empty value is a value", "true ", |s| {
            async move {
                s.set(&[("a", "")]).await;
                format!("{} {}", s.theirs.exists("a").await.unwrap(), s.read("a").await)
            }
            .boxed()
        }),
        alike("any bytes up to a segment's size come back unchanged", "true", |s| {
            async move {
                let value: Value =
                    (0..262_080_u32).map(|i| i.to_le_bytes()[i as usize % 4]).collect();
                s.ours.set("a", value.clone()).await.unwrap();
                (s.theirs.get("a").await.unwrap() == Some(value)).to_string()
            }
            .boxed()
        }),
        alike("delete takes a key away; an absent one is no error", "absent false", |s| {
            async move {
                s.set(&[("a", "1")]).await;
                s.ours.delete("a").await.unwrap();
                s.ours.delete("a").await.unwrap();
                format!("{} {}", s.read("a").await, s.ours.exists("a").await.unwrap())
            }
            .boxed()
        }),
        alike("keys lists them all", "a b:c d e", |s| {
            async move {
                s.set(&[("a", "1"), ("b:c", "2"), ("d e", "3")]).await;
                let mut keys = s.theirs.keys().await.unwrap();
                keys.sort();
                keys.join(" ")
            }
            .boxed()
        }),
        unlike("labels are stores of their own", ["absent", "1"], |s| {
            async move {
                s.set(&[("a", "1")]).await;
                text(s.other_label.get("a").await.unwrap())
            }
            .boxed()
        }),
    ]
}

fn batches() -> Vec<Statement> {
    vec![
        alike("set-many writes all pairs", "1 2", |s| {
            async move {
                let pairs = vec![("a".into(), b"1".to_vec()), ("b".into(), b"2".to_vec())];
                s.ours.set_many(pairs).await.unwrap();
                format!("{} {}", s.read("a").await, s.read("b").await)
            }
            .boxed()
        }),
        alike("delete-many deletes all keys; absent ones are no error", "absent absent 3", |s| {
            async move {
                s.set(&[("a", "1"), ("b", "2"), ("c", "3")]).await;
                s.ours.delete_many(vec!["a".into(), "x".into(), "b".into()]).await.unwrap();
                format!("{} {} {}", s.read("a").await, s.read("b").await, s.read("c").await)
            }
            .boxed()
        }),
        unlike(
            "get-many of b, x (absent) and a",
            ["a=1 b=2", "error: wrong number of arguments for 'keys'"],
            |s| {
                async move {
                    s.set(&[("a", "1"), ("b", "2")]).await;
                    let keys = vec!["b".into(), "x".into(), "a".into()];
                    kind(s.ours.get_many(keys).await, pairs)
                }
                .boxed()
            },
        ),
        alike("get-many of one absent key", "", |s| {
            async move { kind(s.ours.get_many(vec!["x".into()]).await, pairs) }.boxed()
        }),
        unlike("get-many of one key", ["a=1", "error"], |s| {
            async move {
                s.set(&[("a", "1")]).await;
                kind(s.ours.get_many(vec!["a".into()]).await, pairs)
            }
            .boxed()
        }),
    ]
}

fn counters() -> Vec<Statement> {
    vec![
        alike("increment begins at 0 and may go down", "5 3 3", |s| {
            async move {
                let (up, down) =
                    (s.ours.increment("n", 5).await, s.theirs.increment("n", -2).await);
                let now = s.ours.increment("n", 0).await;
                format!("{} {} {}", up.unwrap(), down.unwrap(), now.unwrap())
            }
            .boxed()
        }),
        unlike("a counter of 3 is stored as", ["\u{3}\0\0\0\0\0\0\0", "3"], |s| {
            async move {
                s.ours.increment("n", 3).await.unwrap();
                s.read("n").await
            }
            .boxed()
        }),
        unlike("increment on other text", ["panic", "error"], |s| {
            async move {
                s.set(&[("n", "twelve")]).await;
                kind(s.ours.increment("n", 1).await, |sum| sum.to_string())
            }
            .boxed()
        }),
        unlike("increment on the text 12", ["panic", "13"], |s| {
            async move {
                s.set(&[("n", "12")]).await;
                kind(s.ours.increment("n", 1).await, |sum| sum.to_string())
            }
            .boxed()
        }),
        alike("no increment is lost among concurrent ones", "100", |s| {
            async move {
                join_all((0..100).map(|_| s.ours.increment("n", 1))).await;
                s.ours.increment("n", 0).await.unwrap().to_string()
            }
            .boxed()
        }),
    ]
}

fn swaps() -> Vec<Statement> {
    vec![
        unlike("a swap where nothing changed", ["ok, then new", "failed, then new"], |s| {
            async move {
                s.set(&[("a", "old")]).await;
                s.swap("a", async || {}).await
            }
            .boxed()
        }),
        unlike(
            "a swap from an absent key where nothing changed",
            ["ok, then new", "failed, then new"],
            |s| async move { s.swap("a", async || {}).await }.boxed(),
        ),
        alike("a swap after another host's write", "failed, then theirs", |s| {
            async move {
                s.set(&[("a", "old")]).await;
                s.swap("a", async || s.theirs.set("a", b"theirs".to_vec()).await.unwrap()).await
            }
            .boxed()
        }),
        unlike(
            "a swap from an absent key after another host's write",
            ["ok, then new", "failed, then theirs"],
            |s| {
                async move {
                    s.swap("a", async || s.theirs.set("a", b"theirs".to_vec()).await.unwrap()).await
                }
                .boxed()
            },
        ),
        alike("a swap after another host's delete", "failed, then absent", |s| {
            async move {
                s.set(&[("a", "old")]).await;
                s.swap("a", async || s.theirs.delete("a").await.unwrap()).await
            }
            .boxed()
        }),
        unlike(
            "a swap after a write of the same value",
            ["ok, then new", "failed, then old"],
            |s| {
                async move {
                    s.set(&[("a", "old")]).await;
                    s.swap("a", async || s.theirs.set("a", b"old".to_vec()).await.unwrap()).await
                }
                .boxed()
            },
        ),
    ]
}

fn races() -> Vec<Statement> {
    vec![unlike("of eight swaps from an absent key at once, those that wrote", ["8", "1"], |s| {
        async move {
            let swaps = join_all((0..8).map(|_| s.ours.compare_and_swap("a"))).await;
            for swap in &swaps {
                swap.as_ref().unwrap().current().await.unwrap();
            }
            let mut wrote = 0;
            for (number, swap) in swaps.iter().enumerate() {
                let mine = number.to_string();
                let _ = swap.as_ref().unwrap().swap(mine.clone().into_bytes()).await;
                wrote += usize::from(s.read("a").await == mine);
            }
            wrote.to_string()
        }
        .boxed()
    })]
}

fn deletes() -> Vec<Statement> {
    vec![
        alike("a compared delete where nothing changed", "ok, then absent", |s| {
            async move {
                s.set(&[("a", "old")]).await;
                s.delete("a", async || {}).await
            }
            .boxed()
        }),
        alike("a compared delete after another host's write", "failed, then theirs", |s| {
            async move {
                s.set(&[("a", "old")]).await;
                s.delete("a", async || s.theirs.set("a", b"theirs".to_vec()).await.unwrap()).await
            }
            .boxed()
        }),
        alike(
            "a compared delete of an absent key after another host's write",
            "failed, then theirs",
            |s| {
                async move {
                    let write = async || s.theirs.set("a", b"theirs".to_vec()).await.unwrap();
                    s.delete("a", write).await
                }
                .boxed()
            },
        ),
        alike("a compared delete of an absent key", "failed, then absent", |s| {
            async move { s.delete("a", async || {}).await }.boxed()
        }),
    ]
}
