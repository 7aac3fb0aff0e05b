//! `GET /v1/events`: server-sent events. A ring of the last 1024 lets a client that comes back with
//! `Last-Event-ID` go on where it was; what cannot be resumed gets `resync` and a snapshot.
//!
//! A stream is: `snapshot` (all pools), then every event under its own name. A stream that resumes
//! begins with what it missed. Delivery is at least once: an event may be in the snapshot already.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, OwnedSemaphorePermit, broadcast, mpsc};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use super::Shared;
use super::event_record::EventRecord;
use super::problem::Problem;
use crate::driver::Happening;

/// Events that can be resumed behind.
const KEPT: usize = 1024;
/// Events one look at the ring takes.
const BATCH: usize = 64;

/// The last events of this start of the supervisor.
#[derive(Default)]
pub(super) struct EventLog {
    kept: Mutex<Kept>,
    /// Wakes who follows, in the order they came: a `watch` wakes in an order drawn by chance, and a simulated run
    /// would not be the same twice.
    grew: Notify,
}

#[derive(Default)]
struct Kept {
    records: VecDeque<(u64, Arc<EventRecord>)>,
    /// The number before the first event this log saw; whoever has seen nothing goes on from here.
    /// `None`: it has seen none.
    base: Option<u64>,
}

/// What was asked for is not kept.
#[derive(Debug, PartialEq, Eq)]
struct NotKept;

impl EventLog {
    fn keep(&self, number: u64, record: EventRecord) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { records, base } = &mut *kept;
        base.get_or_insert(number - 1);
        if records.back().is_some_and(|(last, _)| last + 1 != number) {
            // The recorder itself fell behind: what is older cannot be resumed without a gap.
            records.clear();
        }
        if records.len() == KEPT {
            records.pop_front();
        }
        records.push_back((number, Arc::new(record)));
        drop(kept);
        self.grew.notify_waiters();
    }

    /// The number of the last event; 0: there was none.
    fn newest(&self) -> u64 {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.records.back().map_or(0, |(newest, _)| *newest)
    }

    /// The next events behind `number`; none when it is the newest.
    fn behind(&self, number: u64) -> Result<Vec<(u64, Arc<EventRecord>)>, NotKept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let number = number.max(kept.base.unwrap_or(0));
        let newest = kept.records.back().map_or(0, |(newest, _)| *newest);
        if number == newest {
            return Ok(Vec::new());
        }
        match kept.records.front() {
            Some((oldest, _)) if number + 1 >= *oldest && number < newest => {
                Ok(kept.records.iter().filter(|(n, _)| *n > number).take(BATCH).cloned().collect())
            }
            Some(_) | None => Err(NotKept),
        }
    }
}

/// Keeps every happening, until the driver is gone or the server ends.
pub(super) async fn record(shared: Arc<Shared>, mut happenings: broadcast::Receiver<Arc<Happening>>) {
    let mut closing = shared.closing.subscribe();
    loop {
        let happening = tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => return,
            happening = happenings.recv() => happening,
        };
        match happening {
            Ok(happening) => {
                let record = EventRecord::of(&happening, &shared.names, (shared.api.wall_clock)());
                shared.events.keep(happening.number, record);
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

pub(super) async fn stream(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let Ok(permit) = Arc::clone(&shared.streams).try_acquire_owned() else {
        let detail =
            format!("{} event streams are open, which is the limit", shared.api.limits.event_streams);
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too-many-streams",
            "Too many streams",
            detail,
        )
        .retry_after(shared.api.limits.heartbeat));
    };
    let last_seen = headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default().to_owned());
    let epoch = shared.api.driver.read(|host, _| host.view().epoch()).await?;
    let heartbeat = KeepAlive::new().interval(shared.api.limits.heartbeat).text("heartbeat");
    let (sender, receiver) = mpsc::channel(BATCH);
    let follower = Follower { shared, sender, epoch, _permit: permit };
    tokio::spawn(follower.follow(last_seen));
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(heartbeat))
}

