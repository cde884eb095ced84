//! The document that leads to a first round is run: every command of its first part, with what it says that it prints.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// Fenced blocks: their language and text, in order.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        match (line.strip_prefix("```"), open) {
            (Some(language), false) => {
                found.push((language.to_owned(), String::new()));
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => {
                let block = &mut found.last_mut().unwrap().1;
                block.push_str(line);
                block.push('\n');
            }
            (None, false) => {}
        }
    }
    found
}

/// Days and weeks are the reader's own.
fn dateless(line: &str) -> String {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    line.split(' ')
        .map(|word| {
            let bare = word.trim_end_matches(['.', ',', ';', ':']);
            let parts: Vec<&str> = bare.split(['/', '-']).collect();
            if parts.len() == 3 && parts.iter().all(|part| digits(part)) { word.replace(bare, "DAY") } else { word.to_owned() }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether a printed line is what the document says; `…` stands for anything.
fn says(document: &str, printed: &str) -> bool {
    let (document, printed) = (dateless(document), dateless(printed));
    let mut rest = printed.as_str();
    let parts: Vec<&str> = document.split('…').collect();
    for (n, part) in parts.iter().enumerate() {
        match rest.find(part) {
            Some(0) => rest = &rest[part.len()..],
            Some(at) if n > 0 => rest = &rest[at + part.len()..],
            _ => return false,
        }
    }
    rest.is_empty() || parts.last().is_some_and(|last| last.is_empty())
}

/// The server of the document; stopped with the test, whatever becomes of it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[test]
fn the_documents_first_part_leads_to_a_first_round() {
    let text = read("your-municipality.md");
    let part = text.split("## Part two").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs"), folder.path().join("docs")).unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_vecino")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).current_dir(folder.path()).env("PATH", &path);
        command.env_remove("VECINO_DATABASE_URL").env_remove("VECINO_KEY").env_remove("VECINO_LOG");
        command
    };
    let all = blocks(part);
    let mut server: Option<Server> = None;
    let mut run = 0;
    for (n, (language, script)) in all.iter().enumerate().filter(|(_, (language, _))| language == "sh") {
        let expected = all.get(n + 1).filter(|(next, _)| next == "text").map_or("", |(_, text)| text.as_str()).replace("127.0.0.1:8080", &port);
        let script = script.replace("127.0.0.1:8080", &port);
        if script.contains("curl ") && !there("curl") {
            println!("there is no curl here: the block «{}» was left out", script.lines().next().unwrap_or_default());
            continue;
        }
        let printed = if script.starts_with("vecino serve") {
            // In a terminal of its own.
            let mut child = shell(&format!("exec {script}")).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            server = Some(Server(child));
            line
        } else {
            let output = shell(&format!("exec 2>&1; set -e; {script}")).output().unwrap();
            let printed = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "{language} block {n}:\n{script}\n{printed}");
            printed
        };
        let (wanted, got): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), printed.lines().collect());
        assert_eq!(wanted.len(), got.len(), "{script}\nprints\n{printed}\nand the document says\n{expected}");
        for (wanted, got) in wanted.iter().zip(got) {
            assert!(says(wanted, got), "{script}\nprints «{got}»\nand the document says «{wanted}»");
        }
        run += 1;
    }
    assert!(run >= 14 && server.is_some(), "{run} blocks were run");
}

#[test]
fn both_languages_say_the_same_commands() {
    let commands = |name: &str| blocks(&read(name));
    assert_eq!(commands("su-municipio.md"), commands("your-municipality.md"));
}

#[test]
fn the_reader_of_the_document_is_strict() {
    assert!(says("shown once: …", "shown once: abc") && says("on 09/12/2026.", "on 10/01/2027.") && says("a … b", "a x b"));
    assert!(!says("25 homes", "24 homes") && !says("… b", "a bc") && !says("a", "a b"));
}
