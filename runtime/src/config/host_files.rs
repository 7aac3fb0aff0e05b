//! What the config asks of the machine it is read on: programs, models, secret files, default
//! folders. [`OnDisk`] is used by the daemon, [`Unchecked`] by tests and the simulator, for which
//! every file is as it should be. Reads only; the errors say what is wrong with a path, without
//! what is in the file.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::control::Secret;

/// The machine as far as the config needs it.
pub(super) trait HostFiles {
    /// The absolute path of a program, given by absolute path or by a bare name.
    fn program(&self, name: &str) -> Result<String, String>;
    /// What is at a model's path.
    fn model(&self, path: &Path) -> ModelFiles;
    /// Whether a directory is there.
    fn directory(&self, path: &Path) -> Result<(), String>;
    /// The variables of an `env_file`.
    fn env_file(&self, path: &Path) -> Result<Vec<(String, Secret)>, String>;
    /// The token in one of the control API's token files; `None`: not looked at.
    fn token(&self, path: &Path) -> Result<Option<Secret>, String>;
    /// The token that somebody else's server takes, which makes the rules for it; `None`: not looked at.
    fn model_token(&self, path: &Path) -> Result<Option<Secret>, String>;
    /// The state folder when the file names none.
    fn state_dir(&self) -> Result<PathBuf, String>;
}

/// What is at a model's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModelFiles {
    /// Nothing that can be read.
    Missing,
    /// A file or a folder of this many bytes.
    Bytes(u64),
    /// Not looked at.
    Unknown,
}

/// No machine: nothing is looked at.
#[derive(Debug)]
pub(super) struct Unchecked;

impl HostFiles for Unchecked {
    fn program(&self, name: &str) -> Result<String, String> {
        Ok(name.to_owned())
    }

    fn model(&self, _: &Path) -> ModelFiles {
        ModelFiles::Unknown
    }

    fn directory(&self, _: &Path) -> Result<(), String> {
        Ok(())
    }

    fn env_file(&self, _: &Path) -> Result<Vec<(String, Secret)>, String> {
        Ok(Vec::new())
    }

    fn token(&self, _: &Path) -> Result<Option<Secret>, String> {
        Ok(None)
    }

    fn model_token(&self, _: &Path) -> Result<Option<Secret>, String> {
        Ok(None)
    }

    fn state_dir(&self) -> Result<PathBuf, String> {
        Ok(PathBuf::from(ROOT_STATE_DIR))
    }
}

/// This machine.
#[derive(Debug)]
pub(super) struct OnDisk {
    /// Where bare program names are looked for, as in the variable PATH.
    search_path: OsString,
}

impl OnDisk {
    pub(super) fn new() -> Self {
        Self { search_path: std::env::var_os("PATH").unwrap_or_default() }
    }
}

impl HostFiles for OnDisk {
    fn program(&self, name: &str) -> Result<String, String> {
        if name.contains('/') {
            check_program(Path::new(name))?;
            return Ok(name.to_owned());
        }
        let folders = std::env::split_paths(&self.search_path).filter(|folder| folder.is_absolute());
        let found = folders.map(|folder| folder.join(name)).find(|path| check_program(path).is_ok());
        let found = found.and_then(|path| path.into_os_string().into_string().ok());
        found.ok_or_else(|| {
            let searched = self.search_path.to_string_lossy();
            format!("{name:?} is not in PATH ({searched}); install it or write its absolute path")
        })
    }

