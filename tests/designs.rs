//! Trials of any design are drawn, analysed and shown by what their protocol declares, and its rules act.

use crate::analysis::{HOMES, World, collect, id, noon, publish, text, trial_of};
use crate::on_both_engines;
use std::collections::BTreeMap;
use vecino::analysis::findings::Report;
use vecino::analysis::load::load;
use vecino::analysis::report::{open, refresh, stored};
use vecino::analysis::stop_rules::{Rule, act, judge};
use vecino::db::Tx;
use vecino::id::{HouseholdId, Mint, MunicipalityId};
use vecino::norm::complaint;
use vecino::norm::pause::{self, Change};
use vecino::stats::cells::Cells;
use vecino::stats::ols::{Df, EffectCount, Variance, fit};
use vecino::trial::protocol::{Phase, Protocol};
use vecino::trial::{self, Trial};
use vecino::{one, run};

/// The shipped protocol with other arms: the same wordings under other names, the first arm being the one compared with.
fn with_arms(arms: &[&str], contrasts: &[(&str, &str)], primary: &[&str]) -> String {
    let shipped = text();
    let start = shipped.find("[[arms]]").unwrap();
    let end = shipped.find("[outcome]").unwrap();
    let blocks: String = arms.iter().map(|arm| format!("[[arms]]\nid = \"{arm}\"\nname = \"Brazo {arm}\"\n\n")).collect();
    let mut out = format!("{}{blocks}{}", &shipped[..start], &shipped[end..]);
    let start = out.find("[analysis.contrasts]").unwrap();
    let end = out.find("# A look opens").unwrap();
    let lines: String = contrasts.iter().map(|(id, weights)| format!("{id} = \"{weights}\"\n")).collect();
    out.replace_range(start..end, &format!("[analysis.contrasts]\n{lines}\n"));
    let list = |names: &[&str]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    out = out.replace("primary = [\"norm\", \"plan\"]", &format!("primary = [{}]", list(primary)));
    let rest: Vec<&str> = contrasts.iter().map(|(id, _)| *id).filter(|id| !primary.contains(id)).collect();
    out = out.replace("secondary = [\"norm:plan\", \"norm_alone\", \"plan_alone\", \"norm_and_plan\"]", &format!("secondary = [{}]", list(&rest)));
    let start = out.find("steps = [").unwrap();
    let steps: String = (7..=18)
        .map(|week| {
            let wordings: Vec<String> = arms.iter().map(|arm| format!("{arm} = \"reminder_day\"")).collect();
            format!("  {{ week = {week}, {} }},\n", wordings.join(", "))
        })
        .collect();
    format!("{}steps = [\n{steps}]\n", &out[..start])
}

async fn report_of(tx: &mut Tx, trial: &Trial, week: i64, look: i32) -> Report {
    open(tx, trial, noon(trial, week), "test").await.unwrap();
    stored(tx, &trial.id, Some(look)).await.unwrap().unwrap().report
}

#[tokio::test]
async fn trials_of_two_three_and_five_arms_are_analysed_under_their_own_contrasts() {
    let designs: [(&[&str], &[(&str, &str)], &[&str]); 3] = [
        (&["control", "plan"], &[("plan_a", "plan - control")], &["plan_a"]),
        (
            &["control", "breve", "plan"],
            &[("plan_a", "plan - control"), ("breve_a", "breve - control"), ("largo", "plan - breve")],
            &["plan_a", "breve_a"],
        ),
        (
            &["control", "uno", "dos", "plan", "plan_b"],
            &[("planes", "(plan + plan_b) / 2 - control"), ("uno_a", "uno - control"), ("todos", "(uno + dos + plan + plan_b) / 4 - control")],
            &["planes"],
        ),
    ];
    for (arms, contrasts, primary) in designs {
        let text = with_arms(arms, contrasts, primary);
        assert_eq!(Protocol::problems(&text, "design", &|_| true).unwrap(), Vec::<String>::new(), "{arms:?}");
        on_both_engines!(db => {
            let (mut tx, trial) = trial_of(&db, &text, 16, 19, &World { seed: 5, plan_effect: 0.15 }).await;
            let report = report_of(&mut tx, &trial, 20, 1).await;
            assert_eq!(report.flow.arms.iter().map(|arm| arm.arm.as_str()).collect::<Vec<_>>(), arms);
            let sizes: Vec<i64> = report.flow.arms.iter().map(|arm| arm.segments).collect();
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
            let found = &report.primary[0];
            assert!((found.estimate.unwrap() - 0.15).abs() < 0.05, "{arms:?}: {found:?}");
            assert!(found.p_randomisation.unwrap() < 0.05 && found.p_randomisation_error.unwrap() > 0.0 && found.p_wild.is_some(), "{found:?}");
            assert!(report.primary.iter().chain(&report.secondary).chain(&report.ancova).all(|contrast| contrast.estimate.is_some()));
            if let Some(none) = report.primary.iter().chain(&report.secondary).find(|contrast| ["breve_a", "uno_a"].contains(&contrast.contrast.as_str())) {
                assert!(none.ci_low.unwrap() < 0.0 && none.ci_high.unwrap() > 0.0, "{none:?}");
            }
        });
    }
}

