//! The handoff file: where a router finds a ready engine. Written by the files executor; read by routers, and by
//! whoever registers an engine from such a file.
//!
//! A reader needs `engine`, `url` and `pool_id`. Everything else may be absent or null, and keys it does not know
//! are passed over, so that files of older and newer versions can be read.

use std::fmt;

use pool_manager_core::{EngineRef, PerformanceHints};
use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;

use crate::launch::Launch;

/// What a router reads to find a ready engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handoff {
    /// The kind of engine, such as `llama-server`.
    pub engine: String,
    /// Its version, where the operator states it.
    #[serde(default)]
    pub engine_version: Option<String>,
    /// Where clients reach it; null for an engine without a port.
    #[serde(deserialize_with = "Option::deserialize")]
    pub url: Option<String>,
    /// The pool's name.
    pub pool_id: String,
    /// Names this run of the engine: `<pool>/<epoch>.<n>`. Never reused.
    #[serde(default)]
    pub replica_id: Option<String>,
    /// The model it serves.
    #[serde(default, deserialize_with = "null_is_default")]
    pub model: HandoffModel,
    /// Arguments the engine was started with.
    #[serde(default, deserialize_with = "null_is_default")]
    pub flags: Vec<String>,
    /// GPUs it may touch, as configured. Empty: none.
    #[serde(default, deserialize_with = "null_is_default")]
    pub device_mask: Vec<String>,
    /// Leases it may serve at once; `None`: nobody says.
    #[serde(default)]
    pub slots_total: Option<u32>,
    /// Name of the entry in the operator's catalog that engine, version, model and digest are from.
    #[serde(default)]
    pub catalog_id: Option<String>,
    /// What the operator measured of it.
    #[serde(default, deserialize_with = "null_is_default")]
    pub hints: HandoffHints,
}

/// The model part of a [`Handoff`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandoffModel {
    /// Its path or, where it is none, its catalog name.
    #[serde(default)]
    pub path: Option<String>,
    /// Of its bytes: `sha256:` and 64 hex digits.
    #[serde(default)]
    pub digest: Option<String>,
}

/// The performance part of a [`Handoff`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandoffHints {
    /// Tokens generated per second, over all slots.
    #[serde(default)]
    pub tokens_per_second: Option<u32>,
    /// From a request to its first token, in milliseconds.
    #[serde(default)]
    pub first_token_ms: Option<u64>,
}

impl Handoff {
    /// What the file says of this engine. Nothing of its environment.
    #[must_use]
    pub fn new(engine: EngineRef, launch: &Launch) -> Self {
        let pool = launch.pool.as_str();
        let path = launch.model_path.as_ref().map(|path| path.display().to_string());
        Self {
            engine: launch.catalog.engine.clone(),
            engine_version: launch.catalog.engine_version.clone(),
            url: launch.url.clone(),
            pool_id: pool.to_owned(),
            replica_id: Some(format!("{pool}/{}", engine.incarnation)),
            model: HandoffModel {
                path: Some(path.unwrap_or_else(|| launch.catalog.model.clone())),
                digest: launch.catalog.digest.clone(),
            },
            flags: launch.argv.iter().skip(1).cloned().collect(),
            device_mask: launch.device_mask.clone(),
            slots_total: Some(launch.slots),
            catalog_id: launch.catalog.id.clone(),
            hints: launch.hints.into(),
        }
    }

    /// The file's text.
    ///
    /// # Errors
    /// None that is known: every field can be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads a file's text. Nothing of a text that is wrong is taken.
    ///
    /// # Errors
    /// [`BadHandoff`]: what is wrong, and where.
    pub fn from_json(text: &str) -> Result<Self, BadHandoff> {
        let mut json = serde_json::Deserializer::from_str(text);
        let handoff: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let key = error.path().to_string();
            // `.` is the library's word for the document itself.
            BadHandoff { key: (key != ".").then_some(key), error: error.into_inner() }
        })?;
        json.end().map_err(|error| BadHandoff { key: None, error })?;
        if handoff.pool_id.is_empty() || handoff.engine.is_empty() {
            let key = if handoff.engine.is_empty() { "engine" } else { "pool_id" };
            let error = serde::de::Error::custom("is empty");
            return Err(BadHandoff { key: Some(key.to_owned()), error });
        }
        Ok(handoff)
    }
}

