//! What is known about each kind of engine, as data: how it is called, where it says that it is
//! ready, how long it may take. Read by `pool` and `recipe`; every entry can be overridden in the
//! file. A new engine is one more constant here and one more line in [`ALL`].

use std::time::Duration;

use pool_manager_core::{Policy, RestartMode};

/// Every preset under the name the config file uses.
pub(super) const ALL: [(&str, &Preset); 8] = [
    (LLAMA_SERVER.name, &LLAMA_SERVER),
    (VLLM.name, &VLLM),
    (SGLANG.name, &SGLANG),
    (TGI.name, &TGI),
    (TRITON.name, &TRITON),
    (HTTP.name, &HTTP),
    (TCP.name, &TCP),
    (NONE.name, &NONE),
];

/// One kind of engine.
#[derive(Debug)]
pub(super) struct Preset {
    /// Its name in the config file and in the registry.
    pub(super) name: &'static str,
    /// How it is called; `None`: the operator must give `command`.
    pub(super) call: Option<Call>,
    /// How its health is asked.
    pub(super) health: Health,
    /// Whether it is of no use without a GPU.
    pub(super) needs_gpu: bool,
    /// What differs from the policy every pool has by default.
    tune: fn(&mut Policy),
}

impl Preset {
    /// The policy of a pool that sets none.
    pub(super) fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        (self.tune)(&mut policy);
        policy
    }
}

/// A program and its arguments; both hold placeholders.
#[derive(Debug)]
pub(super) struct Call {
    /// Looked up in PATH unless the file names another `binary`.
    pub(super) program: &'static str,
    /// Arguments it always gets.
    pub(super) args: &'static [&'static str],
    /// Arguments it gets under a condition.
    pub(super) optional: &'static [Optional],
    /// Flags for which the file has a key, with that key: refused in `args`.
    pub(super) keyed: &'static [(&'static str, &'static str)],
    /// Whether the model is a path, never a catalog name.
    pub(super) model_is_path: bool,
}

/// A flag with one value, left out when the operator gives it, or a flag that contradicts it.
#[derive(Debug)]
pub(super) struct Optional {
    pub(super) flag: &'static str,
    pub(super) value: &'static str,
    /// Only with more than one device.
    pub(super) multi_device: bool,
    /// Left out when `args` holds one of these.
    pub(super) unless: &'static [&'static str],
}

/// How an engine is asked for its health.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// `GET` on these paths; `live` is `None` where it is the same as `ready`.
    Http { ready: &'static str, live: Option<&'static str> },
    /// A connection to its port.
    Tcp,
    /// By the process existing.
    Process,
}

fn as_is(_: &mut Policy) {}

/// Nothing is known to be loaded, so nobody needs to wait for it.
fn loads_nothing(policy: &mut Policy) {
    policy.start.limited = false;
}

/// The port opens early and `/health` answers 503 while loading. The slots it serves at once are
/// the leases it may have.
const LLAMA_SERVER: Preset = Preset {
    name: "llama-server",
    call: Some(Call {
        program: "llama-server",
        args: &["--host", "127.0.0.1", "--port", "${PORT}", "-m", "${MODEL}"],
        optional: &[Optional {
            flag: "-np",
            value: "${SLOTS}",
            multi_device: false,
            unless: &["-np", "--parallel"],
        }],
        keyed: &[("--port", "port"), ("-m", "model"), ("--model", "model")],
        model_is_path: true,
    }),
    health: Health::Http { ready: "/health", live: None },
    needs_gpu: false,
    tune: as_is,
};

/// The port refuses until the engine is ready, and compiling may take minutes. An engine that lost
/// its workers can end with exit 0, so a clean end is followed by a start too.
const VLLM: Preset = Preset {
    name: "vllm",
    call: Some(Call {
        program: "vllm",
        args: &["serve", "${MODEL}", "--host", "127.0.0.1", "--port", "${PORT}"],
        optional: &[Optional {
            flag: "--tensor-parallel-size",
            value: "${DEVICE_COUNT}",
            multi_device: true,
            unless: &[
                "--tensor-parallel-size",
                "-tp",
                "--pipeline-parallel-size",
                "-pp",
                "--data-parallel-size",
                "-dp",
            ],
        }],
        keyed: &[("--port", "port"), ("--model", "model")],
        model_is_path: false,
    }),
    health: Health::Http { ready: "/health", live: None },
    needs_gpu: true,
    tune: |policy| {
        policy.start.timeout = Duration::from_secs(600);
        policy.restart.mode = RestartMode::Always;
    },
};

