//! What a trial would find, by formula and by simulation, under any design; and what happens where the analysis is wrong about the pilot.

use crate::analysis::{World, text, trial_of};
use crate::on_both_engines;
use crate::program::vecino;
use clap::ValueEnum;
use vecino::analysis::designs::Design;
use vecino::analysis::load::Tally;
use vecino::analysis::operating::Study;
use vecino::analysis::parameters::Departure;
use vecino::analysis::power::baseline::{self, Observed};
use vecino::analysis::power::formula;
use vecino::analysis::power::inputs::{Inputs, Likeness, Source, from_parameters};
use vecino::analysis::power::simulated::simulate as simulate_power;
use vecino::analysis::simulate::{Contact, Home, Parameters, Separated, Simulated, doses, simulate};
use vecino::stats::power::{self as reference, Design as Plain};
use vecino::trial::protocol::{Adjust, DEFAULT, Measure, Protocol};

fn near(what: &str, value: f64, expected: f64, within: f64) {
    assert!((value - expected).abs() <= within, "{what}: {value:.5}, expected {expected:.5} ± {within}");
}

fn shipped() -> Protocol {
    Protocol::parse(DEFAULT, "default").unwrap()
}

/// Ten homes in a segment, four weeks before and four with messages.
fn small(design: Design, segments: usize) -> (Protocol, Parameters) {
    let mut protocol = design.of(&shipped()).unwrap();
    protocol.population.minimum_homes = 5;
    (protocol.calendar.baseline, protocol.calendar.messages) = ([1, 4], [5, 8]);
    let mut parameters = Parameters::defaults().unwrap();
    parameters.municipalities.iter_mut().for_each(|place| (place.segments, place.homes_per_segment) = (segments / 2, 10));
    (protocol, parameters)
}

#[test]
fn for_two_equal_arms_without_strata_the_formula_is_the_reference_one() {
    let mut protocol = Design::Two.of(&shipped()).unwrap();
    protocol.assignment.strata.clear();
    let like = Likeness { share: 0.4, variance: 0.24, icc: 0.06, autocorrelation: 0.35, with_baseline: 0.35 };
    let inputs = Inputs {
        source: Source::Parameters,
        segments: 40,
        homes_per_segment: 25.0,
        observed_per_week: 22.0,
        size_variation: 0.3,
        missing: 0.12,
        complied: like,
        set_out: like,
        separated: like,
        contaminated: like,
    };
    let family = &protocol.analysis.families[0];
    let ask = |assumed: f64| formula::found(&protocol, &inputs, family, (&family.contrasts[0], Measure::Complied), assumed, 0.8).unwrap();
    let plain = Plain {
        p0: 0.4,
        p1: 0.4,
        clusters: 20.0,
        size: 22.0,
        icc: 0.06,
        cv: 0.3,
        periods: 12.0,
        autocorrelation: 0.35,
        baseline_r2: reference::baseline_r2(0.35, 6.0, 12.0).unwrap(),
        ..Plain::default()
    };
    let wanted = reference::power(&plain).unwrap();
    near("standard error", ask(0.0).se, wanted.se, 1e-12);
    // The model has spent one stratum and the baseline's slope beside the arms; the rest of the difference is this.
    assert_eq!(ask(0.0).df, 37.0);
    near("smallest effect", ask(0.0).mde, wanted.mde, 0.01 * wanted.mde);
    assert_eq!(ask(0.0).power, None);
    // What is found 80 times of 100 is found about 80 times of 100, in either direction.
    near("power", ask(ask(0.0).mde).power.unwrap(), 0.8, 0.002);
    assert_eq!(ask(0.05).power, ask(-0.05).power);
    // Two segments of one arm for one of the other cost precision, 1/(⅔) + 1/(⅓) against 4; a family of two is asked at half the level.
    protocol.assignment.ratio = vec![2, 1];
    let family = &protocol.analysis.families[0];
    let uneven = formula::found(&protocol, &inputs, family, (&family.contrasts[0], Measure::Complied), 0.0, 0.8).unwrap();
    near("ratio", (uneven.se / wanted.se).powi(2), 4.5 / 4.0, 1e-12);
    assert_eq!((formula::alpha(0.95, Adjust::Holm, 2), formula::alpha(0.95, Adjust::None, 2)), ((1.0 - 0.95) / 2.0, 1.0 - 0.95));
    let none_left = Inputs { segments: 2, ..inputs.clone() };
    assert!(formula::found(&protocol, &none_left, family, (&family.contrasts[0], Measure::Complied), 0.0, 0.8).is_none());
}

