//! The sections of a person's file, as HTML.

use super::consent::{Consent, How, Purpose};
use super::contact::Channel;
use super::enrolment;
use super::form::{Typed, options, select, text};
use super::likeness::Question;
use super::membership::Relation;
use super::opened::File;
use super::person::{Person, Precision};
use super::place::file_number;
use super::roll::{detail_word, status_class};
use crate::clock::{show_day, show_time};
use crate::id::{MunicipalityId, PersonId};
use crate::language::Words;
use crate::page::{Reader, who};
use chrono::{DateTime, NaiveDate, Utc};
use maud::{Markup, html};
use serde_json::Value;

pub(super) fn identity(words: &Words, person: &Person, today: NaiveDate) -> Markup {
    let none = html! { span.suave { (words.say("registry-no-data")) } };
    let birth = match (person.birth.date, person.birth.precision) {
        (None, Precision::Adult) => html! { (words.say("registry-precision-adult")) },
        (None, _) => none.clone(),
        (Some(date), Precision::Day) => html! { (show_day(date)) },
        (Some(date), precision) => html! {
            (date.format("%Y")) " (" (words.say(&format!("registry-precision-{}", precision.name())))
            @if let Some(day) = person.birth.told_on { ", " (show_day(day)) } ")"
        },
    };
    html! {
        table.tabla {
            caption { (words.say("registry-identity-caption")) }
            tbody {
                tr { th scope="row" { (words.say("registry-field-given_names")) } td { (person.given_names) } }
                tr { th scope="row" { (words.say("registry-field-surnames")) } td { (person.surnames) } }
                tr { th scope="row" { "CUI" } td {
                    @match person.cui.as_deref().and_then(|digits| super::cui::Cui::read(digits).ok()) { Some(cui) => { span.junto { (cui.printed()) } } None => { (none) } }
                    @if let Some(warning) = &person.cui_warning { span.sub { (words.say(&format!("registry-cui-{warning}"))) } }
                } }
                tr { th scope="row" { (words.say("registry-field-birth_date")) } td { (birth) @if let Some(age) = person.birth.age_on(today) { span.sub { (words.tell("registry-age", &[("n", age.into())])) } } } }
                tr { th scope="row" { (words.say("registry-field-sex")) } td { (words.say(&format!("registry-sex-{}", person.sex.name()))) } }
                tr { th scope="row" { (words.say("registry-field-language")) } td { (words.say(&format!("registry-language-{}", person.language))) } }
                tr { th scope="row" { (words.say("registry-field-migration_status")) } td { (words.say(&format!("registry-migration-{}", person.migration_status.name()))) } }
                tr { th scope="row" { (words.say("registry-recorded")) } td { (show_time(person.recorded_at)) span.sub { (who(words, &person.recorded_by)) } } }
            }
        }
    }
}

/// Where no full date is on record, what is told of it can be added: nobody signs as an adult before.
pub(super) fn birth<'e>(reader: &Reader, person: &Person, base: &str, typed: &Typed, error: &impl Fn(&str) -> Option<&'e str>) -> Markup {
    html! {
        @if person.birth.precision != Precision::Day {
            details open[error("birth_date").is_some()] {
                summary { (reader.words.say("registry-tell-birth")) }
                form.mx method="post" action={ (base) "/birth" } {
                    (reader.csrf_field())
                    (text(&reader.words, "birth_date", typed, error("birth_date"), true))
                    div { button.boton { (reader.words.say("registry-save-birth")) } }
                }
            }
        }
    }
}

/// Who may be this person, what was said, and both answers: either can be taken back.
pub(super) fn questions(reader: &Reader, file: &File, base: &str) -> Markup {
    let (words, own) = (&reader.words, (file.place.0, file.person.id));
    html! {
        p.suave { (words.say("registry-questions-why")) }
        ul.asuntos { @for row in &file.questions { (question(reader, row, own, base)) } }
    }
}

/// One question as it is shown on a file and on the desk.
pub(super) fn question(reader: &Reader, row: &Question, own: (MunicipalityId, PersonId), base: &str) -> Markup {
    let words = &reader.words;
    let first = (row.municipality_id, row.person_id);
    let other = if first == own { (row.like_municipality_id, row.like_person_id) } else { first };
    html! {
        li {
            span class={ "estado " (if row.answer == "open" { "ojo" } else { "bien" }) } { (words.say(&format!("registry-answer-{}", row.answer))) }
            div {
                p {
                    (words.say(&format!("registry-question-{}", row.ground))) ": "
                    @if other.0 == own.0 { a href={ "/registry/person/" (other.0) "/" (other.1) } { (file_number(other.1)) } }
                    @else { (words.tell("registry-question-elsewhere", &[("place", other.0.to_string().into())])) }
                }
                form.botones method="post" action={ (base) "/likeness" } {
                    (reader.csrf_field())
                    input type="hidden" name="other_municipality" value=(other.0);
                    input type="hidden" name="other" value=(other.1);
                    @for answer in ["same", "distinct"] { @if row.answer != answer {
                        button.boton name="answer" value=(answer) { (words.say(&format!("registry-say-{answer}"))) span.oido { ": " (file_number(own.1)) ", " (file_number(other.1)) } }
                    } }
                }
            }
        }
    }
}

