//! A trace of the prefetch on the production slot word, beside the design that it is an instance of.
//!
//! What is the word's own (begin, publish, abandon, pin, unpin, retire) is done on it, and each time the word must stand
//! as the design's slot does. What is not (the device, the catalog, what a buffer holds) is the design's alone. Where a
//! rule that the word itself keeps stands against an action, the word must refuse that action; where another rule does,
//! whoever uses the word must, and the word has taken all that came before.

use std::collections::BTreeMap;

use truelog::archive::slot::{Filling, Phase as WordPhase, Pin, Retiring, SlotWord};
use truelog_spec::Step;
use truelog_spec::prefetch::{Design, Guard, Phase, State};
use truelog_spec::step::{PrefetchStep, Retired};

/// How the word and the design part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Parted {
    /// The design takes an action, and the word refuses it.
    #[error("line {line}: the word refuses what the design takes")]
    Refused {
        /// The line, from 1.
        line: usize,
    },
    /// The word takes an action against which a rule stands that it should keep.
    #[error("line {line}: the word takes what {guard} stands against")]
    Took {
        /// The line, from 1.
        line: usize,
        /// The rule.
        guard: Guard,
    },
    /// Behind an action that both take they stand otherwise.
    #[error("line {line}: the word of slot {slot} stands otherwise than the design's: {says}")]
    Otherwise {
        /// The line, from 1.
        line: usize,
        /// The slot.
        slot: u8,
        /// How both stand.
        says: String,
    },
}

/// Follows a trace up to where the design refuses it; how many actions were the word's own.
///
/// # Errors
/// Where the word parts from the design.
pub(super) fn follow(steps: &[Step]) -> Result<u64, Parted> {
    let (mut state, mut words) = (State::default(), Words::default());
    for (line, step) in (1..).zip(steps) {
        let Step::Prefetch(step) = step else { break };
        let taken = words.take(&state, step);
        match Design::PACKED.apply(&state, step) {
            Ok(next) if taken => state = next,
            Ok(_) => return Err(Parted::Refused { line }),
            Err(guard) if taken && is_kept_by_the_word(guard) => return Err(Parted::Took { line, guard }),
            Err(_) => break,
        }
        words.stand_as(&state).map_err(|(slot, says)| Parted::Otherwise { line, slot, says })?;
    }
    Ok(words.own)
}

/// Whether it is the word that keeps the rule of that name.
#[must_use]
pub fn keeps(guard: &str) -> bool {
    guard.parse().is_ok_and(is_kept_by_the_word)
}

/// Whether it is the word that keeps a rule, whoever uses it.
const fn is_kept_by_the_word(guard: Guard) -> bool {
    matches!(
        guard,
        Guard::StateIsOneWord | Guard::PinNeedsReady | Guard::PinNeedsGeneration | Guard::FreeNeedsNoPins
    )
}

#[derive(Debug, Default)]
struct Words {
    slots: BTreeMap<u8, SlotWord>,
    fillings: BTreeMap<u8, Filling>,
    /// By reader and slot.
    pins: BTreeMap<(u8, u8), Pin>,
    own: u64,
}

