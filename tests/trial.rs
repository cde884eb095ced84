//! A protocol is what it was when it was frozen, and the draw follows from it.

use crate::ground::Ground;
use crate::on_both_engines;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;
use vecino::account::audit;
use vecino::clock::{Week, at_local};
use vecino::db::Tx;
use vecino::id::{HouseholdId, Mint, MunicipalityId, NeighbourhoodId, OperatorId, RouteId, SegmentId};
use vecino::trial::assign;
use vecino::trial::protocol::{DEFAULT, Protocol};
use vecino::trial::{self, looks, status};
use vecino::{bulk, one, run};

const ID: &str = "norma-y-plan-2026";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Noon of a day in Guatemala.
pub fn noon(text: &str) -> DateTime<Utc> {
    at_local(day(text), 12, 0)
}

pub fn protocol() -> Protocol {
    Protocol::parse(DEFAULT, "default").unwrap()
}

fn problems(text: &str) -> Vec<String> {
    Protocol::problems(text, "changed", &|_| true).unwrap()
}

/// Two municipalities with `segments` segments of `homes` homes each; the last segment of each has only three.
async fn territory(tx: &mut Tx, segments: usize, homes: usize) {
    let mut mint = Mint::seeded(7, "trial tests");
    let at = noon("2026-06-01");
    for (municipality, code, name) in [(1202i16, "1202", "San Pedro Sacatepéquez"), (114, "0114", "Amatitlán")] {
        let municipality = MunicipalityId(municipality);
        run!(tx, "INSERT INTO municipality (municipality_id, code, name, department, pilot, approximate, properties) VALUES ($1, $2, $3, '', TRUE, TRUE, $4)",
            municipality, code, name, json!({})).unwrap();
        let (operator, neighbourhood, route): (OperatorId, NeighbourhoodId, RouteId) = (mint.id(at), mint.id(at), mint.id(at));
        let ground = Ground::since(municipality, day("2026-01-01"));
        ground.operator(tx, operator, "op", "Operador").await;
        ground.neighbourhood(tx, neighbourhood, "n", "N", json!({})).await;
        ground.route(tx, route, "r", "R", operator, &[]).await;
        for number in 1..=segments {
            let segment: SegmentId = mint.id(at);
            ground.segment(tx, segment, &format!("{code}-{number:03}"), route, neighbourhood).await;
            let count = if number == segments { 3 } else { homes };
            let members: Vec<HouseholdId> = (0..count).map(|_| mint.id(at)).collect();
            let homes: Vec<_> = members.iter().map(|home| (*home, home.to_string(), Some(segment))).collect();
            ground.homes(tx, &homes).await;
            for week in 0..6 {
                let week = Week(202629).plus(week);
                // Every home is seen every week; how many comply depends on the segment.
                let complied = |at: usize| i32::from(at * segments < number * count);
                let rows: Vec<(usize, HouseholdId)> = members.iter().copied().enumerate().collect();
                bulk!(
                    tx,
                    "INSERT INTO home_week (municipality_id, iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied, contaminated)",
                    rows,
                    |row| [municipality, week, row.1, segment, neighbourhood, 1, 1, complied(row.0), 0],
                    ""
                )
                .unwrap();
                let sum: i32 = (0..count).map(complied).sum();
                run!(tx, "INSERT INTO segment_week (municipality_id, segment_id, iso_week, observed, set_out, complied, contaminated) VALUES ($1, $2, $3, $4, $4, $5, 0)",
                    municipality, segment, week, count as i32, sum).unwrap();
            }
        }
    }
}

#[test]
fn the_default_protocol_has_no_problem() {
    assert_eq!(problems(DEFAULT), Vec::<String>::new());
    let missing = Protocol::problems(DEFAULT, "default", &|wording| wording != "plan_renewal").unwrap();
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(missing[0].contains("plan_renewal") && missing[0].contains("week 12"), "{missing:?}");
}

