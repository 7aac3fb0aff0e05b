//! Completions and chat completions: numbered words, one every `--token-interval`, whole or as a
//! stream of server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::stub_engine::engine::{Engine, Slot};
use crate::stub_engine::log;

/// Tokens one request may have, as /slots says.
pub(crate) const CONTEXT_TOKENS: u64 = 1 << 20;

/// What is read of a request; all else in it is ignored, as engines do.
#[derive(Debug, Deserialize)]
pub(crate) struct Ask {
    #[serde(default)]
    stream: bool,
    #[serde(default = "default_tokens")]
    max_tokens: u64,
}

const fn default_tokens() -> u64 {
    16
}

/// `POST /v1/completions`.
pub(crate) async fn completions(State(engine): State<Arc<Engine>>, Json(ask): Json<Ask>) -> Response {
    generate(engine, &ask, Shape::Text).await
}

/// `POST /v1/chat/completions`.
pub(crate) async fn chat_completions(State(engine): State<Arc<Engine>>, Json(ask): Json<Ask>) -> Response {
    generate(engine, &ask, Shape::Chat).await
}

/// Which of the two OpenAI shapes an answer has.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Text,
    Chat,
}

async fn generate(engine: Arc<Engine>, ask: &Ask, shape: Shape) -> Response {
    let request = engine.count_request();
    let slot = engine.take_slot().await;
    log::line(&format!("slot launch_slot_: id {:2} | task {request} | processing task", slot.number));
    let (words, generated) = mpsc::channel(1);
    let answer = Answer { shape, id: format!("cmpl-{request}"), model: engine.arguments.model.clone() };
    tokio::spawn(write_words(engine, slot, ask.max_tokens.min(CONTEXT_TOKENS), words));
    if ask.stream { answer.stream(generated) } else { answer.whole(generated).await }
}

/// Sends word after word; stops, and frees the slot, when the client has gone away.
async fn write_words(engine: Arc<Engine>, slot: Slot, count: u64, words: mpsc::Sender<String>) {
    for number in 1..=count {
        let pause = async {
            tokio::time::sleep(engine.arguments.token_interval).await;
            engine.generation_goes_on().await;
        };
        tokio::select! {
            biased;
            () = words.closed() => break,
            () = pause => {}
        }
        if words.send(format!(" word{number}")).await.is_err() {
            break;
        }
        engine.count_token();
    }
    log::line(&format!("slot      release: id {:2} | stop processing", slot.number));
}

/// How words become an answer.
#[derive(Debug)]
struct Answer {
    shape: Shape,
    id: String,
    model: String,
}

impl Answer {
    async fn whole(self, mut words: mpsc::Receiver<String>) -> Response {
        let (mut text, mut count) = (String::new(), 0_u64);
        while let Some(word) = words.recv().await {
            text.push_str(&word);
            count += 1;
        }
        let choice = match self.shape {
            Shape::Text => json!({"index": 0, "text": text, "finish_reason": "length"}),
            Shape::Chat => {
                let message = json!({"role": "assistant", "content": text});
                json!({"index": 0, "message": message, "finish_reason": "length"})
            }
        };
        let object = match self.shape {
            Shape::Text => "text_completion",
            Shape::Chat => "chat.completion",
        };
        let usage = json!({"prompt_tokens": 1, "completion_tokens": count, "total_tokens": count + 1});
        let Self { id, model, .. } = self;
        Json(json!({"id": id, "object": object, "model": model, "choices": [choice], "usage": usage}))
            .into_response()
    }

    fn stream(self, words: mpsc::Receiver<String>) -> Response {
        let end = [self.chunk(None).to_string(), "[DONE]".to_owned()];
        let chunks = ReceiverStream::new(words).map(move |word| self.chunk(Some(&word)).to_string());
        let events = chunks.chain(tokio_stream::iter(end)).map(|data| Event::default().data(data));
        Sse::new(events.map(Ok::<_, Infallible>)).into_response()
    }

    /// One event of a stream; `None`: the last one.
    fn chunk(&self, word: Option<&str>) -> Value {
        let finish_reason = if word.is_some() { Value::Null } else { json!("length") };
        let (object, choice) = match self.shape {
            Shape::Text => {
                let text = word.unwrap_or_default();
                ("text_completion", json!({"index": 0, "text": text, "finish_reason": finish_reason}))
            }
            Shape::Chat => {
                let delta = word.map_or_else(|| json!({}), |word| json!({"content": word}));
                ("chat.completion.chunk", json!({"index": 0, "delta": delta, "finish_reason": finish_reason}))
            }
        };
        json!({"id": self.id, "object": object, "model": self.model, "choices": [choice]})
    }
}
