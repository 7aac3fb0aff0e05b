//! Commands as operators give them and plans write them: by place, with models by name.

use std::time::Duration;

use pool_manager_core::{OnDrainTimeout, Reload, ReloadTarget, Verb};
use serde::{Deserialize, Serialize};

use crate::fault::Place;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::{Model, World};

/// One command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub(crate) enum Word {
    AllowRestart,
    Deregister,
    Drain {
        #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
        deadline: Option<Duration>,
    },
    Preload,
    Reload(Asked),
    ResetBreaker,
    Restart,
    Stop,
    Undrain,
}

/// What a reload is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    to: To,
    /// What takes long with that model takes so long.
    #[serde(with = "duration")]
    takes: Duration,
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    deadline: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_drain_timeout: Option<OnDrainTimeout>,
    force: bool,
}

/// What is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum To {
    /// What ran before the last reload.
    Back,
    /// What the pool was registered with.
    First,
    /// What runs.
    Same,
    /// Another.
    #[serde(untagged)]
    Model(Model),
}

impl Word {
    /// Any command that leaves the pool registered.
    pub(crate) fn draw(stream: &mut Stream) -> Self {
        match stream.below(12) {
            0 => Self::AllowRestart,
            1 => Self::ResetBreaker,
            2 => Self::Restart,
            3 => Self::Stop,
            4 | 5 => Self::Undrain,
            6 | 7 => Self::Drain { deadline: draw_deadline(stream) },
            8 | 9 => Self::Preload,
            _ => Self::Reload(Asked::draw(stream)),
        }
    }

    /// The command about the pool at a place; `None`: there is none.
    pub(crate) fn verb(&self, world: &mut World, place: Place) -> Option<Verb> {
        Some(match self {
            Self::AllowRestart => Verb::AllowRestart,
            Self::Deregister => Verb::Deregister,
            Self::Drain { deadline } => Verb::Drain { deadline: *deadline },
            Self::Preload => Verb::Preload,
            Self::Reload(asked) => asked.verb(world, place)?,
            Self::ResetBreaker => Verb::ResetBreaker,
            Self::Restart => Verb::Restart,
            Self::Stop => Verb::Stop,
            Self::Undrain => Verb::Undrain,
        })
    }
}

impl Asked {
    pub(crate) fn draw(stream: &mut Stream) -> Self {
        let to = match stream.below(9) {
            0 | 1 => To::Back,
            2 => To::Same,
            3 => To::First,
            _ => To::Model(*stream.pick(&Model::ALL).unwrap_or(&Model::Better)),
        };
        let longest = if stream.one_in(3) { 90_000 } else { 9000 };
        let takes = stream.span(Span::millis(0, longest));
        let on_drain_timeout = *stream
            .pick(&[None, None, Some(OnDrainTimeout::Abort), Some(OnDrainTimeout::Force)])
            .unwrap_or(&None);
        Self { to, takes, deadline: draw_deadline(stream), on_drain_timeout, force: stream.one_in(4) }
    }

    pub(crate) fn verb(&self, world: &mut World, place: Place) -> Option<Verb> {
        let Self { to, takes, deadline, on_drain_timeout, force } = *self;
        let to = match to {
            To::Back => ReloadTarget::Back,
            To::First => ReloadTarget::Spec(world.template(place)?.engine.clone()),
            To::Same => ReloadTarget::Spec(world.view().pool(world.at(place)?)?.spec.clone()),
            To::Model(model) => ReloadTarget::Spec(world.model(place, model, takes)?),
        };
        Some(Verb::Reload(Box::new(Reload { to, deadline, on_drain_timeout, force })))
    }
}

/// The pool's default, at once, or somewhere between.
pub(crate) fn draw_deadline(stream: &mut Stream) -> Option<Duration> {
    match stream.below(4) {
        0 => None,
        1 => Some(Duration::ZERO),
        _ => Some(stream.span(Span::millis(1, 20_000))),
    }
}
