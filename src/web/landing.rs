//! The first address: whoever is signed in goes to the page of their role, everybody else to the sign-in. A practice town shows its doors.

use crate::account::practice::{self, Door};
use crate::account::{Actor, admission};
use crate::app::App;
use crate::page::{Page, Reader};
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

pub async fn landing(State(app): State<App>, actor: Option<Extension<Actor>>, reader: Reader) -> Response {
    match actor {
        Some(Extension(actor)) => Redirect::to(&admission::landing(&actor)).into_response(),
        None if app.demo => doors(&reader).into_response(),
        None => Redirect::to("/sign-in").into_response(),
    }
}

fn key(kind: &str, door: &Door) -> String {
    format!("{kind}-{}", door.role.name().replace('_', "-"))
}

fn doors(reader: &Reader) -> Page {
    let words = reader.words;
    let door = |door: &Door| -> Markup {
        html! {
            li {
                div {
                    h2 { (words.say(&key("role", door))) }
                    p.suave { (words.say(&key("door", door))) }
                }
                form method="post" action="/sign-in" {
                    input type="hidden" name="login" value=(door.login);
                    input type="hidden" name="password" value=(practice::PASSWORD);
                    button.boton type="submit" { (words.say(&key("enter", door))) }
                }
            }
        }
    };
    let body = html! {
        ul.puertas { @for entry in practice::DOORS { (door(entry)) } }
        section {
            h2 { (words.say("landing-logins")) }
            table.tabla {
                caption { (words.say("landing-logins-caption")) " " code { (practice::PASSWORD) } "." }
                thead { tr {
                    th scope="col" { (words.say("landing-role")) } th scope="col" { (words.say("web-login")) }
                    th.ancho scope="col" { (words.say("landing-reach")) }
                } }
                tbody {
                    @for entry in practice::DOORS {
                        tr {
                            th scope="row" { (words.say(&key("role", entry))) }
                            td { code { (entry.login) } }
                            td.ancho {
                                @match entry.municipality { Some(id) => { (words.say(&format!("place-{id}"))) } None => { (words.say("landing-everywhere")) } }
                                @if let Some(operator) = entry.operator { ", " (words.say("landing-operator")) " " (operator) }
                            }
                        }
                    }
                }
            }
        }
    };
    Page::new("", words.say("landing-heading"), body).answer(html! { (words.say("landing-answer")) })
}
