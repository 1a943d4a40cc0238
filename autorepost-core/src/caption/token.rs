//! Tokens of a caption: the pieces that are translated, and that may not be cut in the middle.

use unicode_segmentation::UnicodeSegmentation;

/// A piece of a caption. Tags and mentions include their sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Text(&'a str),
    Link(&'a str),
    Hashtag(&'a str),
    Cashtag(&'a str),
    Mention(&'a str),
}

impl<'a> Token<'a> {
    const fn as_str(self) -> &'a str {
        match self {
            Self::Text(text) | Self::Link(text) | Self::Hashtag(text) | Self::Cashtag(text) | Self::Mention(text) => {
                text
            }
        }
    }
}

/// Splits a text into its tokens; together they are the text.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut plain, mut at) = (0, 0);
    let mut before: Option<char> = None;
    while let Some(c) = text[at..].chars().next() {
        match special(&text[at..], before) {
            Some(token) => {
                if plain < at {
                    tokens.push(Token::Text(&text[plain..at]));
                }
                at += token.as_str().len();
                plain = at;
                before = token.as_str().chars().last();
                tokens.push(token);
            }
            None => {
                at += c.len_utf8();
                before = Some(c);
            }
        }
    }
    if plain < text.len() {
        tokens.push(Token::Text(&text[plain..]));
    }
    tokens
}

/// The special token at the beginning of `rest`, if there is one.
fn special(rest: &str, before: Option<char>) -> Option<Token<'_>> {
    if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '@' | '#' | '$' | '/' | '&' | '-')) {
        return None;
    }
    let mut chars = rest.chars();
    match chars.next()? {
        '#' => {
            let name = prefix(&rest[1..], |c| c.is_alphanumeric() || c == '_' || is_mark(c));
            let named = name.chars().any(|c| !c.is_numeric() && c != '_');
            named.then(|| Token::Hashtag(&rest[..=name.len()]))
        }
        '@' => {
            let name = prefix(&rest[1..], |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
            let name = name.trim_end_matches('.');
            (!name.is_empty()).then(|| Token::Mention(&rest[..=name.len()]))
        }
        '$' => {
            let name = prefix(&rest[1..], |c| c.is_ascii_alphabetic());
            let next = rest[1 + name.len()..].chars().next();
            let whole = next.is_none_or(|c| !c.is_alphanumeric());
            ((1..=6).contains(&name.len()) && whole).then(|| Token::Cashtag(&rest[..=name.len()]))
        }
        _ => link(rest).map(Token::Link),
    }
}

/// The link at the beginning of `rest`: with a scheme, or a bare domain name.
fn link(rest: &str) -> Option<&str> {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| rest.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
        .map_or(0, str::len);
    let host = prefix(&rest[scheme..], |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let host = host.trim_end_matches(['.', '-']);
    if !is_domain(host) {
        return None;
    }
    let behind = &rest[scheme + host.len()..];
    if behind.starts_with('@') {
        return None;
    }
    let port = match behind.strip_prefix(':') {
        Some(digits) => match prefix(digits, |c| c.is_ascii_digit()).len() {
            0 => 0,
            digits => digits + 1,
        },
        None => 0,
    };
    let tail = &behind[port..];
    let path = match tail.chars().next() {
        Some('/' | '?' | '#') => {
            let path = prefix(tail, |c| !c.is_whitespace() && !matches!(c, '<' | '>' | '"'));
            path.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'', '…'])
        }
        _ => "",
    };
    Some(&rest[..scheme + host.len() + port + path.len()])
}

/// Whether a host has at least two labels and ends with a top-level domain. Any two letters count as a country's and the
/// common generic ones are listed: a rare one is not recognised, and is then counted letter by letter.
fn is_domain(host: &str) -> bool {
    const GENERIC: &[&str] = &[
        "com", "net", "org", "info", "biz", "app", "dev", "shop", "store", "online", "site", "xyz", "blog", "live",
        "news", "club", "link", "page", "video", "tech", "art", "fun", "world", "today", "studio", "media", "music",
        "social", "cloud", "edu", "gov", "mil", "int", "name", "pro", "mobi", "travel", "space", "website", "top",
        "vip", "tube",
    ];
    let mut labels = host.split('.').rev();
    let top = labels.next().unwrap_or_default().to_ascii_lowercase();
    let known = GENERIC.contains(&top.as_str()) || (top.len() == 2 && top.bytes().all(|b| b.is_ascii_alphabetic()));
    let mut rest = labels.peekable();
    known && rest.peek().is_some() && rest.all(|label| !label.is_empty())
}

/// The pieces between which a text may be cut: graphemes of plain text, and every other token as a whole.
pub(super) fn units(text: &str) -> Vec<&str> {
    let mut units = Vec::new();
    for token in tokens(text) {
        match token {
            Token::Text(plain) => units.extend(plain.graphemes(true)),
            other => units.push(other.as_str()),
        }
    }
    units
}

/// The first `kept` units with an ellipsis, cut back to the end of a word when that does not lose half of them.
pub(super) fn cut(units: &[&str], kept: usize) -> String {
    if kept >= units.len() {
        return units.concat();
    }
    if kept == 0 {
        return String::new();
    }
    let is_space = |unit: &&str| unit.chars().all(char::is_whitespace);
    let in_word = !is_space(&units[kept]) && !is_space(&units[kept - 1]);
    let end = match units[..kept].iter().rposition(is_space) {
        Some(space) if in_word && space >= kept / 2 => space,
        _ => kept,
    };
    let text = units[..end].concat();
    format!("{}…", text.trim_end())
}

fn prefix(text: &str, accept: impl Fn(char) -> bool) -> &str {
    let end = text.find(|c| !accept(c)).unwrap_or(text.len());
    &text[..end]
}

/// Combining marks and joiners that scripts need inside words.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{200c}' | '\u{200d}' | '\u{900}'..='\u{dff}' | '\u{e00}'..='\u{e7f}')
        && !c.is_whitespace()
}
