//! Bugs of ours that the harness found, each as the case that found it, where that goes further than its trace in
//! corpus/: through every moment of the life, or under other options. A case replays with `cargo verify case "…"`,
//! which prints every step.

use truelog_harness::explore::Case;
use truelog_harness::subject::Plain;

/// Runs a case; it must hold now. Says whether there is such a moment.
fn holds(text: &str) -> bool {
    let case: Case = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    let Ok((lines, held)) = case.run::<Plain>() else { return false };
    assert!(held, "{text}\n{}", lines.join("\n"));
    true
}

/// Runs a life and crashes it, losing everything unsynced, at every moment; each must hold. Which moment showed a
/// bug depends on how many calls the engine makes, so none is left out.
fn holds_everywhere(life: &str) {
    let mut moments = 0;
    loop {
        if !holds(&format!("{life} @ {moments} power none")) {
            break;
        }
        moments += 1;
    }
    assert!(moments > 10, "{life}: only {moments} moments");
}

/// Found by `random` as nothing-invented. A trim up to the durable watermark moved the floor to the segment of the
/// next record, which was only written. Power loss took that segment's one batch, and with it the only table of
/// the streams: their numbers began again at 0. The segment of the last durable record stays now.
#[test]
fn a_trim_keeps_the_segment_of_the_last_durable_record() {
    holds_everywhere("random: append append-light trim-most blackout append-light");
}

/// Found by a hunt's campaign as acked-is-durable. A record that need only survive the process was acknowledged; the sync of
/// the close failed, the kernel gave up the pages, and the process died. No engine can keep such a record: the promise was
/// wrong, and says so now (docs/INVARIANTS.md). What survives a loss of power is owed as ever.
#[test]
fn a_failed_sync_takes_back_what_need_only_survive_the_process() {
    let mut met = 0;
    for (sync, moment) in (0..8).flat_map(|sync| (40..80).map(move |moment| (sync, moment))) {
        // Which calls are syncs, and where the life ends, depends on how many calls the engine makes.
        met += usize::from(holds(&format!("random: append-light close !{sync}:eio-old @ {moment} here")));
    }
    assert!(met > 0, "no moment is behind a failed sync");
}

/// Found by `faults` as recovery-converges. The write of an idle mark failed, and its bytes were in the page cache
/// all the same. The next open continued it, although the device may not hold it: after a power loss the
/// predecessor no longer reached the end that its successor names. Only what is proven to be durable is continued
/// now.
#[test]
fn the_next_segment_continues_no_mark_that_only_the_cache_holds() {
    let mut met = 0;
    for (call, moment) in (8..24).flat_map(|call| (60..110).map(move |moment| (call, moment))) {
        let text = format!(
            "struck-through: append idle !{call}:eio-done @ {moment} power seg-3.sector:2,seg-3.sector:3"
        );
        // Which call writes the mark, and when these sectors are pending, depends on how many calls the engine makes.
        met += usize::from(holds(&text));
    }
    assert!(met > 0, "no moment has these sectors pending");
}
