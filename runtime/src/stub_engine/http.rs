//! The engine's HTTP side, with the paths and shapes of llama-server.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use crate::stub_engine::engine::{Engine, HealthAnswer};
use crate::stub_engine::generation;

/// All paths; every one but /health answers 503 while the model loads.
pub(crate) fn routes(engine: Arc<Engine>) -> Router {
    Router::new()
        .route("/v1/models", get(models))
        .route("/slots", get(slots))
        .route("/metrics", get(metrics))
        .route("/v1/completions", post(generation::completions))
        .route("/v1/chat/completions", post(generation::chat_completions))
        .layer(middleware::from_fn_with_state(Arc::clone(&engine), refuse_while_loading))
        .route("/health", get(health))
        .with_state(engine)
}

async fn refuse_while_loading(State(engine): State<Arc<Engine>>, request: Request, next: Next) -> Response {
    if engine.is_loaded() { next.run(request).await } else { loading() }
}

fn loading() -> Response {
    error(StatusCode::SERVICE_UNAVAILABLE, "Loading model", "unavailable_error")
}

fn error(status: StatusCode, message: &str, kind: &str) -> Response {
    let error = json!({"error": {"code": status.as_u16(), "message": message, "type": kind}});
    (status, Json(error)).into_response()
}

async fn health(State(engine): State<Arc<Engine>>) -> Response {
    match engine.health() {
        HealthAnswer::Ok => Json(json!({"status": "ok"})).into_response(),
        HealthAnswer::Loading => loading(),
        HealthAnswer::Hang => std::future::pending().await,
        HealthAnswer::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            error(status, "the health check failed", "server_error")
        }
    }
}

async fn models(State(engine): State<Arc<Engine>>) -> Json<Value> {
    let model = &engine.arguments.model;
    Json(json!({"object": "list", "data": [{"id": model, "object": "model", "owned_by": "stub-engine"}]}))
}

async fn slots(State(engine): State<Arc<Engine>>) -> Json<Value> {
    let slot = |(id, busy)| json!({"id": id, "n_ctx": generation::CONTEXT_TOKENS, "is_processing": busy});
    Json(engine.busy_slots().into_iter().enumerate().map(slot).collect())
}

async fn metrics(State(engine): State<Arc<Engine>>) -> String {
    let processing = engine.busy_slots().into_iter().filter(|busy| *busy).count();
    let (deferred, tokens) = (engine.waiting(), engine.tokens());
    format!(
        "# HELP llamacpp:tokens_predicted_total Number of generation tokens processed.\n\
         # TYPE llamacpp:tokens_predicted_total counter\n\
         llamacpp:tokens_predicted_total {tokens}\n\
         # HELP llamacpp:requests_processing Number of requests processing.\n\
         # TYPE llamacpp:requests_processing gauge\n\
         llamacpp:requests_processing {processing}\n\
         # HELP llamacpp:requests_deferred Number of requests deferred.\n\
         # TYPE llamacpp:requests_deferred gauge\n\
         llamacpp:requests_deferred {deferred}\n"
    )
}
