//! The command line. Exit 0: done. Exit 1: the input or the state refuses it, one line a problem on stderr. Exit 2: wrong usage.

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;
use vecino::app::{Options, print};
use vecino::error::{Error, Kind, Result};
use vecino::norm::wording;
use vecino::{account, analysis, demo, estimate, map, norm, observation, registry, territory, trial, web};
use vecino_estimate::spec::Fault;

/// Runs a waste-behaviour pilot: routes and crews, true norms, messages, and an analysis that can be defended
#[derive(Parser)]
#[command(name = "vecino", version, arg_required_else_help = true)]
struct Line {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make an empty installation with its first administrator
    Init(web::command::Init),
    /// Serve an existing installation
    Serve(web::command::Serve),
    /// Make bearer tokens for devices, scripts and tests
    #[command(subcommand)]
    Token(account::command::TokenCommand),
    /// Add, shut out and list the people who sign in
    #[command(subcommand)]
    User(account::command::UserCommand),
    /// List and shut out phones and other devices
    #[command(subcommand)]
    Device(account::command::DeviceCommand),
    /// Make the practice town, a whole pilot with invented data, and serve it
    Demo(demo::Arguments),
    /// Check, import and export places: neighbourhoods, routes, segments, points, households
    #[command(subcommand)]
    Geo(territory::command::Command),
    /// The life of a trial: check, freeze, assign, amend, status, analyse
    #[command(subcommand)]
    Trial(TrialCommand),
    Estimate(Box<estimate::command::Arguments>),
    /// An invented pilot under a protocol, with its truth beside it
    Simulate(analysis::simulate_command::Arguments),
    /// Preview, run, pause and prove the weekly messages
    #[command(subcommand)]
    Campaign(norm::command::Command),
    /// The texts that are sent: write them out to be edited, and check them
    #[command(subcommand)]
    Wordings(norm::wordings::Command),
    /// Import and export the registry, and its indicators
    #[command(subcommand)]
    Registry(registry::command::Command),
    /// Make anew what mayors and the public see
    #[command(subcommand)]
    Map(map::command::Command),
    /// Make what is due, what counts and every tally again from the rows, and say what changed
    Recount,
    /// Check the whole record: pages, key, audit chains and their heads, rows, outcomes, tallies, draw, consents, accounts, messages
    Verify(web::verify::Verify),
    /// Print the OpenAPI document
    Openapi,
}

#[derive(Subcommand)]
enum TrialCommand {
    #[command(flatten)]
    Life(trial::command::Command),
    #[command(flatten)]
    Report(analysis::command::Command),
}

/// One line a command; each domain runs its own.
async fn run(command: Command, options: &Options) -> Result<()> {
    options.take_own_files();
    // Who sends, or promises to send, is told of a text that cannot be sent.
    if matches!(command, Command::Serve(_) | Command::Trial(TrialCommand::Life(_)) | Command::Campaign(_) | Command::Simulate(_)) {
        wording::sound()?;
    }
    match command {
        Command::Init(arguments) => web::command::init(arguments, options).await,
        Command::Serve(arguments) => web::command::serve(arguments, options).await,
        Command::Token(command) => account::command::run_token(command, options).await,
        Command::User(command) => account::command::run_user(command, options).await,
        Command::Device(command) => account::command::run_device(command, options).await,
        Command::Demo(arguments) => demo::run(arguments, options).await,
        Command::Geo(command) => {
            let after = territory::change::After {
                follow: |tx, changed| Box::pin(web::duties::facts_changed(tx, changed)),
                drawn: |tx, municipality, segments, day| Box::pin(trial::drawn(tx, municipality, segments, day)),
            };
            territory::command::run(command, options, after).await
        }
        Command::Trial(TrialCommand::Life(command)) => {
            let life = trial::command::Below {
                known_wording: &wording::exists,
                wordings: wording::sha256(),
                doubts: |tx, protocol| Box::pin(analysis::power::doubts(tx, protocol)),
            };
            trial::command::run(command, options, life).await
        }
        Command::Trial(TrialCommand::Report(command)) => analysis::command::run(command, options, &wording::exists).await,
        Command::Simulate(arguments) => analysis::simulate_command::run(&arguments, options, &wording::exists),
        // Answered before there is a runtime.
        Command::Estimate(_) => Ok(()),
        Command::Campaign(command) => norm::command::run(command, options).await,
        Command::Wordings(command) => norm::wordings::run(&command, options),
        Command::Registry(command) => registry::command::run(command, options).await,
        Command::Map(command) => map::command::run(command, options).await,
        Command::Recount => observation::command::recount(options).await,
        Command::Verify(arguments) => web::verify::verify(arguments, options).await,
        Command::Openapi => {
            web::command::openapi();
            Ok(())
        }
    }
}

fn main() -> ExitCode {
    let line = Line::parse();
    let quiet = !matches!(line.command, Command::Serve(_) | Command::Demo(_));
    // Slow statements concern who measures, who asks for them with VECINO_LOG; not who loads a practice town.
    start_log(if quiet { "error" } else { "info,sqlx=warn,sqlx::query=error" });
    if let Command::Estimate(arguments) = &line.command {
        return answer(arguments);
    }
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::internal(format!("runtime: {e}")))
        .and_then(|runtime| runtime.block_on(run(line.command, &line.options)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Estimates need no runtime and no installation. Every spec is answered in its place; one that is refused makes the exit 1.
fn answer(arguments: &estimate::command::Arguments) -> ExitCode {
    match estimate::command::estimate(arguments) {
        Ok(printed) => {
            let mut exit = ExitCode::SUCCESS;
            let written = print(&printed.text);
            printed.refused.iter().map(|reason| Error::refused("estimate", reason.clone())).chain(written.err()).for_each(|error| {
                report(&error);
                exit = ExitCode::FAILURE;
            });
            exit
        }
        Err(Fault::Refused(error)) => {
            report(&error.into());
            ExitCode::FAILURE
        }
        Err(Fault::Usage(problem)) => {
            report(&Error::refused("usage", problem));
            ExitCode::from(2)
        }
    }
}

fn start_log(default: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("VECINO_LOG").unwrap_or_else(|_| default.into());
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).with_target(false).init();
}

fn report(error: &Error) {
    match error.kind {
        Kind::Internal => tracing::error!(context = error.context.as_deref(), "failed"),
        _ => tracing::debug!(code = error.code, context = error.context.as_deref(), "refused"),
    }
    let mut out = std::io::stderr().lock();
    for line in &error.lines {
        let _ = writeln!(out, "{}", line.replace(['\n', '\r'], " "));
    }
}
