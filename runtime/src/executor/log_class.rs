//! What a line of an engine's log says about its end, whatever the engine's wording. Called for
//! every line of a log that is read; the text goes no further.
//!
//! Engines echo prompts into their logs, so a phrase counts only where an engine's own message begins: at the
//! start of the line, or after prefixes that loggers write ([`PREFIX`]). Levels below warning are not
//! among those prefixes: prompts are logged at *info* and *debug*. A prompt that an
//! engine writes with its line breaks unescaped can still begin a line; a log line alone
//! therefore never ends an engine.

use std::sync::LazyLock;

use pool_manager_core::LogClass;
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// Messages begin early; a longer line is a prompt or a dump.
pub(super) const MOST_BYTES: usize = 4096;
/// Nested loggers: process, level, rank, exception, function.
const MOST_PREFIXES: usize = 8;

/// What one line says; `None`: nothing about an end.
pub(super) fn classify(line: &[u8]) -> Option<LogClass> {
    let line = line.get(..MOST_BYTES).unwrap_or(line);
    let plain = COLOUR.replace_all(line, &b""[..]);
    let message = without_prefixes(&plain);
    MESSAGES.matches(message).iter().next().and_then(|first| CLASSES.get(first)).map(|(class, _)| *class)
}

/// Makes the patterns ready, so that the first line does not have to wait for them.
pub(super) fn prepare() {
    let _ = classify(b"");
}

fn without_prefixes(line: &[u8]) -> &[u8] {
    let mut rest = line;
    for _ in 0..MOST_PREFIXES {
        match PREFIX.find(rest) {
            Some(found) if !found.is_empty() => rest = rest.get(found.end()..).unwrap_or_default(),
            Some(_) | None => break,
        }
    }
    rest
}

/// What loggers put before a message.
const PREFIXES: [&str; 14] = [
    // vLLM's and Ray's processes: `(EngineCore_DP0 pid=104) `, `(VllmWorker rank=1 pid=7) `
    r"\([A-Za-z]\w*(?: rank=\d+)? pid=\d+(?:, ip=[\d.]+)?\) ",
    // vLLM: `ERROR 05-01 14:39:06 [core.py:1131] `
    r"(?:WARNING|ERROR|CRITICAL|FATAL) \d\d-\d\d \d\d:\d\d:\d\d \[?[\w./]+:\d+\] ",
    // SGLang: `[2025-07-25 07:53:08 TP2] `
    r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?: [A-Z]+\d+)*\] ",
    // TGI, Rust tracing: `2023-07-09T15:32:00.971897Z ERROR shard-manager: text_generation_launcher: `
    r"\d{4}-\d\d-\d\dT[\d:.]+Z +(?:WARN|ERROR) +(?:[a-z][a-z0-9_:./-]*(?:\{[^{}]*\})?: ){1,4}",
    // uvicorn: `ERROR:    `
    r"(?:ERROR|CRITICAL): +",
    // torchrun: `[rank0]: `
    r"\[rank\d+\]: ?",
    // c10 logging: `[E1103 12:00:00.123456789 ProcessGroupNCCL.cpp:629] `, `[PG ID 2 PG GUID 3 Rank 1] `
    r"\[[WEF]\d{3,4} [\d:.]+ [\w.]+:\d+\] ",
    r"\[(?:PG [^\]]{1,80}|Rank \d+)\] ",
    // Triton, glog: `E0512 10:11:12.131415 1 http_server.cc:4685] `
    "[WEF]\\d{4} [\\d:.]+ \\d+ [\\w.]+:\\d+\\] \"?",
    // llama.cpp, of a router's child: `[56285] `, `53.26.801.941 E `
    r"\[\d+\] ",
    r"\d+\.\d\d\.\d{3}\.\d{3} [WEF] ",
    // llama.cpp's functions: `llama_model_load: `, `srv    load_model: `
    r"(?:(?:srv|cmn|main) +)?(?:ggml_|gguf_|llama_|common_|clip_|mtmd_|load_|alloc_tensor_range|start|main)[a-z0-9_]*: ",
    // Exceptions, Python and C++: `torch.OutOfMemoryError: `, `  what():  `
    r"(?:Runtime|Value|OS)Error: |(?:torch|vllm)\.(?:\w+\.)*\w+(?:Error|Exception): |\s*what\(\):\s+",
    // Warnings of torch: `/usr/lib/python3/torch/cuda/__init__.py:129: UserWarning: `
    r"[\w./-]+\.py:\d+: UserWarning: |Process group watchdog thread terminated with exception: ",
];

