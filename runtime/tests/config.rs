//! The config file as an operator meets it: what is accepted, what each preset runs, and the exact
//! line for each mistake.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use pool_manager::config::{Config, PoolConfig, REFERENCE};
use pool_manager::launch::Endpoint;
use pool_manager_core::{Policy, RestartMode, SpecHash};

fn parse(text: &str) -> Config {
    Config::parse(text, "host.toml").unwrap_or_else(|errors| panic!("{errors}\n---\n{text}"))
}

fn errors(text: &str) -> String {
    match Config::parse(text, "host.toml") {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(errors) => errors.to_string(),
    }
}

fn only_pool(text: &str) -> PoolConfig {
    let mut pools = parse(text).pools;
    assert_eq!(pools.len(), 1);
    pools.remove(0)
}

/// A pool that is right, with these lines from line 5 on.
fn chat(lines: &str) -> String {
    format!("[pool.chat]\nengine = \"llama-server\"\nmodel = \"/m/chat.gguf\"\nport = 8081\n{lines}\n")
}

/// A pool of any process, with these lines from line 3 on.
fn process(lines: &str) -> String {
    format!("[pool.job]\nengine = \"none\"\n{lines}\n")
}

// --- What is right -------------------------------------------------------------------------------

#[test]
fn each_preset_calls_its_engine_as_it_expects() {
    let argv = |engine: &str, model: &str, more: &str| {
        let text = format!("[pool.p]\nengine = \"{engine}\"\nmodel = \"{model}\"\nport = 81\n{more}\n");
        only_pool(&text).launch.argv.join(" ")
    };
    let two = "devices = [\"0\", \"1\"]";
    for (engine, model, more, expected) in [
        ("llama-server", "/m.gguf", "", "llama-server --host 127.0.0.1 --port 81 -m /m.gguf -np 4"),
        (
            "llama-server",
            "/m.gguf",
            "binary = \"/opt/llama\"\nargs = [\"-c\", \"8192\"]\nlease.slots = 2",
            "/opt/llama --host 127.0.0.1 --port 81 -m /m.gguf -np 2 -c 8192",
        ),
        (
            "llama-server",
            "/m.gguf",
            "args = [\"--parallel=9\"]",
            "llama-server --host 127.0.0.1 --port 81 -m /m.gguf --parallel=9",
        ),
        ("vllm", "org/m", "", "vllm serve org/m --host 127.0.0.1 --port 81"),
        ("vllm", "/m", two, "vllm serve /m --host 127.0.0.1 --port 81 --tensor-parallel-size 2"),
        (
            "vllm",
            "/m",
            "devices = [\"0\", \"1\"]\nargs = [\"-pp\", \"2\"]",
            "vllm serve /m --host 127.0.0.1 --port 81 -pp 2",
        ),
        (
            "sglang",
            "org/m",
            two,
            "python3 -m sglang.launch_server --model-path org/m --host 127.0.0.1 --port 81 --tp-size 2",
        ),
        (
            "tgi",
            "org/m",
            two,
            "text-generation-launcher --model-id org/m --hostname 127.0.0.1 --port 81 --num-shard 2 \
             --shard-uds-path /tmp/text-generation-server-81",
        ),
        (
            "triton",
            "/repo",
            "",
            "tritonserver --model-repository /repo --http-address 127.0.0.1 --http-port 81 \
             --allow-grpc false --allow-metrics false",
        ),
        (
            "triton",
            "/repo",
            "args = [\"--metrics-port=9002\"]",
            "tritonserver --model-repository /repo --http-address 127.0.0.1 --http-port 81 \
             --allow-grpc false --metrics-port=9002",
        ),
        (
            "http",
            "any",
            "devices = [\"0\", \"1\"]\ncommand = [\"/e\", \"-p\", \"${PORT}\", \"${MODEL}\", \"${DEVICES}/${DEVICE_COUNT}\", \"${SLOTS}\", \"$${X}\"]",
            "/e -p 81 any 0,1/2 4 ${X}",
        ),
        ("vllm", "/m", "command = [\"/wrap\", \"${MODEL}\"]", "/wrap /m"),
    ] {
        assert_eq!(argv(engine, model, more), expected, "{engine} {more}");
    }
}

