//! The draw of an experiment's file, for `ri` with `--trial`.

use crate::trial::protocol::Protocol;
use crate::trial::randomise::{LeftOver, Rule};
use std::path::Path;
use vecino_estimate::recorded::Recorded;

/// Reads the protocol in `file` and makes its rule of it, or says in one line why its draw cannot be made again.
pub fn recorded(file: &Path) -> Result<Recorded, String> {
    let place = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|e| format!("trial {place}: cannot be read ({e}); give the experiment's TOML file"))?;
    let protocol = Protocol::parse(&text, &place).map_err(|e| e.lines.join("\n"))?;
    // What the file says of ratios holds here too; blocks and re-randomisation need the baseline, which a table of rows does not have.
    if protocol.assignment.rerandomise.is_some() {
        return Err(format!(
            "trial {place}: assignment.rerandomise chose its draw by the baseline, which this table does not name; the trial's own report replays it"
        ));
    }
    let (arms, seed, ratio) = (protocol.arms.len(), protocol.seed, protocol.assignment.ratio);
    let rule = move |groups: &[usize], random: &mut _| {
        Rule { groups: groups.to_vec(), ratio: ratio.clone(), left_over: LeftOver::Together, balance: None }.draw(random)
    };
    Ok(Recorded { arms, seed, rule: Box::new(rule) })
}