pub(super) fn homes<'e>(reader: &Reader, file: &File, base: &str, typed: &Typed, error: &impl Fn(&str) -> Option<&'e str>) -> Markup {
    let words = &reader.words;
    html! {
        @if file.homes.is_empty() { p.vacio { (words.say("registry-no-home")) } } @else {
            table.tabla {
                caption { (words.say("registry-homes-caption")) }
                thead { tr { th scope="col" { (words.say("registry-home")) } th scope="col" { (words.say("registry-field-relation")) } th.num scope="col" { (words.say("registry-from")) } th.num scope="col" { (words.say("registry-to")) } } }
                tbody { @for (row, code) in &file.homes { tr {
                    th scope="row" { span.junto { (code) } }
                    td { (words.say(&format!("registry-relation-{}", row.relation))) }
                    td.num { (show_day(row.valid_from)) }
                    td.num { @match row.valid_to { Some(day) => { (show_day(day)) } None => { (words.say("registry-present")) } } }
                } } }
            }
        }
        details open[error("household").is_some()] {
            summary { (words.say("registry-move")) }
            form.mx method="post" action={ (base) "/home" } {
                (reader.csrf_field())
                (text(words, "household", typed, error("household"), true))
                (select(words, "relation", &options(words, "registry-relation", Relation::ALL, Relation::name), typed, None))
                (text(words, "since", typed, None, true))
                div { button.boton { (words.say("registry-save-home")) } }
            }
        }
    }
}

pub(super) fn contacts<'e>(reader: &Reader, file: &File, base: &str, typed: &Typed, error: &impl Fn(&str) -> Option<&'e str>) -> Markup {
    let words = &reader.words;
    html! {
        @if file.contacts.is_empty() { p.vacio { (words.say("registry-no-contact")) } } @else {
            table.tabla {
                caption { (words.say("registry-contacts-caption")) }
                thead { tr { th scope="col" { (words.say("registry-field-channel")) } th scope="col" { (words.say("registry-number")) } th.ancho scope="col" { (words.say("registry-field-language")) } th.num scope="col" { (words.say("registry-from")) } th.num.ancho scope="col" { (words.say("registry-to")) } } }
                tbody { @for row in &file.contacts { tr {
                    th scope="row" { (words.say(&format!("registry-channel-{}", row.channel))) }
                    td { @match &row.ending { Some(ending) => { (words.say("registry-ends-in")) " " (ending) } None => span.suave { (words.say("registry-no-number")) } } }
                    td.ancho { (words.say(&format!("registry-language-{}", row.language))) }
                    td.num { (show_day(row.valid_from)) }
                    td.num.ancho { @match row.valid_to { Some(day) => { (show_day(day)) } None => { (words.say("registry-present")) } } }
                } } }
            }
        }
        @if file.home.is_some() {
            details open[error("phone").is_some()] {
                summary { (words.say("registry-new-contact")) }
                form.mx method="post" action={ (base) "/contact" } {
                    (reader.csrf_field())
                    (select(words, "channel", &options(words, "registry-channel", Channel::ALL, Channel::name), typed, None))
                    (text(words, "phone", typed, error("phone"), true))
                    (select(words, "spanish_allowed", &[("yes".into(), words.say("registry-yes")), ("no".into(), words.say("registry-no"))], typed, None))
                    div { button.boton { (words.say("registry-save-contact")) } }
                }
            }
        }
    }
}