#[test]
fn every_inconsistency_is_one_line_with_its_key() {
    for (from, to, key) in [
        ("messages = [7, 18]", "messages = [8, 18]", "calendar.messages"),
        ("after = [19, 26]", "after = [19, 27]", "calendar.after"),
        ("id = \"plan\"", "id = \"norm\"", "arms.id"),
        ("factors = { norm = true, plan = true }", "factors = { norm = true, plan = false }", "arms.factors"),
        ("format = 1", "format = 1\nnew_key = 2", "line"),
        ("weights = \"norm - reminder\"", "weights = \"norm - recordatorio\"", "analysis.contrasts.norm_alone"),
        ("weights = \"norm - reminder\"", "weights = \"norm + reminder\"", "analysis.contrasts.norm_alone"),
        ("phase = \"after\"\nadjust = \"holm\"", "phase = \"afterwards\"\nadjust = \"holm\"", "analysis.families.phase"),
        ("id = \"after\"\n", "id = \"primary\"\n", "analysis.families.id"),
        ("outcomes = [\"set_out\", \"separated\", \"contaminated\"]", "outcomes = [\"set_out\", \"clean\"]", "analysis.families.outcomes"),
        ("primary = [\"norm\", \"plan\"]", "primary = [\"norm\", \"plain\"]", "analysis.primary"),
        ("adjust = \"holm\"", "adjust = \"hulm\"", "analysis.adjust"),
        ("strata = [\"municipality\", \"baseline_tercile\"]", "strata = [\"quartile\"]", "assignment.strata"),
        ("seed = 20260630", "seed = 0", "seed"),
        ("\"1202\", \"0114\"", "\"1202\", \"9914\"", "municipalities"),
        ("data_through = 26", "data_through = 27", "looks.data_through"),
        ("look = 2\ndata_through = 26", "look = 2\ndata_through = 17", "looks.data_through"),
        ("{ week = 7, ", "{ week = 6, ", "campaigns.semanal"),
        ("{ week = 8, ", "{ week = 9, ", "campaigns"),
        ("plan_cue\", norm_plan = \"norm_and_plan\" },\n  { week = 10", "plan_cue\" },\n  { week = 10", "campaigns.semanal"),
        ("static_lower = 0.50", "static_lower = 0.30", "norm.static_lower"),
        ("minimum_homes = 20\ngroup_homes", "minimum_homes = 5\ngroup_homes", "norm.minimum_homes"),
        ("[\"08:00\", \"20:00\"]", "[\"20:00\", \"08:00\"]", "messages.weekday_hours"),
        ("harm_points = 0.05", "harm_points = 5", "stop_rules.harm_points"),
    ] {
        assert!(DEFAULT.contains(from), "{from}");
        let found = match Protocol::problems(&DEFAULT.replacen(from, to, 1), "changed", &|_| true) {
            Ok(found) => found,
            Err(unread) => unread.lines.iter().map(|line| line.replacen("changed: ", "", 1)).collect(),
        };
        assert!(found.iter().any(|line| line.starts_with(&format!("{key}: ")) || line.starts_with(&format!("{key} "))), "{to}: {found:?}");
        assert!(found.iter().all(|line| !line.contains('\n')), "{found:?}");
    }
}

#[test]
fn a_draw_may_be_made_again_until_arms_differ_by_little_of_something() {
    let strata = "strata = [\"municipality\", \"baseline_tercile\"]\n";
    assert!(DEFAULT.contains(strata));
    let found = |rule: &str| problems(&DEFAULT.replacen(strata, &format!("{strata}rerandomise = {{ {rule} }}\n"), 1));
    assert_eq!(found("covariates = [\"baseline\"], largest_difference = 0.25"), Vec::<String>::new());
    for wrong in [
        "covariates = [\"baseline\"], largest_difference = 0.0",
        "covariates = [\"baseline\"], largest_difference = inf",
        "covariates = [], largest_difference = 0.25",
    ] {
        let found = found(wrong);
        assert!(found.len() == 1 && found[0].starts_with("assignment.rerandomise"), "{wrong}: {found:?}");
    }
}