impl From<PerformanceHints> for HandoffHints {
    fn from(hints: PerformanceHints) -> Self {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            tokens_per_second: hints.tokens_per_second,
            first_token_ms: hints.first_token.map(milliseconds),
        }
    }
}

impl From<HandoffHints> for PerformanceHints {
    fn from(hints: HandoffHints) -> Self {
        Self {
            tokens_per_second: hints.tokens_per_second,
            first_token: hints.first_token_ms.map(Duration::from_millis),
        }
    }
}

/// A text that is no handoff.
#[derive(Debug)]
pub struct BadHandoff {
    /// The key it is about, such as `model.path` or `flags[2]`; `None`: the document as a whole.
    pub key: Option<String>,
    /// What is wrong, with line and column.
    pub error: serde_json::Error,
}

impl fmt::Display for BadHandoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{key}: {}", self.error),
            None => write!(f, "{}", self.error),
        }
    }
}

impl std::error::Error for BadHandoff {}

/// An absent key and a null say the same.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_manager_core::{CatalogEntry, Incarnation, PoolName, PoolUid};
    use serde_json::{Value, json};

    use crate::launch::{Endpoint, ModelSource};

    fn full() -> Handoff {
        let launch = Launch {
            pool: PoolName::new("chat").expect("a name"),
            argv: ["/bin/llama-server", "-m", "/models/a.gguf"].map(str::to_owned).to_vec(),
            env: vec![("HF_TOKEN".into(), "secret".into())],
            working_dir: None,
            model_path: Some("/models/a.gguf".into()),
            model_source: ModelSource {
                url: Some("https://user:secret@models.example/a.gguf".into()),
                token: Some("secret".into()),
            },
            readiness: Endpoint::None,
            liveness: Endpoint::None,
            url: Some("http://127.0.0.1:8080".into()),
            catalog: CatalogEntry {
                id: Some("llama-7b".into()),
                engine: "llama-server".into(),
                engine_version: Some("b4000".into()),
                model: "a".into(),
                digest: Some(format!("sha256:{}", "0".repeat(64))),
            },
            hints: PerformanceHints {
                tokens_per_second: Some(90),
                first_token: Some(Duration::from_millis(250)),
            },
            size_bytes: Some(7),
            device_mask: vec!["GPU-1".into()],
            check_devices: false,
            slots: 4,
            core_dumps: false,
        };
        let incarnation = Incarnation { epoch: 3, n: 1 };
        Handoff::new(EngineRef { pool: PoolUid(1), incarnation }, &launch)
    }

    fn read(value: &Value) -> Result<Handoff, BadHandoff> {
        Handoff::from_json(&value.to_string())
    }

    #[test]
    fn what_was_written_is_read_and_holds_no_secret() {
        let text = full().to_json().expect("JSON");
        assert!(!text.contains("secret"), "{text}");
        assert_eq!(Handoff::from_json(&text).expect("readable"), full());
        let portless = Handoff { url: None, ..full() };
        let text = portless.to_json().expect("JSON");
        assert_eq!(Handoff::from_json(&text).expect("readable"), portless);
    }

    #[test]
    fn hints_survive_the_way_there_and_back() {
        let hints =
            PerformanceHints { tokens_per_second: Some(1), first_token: Some(Duration::from_millis(7)) };
        assert_eq!(PerformanceHints::from(HandoffHints::from(hints)), hints);
    }

    /// Every place an optional value may be missing from.
    const OPTIONAL: [&str; 12] = [
        "/engine_version",
        "/replica_id",
        "/model",
        "/model/path",
        "/model/digest",
        "/flags",
        "/device_mask",
        "/slots_total",
        "/catalog_id",
        "/hints",
        "/hints/tokens_per_second",
        "/hints/first_token_ms",
    ];

    fn remove(value: &mut Value, pointer: &str) {
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        let parent = value.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
        assert!(parent.remove(key).is_some(), "{pointer} was there");
    }

    #[test]
    fn each_optional_value_may_be_missing_or_null_and_nothing_else_changes() {
        let whole = serde_json::to_value(full()).expect("JSON");
        for pointer in OPTIONAL {
            let mut absent = whole.clone();
            remove(&mut absent, pointer);
            let mut null = whole.clone();
            *null.pointer_mut(pointer).expect("it is there") = Value::Null;
            let read_absent = read(&absent).unwrap_or_else(|error| panic!("without {pointer}: {error}"));
            assert_eq!(read_absent, read(&null).expect("null reads as absent"), "{pointer}");
            assert_ne!(read_absent, full(), "{pointer} says something");
            // What is written again differs from the whole only where the value was.
            let mut again = serde_json::to_value(&read_absent).expect("JSON");
            *again.pointer_mut(pointer).expect("it is written") =
                whole.pointer(pointer).cloned().expect("there");
            assert_eq!(again, whole, "{pointer}");
        }
    }

    #[test]
    fn three_keys_are_enough_and_unknown_ones_are_passed_over() {
        let least =
            json!({"engine": "vllm", "url": "http://h:1", "pool_id": "a", "invented": {"later": [1]}});
        let handoff = read(&least).expect("enough");
        assert_eq!((handoff.slots_total, handoff.model), (None, HandoffModel::default()));
        for key in ["engine", "url", "pool_id"] {
            let mut without = least.clone();
            remove(&mut without, &format!("/{key}"));
            let error = read(&without).expect_err("needed").to_string();
            assert!(error.contains(&format!("missing field `{key}`")), "{error}");
        }
        for key in ["engine", "pool_id"] {
            let mut empty = least.clone();
            empty[key] = json!("");
            assert_eq!(read(&empty).expect_err("a name").to_string(), format!("{key}: is empty"));
        }
    }

    #[test]
    fn bad_input_is_named_with_its_place() {
        let mut wrong = serde_json::to_value(full()).expect("JSON");
        let cases = [
            ("/model/path", json!(5), "model.path: invalid type: integer `5`, expected a string"),
            ("/flags", json!(["-m", 1]), "flags[1]: invalid type: integer `1`, expected a string"),
            ("/slots_total", json!(-1), "slots_total: invalid value: integer `-1`, expected u32"),
            ("/slots_total", json!("4"), "slots_total: invalid type: string \"4\", expected u32"),
            ("/device_mask", json!("0"), "device_mask: invalid type: string \"0\", expected a sequence"),
            ("/engine", json!(null), "engine: invalid type: null, expected a string"),
        ];
        for (pointer, value, expected) in cases {
            let right = wrong.pointer(pointer).cloned().expect("it is there");
            *wrong.pointer_mut(pointer).expect("it is there") = value;
            let error = read(&wrong).expect_err(pointer).to_string();
            assert!(error.starts_with(expected) && error.contains("line 1 column"), "{error}");
            *wrong.pointer_mut(pointer).expect("it is there") = right;
        }
        for (text, expected) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("[]", "invalid length 0"),
            ("{\"engine\": \"a\",\n oops}", "key must be a string at line 2 column 2"),
            ("{\"engine\": \"a\"} {}", "missing field `url`"),
        ] {
            let error = Handoff::from_json(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        let twice = format!("{}{{}}", full().to_json().expect("JSON"));
        assert!(Handoff::from_json(&twice).expect_err("one document").to_string().contains("trailing"));
    }
}
