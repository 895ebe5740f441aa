//! Mounted files.

use std::fs::File;
use std::io::{self, Read as _};

use super::Host;
use crate::ports::{FileError, Files};

impl Files for Host {
    fn read(&self, path: &str, max_bytes: usize) -> Result<String, FileError> {
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| file_error(&error))?;
        let read = file.take(max_bytes as u64 + 1).read_to_end(&mut bytes);
        if read.map_err(|error| file_error(&error))? > max_bytes {
            return Err(FileError::TooLarge);
        }
        String::from_utf8(bytes).map_err(|_| FileError::Other("it is no text".to_owned()))
    }
}

fn file_error(error: &io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FileError::NotFound,
        _ => FileError::Other(error.to_string()),
    }
}
