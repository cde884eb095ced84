//! Texts people can receive and read: one SMS each, no strange characters, always with the way out.

use std::collections::BTreeMap;
use vecino::gsm7;
use vecino::norm::wording::{self, Form, PLACEHOLDERS, WAY_OUT};
use vecino::trial::protocol::Protocol;

#[test]
fn every_text_is_one_sms_with_every_placeholder_at_its_limit() {
    assert_eq!(wording::problems(), &[] as &[String]);
    let all = wording::longest();
    assert!(all.len() >= 31, "{all:?}");
    for (name, septets) in all {
        assert!(septets <= 150, "{name}: {septets} septets; 150 leave room for a longer value");
    }
}

#[test]
fn every_step_of_the_default_campaign_has_its_wording() {
    let protocol = Protocol::parse(include_str!("../experiments/norma-y-plan-2026.toml"), "default").unwrap();
    for (campaign, plan) in &protocol.campaigns {
        for step in &plan.steps {
            for (arm, name) in &step.wording {
                assert!(wording::exists(name), "{campaign} week {} arm {arm}: «{name}»", step.week);
            }
        }
    }
    assert!(!wording::exists("norm_shame"));
}

#[test]
fn no_value_that_the_house_can_give_is_longer_than_the_check_assumes() {
    let tenths = (0..=10).flat_map(|tenth| ["n", "antes", "ahora"].map(|name| (name, tenth.to_string())));
    let days = (1..=7).map(|day| vecino::norm::hours::weekday_name(chrono::NaiveDate::from_ymd_opt(2026, 6, day).unwrap()).to_owned());
    let sectors = ["su cuadra", "su ruta", "su municipio", "su vecindario"].map(|name| ("sector", name.to_owned()));
    let rest = [("hora", "23:59".to_owned()), ("semanas", "52".to_owned()), ("salir", WAY_OUT.to_owned())];
    for (name, text) in tenths.chain(days.map(|day| ("dia", day))).chain(sectors).chain(rest) {
        wording::value(name, &text).unwrap();
    }
}

#[test]
fn a_text_with_a_value_missing_is_refused() {
    let values = BTreeMap::from([("remite", "Muni San Pedro".to_owned())]);
    assert!(wording::render("es", "reminder_day", &values, Form::Sms).unwrap_err().lines[0].contains("a placeholder has no value"));
    assert_eq!(wording::render("mam", "reminder_day", &values, Form::Sms).unwrap_err().code, "message-text");
}

#[test]
fn the_sms_loses_four_accents_and_paper_keeps_them_all() {
    let values: BTreeMap<&'static str, String> = PLACEHOLDERS.iter().map(|(name, _)| (*name, "día".to_owned())).collect();
    let sms = wording::render("es", "plan_when_where", &values, Form::Sms).unwrap();
    assert_eq!(sms.text, "dia: haga su plan. ¿A qué hora y en qué lugar dejara listas sus 3 bolsas? Responda, ej: 8pm patio. BAJA para salir.");
    assert_eq!(sms.septets, Some(gsm7::septets(&sms.text).unwrap()));
    assert!(sms.text.ends_with(WAY_OUT));
    let paper = wording::render("es", "plan_when_where", &values, Form::Spoken).unwrap();
    assert!(paper.text.contains("dejará listas") && paper.text.ends_with("avise en la municipalidad.") && paper.septets.is_none());
}

#[test]
fn no_text_threatens_shames_or_predicts() {
    for (name, _) in wording::longest() {
        let values: BTreeMap<&'static str, String> = PLACEHOLDERS.iter().map(|(name, _)| (*name, "1".to_owned())).collect();
        let name = name.strip_prefix("es/").unwrap();
        let text = wording::render("es", name, &values, Form::Spoken).unwrap().text.to_lowercase();
        for never in ["multa", "sanci", "vergüenza", "castig", "denunci", "urgente", "último aviso", "separarán"] {
            assert!(!text.contains(never), "{name} says «{never}»");
        }
    }
}

#[test]
fn the_texts_in_use_have_one_hash() {
    assert!(wording::sha256().len() == 64 && wording::sha256().bytes().all(|byte| byte.is_ascii_hexdigit()));
}