/// The wild bootstrap of a report, worked with nothing but fits: every sign vector over the segments is put on the residuals of the model
/// without the arms, and the full model is fitted again.
#[tokio::test]
async fn the_wild_bootstrap_of_a_report_draws_under_the_null() {
    let text = with_arms(&["control", "plan"], &[("plan_a", "plan - control")], &["plan_a"]).replace("wild_draws = 199", "wild_draws = 1024");
    on_both_engines!(db => {
        let (mut tx, trial) = trial_of(&db, &text, 5, 19, &World { seed: 5, plan_effect: 0.1 }).await;
        let report = report_of(&mut tx, &trial, 20, 1).await;
        let data = load(&mut tx, &trial, trial.protocol.week(18)).await.unwrap();
        let first = data.weeks(Phase::Messages).unwrap().0;
        let centre = (0..10).map(|s| data.baseline(s).unwrap()).sum::<f64>() / 10.0;
        // The intercept, the arm, strata, weeks, the baseline.
        let rows: Vec<(usize, Vec<f64>, f64, f64)> = data.between(data.weeks(Phase::Messages).unwrap()).map(|tally| {
            let segment = &data.segments[tally.segment];
            let mut x = vec![1.0, segment.arm as f64];
            x.extend((1..data.strata.len()).map(|stratum| f64::from(u8::from(segment.stratum == stratum))));
            x.extend((first + 1..=18).map(|week| f64::from(u8::from(tally.week == week))));
            x.push(data.baseline(tally.segment).unwrap() - centre);
            (tally.segment, x, tally.observed, tally.complied)
        }).collect();
        let cells = |y: &dyn Fn(usize) -> f64, arm: bool| {
            let mut cells = Cells::new(rows[0].1.len() - usize::from(!arm));
            for (at, (segment, x, n, _)) in rows.iter().enumerate() {
                let x: Vec<f64> = x.iter().enumerate().filter(|(column, _)| arm || *column != 1).map(|(_, x)| *x).collect();
                cells.push(*segment as u32, &x, *n, y(at), y(at) * y(at) / n);
            }
            cells
        };
        let t = |y: &dyn Fn(usize) -> f64| {
            let cells = cells(y, true);
            let fitted = fit(&cells).unwrap();
            let sandwich = fitted.sandwich(Variance::Cr1s, EffectCount::Nested, false).unwrap();
            let found = fitted.estimate(&sandwich, &fitted.contrast(&[(1, 1.0)]).unwrap(), Df::Clusters, EffectCount::Nested, 0.95).unwrap();
            found.estimate / found.se
        };
        let null = cells(&|at| rows[at].3, false);
        let restricted = fit(&null).unwrap();
        let expected: Vec<f64> = (0..rows.len()).map(|at| {
            let x: Vec<(usize, f64)> = null.row(at).iter().copied().enumerate().collect();
            restricted.contrast(&x).unwrap().dot(&restricted.gamma) * rows[at].2
        }).collect();
        let own = t(&|at| rows[at].3).abs();
        let beyond = (0..1024u32).filter(|signs| {
            let sign = |segment: usize| if signs >> segment & 1 == 1 { -1.0 } else { 1.0 };
            t(&|at| expected[at] + sign(rows[at].0) * (rows[at].3 - expected[at])).abs() >= own - 1e-9
        }).count();
        let p = report.primary[0].p_wild.unwrap();
        assert!((p - beyond as f64 / 1024.0).abs() < 1e-12, "{p} {beyond}");
    });
}