/// Homes of two municipalities, each segment in an arm by turns.
fn town(parameters: &Parameters, segments: usize, through: i64, arms: usize) -> (Vec<Home>, Vec<Option<usize>>, Simulated) {
    let protocol = shipped();
    let home = |at: usize| Home { key: at as u64, municipality: at / (segments * 25), segment: at / 25, contact: Contact::Drawn, from: 1 };
    let homes: Vec<Home> = (0..2 * segments * 25).map(home).collect();
    let drawn: Vec<Option<usize>> = (0..2 * segments).map(|at| Some(at % arms)).collect();
    let simulated = simulate(parameters, &protocol.calendar, &homes, &doses(&protocol, parameters), &drawn, through, 31, true);
    (homes, drawn, simulated)
}

#[test]
fn what_the_formula_takes_from_the_parameters_is_what_their_towns_show() {
    let (protocol, parameters) = (shipped(), Parameters::defaults().unwrap());
    let (homes, _, simulated) = town(&parameters, 400, 6, 4);
    let mut observed = vec![Observed { homes: vec![25.0; 400], tallies: Vec::new(), due: 400.0 * 25.0 * 6.0 }; 2];
    let mut cells = std::collections::BTreeMap::new();
    for visit in &simulated.visits {
        let Some(seen) = visit.seen() else { continue };
        let segment = homes[visit.home].segment;
        let tally = cells.entry((segment, visit.week)).or_insert(Tally { segment: segment % 400, week: visit.week, ..Tally::default() });
        tally.observed += 1.0;
        tally.set_out += f64::from(u8::from(seen.set_out));
        tally.complied += f64::from(u8::from(seen.complied()));
        tally.contaminated += f64::from(u8::from(seen.set_out && seen.gross));
        tally.separation_seen += f64::from(u8::from(seen.set_out));
        tally.separated += f64::from(u8::from(seen.set_out && seen.separated == Separated::Yes));
    }
    cells.into_iter().for_each(|((segment, _), tally)| observed[segment / 400].tallies.push(tally));
    let (by_parameters, by_baseline) = (from_parameters(&protocol, &parameters), baseline::inputs(&protocol, &parameters, &observed).unwrap());
    assert_eq!((&by_parameters.source, &by_baseline.source), (&Source::Parameters, &Source::Baseline));
    near("observed", by_baseline.observed_per_week, by_parameters.observed_per_week, 0.1);
    near("missing", by_baseline.missing, 0.12, 0.005);
    for measure in [Measure::Complied, Measure::SetOut, Measure::Separated, Measure::Contaminated] {
        let (wanted, found) = (by_parameters.of(measure), by_baseline.of(measure));
        near("share", found.share, wanted.share, 0.01);
        near("variance", found.variance, wanted.variance, 0.005);
        near("icc", found.icc, wanted.icc, 0.005);
        near("weeks", found.autocorrelation, wanted.autocorrelation, 0.03);
        near("with the baseline", found.with_baseline, wanted.with_baseline, 0.04);
    }
    // And towns made to begin like this baseline begin like the towns it came from.
    let again = baseline::calibrated(&protocol, &parameters, &observed, &by_baseline);
    near("segments unlike", again.spread.segment, parameters.spread.segment, 0.06);
    for (place, own) in again.municipalities.iter().zip(&parameters.municipalities) {
        assert_eq!((place.segments, place.homes_per_segment), (400, 25));
        near("intercept", place.intercept, own.intercept, 0.15);
    }
    // Without strata of municipalities, their difference is part of what makes segments unlike.
    let mut pooled = protocol.clone();
    pooled.assignment.strata.clear();
    assert!(from_parameters(&pooled, &parameters).complied.icc > 2.0 * by_parameters.complied.icc);
}