    fn model(&self, path: &Path) -> ModelFiles {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => ModelFiles::Bytes(folder_bytes(path, FOLDER_DEPTH)),
            Ok(found) => ModelFiles::Bytes(found.len()),
            Err(_) => ModelFiles::Missing,
        }
    }

    fn directory(&self, path: &Path) -> Result<(), String> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(format!("{path:?} is not a directory")),
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    fn env_file(&self, path: &Path) -> Result<Vec<(String, Secret)>, String> {
        parse_env_file(path, &read_secret_file(path)?)
    }

    fn token(&self, path: &Path) -> Result<Option<Secret>, String> {
        let text = read_secret_file(path)?;
        let token = text.trim();
        if token.len() < LEAST_TOKEN_CHARS {
            return Err(format!(
                "the token in {path:?} has fewer than {LEAST_TOKEN_CHARS} characters; write a longer one, for instance with: openssl rand -hex 32"
            ));
        }
        if !fits_a_header(token) {
            return Err(format!(
                "the token in {path:?} holds a blank or a character beyond ASCII, which no HTTP header carries; write another one"
            ));
        }
        Ok(Some(Secret::new(token)))
    }

    fn model_token(&self, path: &Path) -> Result<Option<Secret>, String> {
        let text = read_secret_file(path)?;
        let token = text.trim();
        if token.is_empty() {
            return Err(format!("{path:?} is empty; write the token into it that the model's server takes"));
        }
        if !fits_a_header(token) {
            return Err(format!(
                "the token in {path:?} holds a blank or a character beyond ASCII, which no HTTP header carries; write the token alone into it"
            ));
        }
        Ok(Some(Secret::new(token)))
    }

    fn state_dir(&self) -> Result<PathBuf, String> {
        let is_root = nix::unistd::geteuid().is_root();
        default_state_dir(is_root, |name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }
}

const ROOT_STATE_DIR: &str = "/var/lib/pool-manager";
const LEAST_TOKEN_CHARS: usize = 16;
/// Larger files are surely not what was meant.
const MOST_SECRET_BYTES: u64 = 1 << 20;
/// Deep enough for a Triton repository (model/version/file) and a Hugging Face snapshot.
const FOLDER_DEPTH: u32 = 4;

fn fits_a_header(token: &str) -> bool {
    token.bytes().all(|b| b.is_ascii_graphic())
}

fn default_state_dir(is_root: bool, var: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, String> {
    if let Some(given) = var("STATE_DIRECTORY") {
        // systemd joins several by colons; the first is the unit's own.
        let first = std::env::split_paths(&given).next().unwrap_or_default();
        return Ok(first);
    }
    if is_root {
        return Ok(PathBuf::from(ROOT_STATE_DIR));
    }
    let absolute = |dir: &OsString| Path::new(OsStr::new(dir)).is_absolute();
    let base = var("XDG_STATE_HOME").filter(absolute).map(PathBuf::from);
    let base = base.or_else(|| var("HOME").map(|home| Path::new(&home).join(".local/state")));
    let base = base.ok_or("missing, and without HOME there is no default; write state_dir = \"/path\"")?;
    Ok(base.join("pool-manager"))
}

fn check_program(path: &Path) -> Result<(), String> {
    let found = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if found.is_dir() {
        return Err(format!("{path:?} is a directory; name the program in it"));
    }
    if found.mode() & 0o111 == 0 {
        return Err(format!("{path:?} is not executable; run: chmod +x {}", path.display()));
    }
    Ok(())
}

/// The bytes of the files in a folder, following links; what cannot be read counts nothing.
fn folder_bytes(folder: &Path, depth: u32) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match fs::metadata(entry.path()) {
        Ok(found) if found.is_dir() && depth > 0 => folder_bytes(&entry.path(), depth - 1),
        Ok(found) if found.is_file() => found.len(),
        Ok(_) | Err(_) => 0,
    });
    sizes.fold(0, u64::saturating_add)
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        return format!("{path:?} does not exist; correct the path or put it there");
    }
    format!("{path:?} cannot be read: {error}")
}

/// The text of a file that other users of the host must not see.
fn read_secret_file(path: &Path) -> Result<String, String> {
    let found = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    check_secret_file(path, &found)?;
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    String::from_utf8(bytes).map_err(|_| format!("{path:?} is not UTF-8 text"))
}

fn check_secret_file(path: &Path, found: &Metadata) -> Result<(), String> {
    // A FIFO or a device could block for ever.
    if !found.is_file() {
        return Err(format!("{path:?} is not a regular file"));
    }
    if found.len() > MOST_SECRET_BYTES {
        return Err(format!("{path:?} is larger than 1 MiB; that is not the file you mean"));
    }
    if found.mode() & 0o007 != 0 {
        let mode = found.mode() & 0o777;
        return Err(format!(
            "{path:?} is open to every user of this host (mode {mode:o}); run: chmod o= {}",
            path.display()
        ));
    }
    Ok(())
}

