//! From bytes to text: which letters they are is told from the file or said by the person, never guessed in silence.

use super::{Fault, row_of};
use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::borrow::Cow;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Encoding {
    #[value(name = "utf-8", alias = "utf8")]
    Utf8,
    #[value(name = "utf-16le", aliases = ["utf16le", "utf-16", "utf16"])]
    Utf16Le,
    #[value(name = "utf-16be", alias = "utf16be")]
    Utf16Be,
    #[value(name = "windows-1252", aliases = ["cp1252", "latin1", "latin-1", "iso-8859-1"])]
    Windows1252,
}

impl Encoding {
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "UTF-8",
            Encoding::Utf16Le => "UTF-16 LE",
            Encoding::Utf16Be => "UTF-16 BE",
            Encoding::Windows1252 => "Windows-1252",
        }
    }

    /// How it is asked for.
    pub fn word(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Utf16Le => "utf-16le",
            Encoding::Utf16Be => "utf-16be",
            Encoding::Windows1252 => "windows-1252",
        }
    }

    /// What decodes it; nothing for UTF-8.
    pub fn decoder(self) -> Option<&'static encoding_rs::Encoding> {
        match self {
            Encoding::Utf8 => None,
            Encoding::Utf16Le => Some(UTF_16LE),
            Encoding::Utf16Be => Some(UTF_16BE),
            Encoding::Windows1252 => Some(WINDOWS_1252),
        }
    }
}

/// What the first bytes show of the encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A byte order mark, and its length.
    Marked(Encoding, usize),
    /// UTF-16 without a mark: every other byte of its Latin letters is zero.
    Zeros(Encoding),
    Nothing,
}

pub fn seen(head: &[u8]) -> Seen {
    if head.starts_with(b"\xEF\xBB\xBF") {
        return Seen::Marked(Encoding::Utf8, 3);
    }
    if head.starts_with(b"\xFF\xFE") {
        return Seen::Marked(Encoding::Utf16Le, 2);
    }
    if head.starts_with(b"\xFE\xFF") {
        return Seen::Marked(Encoding::Utf16Be, 2);
    }
    let pairs = head[..head.len().min(4096)].as_chunks::<2>().0;
    let (first, second) = pairs.iter().fold((0, 0), |(a, b), pair| (a + usize::from(pair[0] == 0), b + usize::from(pair[1] == 0)));
    match (first * 2 > pairs.len(), second * 2 > pairs.len()) {
        (false, true) if first == 0 => Seen::Zeros(Encoding::Utf16Le),
        (true, false) if second == 0 => Seen::Zeros(Encoding::Utf16Be),
        _ => Seen::Nothing,
    }
}

/// A text, and what should be told of how it was read.
pub struct Text<'a> {
    pub text: Cow<'a, str>,
    pub note: Option<String>,
}

/// Reads bytes as what they show to be, or as what was asked for. `shown` says whether a refusal may repeat a word of the file.
pub fn decode<'a>(bytes: &'a [u8], asked: Option<Encoding>, shown: bool) -> Result<Text<'a>, Fault> {
    let seen = seen(bytes);
    let (found, mark) = match seen {
        Seen::Marked(encoding, mark) => (Some(encoding), mark),
        Seen::Zeros(encoding) => (Some(encoding), 0),
        Seen::Nothing => (None, 0),
    };
    if let (Some(found), Some(asked)) = (found, asked)
        && found != asked
    {
        let line = format!("the file is {}, not {}; leave --encoding out", found.name(), asked.name());
        return Err(Fault::file(line));
    }
    let encoding = asked.or(found).unwrap_or(Encoding::Utf8);
    let body = &bytes[mark..];
    let Some(decoder) = encoding.decoder() else {
        return match std::str::from_utf8(body) {
            Ok(text) => Ok(Text { text: Cow::Borrowed(text), note: None }),
            Err(error) => Err(not_utf8(bytes, mark + error.valid_up_to(), shown)),
        };
    };
    if encoding == Encoding::Windows1252 {
        // Every byte is some letter in Windows-1252; accents that make whole UTF-8 were never meant as two letters each.
        if !body.is_ascii() && std::str::from_utf8(body).is_ok() {
            return Err(Fault::file("the file is UTF-8, not Windows-1252; leave --encoding out"));
        }
        if let Some(at) = body.iter().position(|b| matches!(b, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D)) {
            let line = "holds a byte that Windows-1252 does not have; save the file as «CSV UTF-8» in the spreadsheet";
            return Err(Fault::row(row_of(body, at), line));
        }
    }
    let (text, broken) = decoder.decode_without_bom_handling(body);
    if broken {
        return Err(Fault::file(format!("the file is not whole {}; export it again, as «CSV UTF-8» if you can", encoding.name())));
    }
    let note = (encoding == Encoding::Windows1252).then(|| "read as Windows-1252, as asked; look at the accents of what came in".to_owned());
    Ok(Text { text, note })
}

fn not_utf8(bytes: &[u8], at: usize, shown: bool) -> Fault {
    let word_end = |b: &u8| matches!(b, b',' | b';' | b'\t' | b'\r' | b'\n' | b'"' | b' ');
    let from = bytes[..at].iter().rposition(word_end).map_or(0, |n| n + 1).max(at.saturating_sub(40));
    let to = bytes[at..].iter().position(word_end).map_or(bytes.len(), |n| at + n).min(at + 40);
    let (word, _) = WINDOWS_1252.decode_without_bom_handling(&bytes[from..to]);
    let such = if shown && !word.chars().any(char::is_control) { format!(", in which it reads «{word}»") } else { String::new() };
    Fault::row(
        row_of(bytes, at),
        format!("not UTF-8, but perhaps Windows-1252{such}: add --encoding windows-1252, or save the file as «CSV UTF-8» in the spreadsheet"),
    )
}