/// The beginnings of messages. Where two fit the same line, the first decides.
const CLASSES: [(LogClass, &str); 7] = [
    (
        LogClass::AddressInUse,
        r"\[Errno 98\] |Address already in use|couldn't bind HTTP server socket|bind\(\): Address already in use|failed to start \w+ service: .{0,120}already in use",
    ),
    (
        LogClass::DriverMismatch,
        r"CUDA error: (?:system has unsupported display driver|CUDA driver version is insufficient|forward compatibility was attempted)|failed to initialize CUDA: (?:system has unsupported display driver|CUDA driver version is insufficient)|Failed to initialize NVML: Driver/library version mismatch|(?:CUDA initialization: )?The NVIDIA driver on your system is too old|(?:CUDA initialization: )?Unexpected error from cudaGetDeviceCount\(\).{0,200}Error (?:35|36|803|804):",
    ),
    (
        LogClass::NoDevice,
        r"No CUDA GPUs are available|(?:CUDA initialization: )?Found no NVIDIA driver|CUDA error: (?:no CUDA-capable device|invalid device ordinal|all CUDA-capable devices are busy|system not yet initialized)|failed to initialize CUDA: |CUDA driver initialization failed|Failed to initialize NVML: |(?:CUDA initialization: )?Unexpected error from cudaGetDeviceCount\(\)|CUDA unknown error - this may be due to an incorrectly set up environment",
    ),
    (
        LogClass::GpuOutOfMemory,
        r"(?:CUDA|HIP) out of memory|(?:CUDA|HIP|ROCm) error: (?:out of memory|CUBLAS_STATUS_ALLOC_FAILED)|allocating [\d.]+ MiB on device \d+: cudaMalloc failed: out of memory|(?:error loading model: )?(?:failed|unable) to allocate CUDA\d+ buffer|CUDA runtime error in [^()]{1,60}\(.{0,200}\): out of memory|No available memory for the cache blocks|Not enough memory\. Please try to increase --mem-fraction-static|Free memory on device .{1,200} is less than desired GPU memory utilization",
    ),
    (
        LogClass::CudaError,
        r"(?:CUDA|HIP|ROCm) error: |[\w./-]+\.cu:\d+: (?:CUDA|ROCm) error|CUDA runtime error in |NCCL error in: .{1,300}unhandled cuda error",
    ),
    (
        LogClass::WorkerDied,
        r"(?:Worker|Engine core) proc \S+ died unexpectedly|EngineCore encountered a(?:n issue| fatal error)|Engine core initialization failed|Received sigquit from a child proces|Watchdog caught collective operation timeout|.{0,100}taking the entire process down|NCCL error in: |Watchdog timeout \(self\.watchdog_timeout|Shard \d+ (?:crashed|failed to start)|Shard process was signaled to shutdown with signal|Error: Shard(?:CannotStart|Failed)|Webserver Crashed",
    ),
    (
        LogClass::ModelLoad,
        r"(?:error: )?failed to load (?:model|draft model)|error loading model|exiting due to model loading error|failed to open GGUF file|Error when initializing model|(?:Can't load|Cannot find) .{1,200}(?:model|config|tokenizer)|.{1,200} is not a local folder and is not a valid model identifier",
    ),
];

static COLOUR: LazyLock<Regex> = LazyLock::new(|| anchored("\x1b\\[[0-9;]*m"));
static PREFIX: LazyLock<Regex> = LazyLock::new(|| anchored(&format!("^(?:{})", PREFIXES.join("|"))));
static MESSAGES: LazyLock<RegexSet> = LazyLock::new(|| {
    let patterns = CLASSES.iter().map(|(_, beginnings)| format!("^(?:{beginnings})"));
    #[expect(clippy::expect_used, reason = "constant patterns, compiled by every test of this file")]
    RegexSetBuilder::new(patterns).unicode(false).build().expect("the patterns are valid")
});