impl Words {
    /// Does on the word what is the word's own. Says no if that cannot be done.
    fn take(&mut self, state: &State, step: &PrefetchStep) -> bool {
        let taken = match *step {
            PrefetchStep::Begin { slot, generation, .. } => {
                let filling = self.word(slot).begin(generation.into());
                filling.map(|filling| self.fillings.insert(slot, filling)).is_some()
            }
            PrefetchStep::Publish(slot) => {
                let filling = self.fillings.remove(&slot);
                filling.is_some_and(|filling| self.word(slot).publish(filling))
            }
            PrefetchStep::Abandon(slot) | PrefetchStep::Excuse(slot) => {
                let filling = self.fillings.remove(&slot);
                filling.map(|filling| self.word(slot).abandon(filling)).is_some()
            }
            PrefetchStep::Pin { reader, slot } => {
                let asks = usize::from(reader).checked_sub(1).and_then(|at| state.readers.get(at));
                let pin = asks.and_then(|asks| self.word(slot).pin(asks.generation.into()));
                pin.map(|pin| self.pins.insert((reader, slot), pin)).is_some()
            }
            PrefetchStep::Unpin { reader, slot } => {
                let pin = self.pins.remove(&(reader, slot));
                pin.map(|pin| self.word(slot).unpin(pin)).is_some()
            }
            PrefetchStep::Retire { slot, before, did } => {
                let wanted = match did {
                    Retired::Freed => Retiring::Freed,
                    Retired::Waits => Retiring::Pending,
                };
                self.word(slot).retire(before.into()) == wanted
            }
            // There is no flag that could be set, or looked at, by itself.
            PrefetchStep::Mark(_) | PrefetchStep::Look { .. } => false,
            PrefetchStep::Read { .. }
            | PrefetchStep::Land(_)
            | PrefetchStep::Acknowledge(_)
            | PrefetchStep::Rot(_)
            | PrefetchStep::Submit(_)
            | PrefetchStep::Switch(_)
            | PrefetchStep::Reclaim(_)
            | PrefetchStep::Fill { .. }
            | PrefetchStep::Verify(_)
            | PrefetchStep::Count(_)
            | PrefetchStep::Quarantine(_)
            | PrefetchStep::Serve { .. }
            | PrefetchStep::Through(_) => return true,
        };
        self.own += 1;
        taken
    }

    fn word(&mut self, slot: u8) -> &SlotWord {
        self.slots.entry(slot).or_default()
    }

    /// Each word stands as the design's slot does.
    fn stand_as(&self, state: &State) -> Result<(), (u8, String)> {
        for (number, slot) in (1..).zip(&state.slots) {
            let Some(word) = self.slots.get(&number) else { continue };
            let (here, phase) = (word.state(), of_word(slot.phase));
            let same = (here.phase, here.pins, here.generation)
                == (phase, u64::from(slot.pins), u64::from(slot.generation));
            if !same {
                let says = format!("{here:?}, and {:?} with {} pins", slot.phase, slot.pins);
                return Err((number, says));
            }
        }
        Ok(())
    }
}

const fn of_word(phase: Phase) -> WordPhase {
    match phase {
        Phase::Empty => WordPhase::Empty,
        Phase::Filling => WordPhase::Filling,
        Phase::Ready => WordPhase::Ready,
        Phase::Retired => WordPhase::Retired,
        Phase::Doomed => WordPhase::Doomed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Vec<Step> {
        text.lines().map(|line| line.trim().parse().expect("a step")).collect()
    }

    #[test]
    fn the_word_goes_the_whole_way_of_its_design() {
        let whole = "client prefetch read reader=1 block=1 from=0
             engine prefetch begin slot=1 block=1 from=0 gen=0
             engine prefetch fill slot=1 whole
             engine prefetch verify slot=1
             engine prefetch publish slot=1
             engine prefetch pin reader=1 slot=1
             engine prefetch submit gen=1
             world prefetch land gen=1
             world prefetch acknowledge gen=1
             engine prefetch switch gen=1
             engine prefetch retire slot=1 before=1 pending
             engine prefetch serve reader=1 slot=1
             engine prefetch unpin reader=1 slot=1
             engine prefetch begin slot=1 block=1 from=0 gen=0
             engine prefetch retire slot=1 before=1 pending
             engine prefetch fill slot=1 whole
             engine prefetch abandon slot=1";
        assert_eq!(follow(&steps(whole)), Ok(8));
    }

    #[test]
    fn a_word_that_stands_otherwise_is_told() {
        let mut words = Words::default();
        let begin = &steps("engine prefetch begin slot=1 block=1 from=0 gen=0")[0];
        let Step::Prefetch(begin) = begin else { panic!("an action") };
        assert!(words.take(&State::default(), begin));
        assert_eq!(words.stand_as(&State::default()).map_err(|(slot, _)| slot), Err(1));
        assert!(!words.take(&State::default(), begin), "it has an owner");
        assert!(!words.take(&State::default(), &PrefetchStep::Mark(1)));
    }
}
