//! What a right config means: argv, endpoints, policy and defaults of each preset.

use std::path::Path;
use std::time::Duration;

use pool_manager::launch::{Endpoint, ModelSource};
use pool_manager_core::{
    LimiterPolicy, OnDrainTimeout, PerformanceHints, Policy, RestartMode, RestartPolicy,
};

use crate::{chat, only_pool, parse, process};

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
    let mut unlimited = Policy::default();
    unlimited.start.limited = false;
    for engine in ["tcp", "none"] {
        assert_eq!(policy(engine), unlimited, "{engine}");
    }
    for engine in ["llama-server", "tgi", "triton", "http"] {
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
    assert_eq!(config.host.limiter, LimiterPolicy::default());
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

#[test]
fn every_number_of_the_policy_has_its_key() {
    let text = "\
[limiter]
loads_at_once = 1
restarts_least = 3
restarts_per_pool = 4
restarts_within = \"9m\"
exempt_below = \"0s\"
[pool.p]
engine = \"none\"
command = [\"/e\"]
[pool.p.start]
limited = true
[pool.p.liveness]
suspect_for = \"9s\"
log_is_trusted = true
doom_drain = \"0s\"
[pool.p.reload]
on_drain_timeout = \"force\"
[pool.p.restart]
circuit_failures = 3
circuit_open = \"1m\"
circuit_open_cap = \"2m\"
trial_stable = \"9s\"
window = \"2m\"
window_restarts = 20
window_warning = 19
storm_restarts = 20
storm_within = \"2m\"
oom_storm_ends = 7
oom_storm_within = \"3m\"
";
    let config = parse(text);
    let seconds = Duration::from_secs;
    let limiter = LimiterPolicy {
        loads_at_once: 1,
        restarts_least: 3,
        restarts_per_pool: 4,
        restarts_within: seconds(540),
        exempt_below: Duration::ZERO,
    };
    assert_eq!(config.host.limiter, limiter);
    let policy = &config.pools[0].spec.policy;
    assert!(policy.start.limited && policy.liveness.log_is_trusted);
    assert_eq!((policy.liveness.suspect_for, policy.liveness.doom_drain), (seconds(9), Duration::ZERO));
    assert_eq!(policy.reload.on_drain_timeout, OnDrainTimeout::Force);
    let restart = RestartPolicy {
        circuit_failures: 3,
        circuit_open: seconds(60),
        circuit_open_cap: seconds(120),
        trial_stable: seconds(9),
        window: seconds(120),
        window_restarts: 20,
        window_warning: 19,
        storm_restarts: 20,
        storm_within: seconds(120),
        oom_storm_ends: 7,
        oom_storm_within: seconds(180),
        ..RestartPolicy::default()
    };
    assert_eq!(policy.restart, restart);
}

#[test]
fn a_small_window_and_a_threshold_of_0_switch_off_what_they_make_pointless() {
    let policy = |lines: &str| only_pool(&chat(lines)).spec.policy.restart;
    assert_eq!(policy("restart.window_restarts = 3").storm_restarts, 10);
    let off =
        policy("restart.window_restarts = 0\nrestart.storm_restarts = 900\nrestart.circuit_failures = 0");
    assert_eq!((off.window_restarts, off.storm_restarts, off.circuit_failures), (0, 900, 0));
}

#[test]
fn a_model_can_have_an_address_and_another_model_does_not_have_it() {
    let pool = only_pool(&chat("model_url = \"https://models.example/chat.gguf\""));
    assert_eq!(pool.launch.model_source.url.as_deref(), Some("https://models.example/chat.gguf"));
    assert_eq!(pool.launch.model_path.as_deref(), Some(Path::new("/m/chat.gguf")));
    assert_eq!(pool.spec.engine.hash, only_pool(&chat("")).spec.engine.hash, "the bytes are what counts");
    let other = pool.with_model("/m/other.gguf").unwrap();
    assert_eq!(other.launch.model_source, ModelSource::default());
    let open = parse(&chat("model_url = \"http://models.example/a\"\nmodel_token_file = \"/t\""));
    let unsafe_token =
        "host.toml:5: pool.chat.model_url: the token goes there unencrypted; write an https:// address";
    assert_eq!(open.warnings, [unsafe_token]);
}

#[test]
fn the_gpu_library_is_asked_for_engines_that_are_known_to_use_it() {
    assert!(only_pool(&chat("devices = [\"0\"]")).launch.check_devices);
    assert!(!only_pool(&chat("devices = [\"0\"]\ncheck_devices = false")).launch.check_devices);
    let unknown = process("command = [\"/e\"]\ndevices = [\"0\"]");
    assert!(!only_pool(&unknown).launch.check_devices);
    assert!(only_pool(&format!("{unknown}check_devices = true\n")).launch.check_devices);
}

#[test]
fn what_the_operator_knows_of_a_model_is_shown_and_moves_no_hash() {
    let plain = only_pool(&chat(""));
    let pool = only_pool(&chat(
        "catalog_id = \"chat-7b\"\nsize_bytes = 4920734176\nhints = { tokens_per_second = 1200, first_token = \"180ms\" }",
    ));
    assert_eq!(pool.spec.engine.catalog.id.as_deref(), Some("chat-7b"));
    assert_eq!(pool.launch.size_bytes, Some(4_920_734_176));
    let hints =
        PerformanceHints { tokens_per_second: Some(1200), first_token: Some(Duration::from_millis(180)) };
    assert_eq!(pool.spec.engine.hints, hints);
    assert_eq!(pool.spec.engine.hash, plain.spec.engine.hash);
    assert_eq!(pool.spec.policy.start.timeout, Duration::from_secs(120 + 4 * 20));
    let other = pool.with_model("/m/other.gguf").unwrap();
    assert_eq!(other.spec.engine.catalog.id, None);
    assert_eq!(other.spec.engine.hints, PerformanceHints::default());
    assert_eq!(other.launch.size_bytes, None);
}
