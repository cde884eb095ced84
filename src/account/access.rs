//! One table of role × route × scope: the only place that grants. A route without a row answers nothing and fails a test.

use super::Role;
use crate::app::App;
use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::MethodFilter;
use axum::routing::on;

/// Who may pass.
#[derive(Debug, Clone, Copy)]
pub enum Who {
    Anyone,
    /// Anyone signed in, or with a valid token.
    SignedIn,
    Roles(&'static [Role]),
}

/// What the address must agree with, besides the role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The handler shows only what the actor reaches.
    Own,
    /// `{municipality}` in the path must be within reach; otherwise the page does not exist.
    Municipality,
    /// `{municipality}` in the path is any: what stands there is for everybody.
    Public,
}

#[derive(Debug, Clone, Copy)]
pub struct Grant {
    pub method: &'static str,
    pub path: &'static str,
    pub who: Who,
    pub scope: Scope,
}

const fn grant(method: &'static str, path: &'static str, who: Who, scope: Scope) -> Grant {
    Grant { method, path, who, scope }
}

/// Who sees what is published.
const MAP_READERS: &[Role] = &[Role::Mayor, Role::Coordinator, Role::Researcher, Role::Partner, Role::Auditor, Role::Admin];
/// Who sees a trial; never crews, never mayors.
const STUDY: &[Role] = &[Role::Researcher, Role::Auditor, Role::Admin];

