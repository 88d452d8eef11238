//! The steps of the engine and of the world among the deeds, for whoever tells a run as a trace.

use std::sync::{Arc, Mutex, PoisonError};

use truelog_spec::Step;

use super::{Deed, Driver};
use crate::order::mapper::Mapper;
use crate::order::{Journal, Seen, Tap};
use crate::subject::Archived;

impl<S: Archived> Driver<S> {
    /// From now on each step that the engine or the world takes is a deed, and so is the beginning of each call.
    pub fn tell_steps(&mut self) {
        let (diary, mapper) = (self.diary.clone(), Mutex::new(Mapper::default()));
        self.journal = Some(Journal::listened(Arc::new(move |at, seen| {
            let mut mapper = mapper.lock().unwrap_or_else(PoisonError::into_inner);
            // What has no row in the table is the order check's business.
            let _ = mapper.entry(at, seen, None);
            for mapped in mapper.take() {
                if matches!(mapped.step, Step::Engine(_) | Step::World(_)) {
                    diary.note(Deed::Step(mapped.step));
                }
            }
        })));
        self.tap();
        self.listen();
    }

    /// What was seen of the engine since its steps are told.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.journal.as_ref().map(Journal::entries).unwrap_or_default()
    }

    /// The disk of a new life is watched as the one before.
    pub(super) fn tap(&mut self) {
        if let Some(journal) = &self.journal {
            let fs = self.disk.env().fs;
            self.place.env.fs = Arc::new(Tap::new(fs, self.disk.log_dir(), journal.clone()));
        }
    }

    /// Something was seen that is no call of the file system.
    pub(super) fn saw(&self, seen: Seen) {
        if let Some(journal) = &self.journal {
            journal.push(seen);
        }
    }

    /// What is done meanwhile is not written down: it is void.
    pub(super) fn unseen(&mut self, meanwhile: impl FnOnce(&mut Self)) {
        match self.journal.clone() {
            Some(journal) => journal.pause(|| meanwhile(self)),
            None => meanwhile(self),
        }
    }
}
