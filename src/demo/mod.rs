//! The practice town: both pilots on real outlines, in week 20 of an invented trial. Everything in it follows from the seed and the
//! date: the same seed and `--today` give the same identities, keys and exports, byte for byte.

mod town;

use crate::account::installation::claim;
use crate::analysis::simulate::{Parameters, doses, simulate};
use crate::app::{App, Options, UNFINISHED, print, take_folder};
use crate::clock::{Clock, Week, at_local, show_day};
use crate::db::{Db, Tx};
use crate::error::{Error, Result};
use crate::id::Mint;
use crate::observation::{round, tally};
use crate::seal::Keys;
use crate::trial::protocol::{Phase, Protocol, published_on};
use crate::{account, analysis, map, one, registry, territory, trial, web};
use chrono::{Duration, NaiveDate};
use rand_chacha::rand_core::Rng;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use town::Town;

/// The trial week the town stands in: messages have stopped, the first look is due, this week's rounds are open.
const STANDS_IN_WEEK: i64 = 20;
const PROTOCOL: &str = include_str!("../../experiments/norma-y-plan-2026.toml");
const CAMPAIGN: &str = "semanal";
const OWN_PROTOCOL: &str = "norma-y-plan-2026.toml";

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Address to serve on
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Homes in both municipalities together
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(300..=18_000))]
    pub households: u32,
    /// Weeks of the trial's calendar; the town stands in week 20
    #[arg(long, default_value_t = 26, value_parser = clap::value_parser!(i64).range(20..=52))]
    pub weeks: i64,
    /// Everything invented follows from it
    #[arg(long, default_value_t = 20260630)]
    pub seed: u64,
    /// The day the town stands at, AAAA-MM-DD [default: today in Guatemala]
    #[arg(long, value_name = "DATE")]
    pub today: Option<NaiveDate>,
    /// A pilot in which no message changes anything
    #[arg(long)]
    pub no_effect: bool,
    /// Stop after loading
    #[arg(long)]
    pub no_serve: bool,
}

/// Tells a person at a terminal what is being made; the log has the same with its time.
fn tell(started: std::time::Instant, what: &str) {
    use std::io::{IsTerminal, Write};
    tracing::debug!(seconds = started.elapsed().as_secs_f64(), what);
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let _ = writeln!(out, "{:>5.1} s  {what}", started.elapsed().as_secs_f64());
    }
}

/// Makes the town where there is none, prints its doors, and serves it.
pub async fn run(arguments: Arguments, options: &Options) -> Result<()> {
    let app = match standing(options)? {
        true => options.open().await?,
        false => {
            if !arguments.no_serve {
                // The port first: a town is not made for a server that cannot start.
                web::serve::bind(arguments.listen).await?;
            }
            let started = std::time::Instant::now();
            let (app, made) = make(&arguments, options).await?;
            if made && !options.json {
                print(&format!("The practice town stands ({:.1} s).\n", started.elapsed().as_secs_f64()))?;
            }
            app
        }
    };
    introduce(&app, &arguments, options).await?;
    if arguments.no_serve {
        app.db.close().await;
        return Ok(());
    }
    web::command::serve_open(app, arguments.listen, options).await
}

/// Whether a finished town stands here; a folder with another database in it is refused.
fn standing(options: &Options) -> Result<bool> {
    let marker = options.data_dir.join("demo").exists();
    let database = options.database.is_none() && options.data_dir.join("vecino.db").exists();
    let key = options.data_dir.join("key").exists();
    // A marker whose town was taken away is no town.
    if marker && (database || options.database.is_some()) && key {
        return Ok(true);
    }
    // With PostgreSQL the folder of a real installation holds its key, without which its names cannot be read again.
    let occupied = !marker && (key || database);
    if occupied && !options.data_dir.join(UNFINISHED).exists() {
        return Err(Error::refused(
            "demo-occupied",
            format!("{}: this folder holds a real installation; name another --data-dir for the practice town", options.data_dir.display()),
        ));
    }
    Ok(false)
}

fn io(place: &Path) -> impl Fn(std::io::Error) -> Error {
    let place = place.display().to_string();
    move |e| Error::refused("folder", format!("{place}: cannot be written; check the folder, its owner and free space")).because(e)
}

