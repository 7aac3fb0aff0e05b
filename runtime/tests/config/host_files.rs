//! What is wrong on the host: programs, folders, secret files, models.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use pool_manager::config::Config;

use crate::{chat, process};

struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn file(&self, name: &str, content: &str, mode: u32) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// The config or its errors, with this folder shown as `HERE`.
    fn load(&self, text: &str) -> Result<Config, String> {
        let here = self.0.path().display().to_string();
        let path = self.file("host.toml", text, 0o644);
        Config::load(Path::new(&path)).map_err(|errors| errors.to_string().replace(&here, "HERE"))
    }

    fn load_error(&self, text: &str) -> String {
        match self.load(text) {
            Ok(_) => panic!("accepted:\n{text}"),
            Err(error) => error,
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_one_line() {
    let host = Host::new();
    let error = Config::load(Path::new(&host.path("absent.toml"))).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("{}: cannot be read: No such file or directory (os error 2)", host.path("absent.toml"))
    );
    fs::write(host.path("latin.toml"), b"# \xff").unwrap();
    let error = Config::load(Path::new(&host.path("latin.toml"))).unwrap_err().to_string();
    assert_eq!(error, format!("{}: is not UTF-8 text", host.path("latin.toml")));
}

#[test]
fn programs_and_folders_are_looked_at() {
    let host = Host::new();
    let plain = host.file("plain", "", 0o644);
    let folder = host.0.path().display().to_string();
    for (lines, expected) in [
        (
            format!("command = [\"{}\"]", host.path("absent")),
            "3: pool.job.command[0]: \"HERE/absent\" does not exist; correct the path or put it there",
        ),
        (
            format!("command = [\"{folder}\"]"),
            "3: pool.job.command[0]: \"HERE\" is a directory; name the program in it",
        ),
        (
            format!("command = [\"{plain}\"]"),
            "3: pool.job.command[0]: \"HERE/plain\" is not executable; run: chmod +x HERE/plain",
        ),
        (
            format!("command = [\"/bin/sh\"]\nworking_dir = \"{plain}\""),
            "4: pool.job.working_dir: \"HERE/plain\" is not a directory",
        ),
    ] {
        assert_eq!(host.load_error(&process(&lines)), format!("HERE/host.toml:{expected}"));
    }
    let error = host.load_error(&process("command = [\"no-such-program-here\"]"));
    let expected = format!(
        "HERE/host.toml:3: pool.job.command[0]: \"no-such-program-here\" is not in PATH ({}); install it or write its absolute path",
        std::env::var("PATH").unwrap_or_default()
    );
    assert_eq!(error, expected);
    let found = host.load(&process("command = [\"sh\", \"-c\", \"true\"]")).unwrap();
    assert!(found.pools[0].launch.argv[0].ends_with("/sh"), "{:?}", found.pools[0].launch.argv);
    assert!(Path::new(&found.pools[0].launch.argv[0]).is_absolute());
}

#[test]
fn a_model_that_is_not_there_is_a_warning_and_one_that_is_sets_the_timeout() {
    let host = Host::new();
    let pool = |model: &str| chat("binary = \"/bin/sh\"\nstop.grace = \"1s\"").replace("/m/chat.gguf", model);
    let model = host.path("model.gguf");
    let config = host.load(&pool(&model)).unwrap();
    let expected = format!(
        "{}:3: pool.chat.model: \"{model}\" is not there; the pool is held until it is",
        host.path("host.toml")
    );
    assert_eq!(config.warnings, [expected]);
    assert_eq!(config.pools[0].launch.model_path.as_deref(), Some(Path::new(&model)));
    // Sparse: only its length counts.
    fs::File::create(&model).unwrap().set_len(3 << 30).unwrap();
    let config = host.load(&pool(&model)).unwrap();
    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!(config.pools[0].spec.policy.start.timeout, Duration::from_secs(120 + 60));
}

#[test]
fn a_model_with_an_address_is_no_warning_and_its_token_is_read_from_a_private_file() {
    let host = Host::new();
    let token = "hf_0123456789abcdef";
    let pool = |file: &str| {
        chat(&format!("binary = \"/bin/sh\"\nmodel_url = \"https://h/a\"\nmodel_token_file = \"{file}\""))
            .replace("/m/chat.gguf", &host.path("model.gguf"))
    };
    let config = host.load(&pool(&host.file("token", &format!("{token}\n"), 0o600))).unwrap();
    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!(config.pools[0].launch.model_source.token.as_deref(), Some(token));
    // How long it is, is the server's affair.
    let short = host.load(&pool(&host.file("short", "t0ken\n", 0o600))).unwrap();
    assert_eq!(short.pools[0].launch.model_source.token.as_deref(), Some("t0ken"));
    for (content, mode, expected) in [
        (token, 0o644, "run: chmod o="),
        ("\n", 0o600, "is empty; write the token into it that the model's server takes"),
        (
            "HF_TOKEN is abc",
            0o600,
            "holds a blank or a character beyond ASCII, which no HTTP header carries; write the token alone into it",
        ),
    ] {
        let why = host.load_error(&pool(&host.file("bad", content, mode)));
        assert!(why.contains("pool.chat.model_token_file: ") && why.contains(expected), "{why}");
    }
}

#[test]
fn env_files_must_be_private_and_their_values_stay_unseen() {
    let host = Host::new();
    let pool =
        |path: &str, more: &str| process(&format!("command = [\"/bin/sh\"]\nenv_file = \"{path}\"\n{more}"));
    let private = host.file("private.env", "# token\nHF_TOKEN='hunter2'\n", 0o600);
    let config = host.load(&pool(&private, "env = { A = \"hunter2\" }")).unwrap();
    let env = &config.pools[0].launch.env;
    assert!(env.contains(&("HF_TOKEN".into(), "hunter2".into())), "the value is passed on");
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");

    let open = host.file("open.env", "HF_TOKEN=hunter2\n", 0o644);
    let broken = host.file("broken.env", "hunter2\n", 0o600);
    let masked = host.file("masked.env", "CUDA_VISIBLE_DEVICES=hunter2\n", 0o600);
    for (path, more, expected) in [
        (
            open,
            "",
            "\"HERE/open.env\" is open to every user of this host (mode 644); run: chmod o= HERE/open.env",
        ),
        (host.path("absent.env"), "", "\"HERE/absent.env\" does not exist; correct the path or put it there"),
        (host.path("."), "", "\"HERE/.\" is not a regular file"),
        (broken, "", "line 1 of \"HERE/broken.env\" is not NAME=VALUE"),
        (masked, "", "CUDA_VISIBLE_DEVICES is set from the key devices; remove it here"),
        (
            private,
            "env = { HF_TOKEN = \"hunter2\" }",
            "gives HF_TOKEN, which env gives too; keep one of them",
        ),
    ] {
        let expected = format!("HERE/host.toml:4: pool.job.env_file: {expected}");
        assert_eq!(host.load_error(&pool(&path, more)), expected);
    }
}

#[test]
fn token_files_must_be_private_and_hold_a_real_token() {
    let host = Host::new();
    let control = |admin: &str, read: &str| {
        format!(
            "[control]\nlisten = \"0.0.0.0:7070\"\nadmin_token_file = \"{admin}\"\nread_token_file = \"{read}\"\n"
        )
    };
    let admin = host.file("admin.token", "0123456789abcdef\n", 0o640);
    let read = host.file("read.token", "fedcba9876543210\n", 0o600);
    let config = host.load(&control(&admin, &read)).unwrap();
    let tokens = config.control.read_tokens().unwrap();
    assert_eq!(tokens.admin.as_ref().map(|token| token.expose()), Some("0123456789abcdef"));
    assert_eq!(tokens.read.as_ref().map(|token| token.expose()), Some("fedcba9876543210"));
    assert!(!format!("{config:?} {tokens:?}").contains("0123456789abcdef"));

    let short = host.file("short.token", "0123456789abcde\n", 0o600);
    let blank = host.file("blank.token", "01234567 89abcdef\n", 0o600);
    let open = host.file("open.token", "0123456789abcdef\n", 0o604);
    for (path, expected) in [
        (
            short,
            "the token in \"HERE/short.token\" has fewer than 16 characters; write a longer one, for instance with: openssl rand -hex 32",
        ),
        (
            blank,
            "the token in \"HERE/blank.token\" holds a blank or a character beyond ASCII, which no HTTP header carries; write another one",
        ),
        (
            open,
            "\"HERE/open.token\" is open to every user of this host (mode 604); run: chmod o= HERE/open.token",
        ),
        (host.path("absent"), "\"HERE/absent\" does not exist; correct the path or put it there"),
    ] {
        let expected = format!("HERE/host.toml:3: control.admin_token_file: {expected}");
        assert_eq!(host.load_error(&control(&path, &read)), expected);
    }
    let same = "HERE/host.toml:4: control.read_token_file: holds the same token as admin_token_file; write another one";
    assert_eq!(host.load_error(&control(&admin, &admin)), same);
    // A rotation that went wrong is found when the tokens are read again.
    host.file("admin.token", "short", 0o600);
    let error = config.control.read_tokens().unwrap_err().to_string();
    assert!(error.contains("/host.toml: control.admin_token_file: the token in "), "{error}");
}