/// The shipped protocol as it stood in the first format, which names none.
const FORMAT_0: &str = include_str!("format_0.toml");

#[test]
fn contrasts_that_lack_their_arms_are_named() {
    let three = FORMAT_0.replacen("[[arms]]\nid = \"norm_plan\"\nname = \"Norma y plan\"\nnorm = true\nplan = true\n", "", 1);
    let found = problems(&three);
    assert!(found.iter().any(|line| line.starts_with("analysis.primary: «norm» needs an arm with norm = true, plan = true")), "{found:?}");
    let three = DEFAULT.replacen("[[arms]]\nid = \"norm_plan\"\nname = \"Norma y plan\"\nfactors = { norm = true, plan = true }\n", "", 1);
    let found = problems(&three);
    assert!(
        found.iter().any(|line| line.starts_with("analysis.contrasts.norm: «(norm + norm_plan") && line.contains("«norm_plan» is no arm")),
        "{found:?}"
    );
}

#[test]
fn a_text_of_the_first_format_means_what_it_meant() {
    assert_eq!(problems(FORMAT_0), Vec::<String>::new());
    let (first, newest) = (Protocol::parse(FORMAT_0, "first").unwrap(), protocol());
    assert_eq!(first.arms, newest.arms);
    let weights = |protocol: &Protocol| protocol.analysis.contrasts().map(|c| (c.id.clone(), c.weights.clone())).collect::<Vec<_>>();
    assert_eq!(weights(&first), weights(&newest));
    assert_eq!((first.calendar, first.assignment, first.estimand), (newest.calendar, newest.assignment, newest.estimand));
    assert_eq!((first.norm, first.messages, first.stop_rules, first.campaigns), (newest.norm, newest.messages, newest.stop_rules, newest.campaigns));
}

#[test]
fn a_format_of_another_version_is_refused_with_the_remedy() {
    for other in ["2", "\"1\"", "0"] {
        let refused = Protocol::parse(&DEFAULT.replacen("format = 1", &format!("format = {other}"), 1), "f.toml").unwrap_err();
        assert_eq!((refused.code, refused.lines.len()), ("protocol-format", 1), "{other}");
        assert!(refused.lines[0].starts_with("f.toml: format ") && refused.lines[0].contains("write format = 1"), "{refused}");
    }
}

#[test]
fn a_calendar_laid_back_changes_one_line_only() {
    let moved = vecino::trial::text::laid(DEFAULT, Week(202620), 26).unwrap();
    let differ = DEFAULT.split('\n').zip(moved.split('\n')).filter(|(a, b)| a != b).count();
    assert_eq!(differ, 1);
    assert_eq!(Protocol::parse(&moved, "moved").unwrap().week(1), Week(202620));
}

#[tokio::test]
async fn a_protocol_with_one_byte_changed_has_another_hash_and_is_refused() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        territory(&mut tx, 2, 20).await;
        let frozen = trial::freeze(&mut tx, DEFAULT, "file.toml", noon("2026-07-02")).await.unwrap();
        assert_eq!(frozen.text, DEFAULT);
        assert_eq!(frozen.sha256, Protocol::sha256(DEFAULT));
        let again = trial::freeze(&mut tx, DEFAULT, "file.toml", noon("2026-07-03")).await.unwrap();
        let here = async |tx: &mut Tx, municipality| trial::of(tx, MunicipalityId(municipality)).await.unwrap().len();
        assert_eq!((here(&mut tx, 1202).await, here(&mut tx, 114).await, here(&mut tx, 101).await), (1, 1, 0), "it runs where it says");
        assert_eq!(again.frozen_at, frozen.frozen_at);
        let changed = DEFAULT.replacen("0.95", "0.90", 1);
        for refused in [trial::freeze(&mut tx, &changed, "file.toml", noon("2026-07-04")).await, trial::freeze::unchanged(&mut tx, &changed, "file.toml").await] {
            let error = refused.unwrap_err();
            assert_eq!((error.code, error.lines.len()), ("protocol-changed", 1));
            assert!(error.lines[0].contains(&Protocol::sha256(&changed)) && error.lines[0].contains(&frozen.sha256) && error.lines[0].contains("trial amend"), "{error}");
        }
        assert!(audit::verify(&mut tx).await.unwrap().is_empty());
        let (entries,): (i64,) = one!(tx, "SELECT COUNT(*) FROM audit_entry WHERE stream = 'trial' AND municipality_id = 0").unwrap();
        assert_eq!(entries, 1);
    });
}