/// An idle engine answers `/health` by generating one token and gives itself 20 s for it: probes
/// wait longer than that, and come less often so that they do not disturb it.
const SGLANG: Preset = Preset {
    name: "sglang",
    call: Some(Call {
        program: "python3",
        args: &[
            "-m",
            "sglang.launch_server",
            "--model-path",
            "${MODEL}",
            "--host",
            "127.0.0.1",
            "--port",
            "${PORT}",
        ],
        optional: &[Optional {
            flag: "--tp-size",
            value: "${DEVICE_COUNT}",
            multi_device: true,
            unless: &[
                "--tp-size",
                "--tensor-parallel-size",
                "--tp",
                "--pp-size",
                "--pipeline-parallel-size",
                "--dp-size",
                "--data-parallel-size",
                "--dp",
            ],
        }],
        keyed: &[("--port", "port"), ("--model-path", "model"), ("--model", "model")],
        model_is_path: false,
    }),
    health: Health::Http { ready: "/health", live: None },
    needs_gpu: true,
    tune: |policy| {
        policy.start.probe_timeout = Duration::from_secs(25);
        policy.liveness.interval = Duration::from_secs(15);
        policy.liveness.timeout = Duration::from_secs(25);
    },
};

/// Two launchers on one host would share the default path of their shards' sockets.
const TGI: Preset = Preset {
    name: "tgi",
    call: Some(Call {
        program: "text-generation-launcher",
        args: &["--model-id", "${MODEL}", "--hostname", "127.0.0.1", "--port", "${PORT}"],
        optional: &[
            Optional {
                flag: "--num-shard",
                value: "${DEVICE_COUNT}",
                multi_device: true,
                unless: &["--num-shard", "--sharded"],
            },
            Optional {
                flag: "--shard-uds-path",
                value: "/tmp/text-generation-server-${PORT}",
                multi_device: false,
                unless: &["--shard-uds-path"],
            },
        ],
        keyed: &[("--port", "port"), ("-p", "port"), ("--model-id", "model")],
        model_is_path: false,
    }),
    health: Health::Http { ready: "/health", live: None },
    needs_gpu: true,
    tune: as_is,
};

/// A pool owns one port: gRPC and metrics, which would open fixed ones, are off unless `args`
/// gives them a port of their own.
const TRITON: Preset = Preset {
    name: "triton",
    call: Some(Call {
        program: "tritonserver",
        args: &["--model-repository", "${MODEL}", "--http-address", "127.0.0.1", "--http-port", "${PORT}"],
        optional: &[
            Optional {
                flag: "--allow-grpc",
                value: "false",
                multi_device: false,
                unless: &["--allow-grpc", "--grpc-port"],
            },
            Optional {
                flag: "--allow-metrics",
                value: "false",
                multi_device: false,
                unless: &["--allow-metrics", "--metrics-port"],
            },
        ],
        keyed: &[("--http-port", "port"), ("--model-repository", "model"), ("--model-store", "model")],
        model_is_path: true,
    }),
    health: Health::Http { ready: "/v2/health/ready", live: Some("/v2/health/live") },
    needs_gpu: false,
    tune: as_is,
};

/// Anything with a health endpoint.
const HTTP: Preset = Preset {
    name: "http",
    call: None,
    health: Health::Http { ready: "/health", live: None },
    needs_gpu: false,
    tune: as_is,
};

/// Anything with a port.
const TCP: Preset =
    Preset { name: "tcp", call: None, health: Health::Tcp, needs_gpu: false, tune: loads_nothing };

/// Any process.
const NONE: Preset =
    Preset { name: "none", call: None, health: Health::Process, needs_gpu: false, tune: loads_nothing };
