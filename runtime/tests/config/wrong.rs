//! What is wrong with a text: one line each, all at once.

use crate::reference::reference_uncommented;
use crate::{chat, errors, process};

#[test]
fn each_mistake_is_one_line_that_says_where_and_what_to_do() {
    let job = |lines: &str| process(&format!("command = [\"/e\"]\n{lines}"));
    let cases: Vec<(String, &str)> = vec![
        // Keys and types.
        (chat("modle = \"/m\""), "host.toml:5: pool.chat.modle: unknown key; did you mean \"model\"?"),
        ("[controll]\n".into(), "host.toml:1: controll: unknown key; did you mean \"control\"?"),
        (
            chat("[pool.chat.drain]\ndeadlin = \"1s\""),
            "host.toml:6: pool.chat.drain.deadlin: unknown key; did you mean \"deadline\"?",
        ),
        (
            chat("drain.zzz = 1"),
            "host.toml:5: pool.chat.drain.zzz: unknown key; known here: deadline, force_grace",
        ),
        (job("port = \"81\""), "host.toml:4: pool.job.port: is a string, must be a whole number"),
        (job("autostart = 1"), "host.toml:4: pool.job.autostart: is a whole number, must be true or false"),
        (job("model = [\"/m\"]"), "host.toml:4: pool.job.model: is an array, must be a string"),
        (job("devices = \"0\""), "host.toml:4: pool.job.devices: is a string, must be an array of strings"),
        (
            job("devices = [\n\"0\",\n1]"),
            "host.toml:6: pool.job.devices[1]: is a whole number, must be a string",
        ),
        (job("drain = 3"), "host.toml:4: pool.job.drain: is a whole number, must be a table"),
        (job("env = { A = 1.5 }"), "host.toml:4: pool.job.env.A: is a decimal number, must be a string"),
        ("pool.chat = true\n".into(), "host.toml:1: pool.chat: is true or false, must be a table"),
        ("[[pool]]\n".into(), "host.toml:1: pool: is an array, must be a table"),
        (job("model = \"\""), "host.toml:4: pool.job.model: is empty; write a value or remove the key"),
        (
            job("model = \"a\\u0000b\""),
            "host.toml:4: pool.job.model: holds a NUL character, which no program can be given; remove it",
        ),
        // Missing keys.
        (
            "[pool.p]\nport = 81\n".into(),
            "host.toml:1: pool.p.engine: missing; write one of: llama-server, vllm, sglang, tgi, triton, http, tcp, none",
        ),
        (
            "[pool.p]\nengine = \"vllm\"\nport = 81\ndevices = [\"0\"]\n".into(),
            "host.toml:1: pool.p.model: missing; write model = \"/path/to/model\"",
        ),
        (
            "[pool.p]\nengine = \"tcp\"\ncommand = [\"/e\"]\n".into(),
            "host.toml:1: pool.p.port: missing; write the TCP port the engine listens on, such as port = 8081",
        ),
        (
            process(""),
            "host.toml:1: pool.job.command: missing; the preset \"none\" knows no program, write command = [\"/path/to/program\"]",
        ),
        // Durations, sizes, numbers.
        (
            chat("drain.deadline = \"5 parsecs\""),
            "host.toml:5: pool.chat.drain.deadline: \"5 parsecs\" is not a duration; write it like \"30s\" or \"1m 30s\"",
        ),
        (
            chat("drain.deadline = \"-5s\""),
            "host.toml:5: pool.chat.drain.deadline: \"-5s\" is negative; write a duration like \"30s\" or \"1m 30s\"",
        ),
        (
            chat("drain.deadline = \"25h\""),
            "host.toml:5: pool.chat.drain.deadline: \"25h\" is too long; the limit is 24h",
        ),
        (
            chat("drain.deadline = 30"),
            "host.toml:5: pool.chat.drain.deadline: 30 has no unit; write it like \"30s\" or \"1m 30s\"",
        ),
        (
            chat("drain.deadline = 1.5"),
            "host.toml:5: pool.chat.drain.deadline: is a decimal number, must be a duration like \"30s\" or \"1m 30s\"",
        ),
        (
            chat("start.timeout = \"0s\""),
            "host.toml:5: pool.chat.start.timeout: \"0s\" is too short; the least is 1ms",
        ),
        (
            chat("start.probe_interval = \"1ms\""),
            "host.toml:5: pool.chat.start.probe_interval: \"1ms\" is too short; the least is 10ms",
        ),
        (
            chat("liveness.interval = \"1ms\""),
            "host.toml:5: pool.chat.liveness.interval: \"1ms\" is too short; the least is 10ms, or 0s to switch it off",
        ),
        (
            "shutdown_deadline = \"2 days\"\n".into(),
            "host.toml:1: shutdown_deadline: \"2 days\" is too long; the limit is 24h",
        ),
        (
            chat("lease.slots = 0"),
            "host.toml:5: pool.chat.lease.slots: 0 is out of range; write a number from 1 to 100000",
        ),
        (
            chat("lease.queue = -1"),
            "host.toml:5: pool.chat.lease.queue: -1 is out of range; write a number from 0 to 100000",
        ),
        (
            chat("liveness.failures = 0"),
            "host.toml:5: pool.chat.liveness.failures: 0 is out of range; write a number from 1 to 1000",
        ),
        (
            chat("model_size = \"24 Gib\""),
            "host.toml:5: pool.chat.model_size: \"24 Gib\" is not a size; write it like \"24GiB\"",
        ),
        (
            chat("model_size = 24"),
            "host.toml:5: pool.chat.model_size: 24 has no unit; write it like \"24GiB\"",
        ),
        (
            chat("restart.backoff_cap = \"100ms\""),
            "host.toml:5: pool.chat.restart.backoff_cap: backoff_floor (500ms) is above backoff_cap (100ms); lower the one or raise the other",
        ),
        (
            chat("restart.backoff_initial = \"2m\""),
            "host.toml:5: pool.chat.restart.backoff_initial: backoff_initial (2m) is above backoff_cap (1m); lower the one or raise the other",
        ),
        (
            chat("restart.circuit_open = \"2h\""),
            "host.toml:5: pool.chat.restart.circuit_open: circuit_open (2h) is above circuit_open_cap (1h); lower the one or raise the other",
        ),
        (
            chat("restart.circuit_open_cap = \"1m\""),
            "host.toml:5: pool.chat.restart.circuit_open_cap: circuit_open (5m) is above circuit_open_cap (1m); lower the one or raise the other",
        ),
        (
            chat("restart.storm_within = \"2m\""),
            "host.toml:5: pool.chat.restart.storm_within: storm_within (2m) is above window (1m); lower the one or raise the other",
        ),
        (
            chat("restart.window = \"10s\""),
            "host.toml:5: pool.chat.restart.window: storm_within (30s) is above window (10s); lower the one or raise the other",
        ),
        (
            chat("restart.storm_restarts = 11"),
            "host.toml:5: pool.chat.restart.storm_restarts: can never happen: after window_restarts (10) within window the next restart waits; lower storm_restarts to 10 or raise window_restarts",
        ),
        (
            chat("restart.window_warning = 10"),
            "host.toml:5: pool.chat.restart.window_warning: can never happen: after window_restarts (10) within window the next restart waits; lower window_warning below 10 or raise window_restarts",
        ),
        (
            chat("restart.circuit_failures = 1001"),
            "host.toml:5: pool.chat.restart.circuit_failures: 1001 is out of range; write a number from 0 to 1000",
        ),
        (
            chat("restart.trial_stable = \"0s\""),
            "host.toml:5: pool.chat.restart.trial_stable: \"0s\" is too short; the least is 1ms",
        ),
        (
            chat("restart.oom_storm_within = 60"),
            "host.toml:5: pool.chat.restart.oom_storm_within: 60 has no unit; write it like \"30s\" or \"1m 30s\"",
        ),
        (
            chat("reload.on_drain_timeout = \"abort!\""),
            "host.toml:5: pool.chat.reload.on_drain_timeout: \"abort!\" is not a way to end a drain; did you mean \"abort\"?",
        ),
        (
            chat("start.limited = \"no\""),
            "host.toml:5: pool.chat.start.limited: is a string, must be true or false",
        ),
        (
            chat("hints.tokens_per_second = 0"),
            "host.toml:5: pool.chat.hints.tokens_per_second: 0 is out of range; write a number from 1 to 100000000",
        ),
        (
            chat("size_bytes = \"24GiB\""),
            "host.toml:5: pool.chat.size_bytes: is a string, must be a whole number of bytes",
        ),
        (
            chat("model_url = \"ftp://user:secret@h/a\""),
            "host.toml:5: pool.chat.model_url: is not an http:// or https:// address",
        ),
        (
            chat("model_url = \"https://\""),
            "host.toml:5: pool.chat.model_url: is not an http:// or https:// address",
        ),
        (
            process("command = [\"/e\", \"${MODEL}\"]\nmodel = \"org/name\"\nmodel_url = \"https://h/a\""),
            "host.toml:5: pool.job.model_url: needs model to be an absolute path: the file to put the download in",
        ),
        (
            chat("model_token_file = \"/t\""),
            "host.toml:5: pool.chat.model_token_file: has no meaning without model_url; remove it",
        ),
        (
            chat("size_bytes = 0"),
            "host.toml:5: pool.chat.size_bytes: 0 is out of range; write the file's size in bytes",
        ),
        (
            chat("model_size = \"1GiB\"\nsize_bytes = 1073741824"),
            "host.toml:6: pool.chat.size_bytes: says the same as model_size, exactly; remove model_size",
        ),
        (
            chat("catalog_id = \"a b\""),
            "host.toml:5: pool.chat.catalog_id: \"a b\" is not an id; write at most 200 bytes without blanks",
        ),
        (
            "[limiter]\nrestarts_least = 0\nrestarts_per_pool = 1\n".into(),
            "host.toml:3: limiter.restarts_per_pool: has no meaning while restarts_least is 0, which allows any number; remove one of them",
        ),
        (
            "[limiter]\nloads = 1\n".into(),
            "host.toml:2: limiter.loads: unknown key; did you mean \"loads_at_once\"?",
        ),
        (job("port = 0"), "host.toml:4: pool.job.port: 0 is out of range; write a number from 1 to 65535"),
        (
            job("port = 65536"),
            "host.toml:4: pool.job.port: 65536 is out of range; write a number from 1 to 65535",
        ),
        (
            job("port = 99999999999999999999"),
            "host.toml:4: pool.job.port: 99999999999999999999 is out of range; write a number from 1 to 65535",
        ),
        // Choices.
        (
            "[pool.p]\nengine = \"llama-sever\"\n".into(),
            "host.toml:2: pool.p.engine: \"llama-sever\" is not an engine preset; did you mean \"llama-server\"?",
        ),
        (
            chat("restart.mode = \"onfailure\""),
            "host.toml:5: pool.chat.restart.mode: \"onfailure\" is not a restart mode; did you mean \"on-failure\"?",
        ),
        // Names.
        (
            "[pool.\"a b\"]\nengine = \"none\"\ncommand = [\"/e\"]\n".into(),
            "host.toml:1: pool.\"a b\": a pool name is 1 to 63 letters, digits, '-', '_' or '.', and does not start with '.'",
        ),
        (
            format!("{}[pool.Job]\nengine = \"none\"\ncommand = [\"/e\"]\n", job("")),
            "host.toml:5: pool.Job: differs from pool \"job\" (line 1) only in case; choose another name",
        ),
        (
            format!("{}[pool.job]\nengine = \"none\"\n", job("")),
            "host.toml:5: pool.job: this table is given twice, first on line 1; keep one of them",
        ),
        (
            job("port = 81\nport = 82"),
            "host.toml:5: pool.job.port: this key is given twice; keep one of them",
        ),
        ("[pool.job\n".into(), "host.toml:1: not valid TOML: unclosed table, expected `]`"),
        // Ports.
        (
            format!("{}[pool.b]\nengine = \"tcp\"\nport = 0x1F91\ncommand = [\"/e\"]\n", chat("")),
            "host.toml:8: pool.b.port: 8081 is the port of pool \"chat\" too (line 4); choose another one",
        ),
        (
            job("port = 7070"),
            "host.toml:4: pool.job.port: 7070 is the port of the control API (control.listen); choose another one",
        ),
        // What runs.
        (
            chat("binary = \"/e\"\ncommand = [\"/e\"]"),
            "host.toml:5: pool.chat.binary: has no place beside command; put it into command, or remove command",
        ),
        (
            chat("command = [\"/e\"]\nargs = [\"-v\"]"),
            "host.toml:6: pool.chat.args: has no place beside command; put it into command, or remove command",
        ),
        (
            chat("command = []"),
            "host.toml:5: pool.chat.command: is empty; write the program and its arguments",
        ),
        (chat("command = [\"\"]"), "host.toml:5: pool.chat.command[0]: is empty; write the program's path"),
        (
            chat("binary = \"bin/llama\""),
            "host.toml:5: pool.chat.binary: \"bin/llama\" is a relative path; write it from / on, or a bare name to look up in PATH",
        ),
        (
            chat("command = [\"${MODEL}\"]"),
            "host.toml:5: pool.chat.command[0]: \"${MODEL}\" holds a placeholder; write the program itself",
        ),
        (
            chat("args = [\"${PROT}\"]"),
            "host.toml:5: pool.chat.args[0]: ${PROT} is not a placeholder; did you mean \"${PORT}\"?",
        ),
        (
            chat("args = [\"a\", \"${PORT\"]"),
            "host.toml:5: pool.chat.args[1]: has \"${\" without \"}\"; write \"$${\" for a plain \"${\"",
        ),
        (
            process("command = [\"/e\", \"${PORT}\"]"),
            "host.toml:3: pool.job.command[1]: uses ${PORT}, but the pool has no port; add the key port",
        ),
        (
            process("command = [\"/e\", \"${MODEL}\"]"),
            "host.toml:3: pool.job.command[1]: uses ${MODEL}, but the pool has no model; add the key model",
        ),
        (
            chat("args = [\"--port=9\"]"),
            "host.toml:5: pool.chat.args[0]: --port is set from the key port; remove it here",
        ),
        (
            chat("args = [\"-m\", \"/x\"]"),
            "host.toml:5: pool.chat.args[0]: -m is set from the key model; remove it here",
        ),
        (
            "[pool.p]\nengine = \"llama-server\"\nport = 81\nmodel = \"m.gguf\"\n".into(),
            "host.toml:4: pool.p.model: \"m.gguf\" is not an absolute path; write it from / on",
        ),
        (
            "[pool.p]\nengine = \"vllm\"\nport = 81\ndevices = [\"0\"]\nmodel = \"./m\"\n".into(),
            "host.toml:5: pool.p.model: \"./m\" is not an absolute path; write it from / on",
        ),
        (
            job("model = \"--evil\""),
            "host.toml:4: pool.job.model: \"--evil\" cannot be a model; write a path or a name",
        ),
        (
            job("working_dir = \"here\""),
            "host.toml:4: pool.job.working_dir: \"here\" is not an absolute path; write it from / on",
        ),
        (
            job("health_path = \"/health\""),
            "host.toml:4: pool.job.health_path: has no meaning for \"none\", which asks no URL; use engine = \"http\"",
        ),
        (
            chat("health_path = \"health\""),
            "host.toml:5: pool.chat.health_path: \"health\" is not a URL path; write it like \"/health\"",
        ),
        (
            chat("live_path = \"/a b\""),
            "host.toml:5: pool.chat.live_path: \"/a b\" is not a URL path; write it like \"/health\"",
        ),
        (
            job("digest = \"sha256:123\""),
            "host.toml:4: pool.job.digest: \"sha256:123\" is not a digest; write \"sha256:\" and 64 lower-case hex digits",
        ),
        (
            job("devices = [\"gpu0\"]"),
            "host.toml:4: pool.job.devices[0]: \"gpu0\" is not a GPU; write its index \"0\", its UUID \"GPU-…\", or \"MIG-…\"",
        ),
        (
            job("devices = [\"0,1\"]"),
            "host.toml:4: pool.job.devices[0]: \"0,1\" is not a GPU; write its index \"0\", its UUID \"GPU-…\", or \"MIG-…\"",
        ),
        (
            job("devices = [\"1\", \"1\"]"),
            "host.toml:4: pool.job.devices[1]: \"1\" is given twice; keep one of them",
        ),
        // Environment; no value is ever shown.
        (
            job("env = { CUDA_VISIBLE_DEVICES = \"hunter2\" }"),
            "host.toml:4: pool.job.env.CUDA_VISIBLE_DEVICES: CUDA_VISIBLE_DEVICES is set from the key devices; remove it here",
        ),
        (
            job("env = { \"A B\" = \"hunter2\" }"),
            "host.toml:4: pool.job.env.\"A B\": is not a variable name; write letters, digits and '_', not beginning with a digit",
        ),
        (
            job("env_file = \"hunter2\""),
            "host.toml:4: pool.job.env_file: is not an absolute path; write it from / on",
        ),
        // The host.
        (
            "state_dir = \"state\"\n".into(),
            "host.toml:1: state_dir: \"state\" is not an absolute path; write it from / on",
        ),
        (
            "[control]\nlisten = \"localhost:7070\"\n".into(),
            "host.toml:2: control.listen: \"localhost:7070\" is not an address; write IP and port like \"127.0.0.1:7070\"",
        ),
        (
            "[control]\nlisten = \"0.0.0.0:7070\"\n".into(),
            "host.toml:2: control.listen: 0.0.0.0:7070 can be reached from other hosts; set control.admin_token_file too, or listen on 127.0.0.1",
        ),
        (
            "[control]\nread_token_file = \"/t\"\n".into(),
            "host.toml:2: control.read_token_file: without admin_token_file everybody on this host may do everything anyway; set both or none",
        ),
        (
            "[control]\nadmin_token_file = \"hunter2hunter2hunter2\"\n".into(),
            "host.toml:2: control.admin_token_file: is not an absolute path; write the path of the file that holds the token",
        ),
    ];
    let mut wrong = Vec::new();
    for (text, expected) in &cases {
        let found = errors(text);
        assert!(!found.contains("hunter2"), "a secret is shown: {found}");
        if found != *expected {
            wrong.push(format!("{text}\n  expected {expected}\n  found    {found}\n"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn everything_wrong_is_reported_at_once_in_the_order_of_the_lines() {
    let text = "\
shutdown_deadline = \"soon\"
[control]
listen = \"0.0.0.0:81\"
[pool.a]
engine = \"vlm\"
port = 81
drain.deadline = \"1 fortnight\"
[pool.b]
engine = \"http\"
port = 81
colour = \"red\"
[pool.a]
port = 5
";
    let lines: Vec<String> =
        errors(text).lines().map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "host.toml:1 shutdown_deadline",
            "host.toml:3 control.listen",
            "host.toml:5 pool.a.engine",
            "host.toml:6 pool.a.port",
            "host.toml:6 pool.a.port",
            "host.toml:7 pool.a.drain.deadline",
            "host.toml:8 pool.b.command",
            "host.toml:10 pool.b.port",
            "host.toml:11 pool.b.colour",
            "host.toml:12 pool.a",
        ]
    );
}

#[test]
fn one_mistake_never_becomes_two_lines_in_a_mutated_reference() {
    // Every value of the full reference replaced by a date, which no key takes: one line each.
    let reference = reference_uncommented();
    let mut tried = 0;
    let lines: Vec<&str> = reference.lines().collect();
    for (i, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else { continue };
        let dated = format!("{key} = 1979-05-27");
        let mutated = [&lines[..i], &[dated.as_str()], &lines[i + 1..]].concat().join("\n");
        let number = i + 1;
        let found = errors(&mutated);
        assert_eq!(found.lines().count(), 1, "{line}\n{found}");
        assert!(found.starts_with(&format!("host.toml:{number}: ")), "{line}\n{found}");
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
}