#[tokio::test]
async fn an_unknown_municipality_cannot_be_frozen() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        let error = trial::freeze(&mut tx, DEFAULT, "file.toml", noon("2026-07-02")).await.unwrap_err();
        assert_eq!((error.code, error.lines.len()), ("municipality-unknown", 2));
        assert!(error.lines[0].contains("1202"));
    });
}

#[tokio::test]
async fn a_trial_that_is_over_or_takes_another_ones_campaign_or_segments_is_refused() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        territory(&mut tx, 5, 20).await;
        let late = trial::freeze(&mut tx, DEFAULT, "p.toml", noon("2027-01-11")).await.unwrap_err();
        assert!(late.lines.len() == 1 && late.lines[0].starts_with("p.toml: calendar: its last day was 10/01/2027"), "{late}");
        trial::freeze(&mut tx, DEFAULT, "p.toml", noon("2026-07-02")).await.unwrap();
        trial::assign(&mut tx, ID, noon("2026-08-24")).await.unwrap();
        let second = DEFAULT.replacen(ID, "otra-2026", 1);
        let taken = trial::freeze(&mut tx, &second, "q.toml", noon("2026-07-02")).await.unwrap_err();
        assert!(taken.lines.len() == 1 && taken.lines[0].starts_with("q.toml: campaigns.semanal: trial norma-y-plan-2026 has a campaign of that name"), "{taken}");
        let second = second.replacen("[campaigns.semanal]", "[campaigns.otra]", 1);
        trial::freeze(&mut tx, &second, "q.toml", noon("2026-07-02")).await.unwrap();
        let shared = trial::assign(&mut tx, "otra-2026", noon("2026-08-24")).await.unwrap_err();
        assert_eq!((shared.code, shared.lines.len()), ("segments-taken", 1));
        assert!(shared.lines[0].contains("8 of its segments") && shared.lines[0].contains("runs until 10/01/2027"), "{shared}");
        trial::assign(&mut tx, "otra-2026", noon("2027-01-11")).await.unwrap();
    });
}

#[tokio::test]
async fn an_amendment_is_numbered_and_dated_and_its_hash_counts() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        territory(&mut tx, 2, 20).await;
        let error = trial::amend(&mut tx, DEFAULT, "file.toml", "early", noon("2026-07-01")).await.unwrap_err();
        assert_eq!(error.code, "trial-unknown");
        let frozen = trial::freeze(&mut tx, DEFAULT, "file.toml", noon("2026-07-02")).await.unwrap();
        assert_eq!(trial::amend(&mut tx, DEFAULT, "file.toml", "nothing", noon("2026-07-03")).await.unwrap_err().code, "amendment-empty");
        let ethics = DEFAULT.replacen("ethics_approval = \"\"", "ethics_approval = \"CE-12\"", 1);
        assert_eq!(trial::amend(&mut tx, &ethics, "file.toml", " ", noon("2026-07-03")).await.unwrap_err().code, "amendment-reason");
        let one = trial::amend(&mut tx, &ethics, "file.toml", "número del comité", noon("2026-07-03")).await.unwrap();
        let looks_moved = ethics.replacen("data_through = 18", "data_through = 17", 1);
        let two = trial::amend(&mut tx, &looks_moved, "file.toml", "vista antes", noon("2026-07-04")).await.unwrap();
        assert_eq!((one.amendments.len(), two.amendments.len(), two.amendments[1].number), (1, 2, 2));
        assert_eq!(two.sha256, Protocol::sha256(&looks_moved));
        assert_eq!(two.frozen_sha256, frozen.sha256);
        assert_eq!(two.amendments[0].reason, "número del comité");
        assert_eq!(looks::all(&mut tx, ID).await.unwrap()[0].opens_on, day("2026-11-11"));
        assert_eq!(trial::freeze::unchanged(&mut tx, DEFAULT, "file.toml").await.unwrap_err().code, "protocol-changed");
        trial::freeze::unchanged(&mut tx, &looks_moved, "file.toml").await.unwrap();
        assert!(audit::verify(&mut tx).await.unwrap().is_empty());
    });
}

