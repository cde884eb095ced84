//! The invented pilot has the truth it says it has.

use std::path::Path;
use vecino::analysis::operating::{Row, Study};
use vecino::analysis::simulate::{Contact, Home, Parameters, Separated, Simulated, Truth, Visit, doses, simulate};
use vecino::analysis::simulate_command::{self, Arguments};
use vecino::app::Options;
use vecino::trial::protocol::{Calendar, DEFAULT, Phase, Protocol};

fn calendar() -> Calendar {
    Protocol::parse(DEFAULT, "default").unwrap().calendar
}

/// `segments` segments of 25 homes in each of two municipalities.
fn town(segments: usize) -> Vec<Home> {
    (0..2 * segments * 25)
        .map(|at| Home { key: at as u64, municipality: at / (segments * 25), segment: at / 25, contact: Contact::Drawn, from: 1 })
        .collect()
}

/// Reminder, norm, plan and both in turn.
fn four_arms(segments: usize) -> Vec<Option<usize>> {
    (0..2 * segments).map(|at| Some(at % 4)).collect()
}

fn run(segments: usize, arms: &[Option<usize>], through: i64, seed: u64, no_effect: bool) -> Simulated {
    let (protocol, parameters) = (Protocol::parse(DEFAULT, "default").unwrap(), Parameters::defaults().unwrap());
    simulate(&parameters, &calendar(), &town(segments), &doses(&protocol, &parameters), arms, through, seed, no_effect)
}

fn truth(simulated: &Simulated, phase: Phase) -> Truth {
    simulated.truth.iter().find(|(one, _)| *one == phase).unwrap().1.clone()
}

fn norm_alone(truth: &Truth) -> f64 {
    truth.rates[1] - truth.rates[0]
}

fn plan_alone(truth: &Truth) -> f64 {
    truth.rates[2] - truth.rates[0]
}

fn norm_and_plan(truth: &Truth) -> f64 {
    truth.rates[3] - truth.rates[0]
}

fn near(what: &str, value: f64, expected: f64, within: f64) {
    assert!((value - expected).abs() <= within, "{what}: {value:.4}, expected {expected} ± {within}");
}

#[test]
fn the_baseline_does_not_depend_on_the_arms_and_a_longer_run_begins_with_the_shorter() {
    let before = run(12, &[None; 24], 6, 5, false);
    let after = run(12, &four_arms(12), 26, 5, false);
    assert_eq!(before.visits[..], after.visits[..before.visits.len()]);
    assert_eq!(before.homes, after.homes);
    assert_eq!(after.visits.len(), 600 * 26);
    assert_ne!(before.visits, run(12, &[None; 24], 6, 6, false).visits);
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
    assert!(with.visits.iter().zip(&without.visits).filter(|(a, _)| arms[homes[a.home].segment] == Some(0)).all(|(a, b)| a == b));
    // Each effect only ever adds.
    assert!(with.visits.iter().zip(&without.visits).all(|(a, b)| a.true_complied >= b.true_complied));
    let flat = truth(&without, Phase::Messages);
    assert_eq!((norm_alone(&flat), plan_alone(&flat), norm_and_plan(&flat)), (0.0, 0.0, 0.0));
}

