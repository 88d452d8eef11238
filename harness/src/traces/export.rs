//! A trace for other tools: as plain JSON, and with its states in the Informal Trace Format, ITF, which the tools of
//! Apalache and Quint read.

use serde_json::{Value, json};
use truelog_spec::Trace;

use super::{AnySwitch, Ground, itf, left_out, steps, told};

/// Why a trace has no ITF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoStates {
    /// The mechanism has no such path.
    #[error("the mechanism leaves out what the path is about ({0}): it has no states of it")]
    Unmodelled(String),
    /// It ends before the trace does.
    #[error("the path ends early: {0}")]
    Early(String),
    /// The text of a state is not understood.
    #[error("the state behind step {0}: {1}")]
    Text(usize, itf::Unread),
}

/// The trace as JSON: its header, its steps, and how it ends on the specification.
#[must_use]
pub fn plain(trace: &Trace) -> Value {
    let steps = steps(trace);
    let lines: Vec<Value> = trace
        .numbered()
        .map(|(number, line)| {
            json!({
                "step": number,
                "actor": line.step.actor().to_string(),
                "does": line.step.to_string(),
                "outcome": line.outcome.as_ref().map(ToString::to_string),
                "violates": line.violates,
            })
        })
        .collect();
    let mechanism = left_out(trace).is_none();
    let ends = |ground: Ground| told(&ground.run(&steps), &steps);
    json!({
        "invariant": trace.invariant.as_str(),
        "found-by": trace.found_by,
        "mutant": trace.mutant,
        "head": trace.head.to_string(),
        "code": trace.code().to_string(),
        "with": trace.with.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "ends": {
            "as it is": mechanism.then(|| ends(Ground::designed(trace))),
            "with its switch off": AnySwitch::of(trace).map(|switch| ends(switch.ground())),
        },
        "steps": lines,
    })
}

/// The states along the trace, with its switch turned off, in ITF: the variables are the fields of the state, and
/// `step`, the text of the step that led there.
///
/// # Errors
/// [`NoStates`].
pub fn itf(trace: &Trace) -> Result<Value, NoStates> {
    if let Some(part) = left_out(trace) {
        return Err(NoStates::Unmodelled(part.to_owned()));
    }
    let steps = steps(trace);
    let (ending, texts) = Ground::of(trace).states(&steps);
    if texts.len() != steps.len() + 1 {
        return Err(NoStates::Early(told(&ending, &steps)));
    }
    let mut states = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let mut state = itf::record(text).map_err(|error| NoStates::Text(index, error))?;
        let step = index.checked_sub(1).map_or_else(|| "start".to_owned(), |at| steps[at].to_string());
        state.insert("step".to_owned(), step.into());
        state.insert("#meta".to_owned(), json!({ "index": index }));
        states.push(state);
    }
    let vars: Vec<&String> =
        states.first().into_iter().flat_map(serde_json::Map::keys).filter(|key| *key != "#meta").collect();
    Ok(json!({
        "#meta": {
            "format": "ITF",
            "format-description": "https://apalache-mc.org/docs/adr/015adr-trace.html",
            "description": format!("{}: {}", trace.invariant, told(&ending, &steps)),
        },
        "vars": vars,
        "states": states,
    }))
}
