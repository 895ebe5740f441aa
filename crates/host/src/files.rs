//! `files` of a component: copied at load into a folder of its own, which the component sees,
//! read-only, as `/`. As with Spin, later changes to the originals do not reach it, unless they are
//! mounted directly.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use kong_cloudtrail_application::manifest::{Component, FileMount};
use tempfile::TempDir;

/// The component's view of files: folders, and where it sees them.
pub enum Mounts {
    /// All in one, with what [`copy`] made.
    Copied(Option<TempDir>),
    /// The originals.
    Direct(Vec<(PathBuf, String)>),
}

impl Mounts {
    /// Each folder with the path under which the component sees it.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &str)> {
        let (copied, direct) = match self {
            Self::Copied(folder) => (folder.as_ref(), &[][..]),
            Self::Direct(folders) => (None, folders.as_slice()),
        };
        let copied = copied.map(|folder| (folder.path(), "/"));
        copied.into_iter().chain(direct.iter().map(|(folder, seen)| (folder.as_path(), &**seen)))
    }
}

/// The folders that `component` names, as they are: no single files, and none left out. Their paths
/// are absolute: Spin takes others from the current folder, not from the manifest's.
pub fn direct(component: &Component) -> Result<Mounts> {
    ensure!(
        component.exclude_files.is_empty(),
        "a component with exclude_files cannot be loaded with --direct-mounts"
    );
    let folder = |mount: &FileMount| {
        let (source, seen) = match mount {
            FileMount::Pattern(pattern) => (pattern, pattern),
            FileMount::Placement(placement) => (&placement.source, &placement.destination),
        };
        let folder = PathBuf::from(source);
        ensure!(
            folder.is_absolute() && folder.is_dir(),
            "files: {source:?} is no absolute path of a folder, which --direct-mounts needs"
        );
        Ok((folder, seen.clone()))
    };
    component.files.iter().map(folder).collect::<Result<_>>().map(Mounts::Direct)
}

/// Copies what `component` names below `root`, the manifest's folder; none when it names nothing.
pub fn copy(component: &Component, root: &Path) -> Result<Option<TempDir>> {
    if component.files.is_empty() {
        return Ok(None);
    }
    let folder = tempfile::Builder::new().prefix("kong-cloudtrail-").tempdir()?;
    let excluded = component
        .exclude_files
        .iter()
        .map(|text| glob::Pattern::new(text).with_context(|| format!("exclude_files: {text:?}")))
        .collect::<Result<Vec<_>>>()?;
    let copy = Copy { root, excluded };
    for mount in &component.files {
        match mount {
            FileMount::Pattern(pattern) => copy.pattern(pattern, folder.path()),
            FileMount::Placement(placement) => {
                let source = root.join(&placement.source);
                let target = folder.path().join(placement.destination.trim_start_matches('/'));
                if source.is_dir() {
                    copy.glob(&source.join("**/*"), &source, &target)
                } else {
                    copy.file(&source, &target)
                }
            }
        }
        .with_context(|| format!("files: {mount:?}"))?;
    }
    Ok(Some(folder))
}

struct Copy<'a> {
    root: &'a Path,
    excluded: Vec<glob::Pattern>,
}

impl Copy<'_> {
    fn pattern(&self, pattern: &str, target: &Path) -> Result<()> {
        ensure!(
            !matches!(pattern.rsplit('/').next(), Some("." | "..")),
            "a pattern may not end in . or ..; use a source and a destination"
        );
        let path = self.root.join(pattern);
        if path.is_dir() {
            self.glob(&path.join("**/*"), self.root, target)
        } else if path.exists() {
            self.file(&path, &target.join(pattern))
        } else if glob::Pattern::escape(pattern) == pattern {
            bail!("there is no such file or folder beside the manifest")
        } else {
            self.glob(&path, self.root, target)
        }
    }

    fn glob(&self, pattern: &Path, below: &Path, target: &Path) -> Result<()> {
        for path in glob::glob(pattern.to_str().context("the path must be UTF-8")?)? {
            let path = path?;
            if path.is_file() {
                self.file(&path, &target.join(path.strip_prefix(below)?))?;
            }
        }
        Ok(())
    }

    fn file(&self, source: &Path, target: &Path) -> Result<()> {
        let source = fs::canonicalize(source)
            .with_context(|| format!("cannot read {}", source.display()))?;
        let relative = source
            .strip_prefix(self.root)
            .with_context(|| format!("{} is outside the manifest's folder", source.display()))?;
        if self.excluded.iter().any(|pattern| pattern.matches_path(relative)) {
            return Ok(());
        }
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(&source, target).with_context(|| format!("cannot copy {}", source.display()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A manifest's folder with some files, and a component with the given settings.
    fn copied(settings: &str) -> Result<Option<TempDir>> {
        let root = tempfile::tempdir().unwrap();
        for file in ["tokens/aws", "tokens/old/aws", "tokens/note.txt", "ca.pem"] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let component = toml::from_str(&format!("source = 'c.wasm'\n{settings}")).unwrap();
        copy(&component, &root.path().canonicalize().unwrap())
    }

    fn read(folder: Option<&TempDir>, file: &str) -> Option<String> {
        fs::read_to_string(folder.unwrap().path().join(file)).ok()
    }

    #[test]
    fn patterns_keep_their_paths_and_placements_get_new_ones() {
        let folder = copied(
            "files = ['ca.pem', 'tokens/*.txt', { source = 'tokens', destination = '/var/run' }]",
        )
        .unwrap();
        assert_eq!(read(folder.as_ref(), "ca.pem").as_deref(), Some("ca.pem"));
        assert_eq!(read(folder.as_ref(), "tokens/note.txt").as_deref(), Some("tokens/note.txt"));
        assert_eq!(read(folder.as_ref(), "tokens/aws"), None);
        assert_eq!(read(folder.as_ref(), "var/run/old/aws").as_deref(), Some("tokens/old/aws"));
    }

    #[test]
    fn excluded_files_stay_out() {
        let folder = copied("files = ['tokens']\nexclude_files = ['tokens/old/*']").unwrap();
        assert!(read(folder.as_ref(), "tokens/aws").is_some());
        assert_eq!(read(folder.as_ref(), "tokens/old/aws"), None);
    }

    #[test]
    fn a_direct_mount_is_a_folder_by_its_absolute_path() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("tokens")).unwrap();
        fs::write(root.path().join("ca.pem"), "ca").unwrap();
        let mounted = |settings: &str| {
            let component = toml::from_str(&format!("source = 'c.wasm'\n{settings}")).unwrap();
            direct(&component)
        };
        let [tokens, file] = ["tokens", "ca.pem"].map(|name| root.path().join(name));
        let at = tokens.display();
        let mounts =
            mounted(&format!("files = ['{at}', {{ source = '/etc', destination = '/seen' }}]"));
        let mounts = mounts.unwrap();
        let expected = [(tokens.as_path(), &*at.to_string()), (Path::new("/etc"), "/seen")];
        assert_eq!(mounts.iter().collect::<Vec<_>>(), expected);
        let file = format!("files = ['{}']", file.display());
        for refused in [&file, "files = ['/absent']", "files = ['src']", "exclude_files = ['x']"] {
            assert!(mounted(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_absent_or_outside_is_refused() {
        for files in ["'absent'", "'tokens/..'", "{ source = '/etc/hostname', destination = 'h' }"]
        {
            assert!(copied(&format!("files = [{files}]")).is_err(), "{files}");
        }
        assert!(copied("").unwrap().is_none());
    }
}
