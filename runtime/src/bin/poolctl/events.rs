//! `poolctl events`: the stream, one line an event; goes on where it was after a lost connection.

use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use pool_manager::control::{EventRecord, PoolList};
use pool_manager_core::PoolName;
use ureq::BodyReader;

use crate::client::{Client, Failure};
use crate::print;

/// Time between two tries to get a lost connection back, and how many are made.
const RETRY_EVERY: Duration = Duration::from_secs(1);
const RETRIES: u32 = 60;

pub(crate) fn follow(
    client: &Client,
    json: bool,
    pool: Option<&PoolName>,
    after: Option<String>,
) -> Result<(), Failure> {
    let mut last_seen = after;
    // A daemon that cannot be reached at the first try is no lost connection.
    let mut stream = client.events(last_seen.as_deref())?;
    loop {
        read(stream, json, pool, &mut last_seen)?;
        eprintln!("poolctl: the connection was lost; trying to get it back");
        stream = reconnect(client, last_seen.as_deref())?;
    }
}

fn reconnect(client: &Client, after: Option<&str>) -> Result<BodyReader<'static>, Failure> {
    let mut tries = 0;
    loop {
        std::thread::sleep(RETRY_EVERY);
        tries += 1;
        match client.events(after) {
            Err(Failure::Unreachable { .. }) if tries < RETRIES => {}
            answer => return answer,
        }
    }
}

/// Reads events until the connection ends; remembers the last one seen.
fn read(
    stream: impl Read,
    json: bool,
    pool: Option<&PoolName>,
    last_seen: &mut Option<String>,
) -> Result<(), Failure> {
    let mut event = Frame::default();
    for line in BufReader::new(stream).lines() {
        // A connection that breaks and one that ends are the same to a follower.
        let Ok(line) = line else { break };
        if !line.is_empty() {
            event.add(&line);
            continue;
        }
        let Frame { id, kind, data } = std::mem::take(&mut event);
        if let Some(text) = line_of(&kind, &data, json, pool) {
            print(&text)?;
        }
        if id.is_some() {
            *last_seen = id;
        }
    }
    Ok(())
}

fn line_of(kind: &str, data: &str, json: bool, pool: Option<&PoolName>) -> Option<String> {
    match kind {
        "" => None,
        "snapshot" | "resync" if json => Some(format!("{{\"kind\":\"{kind}\",\"data\":{data}}}\n")),
        "snapshot" => {
            let list: PoolList = serde_json::from_str(data).ok()?;
            let states: Vec<_> =
                list.pools.iter().map(|pool| format!("{} {}", pool.id, pool.state)).collect();
            Some(format!(
                "now: {}\n",
                if states.is_empty() { "no pools".to_owned() } else { states.join(", ") }
            ))
        }
        "resync" => Some("some events were missed\n".to_owned()),
        _ => {
            let event: EventRecord = serde_json::from_str(data).ok()?;
            let wanted = pool.is_none_or(|pool| event.pool.as_deref() == Some(pool.as_str()));
            let shown = if json { format!("{data}\n") } else { person_line(&event) };
            wanted.then_some(shown)
        }
    }
}

fn person_line(event: &EventRecord) -> String {
    let pool = event.pool.as_deref().unwrap_or("-");
    format!("{}  {pool:<12} {:<18} {}\n", event.time, event.kind, event.text)
}

/// One event as it arrives, field by field.
#[derive(Default)]
struct Frame {
    id: Option<String>,
    kind: String,
    data: String,
}

impl Frame {
    fn add(&mut self, line: &str) {
        // A line that begins with a colon is a comment: the heartbeat.
        let Some((field, value)) = line.split_once(':') else { return };
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = Some(value.to_owned()),
            "event" => self.kind = value.to_owned(),
            "data" => self.data.push_str(value),
            _ => {}
        }
    }
}