#[test]
fn every_design_is_drawn_analysed_and_told_by_its_own_contrasts() {
    for (design, arms) in Design::value_variants().iter().zip([2, 3, 5, 2, 2, 2]) {
        let (protocol, parameters) = small(*design, 30);
        assert_eq!(protocol.arms.len(), arms, "{design:?}");
        let replicates = 8;
        let rows = Study::new(&protocol, &parameters, 3, replicates, false).unwrap().rows(&|_| {}).unwrap();
        // Seven estimators of each contrast, with effects and without.
        assert_eq!(rows.len(), 2 * 7 * (arms - 1), "{design:?}");
        assert!(rows.iter().all(|row| row.computed == replicates && row.mean.is_some()), "{design:?}");
        assert!(rows.iter().filter(|row| row.no_effect).all(|row| row.truth == 0.0));
        let both = rows.iter().find(|row| !row.no_effect && row.contrast.starts_with("norm_plan")).map(|row| row.truth);
        assert!(both.is_none_or(|truth| truth > 0.03), "{design:?}: {both:?}");
        let answer = simulate_power(&protocol, &parameters, (3, replicates, 0.8), &|_| {}).unwrap();
        assert_eq!((answer.families[0].len(), answer.families[1].len()), (arms - 1, 0), "{design:?}");
        assert!(answer.families[0].iter().all(|found| found.mde.is_some() && found.computed == replicates && found.segments == 30.0), "{design:?}");
    }
    let two_arms = Design::Two.of(&shipped()).unwrap();
    assert_eq!(Design::Three.of(&two_arms).unwrap_err().code, "design-arms");
}

#[test]
fn simulation_and_formula_agree_where_the_formula_holds_and_nothing_is_found_too_often() {
    let (protocol, parameters) = small(Design::Two, 40);
    let replicates = 200;
    let found = simulate_power(&protocol, &parameters, (5, replicates, 0.8), &|_| {}).unwrap();
    let own = &found.families[0][0];
    let family = &protocol.analysis.families[0];
    let inputs = from_parameters(&protocol, &parameters);
    let by_formula = formula::found(&protocol, &inputs, family, (&family.contrasts[0], Measure::Complied), found.effects[0][0], 0.8).unwrap();
    near("type I", own.type_1.unwrap(), 0.05, 3.5 * (0.05f64 * 0.95 / f64::from(replicates)).sqrt());
    near("standard deviation", own.spread.unwrap(), by_formula.se, 0.2 * by_formula.se);
    near("smallest effect", own.mde.unwrap(), by_formula.mde, 0.15 * by_formula.mde + 3.0 * own.mde_error.unwrap());
    near("power", own.power.unwrap(), by_formula.power.unwrap(), 0.08 + 3.0 * own.power_error.unwrap());
    // Twice the same is the same.
    let again = simulate_power(&protocol, &parameters, (5, replicates, 0.8), &|_| {}).unwrap();
    assert_eq!(again.families, found.families);
}

fn departing(departure: Departure) -> Parameters {
    Parameters { departs: vec![departure], ..Parameters::defaults().unwrap() }
}

