//! The body of `POST /v1/pools/{id}/reload`: `{"model": M}` or `{"back": true}`, with `force`, `deadline` and
//! `on_drain_timeout` where wanted. Read by `operations`.

use axum::http::StatusCode;
use pool_manager_core::{EngineSpec, Refusal, Reload, ReloadTarget};

use super::Shared;
use super::fields::{Fields, LONGEST};
use super::problem::Problem;
use crate::launch::Reserved;
use crate::models::NoEngine;

/// Everything the body may say.
pub(super) const FIELDS: [&str; 5] = ["model", "back", "force", "deadline", "on_drain_timeout"];

/// As long as a path may be.
const LONGEST_MODEL_BYTES: usize = 4096;

impl Shared {
    /// What a reload is asked to do. The engine of a model that is named is known to the executors as long as it
    /// is reserved.
    pub(super) async fn reload(
        &self,
        pool: &str,
        fields: &Fields,
    ) -> Result<(Reload, Option<Reserved>), Problem> {
        let deadline = fields.span("deadline", LONGEST)?;
        let on_drain_timeout = fields.on_drain_timeout("on_drain_timeout")?;
        let force = fields.flag("force")?;
        let (to, reserved) = match (fields.long_text("model", LONGEST_MODEL_BYTES)?, fields.flag("back")?) {
            (Some(model), false) => {
                let (engine, reserved) = self.to_model(pool, model).await?;
                (ReloadTarget::Spec(engine), Some(reserved))
            }
            (None, true) => (ReloadTarget::Back, None),
            (Some(_), true) => {
                return Err(Problem::field("back", "has no place beside `model`; send one of them"));
            }
            (None, false) => {
                let detail = "missing; send the model to serve, or `\"back\": true` for the one before";
                return Err(Problem::field("model", detail));
            }
        };
        Ok((Reload { to, deadline, on_drain_timeout, force }, reserved))
    }

    async fn to_model(&self, pool: &str, model: &str) -> Result<(EngineSpec, Reserved), Problem> {
        match self.api.models.engine(pool, model, &self.api.launches) {
            Ok(engine) => Ok(engine),
            Err(NoEngine::Unusable(why)) => Err(Problem::field("model", why).with("pool", pool)),
            Err(NoEngine::FixedModel) => {
                let known = pool.to_owned();
                let found = self.api.driver.read(move |host, _| host.view().uid_of(&known).is_some()).await?;
                if !found {
                    return Err(self.refused(&Refusal::UnknownPool, pool).await);
                }
                let detail =
                    format!("pool `{pool}` has one model for good; change its config to give it another");
                Err(Problem::new(StatusCode::CONFLICT, "fixed-model", "Fixed model", detail)
                    .with("pool", pool))
            }
        }
    }
}
