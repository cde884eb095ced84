//! The command line. Exit 0: done. Exit 1: the input or the state refuses it, one line a problem on stderr. Exit 2: wrong usage.

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;
use vecino::app::Options;
use vecino::error::{Error, Kind, Result};
use vecino::web::serve::Tick;
use vecino::{account, web};

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
    /// Print the OpenAPI document
    Openapi,
}

/// One line a command; each domain runs its own.
async fn run(command: Command, options: &Options) -> Result<()> {
    match command {
        Command::Init(arguments) => web::command::init(arguments, options).await,
        Command::Serve(arguments) => web::command::serve(arguments, options, every_minute()).await,
        Command::Token(command) => account::command::run_token(command, options).await,
        Command::User(command) => account::command::run_user(command, options).await,
        Command::Device(command) => account::command::run_device(command, options).await,
        Command::Openapi => {
            web::command::openapi();
            Ok(())
        }
    }
}

/// What the server does once a minute beside answering.
fn every_minute() -> Tick {
    Box::new(|_app| Box::pin(async { Ok(()) }))
}

fn main() -> ExitCode {
    let line = Line::parse();
    let quiet = !matches!(line.command, Command::Serve(_));
    start_log(if quiet { "error" } else { "info,sqlx=warn" });
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