/// Lines of `NAME=VALUE`, blank lines and comments from `#` on at the beginning of a line. One pair
/// of quotes around a value is taken off.
fn parse_env_file(path: &Path, text: &str) -> Result<Vec<(String, Secret)>, String> {
    let mut variables: Vec<(String, Secret)> = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = format!("line {number} of {path:?}");
        let (name, value) = line.split_once('=').ok_or_else(|| format!("{at} is not NAME=VALUE"))?;
        let (name, value) = (name.trim_end(), unquoted(value.trim_start()));
        if !is_variable_name(name) {
            return Err(format!("{at} has no valid variable name before \"=\""));
        }
        if value.contains('\0') {
            return Err(format!("{at} holds a NUL character"));
        }
        if variables.iter().any(|(earlier, _)| earlier == name) {
            return Err(format!("{at} gives {name} a second time; keep one of them"));
        }
        variables.push((name.to_owned(), Secret::new(value)));
    }
    Ok(variables)
}

/// Letters, digits and `_`, not beginning with a digit.
pub(super) fn is_variable_name(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain && !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn unquoted(value: &str) -> &str {
    let within = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_follows_the_way_the_daemon_is_run() {
        let dir = |is_root, vars: &[(&str, &str)]| {
            let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
            default_state_dir(is_root, var).map(|dir| dir.display().to_string())
        };
        let under_systemd = [("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("HOME", "/home/u")];
        assert_eq!(dir(true, &under_systemd).as_deref(), Ok("/var/lib/a"));
        assert_eq!(dir(true, &[("HOME", "/root")]).as_deref(), Ok("/var/lib/pool-manager"));
        let with_xdg = [("XDG_STATE_HOME", "/x"), ("HOME", "/home/u")];
        assert_eq!(dir(false, &with_xdg).as_deref(), Ok("/x/pool-manager"));
        assert_eq!(dir(false, &[("HOME", "/home/u")]).as_deref(), Ok("/home/u/.local/state/pool-manager"));
        assert!(dir(false, &[]).is_err_and(|why| why.contains("write state_dir")));
    }

    #[test]
    fn a_bare_name_is_the_first_executable_in_the_search_path() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(first.path().join("engine"), "").unwrap();
        let program = second.path().join("engine");
        fs::write(&program, "").unwrap();
        set_mode(&program, 0o755);
        let search_path = std::env::join_paths([first.path(), second.path()]).unwrap();
        let files = OnDisk { search_path };
        assert_eq!(files.program("engine"), Ok(program.display().to_string()));
        let searched = files.search_path.to_string_lossy();
        let expected =
            format!("\"absent\" is not in PATH ({searched}); install it or write its absolute path");
        assert_eq!(files.program("absent"), Err(expected));
    }

    #[test]
    fn env_files_say_the_line_and_never_the_content() {
        let path = Path::new("/e");
        let text = "# keys\n\nA=1\n B = \"x y\" \nC=\nD='a=b'\n";
        let read = parse_env_file(path, text).unwrap();
        let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(read, [("A", "1"), ("B", "x y"), ("C", ""), ("D", "a=b")]);
        for (text, why) in [
            ("A=1\nhunter2", "line 2 of \"/e\" is not NAME=VALUE"),
            ("9A=hunter2", "line 1 of \"/e\" has no valid variable name before \"=\""),
            ("A=1\nA=hunter2", "line 2 of \"/e\" gives A a second time; keep one of them"),
        ] {
            assert_eq!(parse_env_file(path, text).map(|_| ()), Err(why.to_owned()));
        }
    }

    #[test]
    fn a_folder_is_as_large_as_the_files_in_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("1")).unwrap();
        fs::write(folder.path().join("1/model.plan"), [0; 300]).unwrap();
        fs::write(folder.path().join("config.pbtxt"), [0; 20]).unwrap();
        std::os::unix::fs::symlink("1/model.plan", folder.path().join("link")).unwrap();
        let files = OnDisk { search_path: OsString::new() };
        assert_eq!(files.model(folder.path()), ModelFiles::Bytes(620));
        assert_eq!(files.model(&folder.path().join("absent")), ModelFiles::Missing);
    }

    fn set_mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}