#[tokio::test]
async fn an_amendment_cannot_touch_what_the_draw_stands_on_nor_a_look_whose_day_has_come() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        territory(&mut tx, 9, 20).await;
        trial::freeze(&mut tx, DEFAULT, "file.toml", noon("2026-07-02")).await.unwrap();
        let refuse = |from: &str, to: &str| { assert!(DEFAULT.contains(from)); DEFAULT.replacen(from, to, 1) };
        for (text, key) in [
            (refuse("seed = 20260630", "seed = 20260631"), "seed"),
            (refuse("\"1202\", \"0114\"", "\"1202\""), "municipalities"),
            (refuse("\"municipality\", \"baseline_tercile\"", "\"municipality\""), "assignment"),
            (refuse("name = \"Norma\"", "name = \"La norma\""), "arms"),
        ] {
            let error = trial::amend(&mut tx, &text, "file.toml", "reason", noon("2026-07-03")).await.unwrap_err();
            assert_eq!(error.code, "amendment-refused");
            assert!(error.lines[0].starts_with(&format!("file.toml: {key}: ")), "{error}");
        }
        let renamed = refuse("id = \"norma-y-plan-2026\"", "id = \"otra\"");
        assert_eq!(trial::amend(&mut tx, &renamed, "file.toml", "reason", noon("2026-07-03")).await.unwrap_err().code, "trial-unknown");
        trial::assign(&mut tx, ID, noon("2026-08-24")).await.unwrap();
        let later = refuse("2026-W29", "2026-W30");
        assert_eq!(trial::amend(&mut tx, &later, "file.toml", "reason", noon("2026-08-25")).await.unwrap_err().code, "amendment-refused");
        let look = refuse("data_through = 18", "data_through = 20");
        assert_eq!(trial::amend(&mut tx, &look, "file.toml", "reason", noon("2026-11-18")).await.unwrap_err().code, "amendment-refused");
        let second = refuse("data_through = 26", "data_through = 25");
        trial::amend(&mut tx, &second, "file.toml", "reason", noon("2026-11-19")).await.unwrap();
        let all = looks::all(&mut tx, ID).await.unwrap();
        assert_eq!((all.len(), all[0].opens_on, all[1].opens_on), (2, day("2026-11-18"), day("2027-01-06")));
    });
}

#[tokio::test]
async fn the_draw_waits_for_the_freeze_and_for_the_baseline() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        territory(&mut tx, 9, 20).await;
        let error = trial::freeze::unchanged(&mut tx, DEFAULT, "file.toml").await.unwrap_err();
        assert_eq!(error.code, "trial-not-frozen");
        assert!(error.lines[0].contains("trial freeze"));
        trial::freeze(&mut tx, DEFAULT, "file.toml", noon("2026-07-02")).await.unwrap();
        // The sixth baseline week ends on Sunday 23 August.
        assert_eq!(trial::assign(&mut tx, ID, noon("2026-08-23")).await.unwrap_err().code, "baseline-running");
        run!(tx, "DELETE FROM home_week WHERE municipality_id = 114").unwrap();
        let error = trial::assign(&mut tx, ID, noon("2026-08-24")).await.unwrap_err();
        assert_eq!(error.code, "baseline-missing");
        assert!(error.lines[0].contains("0114"));
        assert!(trial::segments(&mut tx, ID).await.unwrap().is_empty());
    });
}