/// Every route of the house. Rows are grouped by module.
pub const TABLE: &[Grant] = &[
    // web
    grant("GET", "/", Who::Anyone, Scope::Own),
    grant("GET", "/sign-in", Who::Anyone, Scope::Own),
    grant("POST", "/sign-in", Who::Anyone, Scope::Own),
    grant("POST", "/sign-out", Who::SignedIn, Scope::Own),
    grant("POST", "/settings", Who::Anyone, Scope::Own),
    grant("GET", "/healthz", Who::Anyone, Scope::Own),
    grant("GET", "/readyz", Who::Anyone, Scope::Own),
    grant("GET", "/static/{*path}", Who::Anyone, Scope::Own),
    grant("GET", "/api/openapi.json", Who::Anyone, Scope::Own),
    grant("GET", "/api/docs", Who::Anyone, Scope::Own),
    // account
    grant("GET", "/accounts", Who::Roles(&[Role::Admin]), Scope::Own),
    grant("POST", "/accounts", Who::Roles(&[Role::Admin]), Scope::Own),
    grant("POST", "/accounts/{account}/disable", Who::Roles(&[Role::Admin]), Scope::Own),
    grant("POST", "/accounts/{account}/password", Who::Roles(&[Role::Admin]), Scope::Own),
    grant("POST", "/devices/{municipality}/{device}/revoke", Who::Roles(&[Role::Admin]), Scope::Municipality),
    grant("GET", "/password", Who::SignedIn, Scope::Own),
    grant("POST", "/password", Who::SignedIn, Scope::Own),
    grant("GET", "/audit", Who::Roles(&[Role::Auditor, Role::Admin]), Scope::Own),
    // territory
    grant("GET", "/calendar/{municipality}/{route}", Who::Anyone, Scope::Public),
    // registry
    grant("GET", "/registry", Who::Roles(&[Role::Registrar]), Scope::Own),
    grant("POST", "/registry/search", Who::Roles(&[Role::Registrar]), Scope::Own),
    grant("GET", "/registry/person/new/{municipality}", Who::Roles(&[Role::Registrar]), Scope::Municipality),
    grant("POST", "/registry/person/new/{municipality}", Who::Roles(&[Role::Registrar]), Scope::Municipality),
    grant("GET", "/registry/person/{municipality}/{person}", Who::Roles(&[Role::Registrar]), Scope::Municipality),
    grant("POST", "/registry/person/{municipality}/{person}/birth", Who::Roles(&[Role::Registrar]), Scope::Municipality),
    grant("POST", "/registry/person/{municipality}/{person}/likeness", Who::Roles(&[Role::Registrar]), Scope::Municipality),
    grant("POST", "/registry/person/{municipality}/{person}/home", Who::Roles(&[Role::Registrar]), Scope::Municipality),
    grant("POST", "/registry/person/{municipality}/{person}/contact", Who::Roles(&[Role::Registrar]), Scope::Municipality),
    grant("POST", "/registry/person/{municipality}/{person}/consent", Who::Roles(&[Role::Registrar]), Scope::Municipality),
    grant("POST", "/registry/person/{municipality}/{person}/withdraw", Who::Roles(&[Role::Registrar]), Scope::Municipality),
    grant("POST", "/registry/person/{municipality}/{person}/enrol", Who::Roles(&[Role::Registrar]), Scope::Municipality),
    grant("GET", "/registry/waste", Who::Roles(&[Role::Registrar, Role::Coordinator]), Scope::Own),
    grant("POST", "/registry/waste/{municipality}/{enrolment}", Who::Roles(&[Role::Registrar, Role::Coordinator]), Scope::Municipality),
    grant("GET", "/registry/finance", Who::Roles(&[Role::Registrar, Role::Finance]), Scope::Own),
    grant("POST", "/registry/finance/{municipality}/{enrolment}", Who::Roles(&[Role::Registrar, Role::Finance]), Scope::Municipality),
    grant("GET", "/registry/school", Who::Roles(&[Role::Registrar, Role::School]), Scope::Own),
    grant("POST", "/registry/school/{municipality}/{enrolment}", Who::Roles(&[Role::Registrar, Role::School]), Scope::Municipality),
    grant("GET", "/registry/gender", Who::Roles(&[Role::Registrar, Role::Gender]), Scope::Own),
    grant("POST", "/registry/gender/{municipality}/{enrolment}", Who::Roles(&[Role::Registrar, Role::Gender]), Scope::Municipality),
    grant(
        "GET",
        "/registry/indicators",
        Who::Roles(&[Role::Registrar, Role::Coordinator, Role::Admin, Role::Finance, Role::School, Role::Gender]),
        Scope::Own,
    ),
    grant(
        "GET",
        "/registry/indicators.csv",
        Who::Roles(&[Role::Registrar, Role::Coordinator, Role::Admin, Role::Finance, Role::School, Role::Gender]),
        Scope::Own,
    ),
    // trial and analysis
    grant("GET", "/trial/{trial}/protocol", Who::Roles(&[Role::Researcher, Role::Auditor, Role::Admin]), Scope::Own),
    grant("GET", "/trial/{trial}/look-request", Who::Roles(&[Role::Researcher, Role::Admin]), Scope::Own),
    grant("POST", "/trial/{trial}/look-request", Who::Roles(&[Role::Researcher, Role::Admin]), Scope::Own),
    grant("GET", "/trial", Who::Roles(STUDY), Scope::Own),
    grant("GET", "/trial/{trial}", Who::Roles(STUDY), Scope::Own),
    grant("GET", "/trial/{trial}/report.json", Who::Roles(STUDY), Scope::Own),
    // observation
    grant("POST", "/api/v1/sync", Who::Roles(&[Role::Crew, Role::CrewLead]), Scope::Own),
    grant("GET", "/api/v1/rounds/today", Who::Roles(&[Role::Crew, Role::CrewLead]), Scope::Own),
    grant("GET", "/crew", Who::Roles(&[Role::Crew, Role::CrewLead]), Scope::Own),
    grant("GET", "/crew/shell", Who::Anyone, Scope::Own),
    grant("GET", "/crew/sw.js", Who::Anyone, Scope::Own),
    grant("GET", "/crew/manifest.webmanifest", Who::Anyone, Scope::Own),
    grant("GET", "/crew/icon.svg", Who::Anyone, Scope::Own),
    grant("POST", "/crew/enrol", Who::Roles(&[Role::Crew, Role::CrewLead]), Scope::Own),
    grant("GET", "/rounds", Who::Roles(&[Role::CrewLead, Role::Coordinator, Role::Admin]), Scope::Own),
    // norm
    grant("GET", "/campaigns", Who::Roles(&[Role::Coordinator, Role::Researcher, Role::Admin]), Scope::Own),
    grant("GET", "/campaign/{campaign}/preview", Who::Roles(&[Role::Researcher, Role::Admin]), Scope::Own),
    grant("GET", "/campaign/{campaign}/preview/{municipality}/{household}", Who::Roles(&[Role::Researcher, Role::Admin]), Scope::Municipality),
    grant("GET", "/visits", Who::Roles(&[Role::Visitor]), Scope::Own),
    grant("POST", "/visits/{municipality}/{message}", Who::Roles(&[Role::Visitor]), Scope::Municipality),
    // map
    grant("GET", "/map/{municipality}", Who::Roles(MAP_READERS), Scope::Municipality),
    grant("GET", "/map/{municipality}/{neighbourhood}", Who::Roles(MAP_READERS), Scope::Municipality),
    grant("GET", "/api/v1/compliance", Who::Roles(MAP_READERS), Scope::Own),
    // coordinator
    grant("GET", "/today/{municipality}", Who::Roles(&[Role::Coordinator, Role::Auditor, Role::Admin]), Scope::Municipality),
];

/// The row for a route, by the pattern it was mounted under.
pub fn find(method: &Method, path: &str) -> Option<&'static Grant> {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    TABLE.iter().find(|row| row.method == method && row.path == path)
}

/// A router that remembers what was mounted, so that a test can walk it.
#[derive(Default)]
pub struct Routes {
    pub router: Router<App>,
    pub mounted: Vec<(&'static str, &'static str)>,
}

impl Routes {
    pub fn get<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Routes {
        self.mount("GET", MethodFilter::GET, path, handler)
    }

    pub fn post<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Routes {
        self.mount("POST", MethodFilter::POST, path, handler)
    }

    fn mount<H: Handler<T, App>, T: 'static>(mut self, method: &'static str, filter: MethodFilter, path: &'static str, handler: H) -> Routes {
        self.mounted.push((method, path));
        self.router = self.router.route(path, on(filter, handler));
        self
    }
}