#[tokio::test]
async fn the_phase_a_protocol_declares_is_the_one_analysed() {
    let text = text().replace("phase = \"messages\"\n\n[analysis]", "phase = \"after\"\n\n[analysis]");
    on_both_engines!(db => {
        let (mut tx, trial) = trial_of(&db, &text, 16, 26, &World { seed: 2, plan_effect: 0.15 }).await;
        refresh(&mut tx, &trial, noon(&trial, 20)).await.unwrap();
        let first = stored(&mut tx, &trial.id, Some(1)).await.unwrap().unwrap().report;
        assert!(first.primary.iter().all(|contrast| contrast.estimate.is_none()));
        assert!(first.warnings.iter().any(|warning| warning.code == "no-phase-data"), "{:?}", first.warnings);
        let last = report_of(&mut tx, &trial, 27, 2).await;
        let (after,): (i64,) = one!(tx, "SELECT CAST(SUM(w.observed) AS BIGINT) FROM segment_week w JOIN trial_segment t ON t.municipality_id = w.municipality_id AND t.segment_id = w.segment_id WHERE t.arm IS NOT NULL AND w.iso_week BETWEEN $1 AND $2", trial.protocol.week(19), trial.protocol.week(26)).unwrap();
        assert_eq!(last.primary[1].n, after);
        assert!((last.primary[1].estimate.unwrap() - 0.15).abs() < 0.05);
    });
}

#[tokio::test]
async fn the_last_look_tells_what_lasts_with_intervals_and_other_outcomes_by_family() {
    on_both_engines!(db => {
        let (mut tx, trial) = trial_of(&db, &text(), 16, 26, &World { seed: 2, plan_effect: 0.15 }).await;
        let report = report_of(&mut tx, &trial, 27, 2).await;
        let plan = report.lasting.iter().find(|lasting| lasting.contrast == "plan").unwrap();
        // Each phase as it is alone.
        assert!((plan.messages.unwrap() - report.primary[1].estimate.unwrap()).abs() < 1e-9);
        let after = report.families.iter().find(|family| family.family == "after").unwrap();
        let alone = after.contrasts.iter().find(|contrast| contrast.contrast == "plan").unwrap();
        assert!((plan.after.unwrap() - alone.estimate.unwrap()).abs() < 1e-9);
        let (low, high) = plan.fade_out_ci.unwrap();
        assert!((plan.fade_out.unwrap() - plan.after.unwrap() + plan.messages.unwrap()).abs() < 1e-9 && low < 0.0 && high > 0.0, "{plan:?}");
        let (low, high) = plan.persistence_ci.unwrap();
        assert!(low < 1.0 && high > 1.0 && (plan.persistence.unwrap() * plan.messages.unwrap() - plan.after.unwrap()).abs() < 1e-9, "{plan:?}");
        let outcomes = report.families.iter().find(|family| family.family == "outcomes").unwrap();
        assert_eq!(outcomes.contrasts.iter().map(|contrast| contrast.outcome.as_deref().unwrap()).collect::<Vec<_>>(), ["set_out", "set_out", "separated", "separated", "contaminated", "contaminated"]);
        // Everybody set out and nobody mixed: no variation is no number, and is said.
        assert!(outcomes.contrasts.iter().all(|contrast| contrast.estimate.is_none()));
        assert!(report.warnings.iter().any(|warning| warning.text.contains("outcomes, set_out")), "{:?}", report.warnings);
        // Of nothing it is known whether it was separated into the right stream: no number, never 0.
        assert!(outcomes.contrasts.iter().filter(|contrast| contrast.outcome.as_deref() == Some("separated")).all(|contrast| contrast.n == 0));
        assert!(report.warnings.iter().any(|warning| warning.code == "separated-conditional" && warning.values["seen"] == "0"), "{:?}", report.warnings);
    });
}