#[test]
fn departures_begin_with_the_messages_and_do_what_they_say() {
    let usual = Parameters::defaults().unwrap();
    let (.., plain) = town(&usual, 40, 18, 4);
    let before = plain.visits.iter().filter(|visit| visit.week <= 6).count();
    let run = |departure: Departure| {
        let parameters = departing(departure);
        let (homes, arms, simulated) = town(&parameters, 40, 18, 4);
        assert_eq!(simulated.visits[..before], plain.visits[..before]);
        (homes, arms, simulated)
    };
    let share = |own: &mut dyn Iterator<Item = bool>| {
        let (mut n, mut yes) = (0.0, 0.0);
        own.for_each(|one| (n, yes) = (n + 1.0, yes + f64::from(u8::from(one))));
        yes / n
    };
    let (_, _, missed) = run(Departure { missing_if_not_complied: 0.2, ..Departure::default() });
    let missing = |complied: bool| share(&mut missed.visits[before..].iter().filter(|v| v.true_complied == complied).map(|v| v.missing.is_some()));
    near("missing of those who complied", missing(true), 0.12, 0.01);
    near("missing of the others", missing(false), 0.12 + 0.88 * 0.2, 0.01);
    let (homes, arms, drifted) = run(Departure { false_yes_per_week: 0.01, treated_only: true, ..Departure::default() });
    let wrong = |first: bool| {
        let of = |home: usize| (arms[homes[home].segment] == Some(0)) == first;
        share(
            &mut drifted
                .visits
                .iter()
                .filter(|v| v.week == 18 && !v.true_complied && v.missing.is_none() && of(v.home))
                .map(|v| v.complied() == Some(true)),
        )
    };
    near("first arm", wrong(true), 0.05, 0.04);
    near("other arms", wrong(false), 0.05 + 0.12, 0.03);
    let (homes, arms, lost) = run(Departure { segments_lost: 0.2, lost_from: 5, treated_only: true, ..Departure::default() });
    let silent = |week: i64| -> Vec<usize> {
        let seen: std::collections::BTreeSet<usize> =
            lost.visits.iter().filter(|v| v.week == week && v.missing.is_none()).map(|v| homes[v.home].segment).collect();
        (0..80).filter(|segment| !seen.contains(segment)).collect()
    };
    assert_eq!((silent(10).len(), silent(11).len(), silent(18)), (0, 12, silent(11)));
    assert!(silent(11).iter().all(|segment| arms[*segment] != Some(0)));
    let (_, _, moved) = run(Departure { moves_per_week: 0.5, ..Departure::default() });
    assert!(moved.visits[before..] != plain.visits[before..] && moved.visits.len() == plain.visits.len());
    // Nobody is missed more often for having moved, and no home moves to the other municipality.
    near("missing", share(&mut moved.visits.iter().map(|v| v.missing.is_some())), 0.12, 0.005);
    let complying = |simulated: &Simulated| share(&mut simulated.visits.iter().filter(|v| v.week == 18 && v.home < 1000).map(|v| v.true_complied));
    near("the first municipality", complying(&moved), complying(&plain), 0.06);
    let error = Parameters::defaults().unwrap().departing(&["flood".to_owned()]).unwrap_err();
    assert!(error.code == "departure-unknown" && error.lines[0].contains("movers"), "{error}");
    assert_eq!(Parameters::defaults().unwrap().departing(&["movers".to_owned()]).unwrap().departs[0].moves_per_week, 0.01);
}

#[test]
fn what_departs_in_one_arm_alone_biases_and_what_departs_alike_does_not() {
    let (protocol, parameters) = small(Design::Two, 24);
    let replicates = 40;
    let row = |departure: Departure| {
        let parameters = Parameters { departs: vec![departure], ..parameters.clone() };
        let rows = Study::new(&protocol, &parameters, 8, replicates, true).unwrap().rows(&|_| {}).unwrap();
        rows.into_iter().find(|row| row.estimator == "lpm_cr2").unwrap()
    };
    let drift = |treated_only: bool| row(Departure { false_yes_per_week: 0.06, treated_only, ..Departure::default() });
    // Half of all collections comply, and 15 of 100 of the others are recorded as if, on average over four weeks.
    near("bias", drift(true).bias.unwrap(), 0.075, 0.035);
    near("no bias", drift(false).bias.unwrap(), 0.0, 0.035);
    // Homes that come or move are counted, and break nothing.
    for departure in [Departure { arrivals_per_week: 0.1, ..Departure::default() }, Departure { moves_per_week: 0.1, ..Departure::default() }] {
        let found = row(departure);
        assert_eq!(found.computed, replicates);
        near("no bias", found.bias.unwrap(), 0.0, 0.035);
    }
}