fn anchored(pattern: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "constant patterns, compiled by every test of this file")]
    RegexBuilder::new(pattern).unicode(false).build().expect("the pattern is valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn all_are(expected: Option<LogClass>, lines: &[&str]) {
        for line in lines {
            assert_eq!(classify(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn cuda_errors() {
        all_are(
            Some(LogClass::CudaError),
            &[
                "CUDA error: an illegal memory access was encountered",
                "53.26.801.941 E CUDA error: an illegal memory access was encountered",
                "[56285] 0.54.236.075 E CUDA error: an illegal memory access was encountered",
                "/root/llama.cpp/ggml/src/ggml-cuda/ggml-cuda.cu:88: CUDA error",
                "RuntimeError: CUDA error: unspecified launch failure",
                "torch.AcceleratorError: CUDA error: device-side assert triggered",
                "(EngineCore_DP0 pid=104) ERROR 05-01 14:39:06 [core.py:1131] torch.AcceleratorError: CUDA error: an illegal memory access was encountered",
                "(VllmWorker rank=1 pid=2445156) ERROR 05-10 16:00:15 [multiproc_executor.py:470] RuntimeError: CUDA error: an illegal memory access was encountered",
                "  what():  [PG ID 2 PG GUID 3 Rank 1] Process group watchdog thread terminated with exception: CUDA error: an illegal memory access was encountered",
                "[rank1]:[E712 15:43:41.560000000 ProcessGroupNCCL.cpp:1895] [PG ID 2 PG GUID 3 Rank 1] Process group watchdog thread terminated with exception: CUDA error: unspecified launch failure",
                "[2025-07-25 07:53:08 TP2] RuntimeError: CUDA error: an illegal memory access was encountered",
                "torch.distributed.DistBackendError: NCCL error in: /pytorch/torch/csrc/distributed/c10d/NCCLUtils.cpp:77, unhandled cuda error (run with NCCL_DEBUG=INFO for details)",
            ],
        );
    }

    #[test]
    fn gpu_memory() {
        all_are(
            Some(LogClass::GpuOutOfMemory),
            &[
                "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 24220.43 MiB on device 0: cudaMalloc failed: out of memory",
                "alloc_tensor_range: failed to allocate CUDA0 buffer of size 25396971520",
                "llama_model_load: error loading model: unable to allocate CUDA0 buffer",
                "CUDA error: out of memory",
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 50.00 MiB. GPU 0 has a total capacity of 23.56 GiB",
                "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 128.00 MiB (GPU 0; 15.77 GiB total capacity)",
                "(EngineCore pid=112) ERROR 05-01 14:39:06 [core.py:1131] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 50.00 MiB.",
                "ERROR 04-09 05:39:54 [core.py:390] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 350.00 MiB.",
                "ValueError: Free memory on device cuda:0 (10.1/23.6 GiB) on startup is less than desired GPU memory utilization (0.9, 21.2 GiB).",
                "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.",
                "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
                "[2025-02-21 22:59:28 TP0] RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
            ],
        );
    }

    #[test]
    fn host_problems() {
        all_are(
            Some(LogClass::NoDevice),
            &[
                "RuntimeError: No CUDA GPUs are available",
                "ggml_cuda_init: failed to initialize CUDA: no CUDA-capable device is detected",
                "RuntimeError: CUDA error: no CUDA-capable device is detected",
                "RuntimeError: CUDA error: invalid device ordinal",
                "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU",
            ],
        );
        all_are(
            Some(LogClass::DriverMismatch),
            &[
                "ggml_cuda_init: failed to initialize CUDA: CUDA driver version is insufficient for CUDA runtime version",
                "Failed to initialize NVML: Driver/library version mismatch",
                "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
                "/usr/lib/python3/torch/cuda/__init__.py:129: UserWarning: CUDA initialization: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before? Error 803: system has unsupported display driver / cuda driver combination",
            ],
        );
        all_are(
            Some(LogClass::AddressInUse),
            &[
                "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use",
                "OSError: [Errno 98] Address already in use",
                "start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 8080",
                "E0512 10:11:12.131415 1 http_server.cc:4685] \"failed to start HTTP service: Unavailable - Socket '0.0.0.0:8000' already in use\"",
            ],
        );
    }

    #[test]
    fn workers_and_models() {
        all_are(
            Some(LogClass::WorkerDied),
            &[
                "ERROR 11-03 12:00:00 [multiproc_executor.py:154] Worker proc VllmWorker-1 died unexpectedly, shutting down executor.",
                "(EngineCore pid=104) ERROR 05-05 12:36:59 [core.py:710] EngineCore encountered a fatal error.",
                "(APIServer pid=1) ERROR 05-05 12:36:59 [serving.py:1173] vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.",
                "RuntimeError: Engine core initialization failed. See root cause above.",
                "[2025-02-21 22:59:28] Received sigquit from a child proces. It usually means the child failed.",
                "[rank0]:[E1103 12:00:00.123456789 ProcessGroupNCCL.cpp:629] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE, Timeout(ms)=600000) ran for 600012 milliseconds before timing out.",
                "2023-08-17T10:23:27.032737Z ERROR text_generation_launcher: Shard 0 failed to start",
                "\x1b[2m2024-05-01T10:00:00.000000Z\x1b[0m \x1b[31mERROR\x1b[0m \x1b[2mtext_generation_launcher\x1b[0m\x1b[2m:\x1b[0m Shard 1 crashed",
                "Error: ShardCannotStart",
            ],
        );
        all_are(
            Some(LogClass::ModelLoad),
            &[
                "llama_model_load: error loading model: invalid magic characters: 'abcd', expected 'GGUF'",
                "0.00.120.100 E srv    load_model: failed to load model, '/models/none.gguf'",
                "common_init_from_params: failed to load model '/models/none.gguf'",
                "main: exiting due to model loading error",
                "gguf_init_from_file: failed to open GGUF file '/models/none.gguf'",
                "2023-07-09T15:32:00.971897Z ERROR shard-manager: text_generation_launcher: Error when initializing model",
                "OSError: /models/none is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'",
            ],
        );
    }

    #[test]
    fn prompts_echoed_by_an_engine_say_nothing() {
        all_are(
            None,
            &[
                "INFO 11-03 12:00:00 [logger.py:39] Received request cmpl-1: prompt: 'CUDA error: an illegal memory access was encountered', params: SamplingParams(n=1)",
                "(APIServer pid=1) INFO 11-03 12:00:00 [logger.py:39] CUDA error: an illegal memory access was encountered",
                "[2025-07-25 07:53:08] Receive: obj=GenerateReqInput(rid='1', text='CUDA out of memory. Tried to allocate 2 GiB', sampling_params={})",
                "srv  log_server_r: request: {\"prompt\":\"CUDA error: out of memory\",\"n_predict\":8}",
                "{\"prompt\": \"RuntimeError: CUDA error: unspecified launch failure\"}",
                "prompt: torch.OutOfMemoryError: CUDA out of memory.",
                "2024-05-01T10:00:00.000000Z  INFO text_generation_router: Error: ShardFailed, said the prompt",
                "    CUDA error: indented as in a pretty-printed prompt",
                "What does \"CUDA error: an illegal memory access was encountered\" mean?",
                "user: OSError: [Errno 98] Address already in use - how do I fix it?",
            ],
        );
    }

    #[test]
    fn ordinary_lines_say_nothing() {
        all_are(
            None,
            &[
                "",
                "CUDA error",
                "ggml_cuda_init: found 2 CUDA devices:",
                "load_tensors: offloaded 33/33 layers to GPU",
                "INFO:     127.0.0.1:33898 - \"POST /generate HTTP/1.1\" 200 OK",
                "[2025-05-26 07:48:17 DP1 TP2] Scheduler hit an exception: Traceback (most recent call last):",
                "CUDA kernel errors might be asynchronously reported at some other API call",
                "retrying without pipeline parallelism",
            ],
        );
        assert_eq!(classify(&[0xff, 0xfe, b'C', b'U', b'D', b'A']), None);
        let long = [b"CUDA out of memory".as_slice(), &vec![b'x'; 3 * MOST_BYTES]].concat();
        assert_eq!(classify(&long), Some(LogClass::GpuOutOfMemory), "the beginning decides");
    }
}
