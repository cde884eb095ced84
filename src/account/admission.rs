//! The door every request passes: who asks, may they, and is it really they. Grants come only from the table in `access`.

use super::access::{self, Scope, Who};
use super::{Actor, Role, session, token};
use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::id::{MunicipalityId, sha256_hex};
use crate::language::{Language, Words};
use crate::page::Reader;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::{HeaderMap, Method, header};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// How requests reach this server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Transport {
    /// The proxy that ends TLS in front of us; only its word about addresses is believed.
    pub trusted_proxy: Option<IpAddr>,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    pub address: IpAddr,
    /// Came over TLS, so cookies are bound to it.
    pub secure: bool,
}

impl Caller {
    fn of(request: &Request, transport: Transport) -> Caller {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |info| info.0.ip().to_canonical());
        if transport.trusted_proxy != Some(peer) {
            return Caller { address: peer, secure: false };
        }
        // The last entry is the one our proxy wrote; those before it are the client's claims.
        let said = text(request.headers(), "x-forwarded-for").and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
        Caller { address: said.unwrap_or(peer), secure: true }
    }

    /// The `__Host-` prefix makes browsers refuse the cookie over plain HTTP, which a practice town on this machine uses.
    pub fn cookie_name(&self) -> &'static str {
        if self.secure { "__Host-vecino" } else { "vecino" }
    }
}

/// What is known about whoever asks, for the frame as well as for handlers.
#[derive(Debug, Clone)]
pub struct Visit {
    pub actor: Option<Actor>,
    pub reader: Reader,
    pub theme: Option<String>,
    pub place: Option<String>,
    pub caller: Caller,
}

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Admits a request or says why not; the visit is known in both cases.
pub async fn admit(app: &App, transport: Transport, request: Request) -> (Visit, Result<Request>) {
    let caller = Caller::of(&request, transport);
    let headers = request.headers();
    let chosen = cookie(headers, "language").map(str::to_owned);
    let theme = cookie(headers, "theme").map(str::to_owned);
    let bearer = text(headers, "authorization").map(|value| value.strip_prefix("Bearer ").unwrap_or("").trim().to_owned());
    let ticket = cookie(headers, caller.cookie_name()).map(str::to_owned);
    let mut visit = Visit {
        actor: None,
        // Phones here are often sold set to English, so Accept-Language is no choice; the switch stands at the foot of every page.
        reader: Reader { words: Words::new(Language::choose(chosen.as_deref(), None)), csrf: String::new() },
        theme,
        place: None,
        caller,
    };
    let mut refused = None;
    let now = app.clock.now();
    match (bearer, ticket) {
        (Some(bearer), _) => match token::find(&app.db, now, &bearer).await {
            Ok(actor) => visit.actor = Some(actor),
            Err(error) => refused = Some(error),
        },
        (None, Some(ticket)) => match session::find(&app.db, now, &ticket).await {
            Ok(Some(session)) => {
                let language = chosen.as_deref().unwrap_or(&session.language);
                visit.reader = Reader { words: Words::new(Language::choose(Some(language), None)), csrf: session.csrf };
                visit.theme = visit.theme.or(session.theme);
                visit.place = session.place;
                visit.actor = Some(session.actor);
            }
            Ok(None) => {}
            Err(error) => return (visit, Err(error)),
        },
        (None, None) => {}
    }
    let outcome = check(&visit, refused, request).await;
    (visit, outcome)
}

async fn check(visit: &Visit, refused: Option<Error>, mut request: Request) -> Result<Request> {
    let unknown = || Error::not_found("page-unknown", "there is nothing at this address");
    let method = request.method().clone();
    let Some(pattern) = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()) else { return Err(unknown()) };
    let Some(grant) = access::find(&method, &pattern) else {
        if access::TABLE.iter().any(|row| row.path == pattern) {
            // The path is known under another method; the router says so.
            return Ok(request);
        }
        tracing::error!(%method, pattern, "a mounted route without a row in the table of grants");
        return Err(unknown());
    };
    if let Some(error) = refused
        && (!matches!(grant.who, Who::Anyone) || error.kind != Kind::Unauthenticated)
    {
        return Err(error);
    }
    let by_session = visit.actor.is_some() && !visit.reader.csrf.is_empty();
    if !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS) {
        own_origin(request.headers())?;
        // The sign-in form may have been opened before the session began; it carries a password, and its origin was checked.
        if by_session && pattern != "/sign-in" {
            request = with_csrf(&visit.reader.csrf, request).await?;
        }
    }
    let may = match grant.who {
        Who::Anyone => true,
        Who::SignedIn => visit.actor.is_some(),
        Who::Roles(roles) => visit.actor.as_ref().is_some_and(|actor| roles.contains(&actor.role)),
    };
    if !may {
        return Err(match &visit.actor {
            None => Error::new(Kind::Unauthenticated, "sign-in", "sign in first, or send a valid token"),
            Some(actor) => Error::forbidden("role-forbidden", format!("role {} does not open this page", actor.role)).with("role", actor.role),
        });
    }
    if grant.scope == Scope::Municipality
        && let Some(actor) = &visit.actor
    {
        let named = parameter(&pattern, request.uri().path(), "{municipality}").and_then(|code| MunicipalityId::parse(code).ok());
        if !named.is_some_and(|id| actor.reaches(id)) {
            return Err(unknown());
        }
    }
    if let Some(actor) = &visit.actor {
        request.extensions_mut().insert(actor.clone());
    }
    request.extensions_mut().insert(visit.reader.clone());
    request.extensions_mut().insert(visit.caller);
    Ok(request)
}

