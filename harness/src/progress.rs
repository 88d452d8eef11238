//! How far a check is: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The progress of one phase. Cheap to clone; may be advanced from any thread.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    began: Instant,
}

impl Progress {
    /// Begins a phase. On a terminal a bar is drawn on standard error, elsewhere one line is printed.
    #[must_use]
    pub fn begin(name: &'static str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(
            None,
            if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() },
        );
        if terminal {
            // The template is a constant of ours; if it were wrong, the default style would do.
            if let Ok(style) = ProgressStyle::with_template("{prefix:>12} {wide_bar} {pos}/{len} {msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(name);
            bar.enable_steady_tick(Duration::from_millis(200));
        } else {
            eprintln!("{name}: begun");
        }
        Self { bar, began: Instant::now() }
    }

    /// A phase that nobody watches.
    #[must_use]
    pub fn silent() -> Self {
        Self { bar: ProgressBar::hidden(), began: Instant::now() }
    }

    /// How many units of work there are, once that is known.
    pub fn expect(&self, units: u64) {
        self.bar.set_length(units);
    }

    /// Says that `units` of work are done.
    pub fn advance(&self, units: u64) {
        self.bar.inc(units);
    }

    /// What is going on now.
    pub fn says(&self, what: impl Into<std::borrow::Cow<'static, str>>) {
        self.bar.set_message(what);
    }

    /// Ends the phase; the time it took.
    #[must_use]
    pub fn end(self) -> Duration {
        self.bar.finish_and_clear();
        self.began.elapsed()
    }
}