#[test]
fn the_true_effects_are_the_promised_points() {
    let simulated = run(300, &four_arms(300), 26, 11, false);
    let messages = truth(&simulated, Phase::Messages);
    near("norm", norm_alone(&messages), 0.034, 0.004);
    near("plan", plan_alone(&messages), 0.034, 0.004);
    near("both", norm_and_plan(&messages), 0.079, 0.006);
    let after = truth(&simulated, Phase::After);
    near("norm after", norm_alone(&after), 0.028, 0.004);
    near("plan after", plan_alone(&after), 0.028, 0.004);
    let baseline = truth(&simulated, Phase::Baseline);
    assert_eq!(norm_and_plan(&baseline), 0.0);
    // What the observed world shows by arm agrees with what is true of it, up to chance.
    let (homes, arms) = (town(300), four_arms(300));
    let rate = |arm: usize| {
        let of_arm: Vec<_> = simulated.visits.iter().filter(|v| (7..=18).contains(&v.week) && arms[homes[v.home].segment] == Some(arm)).collect();
        of_arm.iter().filter(|v| v.true_complied).count() as f64 / of_arm.len() as f64
    };
    near("both as it came out", rate(3) - rate(0), 0.079, 0.05);
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

fn arguments(experiment: &Path, out: &Path) -> Arguments {
    Arguments {
        experiment: experiment.into(),
        out: out.into(),
        seed: None,
        no_effect: false,
        replicates: 1,
        segments: None,
        parameters: None,
        design: None,
        departure: Vec::new(),
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
        let arguments = Arguments { seed, no_effect, ..arguments(&protocol, &out) };
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
    let error = simulate_command::run(&arguments(&protocol, &protocol.join("x")), &options, &|_| true).unwrap_err();
    assert_eq!((error.code, error.lines.len()), ("out-folder", 1));
}

/// A cheaper pilot than the default: ten homes in a segment, four weeks before and four with messages.
fn small_pilot(segments: usize) -> (Protocol, Parameters) {
    let mut protocol = Protocol::parse(DEFAULT, "default").unwrap();
    protocol.population.minimum_homes = 5;
    (protocol.calendar.baseline, protocol.calendar.messages) = ([1, 4], [5, 8]);
    let mut parameters = Parameters::defaults().unwrap();
    parameters.municipalities.iter_mut().for_each(|place| (place.segments, place.homes_per_segment) = (segments / 2, 10));
    (protocol, parameters)
}

#[test]
fn operating_characteristics_of_known_estimators_are_right() {
    let (protocol, parameters) = small_pilot(24);
    let replicates = 200;
    let rows = Study::new(&protocol, &parameters, 8, replicates, true).unwrap().rows(&|_| {}).unwrap();
    let row = |estimator: &str, contrast: &str| rows.iter().find(|r| r.estimator == estimator && r.contrast == contrast).unwrap();
    let chance = |share: f64| 3.5 * (share * (1.0 - share) / f64::from(replicates)).sqrt();
    for contrast in ["norm", "plan"] {
        // A test that replays the draw is exact whatever the data are.
        near("replayed draw", row("replayed_draw", contrast).power.unwrap(), 0.05, chance(0.05));
        near("CR2", row("lpm_cr2", contrast).coverage.unwrap(), 0.95, chance(0.05));
        let all: Vec<&Row> = rows.iter().filter(|r| r.contrast == contrast).collect();
        assert_eq!(all.len(), 7);
        // Nothing works, so the truth is 0 and a test by an interval rejects when the interval misses.
        assert!(all.iter().all(|r| r.truth == 0.0 && r.computed == replicates && r.bias == r.mean));
        assert!(all.iter().filter_map(|r| r.coverage.zip(r.power)).all(|(coverage, power)| (coverage + power - 1.0).abs() < 1e-9));
        // Errors that know nothing of segments, or think they are many, are too small.
        for short in ["lpm_classical", "lpm_cr0"] {
            assert!(row(short, contrast).coverage.unwrap() < 0.95 - chance(0.05), "{short} {contrast}");
            assert!(row(short, contrast).se_ratio < row("lpm_cr2", contrast).se_ratio);
        }
        assert!(row("replayed_draw", contrast).coverage.is_none() && row("wild_bootstrap", contrast).se_ratio.is_none());
    }
}

#[test]
fn a_design_without_a_segment_to_spare_gets_no_interval() {
    // Six strata, four arms and the baseline on eight segments: every segment is fitted exactly, and CR2 would call chance an effect.
    let (protocol, parameters) = small_pilot(8);
    let rows = Study::new(&protocol, &parameters, 8, 5, true).unwrap().rows(&|_| {}).unwrap();
    for row in rows.iter().filter(|r| ["lpm_cr2", "segment_means", "wild_bootstrap", "replayed_draw"].contains(&r.estimator)) {
        assert_eq!((row.computed, row.mean, row.coverage, row.power, row.mc_error), (0, None, None, None, None), "{row:?}");
    }
}

#[test]
fn the_truth_of_many_pilots_is_the_effect_on_what_crews_record() {
    let (protocol, parameters) = small_pilot(24);
    let replicates = 60;
    let rows = Study::new(&protocol, &parameters, 8, replicates, false).unwrap().rows(&|_| {}).unwrap();
    let of = |no_effect: bool| rows.iter().filter(move |r| r.no_effect == no_effect && r.estimator == "lpm_cr2");
    assert!(of(true).all(|r| r.truth == 0.0));
    let truth = |contrast: &str| of(false).find(|r| r.contrast == contrast).unwrap().truth;
    assert!(truth("norm") > 0.015 && truth("norm") < 0.05, "{}", truth("norm"));
    near("simple effects add up", truth("norm_alone") + truth("plan_alone") + truth("norm:plan"), truth("norm_and_plan"), 1e-12);
    for row in of(false) {
        // What chance leaves of pilots this small: a standard error of at most 12 points each.
        assert!(row.bias.unwrap().abs() < 3.5 * 0.12 / f64::from(replicates).sqrt(), "{row:?}");
    }
    // An observer who never errs shrinks nothing.
    let mut sharp = parameters.clone();
    (sharp.observation.sensitivity, sharp.observation.specificity) = (1.0, 1.0);
    let exact = Study::new(&protocol, &sharp, 8, 2, false).unwrap().rows(&|_| {}).unwrap()[0].truth;
    let shrunk = Study::new(&protocol, &parameters, 8, 2, false).unwrap().rows(&|_| {}).unwrap()[0].truth;
    near("shrunk", shrunk, 0.87 * exact, 1e-12);
}

#[test]
fn many_pilots_write_a_table_and_a_chart_and_no_rows_and_the_same_seed_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let protocol = folder.path().join("p.toml");
    std::fs::write(&protocol, DEFAULT).unwrap();
    let options = Options { data_dir: folder.path().into(), database: None, json: true };
    let make = |name: &str, seed| {
        let out = folder.path().join(name);
        let arguments = Arguments { seed: Some(seed), replicates: 3, segments: Some(16), ..arguments(&protocol, &out) };
        simulate_command::run(&arguments, &options, &|_| true).unwrap();
        let mut names: Vec<String> = std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["operating.csv", "operating.svg"]);
        names.iter().map(|file| std::fs::read_to_string(out.join(file)).unwrap()).collect::<Vec<_>>()
    };
    let first = make("first", 4);
    assert_eq!(first, make("again", 4));
    assert_ne!(first, make("other", 5));
    let mut lines = first[0].lines();
    assert_eq!(lines.next().unwrap(), "estimator,contrast,truth,mean,bias,se_ratio,coverage,power,mc_error");
    // Seven estimators of two primary contrasts and five of four secondary ones, with effects and without.
    assert_eq!(lines.count(), 2 * (7 * 2 + 5 * 4));
    for text in &first {
        assert!(!text.contains("NaN") && !text.contains("inf,"), "{text}");
    }
    assert!(first[1].starts_with("<svg") && first[1].contains("Coverage") && first[1].contains("Type I error") && first[1].contains("16 segments"));
    // Fewer segments than arms is one line.
    let arguments = Arguments { replicates: 2, segments: Some(3), ..arguments(&protocol, &folder.path().join("few")) };
    let error = simulate_command::run(&arguments, &options, &|_| true).unwrap_err();
    assert_eq!((error.code, error.lines.len()), ("few-segments", 1));
}