/// Makes the town, or leaves the folder as it was found; answers whether it was made here: another may have made it meanwhile.
async fn make(arguments: &Arguments, options: &Options) -> Result<(App, bool)> {
    let folder = &options.data_dir;
    let fresh = !folder.exists();
    let _held = take_folder(folder)?;
    if standing(options)? {
        return Ok((options.open().await?, false));
    }
    let built = build(arguments, options).await;
    if built.is_err() {
        sweep(options);
        let _ = std::fs::remove_file(folder.join(UNFINISHED));
        if fresh {
            let _ = std::fs::remove_dir(folder);
        }
    }
    Ok((built?, true))
}

/// Takes away what an unfinished town left. Only called where the folder is ours: see [`standing`].
fn sweep(options: &Options) {
    let database: &[&str] = if options.database.is_none() { &["vecino.db", "vecino.db-wal", "vecino.db-shm"] } else { &[] };
    for name in database.iter().chain(&["key", OWN_PROTOCOL]) {
        let _ = std::fs::remove_file(options.data_dir.join(name));
    }
}

/// Loads the town in one transaction: it is there whole or not at all.
async fn build(arguments: &Arguments, options: &Options) -> Result<App> {
    let started = std::time::Instant::now();
    let folder = &options.data_dir;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(io(folder))?;
    }
    let unfinished = folder.join(UNFINISHED);
    if unfinished.exists() {
        sweep(options);
    }
    std::fs::write(&unfinished, "an unfinished practice town; it is made anew\n").map_err(io(&unfinished))?;

    let real_today = Clock::system().today();
    let today = arguments.today.unwrap_or(real_today);
    let clock = Clock::Shifted(Duration::days((today - real_today).num_days()));
    let now = at_local(today, 5, 0);
    let root: [u8; 32] = {
        let mut root = [0; 32];
        crate::id::seeded_random(arguments.seed, "practice key").fill_bytes(&mut root);
        root
    };
    let keys = Keys::create(folder, root)?;
    let db = Db::connect(&options.url()).await?.keyed(&keys);
    db.migrate().await?;
    let app = App { db, clock, keys, data_dir: Arc::new(folder.clone()), demo: true };

    let text = trial::text::laid(PROTOCOL, Week::of(today).plus(1 - STANDS_IN_WEEK), arguments.weeks)?;
    let protocol = Protocol::parse(&text, "experiments/norma-y-plan-2026.toml")?;
    let mut mint = Mint::seeded(arguments.seed, "practice town");
    let mut tx = app.db.write().await?;
    let (rows,): (i64,) = one!(tx, "SELECT (SELECT COUNT(*) FROM household) + (SELECT COUNT(*) FROM account)")?;
    if rows > 0 {
        return Err(Error::refused("demo-occupied", "this database already holds households or accounts; name an empty one for the practice town"));
    }
    if options.own_key(&app.db, &app.keys).await?.is_none() {
        claim(&mut tx, &app.keys, now).await?;
    }
    let launch = protocol.week(1).monday();
    territory::municipality::ensure_catalogue(&mut tx).await?;
    territory::practice::load(&mut tx, &mut mint, arguments.seed, arguments.households as usize, launch - Duration::weeks(4)).await?;
    collect_on_holidays(&mut tx, &protocol, launch - Duration::weeks(4), Week::of(today).plus(1).monday()).await?;
    tell(started, "streets, routes and homes");
    registry::practice::populate(&mut tx, &app.keys, &mut mint, arguments.seed, at_local(launch - Duration::days(10), 9, 0)).await?;
    tell(started, "people and consents");
    account::practice::create(&mut tx, &mut mint, at_local(launch - Duration::days(10), 8, 0), arguments.seed).await?;
    // Announced before launch, drawn when the baseline is in.
    trial::freeze::freeze(&mut tx, &text, "experiments/norma-y-plan-2026.toml", at_local(launch - Duration::days(3), 15, 0)).await?;
    let town = Town::read(&mut tx, &app.keys, &mut mint, &protocol, launch).await?;

    let parameters = town.reached_as(Parameters::defaults()?);
    let [_, baseline] = protocol.calendar.baseline;
    let doses = doses(&protocol, &parameters);
    let before = simulate(&parameters, &protocol.calendar, &town.homes, &doses, &[], baseline, arguments.seed, arguments.no_effect);
    tell(started, "baseline weeks simulated");
    town.record(&mut tx, &mut mint, &protocol, &before, 1, today).await?;
    tally_all(&mut tx, &town).await?;
    let drawn_at = at_local(protocol.week(baseline + 1).monday(), 5, 0);
    let trial = trial::assign::assign(&mut tx, &protocol.id, drawn_at).await?;
    tell(started, "arms drawn");

    let arms = town.arms(&trial::segments(&mut tx, &protocol.id).await?, &protocol);
    let whole = simulate(&parameters, &protocol.calendar, &town.homes, &doses, &arms, STANDS_IN_WEEK, arguments.seed, arguments.no_effect);
    tell(started, "all weeks simulated");
    town.record(&mut tx, &mut mint, &protocol, &whole, baseline + 1, today).await?;
    tally_all(&mut tx, &town).await?;
    tell(started, "observations and tallies");
    town.message(&app, &mut tx, &mut mint, &trial, &whole).await?;
    tell(started, "norms and messages");
    for municipality in &town.municipalities {
        round::keep_up(&mut tx, *municipality, today).await?;
        map::publication::publish_history(&mut tx, *municipality, now).await?;
    }
    tell(started, "weeks published");
    analysis::report::refresh(&mut tx, &trial, now).await?;
    tell(started, "report computed");
    tx.commit().await?;

    let own = folder.join(OWN_PROTOCOL);
    std::fs::write(&own, &text).map_err(io(&own))?;
    let marker = folder.join("demo");
    let shift = (today - real_today).num_days();
    std::fs::write(&marker, format!("{shift}\nmade {real_today} from seed {}\n", arguments.seed)).map_err(io(&marker))?;
    std::fs::remove_file(&unfinished).map_err(io(&unfinished))?;
    Ok(app)
}