/// One client's stream. Ends when the client is gone, the driver is, or the server ends.
struct Follower {
    shared: Arc<Shared>,
    sender: mpsc::Sender<Result<Event, Infallible>>,
    epoch: u32,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    async fn follow(self, last_seen: Option<String>) {
        let mut closing = self.shared.closing.subscribe();
        tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => {}
            () = self.sender.closed() => {}
            _ = self.tell(last_seen) => {}
        }
    }

    /// `None`: there is nobody left to tell, or nothing left to tell about.
    async fn tell(&self, last_seen: Option<String>) -> Option<()> {
        let mut seen = match last_seen {
            None => self.snapshot().await?,
            Some(id) => match self.number_of(&id) {
                Some(number) if self.shared.events.behind(number).is_ok() => number,
                Some(_) | None => self.resync(&id).await?,
            },
        };
        loop {
            // Begun before the look, so that what comes in between wakes too.
            let grew = self.shared.events.grew.notified();
            match self.shared.events.behind(seen) {
                Ok(batch) if batch.is_empty() => grew.await,
                Ok(batch) => {
                    for (number, record) in batch {
                        self.send(Event::default().id(&record.id).event(&record.kind), &*record).await?;
                        seen = number;
                    }
                }
                Err(NotKept) => seen = self.resync(&format!("{}-{seen}", self.epoch)).await?,
            }
        }
    }

    /// The number in an id of this epoch.
    fn number_of(&self, id: &str) -> Option<u64> {
        let (epoch, number) = id.split_once('-')?;
        if epoch.parse() == Ok(self.epoch) { number.parse().ok() } else { None }
    }

    async fn resync(&self, last_seen: &str) -> Option<u64> {
        let text = "what came behind that event is not kept any more; a snapshot follows";
        let last_seen = super::problem::shortened(last_seen);
        self.send(Event::default().event("resync"), &json!({"last_event_id": last_seen, "text": text}))
            .await?;
        self.snapshot().await
    }

    /// Sends all pools, and says which event the stream goes on behind.
    async fn snapshot(&self) -> Option<u64> {
        // Taken first: what happens meanwhile is in the snapshot and comes again, and never is missed.
        let seen = self.shared.events.newest();
        let pools = self.shared.pools().await.ok()?;
        let id = format!("{}-{seen}", self.epoch);
        self.send(Event::default().id(id).event("snapshot"), &pools).await?;
        Some(seen)
    }

    async fn send(&self, event: Event, data: &impl serde::Serialize) -> Option<()> {
        // What we send always serialises, on one line.
        let event = event.json_data(data).ok()?;
        self.sender.send(Ok(event)).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64) -> EventRecord {
        EventRecord {
            id: format!("1-{number}"),
            time: String::new(),
            version: 0,
            pool: None,
            incarnation: None,
            correlation_id: None,
            kind: "registered".to_owned(),
            text: String::new(),
            details: serde_json::Map::new(),
        }
    }

    fn numbers(log: &EventLog, behind: u64) -> Result<Vec<u64>, NotKept> {
        log.behind(behind).map(|events| events.into_iter().map(|(number, _)| number).collect())
    }

    #[test]
    fn a_reader_goes_on_where_it_was() {
        let log = EventLog::default();
        assert_eq!(numbers(&log, 0), Ok(vec![]));
        for number in 1..=3 {
            log.keep(number, record(number));
        }
        assert_eq!(numbers(&log, 0), Ok(vec![1, 2, 3]));
        assert_eq!(numbers(&log, 2), Ok(vec![3]));
        assert_eq!(numbers(&log, 3), Ok(vec![]));
        assert_eq!(numbers(&log, 4), Err(NotKept), "an id from the future is not ours");
    }

    #[test]
    fn a_log_that_began_late_has_missed_nothing_since() {
        let log = EventLog::default();
        assert_eq!(numbers(&log, 0), Ok(vec![]));
        log.keep(7, record(7));
        assert_eq!(numbers(&log, 0), Ok(vec![7]));
    }

    #[test]
    fn what_was_dropped_cannot_be_resumed() {
        let log = EventLog::default();
        for number in 1..=KEPT as u64 + 1 {
            log.keep(number, record(number));
        }
        assert_eq!(numbers(&log, 0), Err(NotKept));
        assert_eq!(numbers(&log, 1).unwrap().len(), BATCH);
        log.keep(2000, record(2000));
        assert_eq!(numbers(&log, 1025), Err(NotKept), "a gap of the recorder is a gap of the stream");
        assert_eq!(numbers(&log, 1999), Ok(vec![2000]));
    }
}
