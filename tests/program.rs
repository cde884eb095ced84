//! The program as a person runs it: arguments in; exit code, output and lines of refusal out.

use std::path::Path;
use std::process::Command;

pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The program over `folder`, with nothing of this machine's settings.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vecino"));
    command.env_remove("VECINO_DATABASE_URL").env_remove("VECINO_KEY").env_remove("VECINO_LOG").arg("--data-dir").arg(folder).args(arguments);
    command
}

pub fn vecino(folder: &Path, arguments: &[&str]) -> Done {
    let output = command(folder, arguments).output().unwrap();
    Done { code: output.status.code().unwrap(), out: String::from_utf8(output.stdout).unwrap(), err: String::from_utf8(output.stderr).unwrap() }
}

/// Exit 1, nothing on stdout, one line on stderr that says all of `words`.
#[track_caller]
pub fn refused(folder: &Path, arguments: &[&str], words: &[&str]) {
    let done = vecino(folder, arguments);
    assert_eq!((done.code, done.out.as_str(), done.err.lines().count()), (1, "", 1), "{arguments:?}: {}", done.err);
    for word in words {
        assert!(done.err.contains(word), "{arguments:?}: «{}» does not name {word}", done.err.trim());
    }
}