#[test]
fn each_preset_asks_its_own_endpoints_and_the_file_may_name_others() {
    let health = |engine: &str, more: &str| {
        let text = format!(
            "[pool.p]\nengine = \"{engine}\"\nmodel = \"/m\"\nport = 81\ncommand = [\"/e\"]\n{more}\n"
        );
        let launch = only_pool(&text).launch;
        let show = |endpoint| match endpoint {
            Endpoint::None => "none".to_owned(),
            Endpoint::Tcp { port } => format!("tcp {port}"),
            Endpoint::Http { port, path } => format!("{port}{path}"),
        };
        [show(launch.readiness), show(launch.liveness), launch.url.unwrap_or_default()].join(" ")
    };
    let http = "http://127.0.0.1:81";
    for engine in ["llama-server", "vllm", "sglang", "tgi", "http"] {
        assert_eq!(health(engine, ""), format!("81/health 81/health {http}"), "{engine}");
        assert_eq!(health(engine, "health_path = \"/up\""), format!("81/up 81/up {http}"), "{engine}");
        assert_eq!(health(engine, "live_path = \"/up\""), format!("81/health 81/up {http}"), "{engine}");
    }
    assert_eq!(health("triton", ""), format!("81/v2/health/ready 81/v2/health/live {http}"));
    assert_eq!(health("tcp", ""), "tcp 81 tcp 81 tcp://127.0.0.1:81");
    assert_eq!(health("none", ""), "none none tcp://127.0.0.1:81");
}

#[test]
fn presets_differ_from_the_common_policy_only_where_their_engine_does() {
    let policy = |engine: &str| {
        let text = format!("[pool.p]\nengine = \"{engine}\"\nport = 81\ncommand = [\"/e\"]\n");
        only_pool(&text).spec.policy
    };
    for engine in ["llama-server", "tgi", "triton", "http", "tcp", "none"] {
        assert_eq!(policy(engine), Policy::default(), "{engine}");
    }
    let mut vllm = Policy::default();
    vllm.start.timeout = Duration::from_secs(600);
    vllm.restart.mode = RestartMode::Always;
    assert_eq!(policy("vllm"), vllm);
    let mut sglang = Policy::default();
    sglang.start.probe_timeout = Duration::from_secs(25);
    sglang.liveness.interval = Duration::from_secs(15);
    sglang.liveness.timeout = Duration::from_secs(25);
    assert_eq!(policy("sglang"), sglang);
}

#[test]
fn the_start_timeout_follows_the_models_size_unless_it_is_given() {
    let timeout = |more: &str| only_pool(&chat(more)).spec.policy.start.timeout.as_secs();
    assert_eq!(timeout(""), 120);
    assert_eq!(timeout("model_size = \"24.9GiB\""), 120 + 24 * 20);
    assert_eq!(timeout("model_size = \"24GiB\"\nstart.timeout = \"2m\""), 120);
    assert_eq!(timeout("model_size = \"100TiB\""), 24 * 3600);
}

