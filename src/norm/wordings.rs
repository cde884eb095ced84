//! `vecino wordings …`: the texts that are sent belong to the installation; what ships is the default.

use super::wording::{self, shipped};
use crate::app::{Options, print};
use crate::error::{Error, Result};
use serde_json::json;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write the texts that ship to DATA_DIR/wordings, to be edited there. A file that is there already stays as it is
    Export,
    /// Read every text as it would be sent; exit 1 names each file, line and remedy
    Check,
}

pub fn run(command: &Command, options: &Options) -> Result<()> {
    let folder = options.data_dir.join("wordings");
    match command {
        Command::Export => {
            let (mut written, mut kept) = (0, 0);
            for (name, source) in shipped() {
                let file = folder.join(format!("{name}.txt"));
                if file.exists() {
                    kept += 1;
                    continue;
                }
                let refuse = |e: std::io::Error| {
                    Error::refused(
                        "file-unwritable",
                        format!("{}: the text cannot be written ({e}); check the folder and its rights", file.display()),
                    )
                };
                file.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(refuse)?;
                std::fs::write(&file, source.text + "\n").map_err(refuse)?;
                written += 1;
            }
            if options.json {
                return print(&format!("{}\n", json!({"folder": folder, "written": written, "kept": kept})));
            }
            print(&format!(
                "{}: {written} texts written, {kept} were there and stay. Edit them, delete those that should stay as shipped, then vecino wordings check\n",
                folder.display()
            ))
        }
        Command::Check => {
            wording::sound()?;
            let texts = wording::longest();
            if options.json {
                let list: Vec<_> = texts.iter().map(|(name, septets)| json!({"name": name, "septets": septets})).collect();
                return print(&format!("{}\n", json!({"sha256": wording::sha256(), "texts": list})));
            }
            let longest =
                texts.iter().max_by_key(|(_, septets)| *septets).map(|(name, septets)| format!("; the longest is {name}, {septets} of 160 septets"));
            print(&format!("{} texts can be sent{}\n  sha256 {}\n", texts.len(), longest.unwrap_or_default(), wording::sha256()))
        }
    }
}
