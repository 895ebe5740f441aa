//! When Spin last gave a report, kept as the age of a file so that a health check can see it.

use std::fs::Metadata;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::settings::{Settings, write_private};

/// The file, and how old it may become.
#[derive(Clone)]
pub struct LastReport {
    path: PathBuf,
    /// Longest time between two reports, and from the start to the first.
    pub limit: Duration,
}

impl LastReport {
    /// That of the container's Spin.
    pub fn of(settings: &Settings) -> Self {
        Self { path: settings.folder.join("last-report"), limit: settings.max_silence }
    }

    /// Notes a start or a report. What is there is replaced, be it a link, at once: a health check may come
    /// between.
    pub fn note(&self) -> Result<()> {
        let new = self.path.with_extension("new");
        write_private(&new, "")
            .and_then(|()| std::fs::rename(&new, &self.path))
            .with_context(|| format!("writing {}", self.path.display()))
    }

    /// How long ago that was. A clock that was set back in between counts as no time.
    pub fn age(&self) -> Result<Duration> {
        let found = self.path.symlink_metadata().ok().filter(Metadata::is_file);
        let noted = found.and_then(|metadata| metadata.modified().ok());
        let noted = noted.context("nothing was started in this container")?;
        Ok(noted.elapsed().unwrap_or_default())
    }

    /// Fails where the last report is too long ago.
    pub fn check(&self) -> Result<()> {
        let (age, limit) = (self.age()?.as_secs(), self.limit.as_secs());
        ensure!(age <= limit, "no report for {age} s; {limit} s are allowed (MAX_SILENCE_SECS)");
        Ok(())
    }
}