#[tokio::test]
async fn the_draw_is_made_once_and_small_segments_are_left_out_with_their_reason() {
    let mut seen = Vec::new();
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        territory(&mut tx, 14, 21).await;
        trial::freeze(&mut tx, DEFAULT, "file.toml", noon("2026-07-02")).await.unwrap();
        let drawn = trial::assign(&mut tx, ID, noon("2026-08-24")).await.unwrap();
        let segments = trial::segments(&mut tx, ID).await.unwrap();
        assert_eq!(segments.len(), 28);
        let left: Vec<_> = segments.iter().filter(|segment| segment.left_out.is_some()).collect();
        assert_eq!(left.iter().map(|segment| (segment.code.as_str(), segment.left_out.as_deref())).collect::<Vec<_>>(),
            vec![("0114-014", Some("few_homes")), ("1202-014", Some("few_homes"))]);
        let first = &segments[0];
        assert_eq!((first.code.as_str(), first.homes, first.baseline_observed, first.baseline_complied, first.stratum.as_deref()), ("0114-001", 21, 126, 12, Some("0114/1")));
        let again = trial::assign(&mut tx, ID, noon("2026-09-24")).await.unwrap();
        assert_eq!(again.assigned_at, drawn.assigned_at);
        assert_eq!(trial::segments(&mut tx, ID).await.unwrap(), segments);
        seen.push(assign::assignment_sha256(&segments));

        let status = status::status(&mut tx, &again, day("2026-11-23")).await.unwrap();
        assert_eq!((status.trial_week, status.phase), (20, Some("after")));
        assert_eq!((status.looks[0].open, status.looks[1].open), (true, false));
        assert_eq!(status.pooled[0].observed, 2 * 13 * 21 * 6);
        assert!(status.lines(&again).iter().any(|line| line.contains(&again.sha256)));
    });
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "both engines draw the same");
}

#[tokio::test]
async fn asking_for_an_unplanned_look_is_logged_and_opens_nothing() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        territory(&mut tx, 2, 20).await;
        trial::freeze(&mut tx, DEFAULT, "file.toml", noon("2026-07-02")).await.unwrap();
        let mut mint = Mint::seeded(1, "request");
        assert_eq!(looks::request(&mut tx, ID, &mut mint, noon("2026-10-01"), "ana", "  ").await.unwrap_err().code, "look-reason");
        looks::request(&mut tx, ID, &mut mint, noon("2026-10-01"), "ana", "quejas en la ruta 4").await.unwrap();
        let asked = looks::requests(&mut tx, ID).await.unwrap();
        assert_eq!((asked.len(), asked[0].asked_by.as_str(), asked[0].reason.as_str()), (1, "ana", "quejas en la ruta 4"));
        let planned = looks::all(&mut tx, ID).await.unwrap();
        assert!(planned.iter().all(|look| look.opened_at.is_none()));
        assert_eq!(looks::open(&mut tx, ID, &planned[0], ("f00d", json!({})), noon("2026-10-01"), "ana").await.unwrap_err().code, "look-closed");
        looks::open(&mut tx, ID, &planned[0], ("f00d", json!({})), noon("2026-11-18"), "ana").await.unwrap();
        looks::open(&mut tx, ID, &planned[0], ("beef", json!({})), noon("2026-11-20"), "luis").await.unwrap();
        assert_eq!(looks::all(&mut tx, ID).await.unwrap()[0].opened_by.as_deref(), Some("ana"));
        assert!(audit::verify(&mut tx).await.unwrap().is_empty());
    });
}