#[tokio::test]
async fn separated_is_estimated_of_what_was_set_out_and_corrected_with_its_family() {
    on_both_engines!(db => {
        let (mut tx, trial) = trial_of(&db, &text(), 16, 26, &World { seed: 2, plan_effect: 0.15 }).await;
        // Where everybody set out, what complied was separated rightly: the same model of the same numbers.
        run!(tx, "UPDATE segment_week SET separation_seen = observed, separated = complied").unwrap();
        let report = report_of(&mut tx, &trial, 27, 2).await;
        let outcomes = report.families.iter().find(|family| family.family == "outcomes").unwrap();
        let separated = outcomes.contrasts.iter().find(|contrast| contrast.outcome.as_deref() == Some("separated") && contrast.contrast == "plan").unwrap();
        assert_eq!((separated.estimate, separated.se, separated.n), (report.primary[1].estimate, report.primary[1].se, report.primary[1].n));
        assert!(separated.p_adjusted > separated.p, "corrected over all of the family");
    });
}

#[tokio::test]
async fn an_opened_look_stands_whatever_is_amended_or_comes_later() {
    on_both_engines!(db => {
        let (mut tx, trial) = trial_of(&db, &text(), 16, 19, &World { seed: 2, plan_effect: 0.15 }).await;
        open(&mut tx, &trial, noon(&trial, 20), "ana").await.unwrap();
        let bytes = |report: &Report| serde_json::to_string(report).unwrap();
        let opened = stored(&mut tx, &trial.id, Some(1)).await.unwrap().unwrap();
        assert_eq!(opened.report.protocol_sha256, trial.frozen_sha256);
        let (kept,): (serde_json::Value,) = one!(tx, "SELECT data FROM trial_look_data WHERE trial_id = $1 AND look = 1", &trial.id).unwrap();
        assert_eq!(kept["segments"].as_array().unwrap().len(), 32);
        assert_eq!(kept["tallies"].as_array().unwrap().iter().map(|tally| tally["observed"].as_f64().unwrap() as i64).sum::<i64>(), opened.report.path.iter().map(|point| point.n).sum::<i64>());
        // Other contrasts, no correction, another level: for what is still to come, and said so.
        let swapped = text().replace("primary = [\"norm\", \"plan\"]", "primary = [\"plan_alone\"]").replace("\"norm_alone\", \"plan_alone\", \"norm_and_plan\"", "\"norm\", \"plan\", \"norm_alone\", \"norm_and_plan\"").replacen("adjust = \"holm\"", "adjust = \"none\"", 1).replace("level = 0.95", "level = 0.9");
        let amended = trial::amend(&mut tx, &swapped, "amended", "se vio la vista", noon(&trial, 21)).await.unwrap();
        run!(tx, "UPDATE segment_week SET complied = observed WHERE iso_week = $1", trial.protocol.week(9)).unwrap();
        open(&mut tx, &amended, noon(&trial, 22), "luis").await.unwrap();
        let still = stored(&mut tx, &trial.id, Some(1)).await.unwrap().unwrap();
        assert_eq!((still.source_hash, bytes(&still.report)), (opened.source_hash, bytes(&opened.report)));
        let (who, at): (String, chrono::DateTime<chrono::Utc>) = one!(tx, "SELECT opened_by, opened_at FROM trial_look WHERE trial_id = $1 AND look = 1", &trial.id).unwrap();
        assert_eq!((who.as_str(), at), ("ana", noon(&trial, 20)));
        collect(&mut tx, &amended, &World { seed: 2, plan_effect: 0.15 }, 16, 20..=26, &BTreeMap::new()).await;
        publish(&mut tx, &amended, 20..=26).await;
        let last = report_of(&mut tx, &amended, 27, 2).await;
        assert_eq!(last.protocol_sha256, amended.sha256);
        assert_eq!(last.primary.iter().map(|contrast| contrast.contrast.as_str()).collect::<Vec<_>>(), ["plan_alone"]);
        assert!(last.warnings.iter().any(|warning| warning.code == "amended-after-look"), "{:?}", last.warnings);
    });
}

