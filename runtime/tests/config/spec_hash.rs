//! What moves the spec hash, and what does not.

use pool_manager_core::SpecHash;

use crate::only_pool;

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
        "[pool.p.reload]\non_drain_timeout = \"force\"\n",
        "size_bytes = 9\ncatalog_id = \"c\"\nhints.tokens_per_second = 9\n",
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