mod pages {
    use super::*;
    use axum::body::Body;
    use axum::http::{Request, Response, StatusCode, header};
    use std::sync::Arc;
    use tower::ServiceExt;
    use vecino::account::access::{self, Routes, Who};
    use vecino::account::{Actor, Role};
    use vecino::app::App;
    use vecino::clock::Clock;
    use vecino::error::Error;
    use vecino::language::{Language, Words};
    use vecino::page::{Page, Reader};
    use vecino::seal::Keys;

    async fn ask(app: &App, language: Language, municipality: Option<i16>, method: &str, path: &str, form: &str) -> Response<Body> {
        let actor = Actor {
            role: Role::Researcher,
            name: "ana".into(),
            account: None,
            municipality: municipality.map(MunicipalityId),
            operator: None,
            device: None,
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .extension(actor)
            .extension(Reader { words: Words::new(language), csrf: "kept".into() })
            .body(Body::from(form.to_owned()))
            .unwrap();
        trial::routes(Routes::default()).router.with_state(app.clone()).oneshot(request).await.unwrap()
    }

    fn shown(response: &Response<Body>) -> String {
        let page = response.extensions().get::<Arc<Page>>().expect("a page");
        format!(
            "{} {} {} {}",
            page.heading,
            page.eyebrow.clone().unwrap_or_default().into_string(),
            page.answer.clone().unwrap_or_default().into_string(),
            page.body.clone().into_string()
        )
    }

    #[test]
    fn every_page_of_the_trial_has_its_row() {
        for (method, path) in trial::routes(Routes::default()).mounted {
            let row = access::TABLE.iter().find(|row| row.method == method && row.path == path).unwrap_or_else(|| panic!("{method} {path}"));
            assert!(matches!(row.who, Who::Roles(roles) if !roles.contains(&Role::Crew) && !roles.contains(&Role::Mayor)));
        }
    }

    #[tokio::test]
    async fn the_protocol_page_says_what_was_promised_and_the_form_opens_nothing() {
        on_both_engines!(db => {
            let app = App { db: db.clone(), clock: Clock::Fixed(noon("2026-11-10")), keys: Keys::from_root([7; 32]), data_dir: Arc::new(std::env::temp_dir()), demo: false };
            let mut tx = db.write().await.unwrap();
            territory(&mut tx, 14, 21).await;
            trial::freeze(&mut tx, DEFAULT, "file.toml", noon("2026-07-02")).await.unwrap();
            trial::assign(&mut tx, ID, noon("2026-08-24")).await.unwrap();
            let amended = DEFAULT.replacen("ethics_approval = \"\"", "ethics_approval = \"CE-12\"", 1);
            let trial = trial::amend(&mut tx, &amended, "file.toml", "número del comité", noon("2026-09-01")).await.unwrap();
            tx.commit().await.unwrap();

            let address = format!("/trial/{ID}/protocol");
            for language in [Language::Es, Language::En] {
                let page = shown(&ask(&app, language, None, "GET", &address, "").await);
                for text in [trial.sha256.as_str(), trial.frozen_sha256.as_str(), "20260630", "18/11/2026", "CE-12", "número del comité", "San Pedro Sacatepéquez", "35–46"] {
                    assert!(page.contains(text), "{text} in {page}");
                }
                assert!(!page.contains("trial-") && !page.contains("error-"), "a missing string: {page}");
            }
            let spanish = shown(&ask(&app, Language::Es, Some(114), "GET", &address, "").await);
            assert!(spanish.contains("Tiene una enmienda.") && spanish.contains("Cerrada") && spanish.contains("28 segmentos evaluados, 26 sorteados"), "{spanish}");
            // Somebody whose municipality takes no part does not learn that the trial exists.
            let elsewhere = ask(&app, Language::Es, Some(101), "GET", &address, "").await;
            assert_eq!(elsewhere.extensions().get::<Arc<Error>>().unwrap().code, "trial-unknown");

            let address = format!("/trial/{ID}/look-request");
            let form = shown(&ask(&app, Language::Es, None, "GET", &address, "").await);
            assert!(form.contains("La vista 1 abre el 18/11/2026") && form.contains("no abre los brazos") && form.contains("value=\"kept\""), "{form}");
            let refused = ask(&app, Language::Es, None, "POST", &address, "csrf=kept&reason=+").await;
            assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
            assert!(shown(&refused).contains("aria-invalid=\"true\""));
            let kept = ask(&app, Language::Es, None, "POST", &address, "csrf=kept&reason=Quejas+en+la+ruta+4").await;
            assert_eq!((kept.status(), kept.headers()[header::LOCATION].to_str().unwrap()), (StatusCode::SEE_OTHER, format!("{address}?asked=1").as_str()));
            let mut tx = db.read().await.unwrap();
            assert_eq!(looks::requests(&mut tx, ID).await.unwrap()[0].reason, "Quejas en la ruta 4");
            drop(tx);
            let page = shown(&ask(&app, Language::Es, None, "GET", &format!("/trial/{ID}/protocol"), "").await);
            assert!(page.contains("Un pedido fuera de plan") && page.contains("Quejas en la ruta 4") && page.contains("Cerrada"));
        });
    }
}

#[tokio::test]
async fn the_commands_walk_a_trial_through_its_life_and_refuse_a_changed_file() {
    use vecino::app::Options;
    use vecino::db::Db;
    use vecino::seal::Keys;
    use vecino::trial::command::{self, Below, Command};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    std::fs::write(&file, DEFAULT).unwrap();
    // The clock of the folder stands in the trial's twentieth week, whenever this runs.
    let shift = (day("2026-11-30") - vecino::clock::local_day(Utc::now())).num_days();
    std::fs::write(folder.path().join("demo"), format!("{shift}\n")).unwrap();
    let options = Options { data_dir: folder.path().into(), database: None, json: true };
    let known = |wording: &str| wording != "plan_cau";
    let below = Below { known_wording: &known, wordings: "", doubts: |tx, protocol| Box::pin(vecino::analysis::power::doubts(tx, protocol)) };
    let check = || command::run(Command::Check { experiment: file.clone() }, &options, below);
    check().await.unwrap();
    // Without an installation only the file can be checked.
    let freeze = || command::run(Command::Freeze { experiment: file.clone() }, &options, below);
    assert_eq!(freeze().await.unwrap_err().code, "no-installation");
    let keys = Keys::create(folder.path(), [3; 32]).unwrap();
    let db = Db::connect(&options.url()).await.unwrap().keyed(&keys);
    db.migrate().await.unwrap();
    let mut tx = db.write().await.unwrap();
    territory(&mut tx, 9, 20).await;
    tx.commit().await.unwrap();
    let assign = || command::run(Command::Assign { experiment: file.clone() }, &options, below);
    let status = || command::run(Command::Status { experiment: file.clone() }, &options, below);
    status().await.unwrap();
    assert_eq!(assign().await.unwrap_err().code, "trial-not-frozen");
    freeze().await.unwrap();
    freeze().await.unwrap();
    assign().await.unwrap();
    assign().await.unwrap();
    status().await.unwrap();
    std::fs::write(&file, DEFAULT.replacen("ethics_approval = \"\"", "ethics_approval = \"CE-12\"", 1)).unwrap();
    check().await.unwrap();
    for refused in [freeze().await, assign().await, status().await] {
        assert_eq!(refused.unwrap_err().code, "protocol-changed");
    }
    command::run(Command::Amend { experiment: file.clone(), reason: "número del comité".into() }, &options, below).await.unwrap();
    for accepted in [freeze().await, assign().await, status().await] {
        accepted.unwrap();
    }
    std::fs::write(&file, DEFAULT.replacen("plan_cue", "plan_cau", 1)).unwrap();
    let error = check().await.unwrap_err();
    assert!(error.lines[0].contains("plan_cau") && error.lines[0].contains("p.toml"), "{error}");
    std::fs::write(&file, &DEFAULT[..300]).unwrap();
    assert_eq!(check().await.unwrap_err().lines.len(), 1);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(check().await.unwrap_err().code, "file");
}