/// Everybody of the drawn segments got the week's message.
async fn all_written_to(tx: &mut Tx, trial: &Trial, week: i64) {
    let iso = trial.protocol.week(week);
    for segment in trial::segments(tx, &trial.id).await.unwrap() {
        let number = (segment.segment_id.0.as_u128() - id(100).as_u128()) as usize;
        for home in 0..HOMES {
            let household = HouseholdId(id(10_000 + number / 16 * 10_000 + number % 16 * HOMES + home));
            run!(tx, "INSERT INTO message (municipality_id, message_id, household_id, trial_id, campaign_id, step, due_on, iso_week, channel, arm, wording, rule, language, state, state_at, send_after, expires_at, attempts)
                      VALUES ($1, $2, $3, $4, 'semanal', 1, $5, $6, 'sms', $7, 'w', 'r', 'es', 'delivered', $8, $8, $8, 0)",
                segment.municipality_id, id(500_000 + number * HOMES + home), household, &trial.id, iso.monday(), iso, segment.arm.clone().unwrap(), noon(trial, week)).unwrap();
        }
    }
}

async fn withdraw(tx: &mut Tx, trial: &Trial, arm: &str, homes: usize, week: i64) {
    let segment = trial::segments(tx, &trial.id).await.unwrap().into_iter().find(|segment| segment.arm.as_deref() == Some(arm)).unwrap();
    let number = (segment.segment_id.0.as_u128() - id(100).as_u128()) as usize;
    for home in 0..homes {
        let household = HouseholdId(id(10_000 + number / 16 * 10_000 + number % 16 * HOMES + home));
        run!(tx, "INSERT INTO consent (municipality_id, consent_id, household_id, purpose, given_on, given_how, text_version, language, by_guardian, withdrawn_at, withdrawn_how, recorded_by, recorded_at)
                  VALUES ($1, $2, $3, 'messages', $4, 'visit', '1', 'es', FALSE, $5, 'reply', 'x', $5)",
            segment.municipality_id, id(900_000 + week as usize * 100 + home), household, trial.protocol.week(1).monday(), noon(trial, week)).unwrap();
    }
}

async fn stands(tx: &mut Tx, place: i16) -> Option<pause::Paused> {
    pause::paused(tx, MunicipalityId(place), "semanal").await.unwrap()
}

#[tokio::test]
async fn too_many_opt_outs_of_one_arm_in_a_week_stop_every_campaign_until_a_person_says_why_it_goes_on() {
    on_both_engines!(db => {
        let (mut tx, trial) = trial_of(&db, &text(), 16, 8, &World { seed: 2, plan_effect: 0.0 }).await;
        let now = noon(&trial, 9);
        all_written_to(&mut tx, &trial, 8).await;
        // Eight segments of 20 homes an arm: 8 of 160 are five of a hundred, and no more.
        withdraw(&mut tx, &trial, "plan", 8, 9).await;
        let quiet = judge(&mut tx, &trial, now).await.unwrap();
        assert!(quiet.iter().all(|one| one.rule == Rule::Harm && !one.breached), "{quiet:?}");
        act(&mut tx, &trial, &quiet, now).await.unwrap();
        assert_eq!(stands(&mut tx, 1202).await, None);
        // Harm is judged once a week.
        assert_eq!(judge(&mut tx, &trial, now).await.unwrap(), []);
        withdraw(&mut tx, &trial, "plan", 9, 8).await;
        let found = judge(&mut tx, &trial, now).await.unwrap();
        assert_eq!(found.iter().map(|one| (one.rule, one.week, one.arm.as_str(), one.breached)).collect::<Vec<_>>(), [(Rule::OptOut, trial.protocol.week(8), "plan", true)]);
        act(&mut tx, &trial, &found, now).await.unwrap();
        for place in [1202, 114] {
            let paused = stands(&mut tx, place).await.unwrap();
            assert!(paused.who == "vecino" && !paused.why.contains("plan"), "{paused:?}");
        }
        // Nobody is stopped twice by the same week, and going on needs a reason.
        assert_eq!(judge(&mut tx, &trial, now).await.unwrap(), []);
        let resume = async |tx: &mut Tx, why| pause::change(tx, &trial, MunicipalityId(1202), "semanal", Change::Resume(why), "ana", noon(&trial, 10)).await;
        assert_eq!(resume(&mut tx, None).await.unwrap_err().code, "resume-reason");
        resume(&mut tx, Some("se habló con los hogares")).await.unwrap();
        assert_eq!(stands(&mut tx, 1202).await, None);
        let (audited,): (i64,) = one!(tx, "SELECT COUNT(*) FROM audit_entry WHERE action IN ('stop rule', 'campaign.paused', 'campaign.resumed')").unwrap();
        assert_eq!(audited, 4);
        // What it did to the dose stands in the report.
        run!(tx, "UPDATE message SET state = 'expired', send_after = $1, expires_at = $2 WHERE household_id = $3", noon(&trial, 9) + chrono::Duration::hours(1), noon(&trial, 9) + chrono::Duration::hours(9), HouseholdId(id(10_000))).unwrap();
        run!(tx, "UPDATE message SET iso_week = $1 WHERE state = 'expired'", trial.protocol.week(9)).unwrap();
        collect(&mut tx, &trial, &World { seed: 2, plan_effect: 0.0 }, 16, 9..=18, &BTreeMap::new()).await;
        publish(&mut tx, &trial, 9..=18).await;
        let report = report_of(&mut tx, &trial, 20, 1).await;
        assert_eq!(report.pauses.len(), 2);
        let here = report.pauses.iter().find(|pause| pause.municipality == "1202").unwrap();
        assert_eq!((here.to, here.resumed_why.as_deref(), here.kept_back.values().sum::<i64>()), (Some(noon(&trial, 10)), Some("se habló con los hogares"), 1));
        assert_eq!(report.pauses.iter().find(|pause| pause.municipality == "0114").unwrap().to, None);
    });
}

