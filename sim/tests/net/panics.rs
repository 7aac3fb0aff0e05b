//! A panic in a spawned task is swallowed by tokio, and turmoil's run goes on as if nothing had happened. So
//! panics are listened for, and any one fails the run.

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    // A simulation is one thread; tests beside it have their own.
    static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}
static LISTENING: Once = Once::new();

/// Forgets what this thread has heard, and listens.
pub(crate) fn listen() {
    LISTENING.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            HEARD.with_borrow_mut(|heard| heard.push(panic.to_string()));
            before(panic);
        }));
    });
    HEARD.take();
}

/// Fails with the first panic that was heard since [`listen`].
pub(crate) fn must_be_none() {
    let heard = HEARD.take();
    if let Some(first) = heard.first() {
        panic!("a task of the simulation panicked: {first}");
    }
}