#[tokio::test]
async fn the_formula_stands_on_an_installations_baseline_when_it_has_one() {
    on_both_engines!(db => {
        let mut tx = db.read().await.unwrap();
        assert!(baseline::placed(&Parameters::defaults().unwrap(), &baseline::read(&mut tx, &shipped()).await.unwrap()).is_none());
        drop(tx);
        let (mut tx, trial) = trial_of(&db, &text(), 16, 8, &World { seed: 2, plan_effect: 0.3 }).await;
        let observed = baseline::read(&mut tx, &trial.protocol).await.unwrap();
        assert!(observed.iter().all(Observed::tells));
        let found = baseline::inputs(&trial.protocol, &Parameters::defaults().unwrap(), &observed).unwrap();
        assert_eq!((found.segments, found.homes_per_segment), (32, 20.0));
        near("observed", found.observed_per_week, 17.6, 0.3);
        // Segments comply by 0.3 + 0.03 × (0 to 7), the same in every week: no effect of the messages is in it.
        near("share", found.complied.share, 0.405, 0.02);
        near("icc", found.complied.icc, 0.0196, 0.01);
        near("weeks", found.complied.autocorrelation, 0.26, 0.12);
        // Before a trial's baseline has begun, its towns have the segments there are.
        let later = Protocol::parse(&text().replace("2026-W29", "2030-W29"), "later").unwrap();
        let blank = baseline::read(&mut tx, &later).await.unwrap();
        assert!(!blank.iter().any(Observed::tells));
        let placed = baseline::placed(&Parameters::defaults().unwrap(), &blank).unwrap();
        assert_eq!(placed.municipalities.iter().map(|place| (place.segments, place.homes_per_segment)).collect::<Vec<_>>(), [(16, 20), (16, 20)]);
    });
}

#[test]
fn the_commands_tell_power_and_warn_of_contrasts_that_would_hardly_be_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    std::fs::write(&file, DEFAULT).unwrap();
    let (data, file) = (folder.path().join("data"), file.to_str().unwrap());
    let checked = vecino(&data, &["trial", "check", file]);
    assert!(
        checked.code == 0 && checked.out.contains("warning: analysis.secondary: «norm:plan» is underpowered: with 120 segments"),
        "{}{}",
        checked.out,
        checked.err
    );
    let checked: serde_json::Value = serde_json::from_str(&vecino(&data, &["trial", "check", file, "--json"]).out).unwrap();
    assert!(checked["warnings"].as_array().unwrap().iter().all(|line| line.as_str().unwrap().contains("points")));
    let ask = |more: &[&str]| vecino(&data, &[&["trial", "power", file, "--segments", "24", "--replicates", "3"], more].concat());
    let told = ask(&[]);
    assert!(
        told.code == 0 && told.out.contains("the simulation's parameters, no baseline") && told.out.contains("norm, contaminated"),
        "{}{}",
        told.out,
        told.err
    );
    let found: serde_json::Value = serde_json::from_str(&ask(&["--format", "json"]).out).unwrap();
    assert_eq!(ask(&["--json"]).out, ask(&["--format", "json"]).out);
    let names: Vec<&str> = found["families"].as_array().unwrap().iter().map(|family| family["family"].as_str().unwrap()).collect();
    assert_eq!((names, found["inputs"]["source"].as_str()), (vec!["primary", "secondary", "outcomes", "after"], Some("parameters")));
    let first = &found["families"][0]["contrasts"][0];
    assert!(first["formula"]["mde"].as_f64().unwrap() > 0.02 && first["simulation"]["pilots"] == 3, "{first}");
    assert_eq!(ask(&["--power", "1.5"]).code, 1);
}