#[tokio::test]
async fn too_many_complaints_stop_every_campaign() {
    on_both_engines!(db => {
        let (mut tx, trial) = trial_of(&db, &text(), 16, 7, &World { seed: 2, plan_effect: 0.0 }).await;
        let now = noon(&trial, 9);
        all_written_to(&mut tx, &trial, 8).await;
        let mut mint = Mint::seeded(1, "complaints");
        let complain = async |tx: &mut Tx, mint: &mut Mint, home: usize| complaint::record(tx, MunicipalityId(1202), HouseholdId(id(10_000 + home)), ("desk", noon(&trial, 9)), "ana", mint, now).await;
        // One of a hundred of 640 is six homes; the same home twice is one.
        for home in [0, 1, 2, 3, 4, 5, 5, 5] {
            complain(&mut tx, &mut mint, home).await.unwrap();
        }
        assert!(judge(&mut tx, &trial, now).await.unwrap().iter().all(|one| !one.breached));
        complain(&mut tx, &mut mint, 6).await.unwrap();
        let found = judge(&mut tx, &trial, now).await.unwrap();
        assert!(found.iter().any(|one| one.rule == Rule::Complaints && one.breached), "{found:?}");
        act(&mut tx, &trial, &found, now).await.unwrap();
        assert!(stands(&mut tx, 1202).await.is_some() && stands(&mut tx, 114).await.is_some());
        let later = complaint::record(&mut tx, MunicipalityId(1202), HouseholdId(id(10_000)), ("desk", noon(&trial, 10)), "ana", &mut mint, now).await;
        assert_eq!(later.unwrap_err().code, "complaint-day");
    });
}

#[tokio::test]
async fn an_arm_that_does_worse_than_the_first_stops_every_campaign_and_stays_unsaid() {
    on_both_engines!(db => {
        let (mut tx, trial) = trial_of(&db, &text(), 16, 9, &World { seed: 2, plan_effect: -0.25 }).await;
        let now = noon(&trial, 10);
        let found = judge(&mut tx, &trial, now).await.unwrap();
        let breached: Vec<&str> = found.iter().filter(|one| one.rule == Rule::Harm && one.breached).map(|one| one.arm.as_str()).collect();
        assert_eq!(breached, ["plan", "norm_plan"], "{found:?}");
        act(&mut tx, &trial, &found, now).await.unwrap();
        let paused = stands(&mut tx, 1202).await.unwrap();
        assert!(!paused.why.contains("plan") && paused.why.contains("harm"), "{paused:?}");
        // Resumed with a reason, it is judged again with the next published week, and stopped again.
        pause::change(&mut tx, &trial, MunicipalityId(1202), "semanal", Change::Resume(Some("comité")), "ana", noon(&trial, 10)).await.unwrap();
        assert_eq!(judge(&mut tx, &trial, noon(&trial, 10)).await.unwrap(), []);
        publish(&mut tx, &trial, 10..=10).await;
        let again = judge(&mut tx, &trial, noon(&trial, 11)).await.unwrap();
        assert!(again.iter().any(|one| one.breached && one.week == trial.protocol.week(10)), "{again:?}");
    });
}
