//! One table grants: every route has its row, every row its route, and the router behaves as the table says.

use crate::sign_in::{Answer, ask, get, house, noon, person};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use std::collections::BTreeMap;
use vecino::account::access::{self, Scope, TABLE, Who};
use vecino::account::admission::landing;
use vecino::account::{Actor, Role, session, user};
use vecino::app::App;
use vecino::id::MunicipalityId;

const HOME: MunicipalityId = MunicipalityId(1202);

/// A cookie and its form token for every role, without the cost of thirteen passwords.
pub async fn everybody(app: &App) -> Vec<(Role, String, String)> {
    let mut out = Vec::new();
    for role in Role::ALL {
        person(app, role.name(), role, role.is_municipal().then_some(HOME), "").await;
        let (account, ..) = user::for_sign_in(&app.db, role.name()).await.unwrap().unwrap();
        let mut tx = app.db.write().await.unwrap();
        let ticket = session::open(&mut tx, app.clock.now(), account).await.unwrap();
        tx.commit().await.unwrap();
        let csrf = session::find(&app.db, app.clock.now(), &ticket).await.unwrap().unwrap().csrf;
        out.push((role, format!("vecino={ticket}"), csrf));
    }
    out
}

/// An address that matches the pattern: a municipality, an identity nobody has, the style sheet.
pub fn address(pattern: &str, municipality: &str) -> String {
    let parts: Vec<String> = pattern
        .split('/')
        .map(|part| match part {
            "{municipality}" => municipality.to_owned(),
            "{municipality}.svg" => format!("{municipality}.svg"),
            "{*path}" => "style.css".to_owned(),
            part if part.starts_with('{') => uuid::Uuid::nil().to_string(),
            part => part.to_owned(),
        })
        .collect();
    parts.join("/")
}

pub fn may(who: Who, role: Option<Role>) -> bool {
    match (who, role) {
        (Who::Anyone, _) => true,
        (Who::SignedIn, role) => role.is_some(),
        (Who::Roles(roles), role) => role.is_some_and(|role| roles.contains(&role)),
    }
}

fn turned_away(answer: &Answer) -> bool {
    answer.status == StatusCode::UNAUTHORIZED || answer.location().starts_with("/sign-in")
}

async fn post(router: &Router, path: &str, cookie: &str, csrf: &str) -> Answer {
    ask(router, Request::post(path).header("cookie", cookie).header("x-csrf", csrf).body(Body::empty()).unwrap()).await
}

#[test]
fn every_route_has_one_row_and_every_row_its_route() {
    let mut rows = BTreeMap::new();
    for row in TABLE {
        *rows.entry((row.method, row.path)).or_insert(0) += 1;
    }
    let twice: Vec<_> = rows.iter().filter(|(_, n)| **n > 1).collect();
    assert!(twice.is_empty(), "rows that stand twice: {twice:?}");
    let mounted = vecino::web::routes().mounted;
    let without: Vec<_> = mounted.iter().filter(|route| !rows.contains_key(*route)).collect();
    assert!(without.is_empty(), "mounted without a row: {without:?}");
    let dead: Vec<_> = rows.keys().filter(|row| !mounted.contains(row)).collect();
    assert!(dead.is_empty(), "rows without a route: {dead:?}");
    for row in TABLE {
        let named = row.path.split('/').any(|part| part.trim_end_matches(".svg") == "{municipality}");
        assert!(row.scope != Scope::Municipality || named, "{} has no {{municipality}} to check", row.path);
        let open = row.scope == Scope::Public && matches!(row.who, Who::Anyone);
        assert!(!named || row.scope == Scope::Municipality || open, "{} names a municipality and does not check it", row.path);
    }
}

#[tokio::test]
async fn every_role_and_nobody_gets_what_the_table_says() {
    crate::on_both_engines!(db => {
        let app = house(db, noon()).await;
        let everybody = everybody(&app).await;
        let router = vecino::web::app(app);
        let mut wrong = Vec::new();
        for row in TABLE {
            let own = address(row.path, "1202");
            let mut check = |who: &str, what: &str, right: bool, answer: &Answer| {
                if !right {
                    wrong.push(format!("{who} {} {}: {what}, not {} {}", row.method, row.path, answer.status, answer.location()));
                }
            };
            let get_row = row.method == "GET";
            if !may(row.who, None) {
                let answer = if get_row { get(&router, &own, "").await } else { post(&router, &own, "", "").await };
                check("nobody", "is asked to sign in", turned_away(&answer), &answer);
                check("nobody", "problem for programs", !row.path.starts_with("/api/") || answer.headers["content-type"] == "application/problem+json", &answer);
            } else if get_row {
                let answer = get(&router, &own, "").await;
                check("nobody", "passes", answer.status != StatusCode::FORBIDDEN && answer.status != StatusCode::UNAUTHORIZED && !answer.status.is_server_error(), &answer);
            }
            for (role, cookie, csrf) in &everybody {
                if !may(row.who, Some(*role)) {
                    let answer = if get_row { get(&router, &own, cookie).await } else { post(&router, &own, cookie, csrf).await };
                    check(role.name(), "is refused", answer.status == StatusCode::FORBIDDEN, &answer);
                    continue;
                }
                if get_row {
                    let answer = get(&router, &own, cookie).await;
                    let passes = !turned_away(&answer) && answer.status != StatusCode::FORBIDDEN && !answer.status.is_server_error();
                    check(role.name(), "passes", passes, &answer);
                }
                if row.scope == Scope::Municipality && role.is_municipal() {
                    for elsewhere in ["0114", "9999", "x"] {
                        let path = address(row.path, elsewhere);
                        let answer = if get_row { get(&router, &path, cookie).await } else { post(&router, &path, cookie, csrf).await };
                        check(role.name(), "finds nothing in another municipality", answer.status == StatusCode::NOT_FOUND, &answer);
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[tokio::test]
async fn nothing_is_done_for_a_session_without_its_form_token() {
    crate::on_both_engines!(db => {
        let app = house(db, noon()).await;
        let everybody = everybody(&app).await;
        let router = vecino::web::app(app);
        for row in TABLE.iter().filter(|row| row.method != "GET" && row.path != "/sign-in") {
            for (role, cookie, _) in everybody.iter().filter(|(role, ..)| may(row.who, Some(*role))) {
                let answer = post(&router, &address(row.path, "1202"), cookie, "guessed").await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{role} {} {}", row.method, row.path);
            }
        }
    });
}

#[test]
fn each_role_lands_on_a_page_it_may_open() {
    for role in Role::ALL {
        let actor =
            Actor { role, name: String::new(), account: None, municipality: role.is_municipal().then_some(HOME), operator: None, device: None };
        let path = landing(&actor);
        let row = TABLE.iter().find(|row| row.method == "GET" && (row.path == path || address(row.path, "1202") == path));
        assert!(row.is_some_and(|row| may(row.who, Some(role))), "{role} lands on {path}");
    }
}

#[test]
fn every_address_of_the_public_interface_is_documented() {
    let document = vecino::web::document::openapi();
    for (method, path) in vecino::web::routes().mounted {
        if path.starts_with("/api/v1/") {
            assert!(document["paths"][path][method.to_lowercase()].is_object(), "{method} {path} is not in the OpenAPI document");
        }
    }
    assert!(access::find(&Method::HEAD, "/healthz").is_some(), "HEAD is granted where GET is");
}