#[test]
fn the_device_mask_is_never_left_unset() {
    let env = |lines: &str| only_pool(&process(&format!("command = [\"/e\"]\n{lines}"))).launch.env;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let masked = |mask| pair("CUDA_VISIBLE_DEVICES", mask);
    let by_pci = pair("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    assert_eq!(env(""), [masked("")]);
    assert_eq!(env("devices = []"), [masked("")]);
    assert_eq!(env("devices = [\"2\", \"0\"]"), [by_pci, masked("2,0")]);
    assert_eq!(env("devices = [\"GPU-8932f937\"]"), [masked("GPU-8932f937")]);
    let own_order = env("devices = [\"0\"]\nenv = { CUDA_DEVICE_ORDER = \"FASTEST_FIRST\" }");
    assert_eq!(own_order, [pair("CUDA_DEVICE_ORDER", "FASTEST_FIRST"), masked("0")]);
}

#[test]
fn defaults_and_order_are_as_documented() {
    let config = parse(
        "pool.b = { engine = \"none\", command = [\"/b\"] }\n[pool.a]\nengine = \"none\"\ncommand = [\"/a\"]\n",
    );
    let names: Vec<&str> = config.pools.iter().map(|pool| pool.spec.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(config.control.listen.to_string(), "127.0.0.1:7070");
    assert_eq!(config.control.admin_token_file, None);
    assert_eq!(config.host.shutdown_deadline, Duration::from_secs(60));
    assert_eq!(config.state_dir, Path::new("/var/lib/pool-manager"));
    assert_eq!(config.warnings, Vec::<String>::new());
    let pool = &config.pools[1];
    assert!(pool.spec.autostart && !pool.launch.core_dumps);
    assert_eq!((pool.origin.line, pool.origin.port_line), (Some(2), None));
    assert_eq!(pool.launch.url, None);
    assert_eq!(pool.spec.engine.catalog.model, "");
}

#[test]
fn what_is_legal_but_hardly_meant_is_a_warning() {
    let warnings = |text: &str| parse(text).warnings;
    assert_eq!(warnings(""), ["host.toml: no pool is configured; add a table like [pool.chat]"]);
    let vllm =
        "[pool.v]\nengine = \"vllm\"\nmodel = \"org/m\"\nport = 81\nargs = [\"--api-key\", \"hunter2\"]\n";
    assert_eq!(
        warnings(vllm),
        [
            "host.toml:1: pool.v.devices: missing, so the engine will see no GPU; write devices = [\"0\"]",
            "host.toml:5: pool.v.args[0]: every user of this host can see an engine's arguments; put the key into env_file",
        ]
    );
}

// --- The reference -------------------------------------------------------------------------------

/// The reference with every optional key taken in.
fn reference_uncommented() -> String {
    let optional = |line: &&str| {
        let key = line.strip_prefix("# ").and_then(|rest| rest.split_once(" = ")).map(|(key, _)| key);
        key.is_some_and(|key| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let line = |line| if optional(&line) { line.trim_start_matches("# ") } else { line };
    REFERENCE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_reference_is_a_config_and_what_it_calls_defaults_are() {
    let (plain, full) = (parse(REFERENCE), parse(&reference_uncommented()));
    assert_eq!(plain.warnings, Vec::<String>::new());
    assert_eq!(full.host, plain.host);
    assert_eq!(full.control.listen, plain.control.listen);
    let mut full_policy = full.pools[0].spec.policy.clone();
    assert_eq!(full_policy, plain.pools[0].spec.policy);
    full_policy.start.timeout = Duration::from_secs(120);
    assert_eq!(full_policy, Policy::default());
    assert_eq!(full.pools[0].launch.argv, plain.pools[0].launch.argv);
    assert_eq!(full.pools[0].launch.readiness, plain.pools[0].launch.readiness);
    assert_eq!(full.pools[0].spec.autostart, plain.pools[0].spec.autostart);
    assert_eq!(full.pools[0].launch.core_dumps, plain.pools[0].launch.core_dumps);
}

/// A section lists its keys when it meets one that is like none of them; so nothing that is
/// accepted can be left out of the reference.
#[test]
fn every_key_that_is_accepted_is_in_the_reference() {
    let reference = reference_uncommented();
    let headers = ["", "[control]", "[pool.chat]", "[pool.chat.start]", "[pool.chat.liveness]"];
    let headers = [
        &headers[..],
        &["[pool.chat.lease]", "[pool.chat.drain]", "[pool.chat.stop]", "[pool.chat.restart]"],
    ]
    .concat();
    let mut keys_seen = 0;
    for header in headers {
        let text = match header {
            "" => format!("qqqqqqqqqqqq = 1\n{reference}"),
            header => reference.replacen(header, &format!("{header}\nqqqqqqqqqqqq = 1"), 1),
        };
        let fault = errors(&text);
        let (_, known) = fault.split_once("unknown key; known here: ").unwrap_or_else(|| panic!("{fault}"));
        for key in known.lines().next().unwrap_or("").split(", ") {
            keys_seen += 1;
            let sections = ["control", "pool", "start", "liveness", "lease", "drain", "stop", "restart"];
            let written = sections.contains(&key) || reference.contains(&format!("\n{key} = "));
            assert!(written, "{key} of {header:?} is not in reference.toml");
        }
    }
    assert!(keys_seen > 50, "{keys_seen}");
}

// --- What is wrong -------------------------------------------------------------------------------

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

// --- The host ------------------------------------------------------------------------------------

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

// --- Spec hash -----------------------------------------------------------------------------------

const HASHED: &str = "[pool.p]\nengine = \"http\"\ncommand = [\"/e\", \"-v\"]\nport = 81\n\
     devices = [\"0\"]\nmodel = \"/m\"\nenv = { A = \"1\" }\nengine_version = \"1\"\n\
     digest = \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"\n\
     working_dir = \"/w\"\ncore_dumps = false\nautostart = true\nhealth_path = \"/health\"\n";

fn hash(text: &str) -> SpecHash {
    only_pool(text).spec.engine.hash
}

#[test]
fn the_spec_hash_never_changes_by_itself() {
    // Kept in journals: another value here makes every pool reload after an upgrade.
    assert_eq!(hash(HASHED), SpecHash(10_662_716_171_930_615_336));
}

#[test]
fn everything_that_is_executed_moves_the_spec_hash_each_in_its_own_way() {
    let changes = [
        ("[pool.p]", "[pool.q]"),
        ("\"http\"", "\"llama-server\""),
        ("\"/e\"", "\"/f\""),
        ("\"-v\"", "\"-v\", \"\""),
        ("port = 81", "port = 82"),
        ("[\"0\"]", "[\"1\"]"),
        ("[\"0\"]", "[]"),
        ("\"/m\"", "\"/n\""),
        ("A = \"1\"", "A = \"2\""),
        ("A = \"1\"", "B = \"1\""),
        ("A = \"1\"", ""),
        ("engine_version = \"1\"", "engine_version = \"2\""),
        ("engine_version = \"1\"", ""),
        ("sha256:0", "sha256:1"),
        ("\"/w\"", "\"/x\""),
        ("core_dumps = false", "core_dumps = true"),
    ];
    let mut seen = vec![hash(HASHED)];
    for (from, to) in changes {
        let changed = HASHED.replacen(from, to, 1);
        assert_ne!(changed, HASHED, "{from}");
        let hash = hash(&changed);
        assert!(!seen.contains(&hash), "{from} -> {to}");
        seen.push(hash);
    }
}

#[test]
fn policy_leaves_the_spec_hash_alone() {
    for more in [
        "[pool.p.start]\ntimeout = \"9m\"\nprobe_interval = \"1s\"\nprobe_timeout = \"9s\"\nstage_stall = \"9s\"\n",
        "[pool.p.liveness]\ninterval = \"9s\"\ntimeout = \"9s\"\nfailures = 9\nprogress_grace = \"9s\"\n",
        "[pool.p.lease]\nslots = 9\nqueue = 9\nqueue_wait = \"9s\"\nttl = \"9s\"\n",
        "[pool.p.drain]\ndeadline = \"9s\"\nforce_grace = \"9s\"\n",
        "[pool.p.stop]\ngrace = \"9s\"\nkill_wait = \"9s\"\n",
        "[pool.p.restart]\nmode = \"never\"\nbackoff_initial = \"9s\"\nbackoff_cap = \"9m\"\nbackoff_floor = \"1s\"\ncuda_factor = 9\n\
         stable_after = \"9s\"\nrestart_count_reset_after = \"9s\"\nconfig_recheck = \"9s\"\nhost_recheck = \"9s\"\n",
        "model_size = \"9GiB\"\nlive_path = \"/live\"\n",
    ] {
        let text = format!("{HASHED}{more}");
        assert_eq!(hash(&text), hash(HASHED), "{more}");
        let (changed, plain) = (only_pool(&text), only_pool(HASHED));
        assert!(changed.spec.policy != plain.spec.policy || changed.launch != plain.launch, "{more}");
    }
    for (from, to) in [("autostart = true", "autostart = false"), ("\"/health\"", "\"/up\"")] {
        assert_eq!(hash(&HASHED.replacen(from, to, 1)), hash(HASHED), "{to}");
    }
    let reordered = HASHED.replacen("A = \"1\"", "B = \"2\", A = \"1\"", 1);
    assert_eq!(hash(&reordered), hash(&HASHED.replacen("A = \"1\"", "A = \"1\", B = \"2\"", 1)));
}

// --- Another model -------------------------------------------------------------------------------

#[test]
fn a_pool_can_be_made_again_with_another_model() {
    let pool = only_pool(&chat("model_size = \"10GiB\"\nengine_version = \"b5000\"\nlease.slots = 2"));
    let other = pool.with_model("/m/other.gguf").unwrap();
    assert_eq!(
        other.launch.argv.join(" "),
        "llama-server --host 127.0.0.1 --port 8081 -m /m/other.gguf -np 2"
    );
    assert_eq!(other.spec.engine.catalog.model, "/m/other.gguf");
    assert_eq!(other.spec.engine.catalog.engine_version.as_deref(), Some("b5000"));
    assert_ne!(other.spec.engine.hash, pool.spec.engine.hash);
    assert_eq!(other.spec.policy.start.timeout, Duration::from_secs(120));
    assert_eq!(other.spec.policy.lease, pool.spec.policy.lease);
    let back = other.with_model("/m/chat.gguf").unwrap();
    assert_eq!(back.spec.engine.hash, pool.spec.engine.hash);
    let same = pool.with_model("/m/chat.gguf").unwrap();
    assert_eq!(same.spec, pool.spec);
}

#[test]
fn a_model_that_a_pool_cannot_serve_is_refused_in_one_line() {
    let refusal = |pool: &PoolConfig, model: &str| pool.with_model(model).unwrap_err().to_string();
    let llama = only_pool(&chat(""));
    assert_eq!(
        refusal(&llama, "m.gguf"),
        "host.toml:1: pool.chat.model: \"m.gguf\" is not an absolute path; write it from / on"
    );
    assert_eq!(
        refusal(&llama, "-x"),
        "host.toml:1: pool.chat.model: \"-x\" cannot be a model; write a path or a name"
    );
    assert_eq!(
        refusal(&llama, ""),
        "host.toml:1: pool.chat.model: is empty; write the path or name of a model"
    );
    let fixed = only_pool(&process("command = [\"/e\"]\nmodel = \"/m\""));
    assert_eq!(
        refusal(&fixed, "/n"),
        "host.toml:1: pool.job.model: the pool's command has no ${MODEL}, so it cannot be given another model; add it to command"
    );
}
