//! The invented pilot has the truth it says it has.

use vecino::analysis::simulate::{Contact, Home, Parameters, Separated, Simulated, Truth, Visit, simulate};
use vecino::analysis::simulate_command::{self, Arguments};
use vecino::app::Options;
use vecino::trial::protocol::{Calendar, DEFAULT, Phase, Protocol};

fn calendar() -> Calendar {
    Protocol::parse(DEFAULT, "default").unwrap().calendar
}

/// `segments` segments of 25 homes in each of two municipalities.
fn town(segments: usize) -> Vec<Home> {
    (0..2 * segments * 25).map(|at| Home { key: at as u64, municipality: at / (segments * 25), segment: at / 25, contact: Contact::Drawn }).collect()
}

fn four_arms(segments: usize) -> Vec<(bool, bool)> {
    (0..2 * segments).map(|at| (at % 2 == 1, at / 2 % 2 == 1)).collect()
}

fn run(segments: usize, arms: &[(bool, bool)], through: i64, seed: u64, no_effect: bool) -> Simulated {
    simulate(&Parameters::defaults().unwrap(), &calendar(), &town(segments), arms, through, seed, no_effect)
}

fn truth(simulated: &Simulated, phase: Phase) -> Truth {
    simulated.truth.iter().find(|(one, _)| *one == phase).unwrap().1
}

fn near(what: &str, value: f64, expected: f64, within: f64) {
    assert!((value - expected).abs() <= within, "{what}: {value:.4}, expected {expected} ± {within}");
}

#[test]
fn the_baseline_does_not_depend_on_the_arms_and_a_longer_run_begins_with_the_shorter() {
    let before = run(12, &[(false, false); 24], 6, 5, false);
    let after = run(12, &four_arms(12), 26, 5, false);
    assert_eq!(before.visits[..], after.visits[..before.visits.len()]);
    assert_eq!(before.homes, after.homes);
    assert_eq!(after.visits.len(), 600 * 26);
    assert_ne!(before.visits, run(12, &[(false, false); 24], 6, 6, false).visits);
}

#[test]
fn a_pilot_without_effect_differs_in_nothing_else() {
    let with = run(12, &four_arms(12), 26, 5, false);
    let without = run(12, &four_arms(12), 26, 5, true);
    assert_eq!(with.homes, without.homes);
    assert!(with.visits.iter().zip(&without.visits).all(|(a, b)| a.missing == b.missing && a.double.is_some() == b.double.is_some()));
    let changed = with.visits.iter().zip(&without.visits).filter(|(a, b)| a.true_complied != b.true_complied).count();
    assert!(changed > 50, "{changed}");
    // Whoever gets reminders only is the same home in both worlds.
    let homes = town(12);
    let arms = four_arms(12);
    assert!(with.visits.iter().zip(&without.visits).filter(|(a, _)| arms[homes[a.home].segment] == (false, false)).all(|(a, b)| a == b));
    // Each effect only ever adds.
    assert!(with.visits.iter().zip(&without.visits).all(|(a, b)| a.true_complied >= b.true_complied));
    let flat = truth(&without, Phase::Messages);
    assert_eq!((flat.norm_alone(), flat.plan_alone(), flat.norm_and_plan()), (0.0, 0.0, 0.0));
}

#[test]
fn the_true_effects_are_the_promised_points() {
    let simulated = run(300, &four_arms(300), 26, 11, false);
    let messages = truth(&simulated, Phase::Messages);
    near("norm", messages.norm_alone(), 0.034, 0.004);
    near("plan", messages.plan_alone(), 0.034, 0.004);
    near("both", messages.norm_and_plan(), 0.079, 0.006);
    let after = truth(&simulated, Phase::After);
    near("norm after", after.norm_alone(), 0.028, 0.004);
    near("plan after", after.plan_alone(), 0.028, 0.004);
    let baseline = truth(&simulated, Phase::Baseline);
    assert_eq!(baseline.norm_and_plan(), 0.0);
    // What the observed world shows by arm agrees with what is true of it, up to chance.
    let (homes, arms) = (town(300), four_arms(300));
    let rate = |arm: (bool, bool)| {
        let of_arm: Vec<_> = simulated.visits.iter().filter(|v| (7..=18).contains(&v.week) && arms[homes[v.home].segment] == arm).collect();
        of_arm.iter().filter(|v| v.true_complied).count() as f64 / of_arm.len() as f64
    };
    near("both as it came out", rate((true, true)) - rate((false, false)), 0.079, 0.05);
}

