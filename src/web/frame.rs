//! The one frame of every page: skip link, brand and place, at most five words of navigation, the page, and its foot.

use super::answer::Asked;
use super::assets;
use crate::account::access::{self, Who};
use crate::account::admission::Visit;
use crate::account::{Actor, Role};
use crate::language::{Language, Words};
use crate::page::Page;
use axum::http::Method;
use maud::{DOCTYPE, Markup, html};

/// One word of the navigation: `Page::current`, the interface string, and where it leads.
struct Entry(&'static str, &'static str, &'static str);

/// What a role sees in the navigation, most needed first. An entry shows only where the table of grants lets the role in.
fn entries(role: Role) -> &'static [Entry] {
    const CREW: Entry = Entry("crew", "nav-crew", "/crew");
    const TODAY: Entry = Entry("today", "nav-today", "/today/{municipality}");
    const ROUNDS: Entry = Entry("rounds", "nav-rounds", "/rounds");
    const MAP: Entry = Entry("map", "nav-map", "/map/{municipality}");
    const VISITS: Entry = Entry("visits", "nav-visits", "/visits");
    const INDICATORS: Entry = Entry("indicators", "nav-indicators", "/registry/indicators");
    const CAMPAIGNS: Entry = Entry("campaigns", "nav-campaigns", "/campaigns");
    const TRIAL: Entry = Entry("trial", "nav-trial", "/trial");
    const REGISTRY: Entry = Entry("registry", "nav-registry", "/registry");
    const FINANCE: Entry = Entry("finance", "nav-finance", "/registry/finance");
    const SCHOOL: Entry = Entry("school", "nav-school", "/registry/school");
    const GENDER: Entry = Entry("gender", "nav-gender", "/registry/gender");
    const ACCOUNTS: Entry = Entry("accounts", "nav-accounts", "/accounts");
    const AUDIT: Entry = Entry("audit", "nav-audit", "/audit");
    const API: Entry = Entry("api", "nav-api", "/api/docs");
    match role {
        Role::Crew => &[CREW],
        Role::CrewLead => &[ROUNDS],
        Role::Coordinator => &[TODAY, ROUNDS, MAP, INDICATORS, CAMPAIGNS],
        Role::Visitor => &[VISITS],
        Role::Researcher => &[TRIAL, CAMPAIGNS],
        Role::Mayor => &[MAP, INDICATORS],
        Role::Registrar => &[REGISTRY, FINANCE, SCHOOL, GENDER, INDICATORS],
        Role::Finance => &[FINANCE, INDICATORS],
        Role::School => &[SCHOOL, INDICATORS],
        Role::Gender => &[GENDER, INDICATORS],
        Role::Partner => &[API],
        Role::Auditor => &[AUDIT, TRIAL, INDICATORS],
        Role::Admin => &[ACCOUNTS, AUDIT, API],
    }
}

fn open_to(role: Role, pattern: &str) -> bool {
    access::find(&Method::GET, pattern).is_some_and(|row| match row.who {
        Who::Anyone | Who::SignedIn => true,
        Who::Roles(roles) => roles.contains(&role),
    })
}

fn navigation(words: &Words, actor: &Actor, asked: &Asked, current: &str) -> Markup {
    let own = actor.municipality.map(|id| id.to_string());
    let links: Vec<_> = entries(actor.role)
        .iter()
        .filter(|entry| open_to(actor.role, entry.2))
        .filter_map(|Entry(key, word, path)| match &own {
            Some(own) => Some((*key, *word, path.replace("{municipality}", own))),
            None => (!path.contains('{')).then(|| (*key, *word, (*path).to_owned())),
        })
        .collect();
    // The entry whose address the page lies under, the longest if several; a page elsewhere names its entry.
    let path = asked.address.split('?').next().unwrap_or("");
    let over = |href: &str| path.strip_prefix(href).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let here = links.iter().filter(|(_, _, href)| over(href)).max_by_key(|(_, _, href)| href.len()).map_or(current, |(key, ..)| key);
    html! {
        @if !links.is_empty() {
            nav aria-label=(words.say("nav-main")) {
                ul {
                    @for (key, word, path) in &links {
                        li { a href=(path) aria-current=[(*key == here).then_some("page")] { (words.say(word)) } }
                    }
                }
            }
        }
    }
}

fn settings(asked: &Asked, visit: &Visit, words: &Words) -> Markup {
    let theme = visit.theme.as_deref().unwrap_or("auto");
    let choice = |name: &str, value: &str, label: String, lang: Option<&str>, current: bool| {
        html! { button.enlace type="submit" name=(name) value=(value) lang=[lang] aria-pressed=(if current { "true" } else { "false" }) { (label) } }
    };
    html! {
        form.ajustes method="post" action="/settings" {
            (visit.reader.csrf_field())
            input type="hidden" name="next" value=(asked.address);
            p {
                span { (words.say("web-language")) ":" } " "
                (choice("language", "es", "Español".into(), Some("es"), words.language == Language::Es)) " "
                (choice("language", "en", "English".into(), Some("en"), words.language == Language::En))
            }
            p {
                span { (words.say("web-theme")) ":" } " "
                @for (value, key) in [("auto", "web-theme-auto"), ("claro", "web-theme-light"), ("oscuro", "web-theme-dark"), ("sol", "web-theme-sun")] {
                    (choice("theme", value, words.say(key), None, theme == value)) " "
                }
            }
        }
    }
}

/// The whole HTML document.
pub fn document(page: &Page, asked: &Asked, visit: &Visit, demo: bool) -> Markup {
    let words = &visit.reader.words;
    let theme = visit.theme.as_deref().filter(|theme| matches!(*theme, "claro" | "oscuro" | "sol"));
    let place = if page.place.is_empty() { visit.place.as_deref().unwrap_or("") } else { &page.place };
    html! {
        (DOCTYPE)
        html lang=(words.language.tag()) data-tema=[theme] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · Vecino" }
                link rel="stylesheet" href=(assets::address("style.css"));
                link rel="icon" href=(assets::address("vecino.svg")) type="image/svg+xml";
                @for script in &page.scripts { script type="module" src=(assets::address(script)) {} }
            }
            body {
                a.saltar href="#contenido" { (words.say("web-skip")) }
                @if demo { aside.practica aria-label=(words.say("web-practice-label")) { p { (words.say("web-practice")) } } }
                header.marco {
                    div {
                        a.marca href="/" { "Vecino" @if !place.is_empty() { " " span { (place) } } }
                        @if let Some(actor) = &visit.actor {
                            (navigation(words, actor, asked, page.current))
                            @if actor.account.is_some() {
                                form.quien method="post" action="/sign-out" {
                                    (visit.reader.csrf_field())
                                    span.ancho { (words.say(&format!("role-{}", actor.role.name().replace('_', "-")))) " · " }
                                    button.enlace type="submit" { (words.say("web-sign-out")) }
                                }
                            }
                        }
                    }
                }
                main #contenido {
                    div.cabeza {
                        @if let Some(eyebrow) = &page.eyebrow { p.ceja { (eyebrow) } }
                        h1 { (page.heading) }
                        @if let Some(answer) = &page.answer { p.respuesta { (answer) } }
                    }
                    (page.body)
                }
                footer.pie {
                    p { (words.say("web-foot")) }
                    (settings(asked, visit, words))
                    @if visit.actor.as_ref().is_some_and(|actor| actor.account.is_some()) && !demo {
                        p { a href="/password" { (words.say("password-change")) } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_sees_more_than_five_words() {
        for role in Role::ALL {
            assert!((1..=5).contains(&entries(role).len()), "{role}");
        }
    }
}