/// The text standing in a path for one parameter of its pattern; a trailing ".svg" does not belong to it.
fn parameter<'a>(pattern: &str, path: &'a str, name: &str) -> Option<&'a str> {
    let at = pattern.split('/').position(|part| part.trim_end_matches(".svg") == name)?;
    path.split('/').nth(at).map(|part| part.trim_end_matches(".svg"))
}

/// A browser says which site a form came from; another site's is refused.
fn own_origin(headers: &HeaderMap) -> Result<()> {
    let Some(origin) = text(headers, "origin") else { return Ok(()) };
    let own = text(headers, "host").unwrap_or("");
    match origin.split_once("://") {
        Some((_, host)) if !own.is_empty() && host.eq_ignore_ascii_case(own) => Ok(()),
        _ => Err(Error::forbidden("foreign-origin", "this request came from another site and was refused")),
    }
}

/// Forms are small; what a script sends is limited by the router.
const FORM_LIMIT: usize = 2 << 20;

/// Lets a request of a session through only with the session's own token, in the header or in the form.
async fn with_csrf(csrf: &str, request: Request) -> Result<Request> {
    let wrong = || Error::forbidden("csrf", "the form has expired or came from elsewhere; load the page again and repeat");
    // Hashes are compared, so the time taken tells nothing about the token.
    let same = |given: &str| sha256_hex(given.as_bytes()) == sha256_hex(csrf.as_bytes());
    if let Some(given) = text(request.headers(), "x-csrf") {
        return if same(given) { Ok(request) } else { Err(wrong()) };
    }
    let form = text(request.headers(), "content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if !form {
        return Err(wrong());
    }
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, FORM_LIMIT)
        .await
        .map_err(|e| Error::new(Kind::TooLarge, "form-too-large", "the form is too large or was cut off; send it again").because(e))?;
    let given = bytes.split(|b| *b == b'&').find_map(|pair| pair.strip_prefix(b"csrf=")).and_then(|value| std::str::from_utf8(value).ok());
    if !given.is_some_and(same) {
        return Err(wrong());
    }
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// The page that answers a role's first question. `{municipality}` stands for the actor's own.
pub fn landing(actor: &Actor) -> String {
    let path = match actor.role {
        Role::Crew => "/crew",
        Role::CrewLead => "/rounds",
        Role::Coordinator => "/today/{municipality}",
        Role::Visitor => "/visits",
        Role::Researcher => "/trial",
        Role::Mayor => "/map/{municipality}",
        Role::Registrar => "/registry",
        Role::Finance => "/registry/finance",
        Role::School => "/registry/school",
        Role::Gender => "/registry/gender",
        Role::Partner => "/api/docs",
        Role::Auditor => "/audit",
        Role::Admin => "/accounts",
    };
    match actor.municipality {
        Some(own) => path.replace("{municipality}", &own.to_string()),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_municipality_in_an_address_is_found_with_and_without_its_ending() {
        assert_eq!(parameter("/map/{municipality}", "/map/1202.svg", "{municipality}"), Some("1202"));
        assert_eq!(parameter("/today/{municipality}/x", "/today/0114/x", "{municipality}"), Some("0114"));
        assert_eq!(parameter("/map", "/map", "{municipality}"), None);
    }

    #[test]
    fn a_form_from_another_site_is_refused() {
        let of = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("host", "vecino.example:8080".parse().unwrap());
            headers.insert("origin", origin.parse().unwrap());
            own_origin(&headers)
        };
        assert!(of("http://vecino.example:8080").is_ok());
        for foreign in ["http://vecino.example", "https://other.example", "null", "http://vecino.example:8080.other.example"] {
            assert!(of(foreign).is_err(), "{foreign}");
        }
    }
}