/// Until this week is over the town's trucks went out on holidays too, so that every week of its trial counts alike; then they rest, as
/// routes do where nothing else is said.
async fn collect_on_holidays(tx: &mut Tx, protocol: &Protocol, from: NaiveDate, until: NaiveDate) -> Result<()> {
    for &municipality in &protocol.municipalities {
        for (day, collects) in [(from, true), (until, false)] {
            let at = at_local(from, 0, 0);
            let id = crate::id::derived("holiday rule", &[municipality.to_string().as_bytes(), day.to_string().as_bytes()], at);
            territory::calendar::act::add_rule(tx, municipality, id, None, collects, day, (at, "practice")).await?;
        }
    }
    Ok(())
}

async fn tally_all(tx: &mut Tx, town: &Town) -> Result<()> {
    for municipality in &town.municipalities {
        tally::rebuild(tx, *municipality).await?;
    }
    Ok(())
}

/// Says what stands, who may enter, and where to look first.
async fn introduce(app: &App, arguments: &Arguments, options: &Options) -> Result<()> {
    let mut tx = app.db.read().await?;
    let trials = trial::all(&mut tx).await?;
    let Some(trial) = trials.first() else { return Err(Error::internal("a practice town without a trial")) };
    let today = app.clock.today();
    let (homes,): (i64,) = one!(tx, "SELECT COUNT(*) FROM household")?;
    let (observations,): (i64,) = one!(tx, "SELECT COUNT(*) FROM observation WHERE counted")?;
    let (messages,): (i64,) = one!(tx, "SELECT COUNT(*) FROM message")?;
    let address = format!("http://{}/", arguments.listen);
    let doors = account::practice::DOORS;
    if options.json {
        let logins: Vec<_> = doors
            .iter()
            .map(|door| serde_json::json!({"role": door.role.name(), "login": door.login, "password": account::practice::PASSWORD}))
            .collect();
        let document = serde_json::json!({"today": today, "trial": trial.id, "protocol_sha256": trial.sha256, "homes": homes,
            "observations": observations, "messages": messages, "address": address, "logins": logins});
        return print(&format!("{document}\n"));
    }
    let week = trial.protocol.trial_week(Week::of(today));
    let mut text = format!("Today is {}, week {week} of {} of «{}».\n", show_day(today), trial.protocol.calendar.weeks, trial.title);
    text += &format!("{homes} homes, {observations} observations, {messages} messages. Nothing in it is real.\n\n");
    text += &format!("  {:<16} {:<16} password {}\n", "role", "login", account::practice::PASSWORD);
    text.extend(doors.iter().map(|door| format!("  {:<16} {}\n", door.role.name(), door.login)));
    text += "\nLook first: the mayor's map (alcaldia), the trial at its first look (investigacion), the crew's next stop (cuadrilla).\n";
    let (_, last) = trial.protocol.phase_weeks(Phase::Messages);
    let (monday, published) = (show_day(last.monday()), show_day(published_on(last)));
    text += &format!("The week of {monday} was the last with messages; it was published on {published}.\n");
    if !arguments.no_serve {
        text += &format!("\nOpen {address}\n");
    }
    print(&text)
}