#[test]
fn the_two_municipalities_start_where_they_should() {
    let simulated = run(300, &four_arms(300), 6, 3, false);
    for (municipality, expected) in [(0, 0.63), (1, 0.38)] {
        let of: Vec<_> = simulated.visits.iter().filter(|v| v.home / (300 * 25) == municipality).collect();
        near("baseline", of.iter().filter(|v| v.true_complied).count() as f64 / of.len() as f64, expected, 0.02);
    }
}

#[test]
fn homes_resemble_themselves_and_their_segment_as_much_as_they_should() {
    let segments = 600;
    let simulated = run(segments, &[], 6, 17, true);
    let homes = segments * 25;
    let y = |municipality: usize, week: usize, home: usize| {
        f64::from(u8::from(simulated.visits[(week - 1) * 2 * homes + municipality * homes + home].true_complied))
    };
    let (mut icc, mut within) = (Vec::new(), Vec::new());
    for municipality in 0..2 {
        for week in 1..=6 {
            // Analysis of variance of one week, equal segments.
            let mean = (0..homes).map(|home| y(municipality, week, home)).sum::<f64>() / homes as f64;
            let (mut between, mut inside) = (0.0, 0.0);
            for segment in 0..segments {
                let members: Vec<f64> = (0..25).map(|at| y(municipality, week, segment * 25 + at)).collect();
                let own = members.iter().sum::<f64>() / 25.0;
                between += 25.0 * (own - mean).powi(2);
                inside += members.iter().map(|value| (value - own).powi(2)).sum::<f64>();
            }
            let (between, inside) = (between / (segments - 1) as f64, inside / (segments * 24) as f64);
            icc.push((between - inside) / (between + 24.0 * inside));
            if week > 1 {
                let before = (0..homes).map(|home| y(municipality, week - 1, home)).sum::<f64>() / homes as f64;
                let together = (0..homes).map(|home| (y(municipality, week, home) - mean) * (y(municipality, week - 1, home) - before)).sum::<f64>();
                within.push(together / homes as f64 / (mean * (1.0 - mean) * before * (1.0 - before)).sqrt());
            }
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    near("intra-segment correlation", mean(&icc), 0.043, 0.010);
    near("correlation within a home", mean(&within), 0.32, 0.03);
}

#[test]
fn crews_err_and_miss_as_often_as_they_should() {
    let simulated = run(100, &[], 26, 23, true);
    let all = simulated.visits.len() as f64;
    let share = |n: usize, of: f64| n as f64 / of;
    near("missing", share(simulated.visits.iter().filter(|v| v.missing.is_some()).count(), all), 0.12, 0.005);
    let seen: Vec<_> = simulated.visits.iter().filter(|v| v.missing.is_none()).collect();
    near("double", share(seen.iter().filter(|v| v.double.is_some()).count(), seen.len() as f64), 0.08, 0.005);
    let (did, did_not): (Vec<&Visit>, Vec<&Visit>) = seen.iter().copied().partition(|v| v.true_complied);
    near("sensitivity", share(did.iter().filter(|v| v.complied() == Some(true)).count(), did.len() as f64), 0.92, 0.005);
    near("specificity", share(did_not.iter().filter(|v| v.complied() == Some(false)).count(), did_not.len() as f64), 0.95, 0.005);
    let failed: Vec<_> = seen.iter().filter(|v| v.complied() == Some(false)).collect();
    let of = failed.len() as f64;
    near("not set out", share(failed.iter().filter(|v| !v.set_out).count(), of), 0.40, 0.01);
    near("partly", share(failed.iter().filter(|v| v.set_out && v.separated == Separated::Partly).count(), of), 0.30, 0.01);
    near("gross", share(failed.iter().filter(|v| v.gross).count(), of), 0.30 * 0.10 + 0.30 * 0.40, 0.01);
    for (reason, expected) in [("skipped", 0.30), ("flood_or_landslide", 0.03)] {
        let at = simulated.reasons.iter().position(|name| name == reason).unwrap() as u8;
        let missing = simulated.visits.iter().filter(|v| v.missing.is_some()).count() as f64;
        near(reason, share(simulated.visits.iter().filter(|v| v.missing == Some(at)).count(), missing), expected, 0.02);
    }
    let homes = simulated.homes.len() as f64;
    near("reached", share(simulated.homes.iter().filter(|h| h.reached).count(), homes), 0.85, 0.02);
    near("no phone", share(simulated.homes.iter().filter(|h| !h.phone).count(), homes), 0.15, 0.02);
    near("plans", share(simulated.homes.iter().filter(|h| h.plans).count(), homes), 0.45, 0.03);
    near("opts out", share(simulated.homes.iter().filter(|h| h.opts_out.is_some()).count(), 0.85 * homes), 1.0 - 0.997f64.powi(11), 0.012);
    near("Mam", share(simulated.homes.iter().filter(|h| h.mam).count(), homes), 0.30, 0.03);
    near("belief", simulated.homes.iter().map(|h| f64::from(h.belief)).sum::<f64>() / homes, (5.3 + 2.8) / 2.0, 0.2);
}

#[test]
fn parameters_that_make_no_sense_are_refused_by_name() {
    let text = include_str!("../experiments/simulation-defaults.toml");
    for (from, to, key) in [
        ("sensitivity = 0.92", "sensitivity = 1.2", "observation.sensitivity"),
        ("partly = 0.30", "partly = 0.35", "records"),
        ("ramp_weeks = 3", "ramp_weeks = 0", "effects"),
    ] {
        assert!(text.contains(from));
        let error = Parameters::parse(&text.replacen(from, to, 1), "p.toml").unwrap_err();
        assert!(error.lines[0].starts_with(&format!("p.toml: {key}: ")), "{error}");
    }
}

#[test]
fn the_command_writes_one_pilot_whose_files_agree_and_come_out_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let protocol = folder.path().join("p.toml");
    std::fs::write(&protocol, DEFAULT).unwrap();
    let options = Options { data_dir: folder.path().into(), database: None, json: true };
    let make = |name: &str, seed, no_effect| {
        let out = folder.path().join(name);
        let arguments = Arguments { experiment: protocol.clone(), out: out.clone(), seed, no_effect, parameters: None };
        simulate_command::run(&arguments, &options, &|_| true).unwrap();
        let mut names: Vec<String> = std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["households.csv", "messages.csv", "observations.csv", "segments.csv", "truth.json"]);
        names.iter().map(|file| std::fs::read(out.join(file)).unwrap()).collect::<Vec<_>>()
    };
    let first = make("first", Some(4), false);
    assert!(first == make("again", Some(4), false), "the same seed writes the same bytes");
    let null = make("null", Some(4), true);
    assert!(first[0] == null[0] && first[3] == null[3], "homes, baseline and draw are the same without effect");
    assert_ne!(first[2], null[2]);
    let lines = |bytes: &[u8]| bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).count() - 1;
    assert_eq!((lines(&first[0]), lines(&first[3]), lines(&first[1])), (3000, 120, 3000 * 12));
    // Every home has one counted row a week; double observations stand beside and do not count.
    let observations = String::from_utf8(first[2].clone()).unwrap();
    assert_eq!(observations.lines().filter(|line| line.ends_with(",1")).count(), 3000 * 26);
    assert!(observations.lines().filter(|line| line.contains(",double_observation,")).all(|line| line.ends_with(",0")));
    let truth: serde_json::Value = serde_json::from_slice(&first[4]).unwrap();
    near("norm", truth["phases"]["messages"]["contrasts"]["norm_alone"].as_f64().unwrap(), 0.034, 0.006);
    let recorded = truth["phases"]["messages"]["recorded_contrasts"]["norm"].as_f64().unwrap();
    near("recorded", recorded, 0.87 * truth["phases"]["messages"]["contrasts"]["norm"].as_f64().unwrap(), 1e-12);
    // A folder that cannot be made is one line.
    let arguments = Arguments { experiment: protocol.clone(), out: protocol.join("x"), seed: None, no_effect: false, parameters: None };
    let error = simulate_command::run(&arguments, &options, &|_| true).unwrap_err();
    assert_eq!((error.code, error.lines.len()), ("out-folder", 1));
}