pub(super) fn consents<'e>(
    reader: &Reader,
    file: &File,
    today: NaiveDate,
    base: &str,
    typed: &Typed,
    error: &impl Fn(&str) -> Option<&'e str>,
) -> Markup {
    let words = &reader.words;
    let all: Vec<(&'static str, &Consent)> =
        file.home_consents.iter().map(|row| ("registry-of-home", row)).chain(file.consents.iter().map(|row| ("registry-of-person", row))).collect();
    let purposes: Vec<(String, String)> = options(words, "registry-purpose", Purpose::ALL, Purpose::name);
    html! {
        @if all.is_empty() { p.vacio { (words.say("registry-no-consent")) } } @else {
            table.tabla {
                caption { (words.say("registry-consents-caption")) }
                thead { tr { th scope="col" { (words.say("registry-field-purpose")) } th scope="col" { (words.say("registry-given")) } th scope="col" { (words.say("registry-state")) } th scope="col" { span.oido { (words.say("registry-withdraw")) } } } }
                tbody { @for (whose, row) in &all { tr {
                    th scope="row" { (words.say(&format!("registry-purpose-{}", row.purpose))) span.sub { (words.say(whose)) @if row.by_guardian { " · " (words.say("registry-by-guardian")) } } }
                    td { (show_day(row.given_on)) span.sub { (words.say(&format!("registry-how-{}", row.given_how))) } }
                    td { @match row.withdrawn_at {
                        Some(at) => { span.estado.ojo { (words.say("registry-withdrawn")) } span.sub { (show_time(at)) } }
                        None if row.live_on(today) => span.estado.bien { (words.say("registry-holds")) },
                        None => span.estado.espera { (words.say("registry-not-yet")) },
                    } }
                    td { @if row.withdrawn_at.is_none() {
                        form method="post" action={ (base) "/withdraw" } {
                            (reader.csrf_field())
                            input type="hidden" name="consent" value=(row.consent_id);
                            input type="hidden" name="how" value="phone";
                            button.boton { (words.say("registry-withdraw")) span.oido { ": " (words.say(&format!("registry-purpose-{}", row.purpose))) } }
                        }
                    } }
                } } }
            }
        }
        details open[error("purpose").is_some()] {
            summary { (words.say("registry-give-consent")) }
            form.mx method="post" action={ (base) "/consent" } {
                (reader.csrf_field())
                (select(words, "purpose", &purposes, typed, error("purpose")))
                (text(words, "given_on", typed, None, true))
                (select(words, "how", &options(words, "registry-how", How::ALL, How::name), typed, None))
                (select(words, "guardian", &[("no".into(), words.say("registry-no")), ("yes".into(), words.say("registry-yes"))], typed, None))
                div { button.boton { (words.say("registry-save-consent")) } }
            }
        }
    }
}

pub(super) fn enrolments(reader: &Reader, file: &File, base: &str) -> Markup {
    let words = &reader.words;
    let none = file.enrolments.iter().all(|(_, rows)| rows.is_empty());
    html! {
        @if none { p.vacio { (words.say("registry-no-enrolment")) } } @else {
            table.tabla {
                caption { (words.say("registry-enrolments-caption")) }
                thead { tr { th scope="col" { (words.say("registry-module")) } th scope="col" { (words.say("registry-what")) } th scope="col" { (words.say("registry-state")) } th.num.ancho scope="col" { (words.say("registry-from")) } } }
                tbody { @for (module, rows) in &file.enrolments { @for row in rows { tr {
                    th scope="row" { (words.say(&format!("registry-module-{}", module.name))) }
                    td { @for (index, value) in row.details().iter().enumerate().filter(|(_, value)| !value.is_empty()) { @if index > 0 { " · " } (detail_word(words, module, index, value)) } }
                    td { span class={ "estado " (status_class(row.status())) } { (words.say(&format!("registry-status-{}", row.status))) } span.sub.angosto { (show_day(row.started_on)) } }
                    td.num.ancho { (show_day(row.started_on)) }
                } } } }
            }
        }
        @for module in enrolment::ALL {
            details {
                summary { (words.say(&format!("registry-propose-{}", module.name))) }
                form.mx method="post" action={ (base) "/enrol" } {
                    (reader.csrf_field())
                    input type="hidden" name="module" value=(module.name);
                    @for (index, detail) in module.details.iter().enumerate() {
                        @let id = format!("{}-{}", module.name, detail.name);
                        div.campo {
                            label for=(id) { (words.say(&format!("registry-detail-{}", detail.name))) }
                            @if detail.choices.is_empty() { input type="text" id=(id) name=(detail.name) inputmode="numeric" autocomplete="off"; }
                            @else { select id=(id) name=(detail.name) { @for value in detail.choices { option value=(value) { (detail_word(words, module, index, value)) } } } }
                        }
                    }
                    div { button.boton { (words.say("registry-save-proposal")) } }
                }
            }
        }
    }
}

pub(super) fn history(words: &Words, rows: &[(DateTime<Utc>, String, String, Value)]) -> Markup {
    html! {
        @if rows.is_empty() { p.vacio { (words.say("registry-no-history")) } } @else {
            table.tabla {
                caption { (words.say("registry-history-caption")) }
                thead { tr { th scope="col" { (words.say("registry-when")) } th scope="col" { (words.say("registry-change")) } th scope="col" { (words.say("registry-who")) } } }
                tbody { @for (at, actor, action, detail) in rows { tr {
                    td { span.junto { (show_time(*at)) } }
                    td { (words.say(&format!("registry-action-{}", action.replace('.', "-"))))
                        @if let (Some(to), module) = (detail["to"].as_str(), detail["module"].as_str().unwrap_or_default()) { span.sub {
                            (words.say(&format!("registry-module-{module}"))) ": " (words.say(&format!("registry-status-{to}")))
                            @if let Some(reason) = detail["reason"].as_str() { " · " (words.say(&format!("registry-reason-{reason}"))) }
                        } }
                        @if let Some(purpose) = detail["purpose"].as_str() { span.sub { (words.say(&format!("registry-purpose-{purpose}"))) } }
                    }
                    td { (who(words, actor)) }
                } } }
            }
        }
    }
}
