//! Captions: a post's words, translated for each destination.
//!
//! A destination's texts are templates. `{caption}` is the caption after the destination's hashtag rule, `{text}` the
//! caption without its hashtags, `{hashtags}` the hashtags alone, `{title}` the first line of the text, `{url}` the post's
//! address, `{author}` its author's handle and `{date}` its day. `{{` and `}}` stand for braces.
//!
//! Limits are kept by shortening what stands for `{caption}`, `{text}` or `{title}`, never a template's own words, and
//! only between words or, where there is no other way, between graphemes.

mod template;
mod token;
mod weight;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::{
    Error, Platform, Result,
    rule::{DestinationSpec, HashtagRule, Options},
    submission::Content,
};

use template::{Template, Variable};
use token::{Token, tokens};
pub use weight::weighted_length;

/// Longest text of a post on X, in weighted characters (X's counting rules, twitter-text v3).
pub const X_WEIGHT_MAX: usize = 280;
/// Longest title of a YouTube video (videos.insert: `snippet.title`). Counted in UTF-16 units, the strictest reading of
/// "characters".
pub const YOUTUBE_TITLE_MAX: usize = 100;
/// Longest description of a YouTube video in bytes of UTF-8 (videos.insert: `snippet.description`).
pub const YOUTUBE_DESCRIPTION_BYTES_MAX: usize = 5_000;
/// Longest list of YouTube tags, counted with a comma between tags and quotes around tags with a space.
pub const YOUTUBE_TAGS_MAX: usize = 500;
/// Longest caption of a Reel, in UTF-16 units, the strictest reading of "characters" (Instagram content publishing).
pub const INSTAGRAM_CAPTION_MAX: usize = 2_200;
/// Most hashtags of a Reel: announced by Instagram in December 2025; its API page still says 30.
pub const INSTAGRAM_HASHTAGS_MAX: usize = 5;
/// Most mentions of a Reel (Instagram content publishing).
pub const INSTAGRAM_MENTIONS_MAX: usize = 20;

/// The words of a post, as a template may use them.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The caption, as written.
    pub caption: &'a str,
    /// The author's handle, without `@`.
    pub author: &'a str,
    /// The post's address.
    pub url: &'a str,
    /// When it was made public.
    pub posted_at: DateTime<Utc>,
}

/// A translated caption.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// What is sent.
    pub content: Content,
    /// What had to be changed, for people.
    pub notes: Vec<String>,
}

/// The creator's other names: a TikTok handle in lower case to the handle on each platform.
pub type Mentions = BTreeMap<String, BTreeMap<Platform, String>>;

/// Translates a post's words for a destination, within the destination's limits.
///
/// # Errors
///
/// [`Invalid`](crate::ErrorKind::Invalid) when a template is wrong, or its own words alone are over the limit.
pub fn render(source: &Source<'_>, destination: &DestinationSpec, mentions: &Mentions) -> Result<Rendered> {
    let platform = destination.options.platform();
    let mut words = Words::translate(source, platform, destination.hashtags, mentions);
    let content = match &destination.options {
        Options::Instagram { caption, share_to_feed, cover_offset_ms } => Content::Instagram {
            caption: words.fit(caption, "caption", INSTAGRAM_CAPTION_MAX, |text| text.encode_utf16().count())?,
            share_to_feed: *share_to_feed,
            cover_offset_ms: *cover_offset_ms,
        },
        Options::YouTube {
            title,
            description,
            tags,
            privacy,
            made_for_kids,
            category_id,
            notify_subscribers,
            thumbnail_offset_ms,
        } => {
            let title = words.fit(title, "title", YOUTUBE_TITLE_MAX, |text| text.encode_utf16().count())?;
            Content::YouTube {
                title: words.without_angles(one_line(&title)),
                description: {
                    let text = words.fit(description, "description", YOUTUBE_DESCRIPTION_BYTES_MAX, angled_bytes)?;
                    words.without_angles(text)
                },
                tags: words.tags(tags),
                privacy: *privacy,
                made_for_kids: *made_for_kids,
                category_id: category_id.clone(),
                notify_subscribers: *notify_subscribers,
                thumbnail_offset_ms: *thumbnail_offset_ms,
            }
        }
        Options::X { text, reply_settings } => Content::X {
            text: words.fit(text, "text", X_WEIGHT_MAX, weighted_length)?,
            reply_settings: *reply_settings,
        },
    };
    words.notes.dedup();
    Ok(Rendered { content, notes: words.notes })
}

/// Characters of a template at most: the longest text that a destination takes is shorter.
const TEMPLATE_CHARS_MAX: usize = 5_100;
/// Placeholders of a template at most: each may stand for a whole caption.
const PLACEHOLDERS_MAX: usize = 50;

/// Checks the templates of a destination, as is done when a rule is added.
///
/// # Errors
///
/// [`Invalid`](crate::ErrorKind::Invalid), saying which template is wrong, where, and what may stand there.
pub fn check_template(options: &Options) -> Result<()> {
    let templates: &[(&str, &str)] = match options {
        Options::Instagram { caption, .. } => &[("caption", caption)],
        Options::YouTube { title, description, .. } => &[("title", title), ("description", description)],
        Options::X { text, .. } => &[("text", text)],
    };
    templates.iter().try_for_each(|(name, text)| {
        if text.chars().count() > TEMPLATE_CHARS_MAX {
            let text = format!("the template of the {name} has more than {TEMPLATE_CHARS_MAX} characters");
            return Err(Error::invalid("parse template", text));
        }
        match Template::parse(name, text)?.placeholders() {
            0..=PLACEHOLDERS_MAX => Ok(()),
            more => {
                let text = format!("the template of the {name} has {more} placeholders: {PLACEHOLDERS_MAX} at most");
                Err(Error::invalid("parse template", text))
            }
        }
    })
}

/// A post's words after translation.
struct Words {
    caption: String,
    text: String,
    hashtags: Vec<String>,
    title: String,
    rule: HashtagRule,
    url: String,
    author: String,
    date: String,
    notes: Vec<String>,
}

impl Words {
    fn translate(source: &Source<'_>, platform: Platform, rule: HashtagRule, mentions: &Mentions) -> Self {
        let mut notes = Vec::new();
        let (mut hashtags, mut mentioned, mut cashtags) = (Vec::new(), 0, 0);
        let (mut caption, mut text) = (String::new(), String::new());
        let (mut tags_left_out, mut strangers) = (0, 0);
        let hashtags_max = if platform == Platform::Instagram { INSTAGRAM_HASHTAGS_MAX } else { usize::MAX };
        for token in tokens(source.caption) {
            match token {
                Token::Text(words) | Token::Link(words) => {
                    caption.push_str(words);
                    text.push_str(words);
                }
                Token::Hashtag(tag) if rule == HashtagRule::Drop || hashtags.len() >= hashtags_max => {
                    tags_left_out += usize::from(rule != HashtagRule::Drop);
                    let _ = tag;
                }
                Token::Hashtag(tag) => {
                    hashtags.push(tag.to_owned());
                    caption.push_str(tag);
                }
                Token::Cashtag(tag) => {
                    cashtags += 1;
                    let shown = if platform == Platform::X && cashtags > 1 { &tag[1..] } else { tag };
                    caption.push_str(shown);
                    text.push_str(shown);
                }
                Token::Mention(handle) => {
                    let name = &handle[1..];
                    let mapped = mentions.get(&name.to_lowercase()).and_then(|names| names.get(&platform));
                    let full = platform == Platform::Instagram && mentioned >= INSTAGRAM_MENTIONS_MAX;
                    let shown = match mapped {
                        Some(mapped) if !full => {
                            mentioned += 1;
                            format!("@{mapped}")
                        }
                        _ => {
                            strangers += 1;
                            name.to_owned()
                        }
                    };
                    caption.push_str(&shown);
                    text.push_str(&shown);
                }
            }
        }
        if tags_left_out > 0 {
            notes.push(format!("{tags_left_out} hashtags over the limit of {hashtags_max} left out"));
        }
        if strangers > 0 {
            notes.push(format!("{strangers} mentions without a name on {} lost their @", platform.title()));
        }
        let text = tidy(&text);
        let title = text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
        Self {
            caption: tidy(&caption),
            title: title.unwrap_or_else(|| format!("Video by {}", source.author)),
            text,
            hashtags,
            rule,
            url: source.url.to_owned(),
            author: source.author.to_owned(),
            date: source.posted_at.format("%Y-%m-%d").to_string(),
            notes,
        }
    }

    fn value(&self, variable: Variable) -> String {
        match variable {
            Variable::Caption => match self.rule {
                HashtagRule::Keep => self.caption.clone(),
                // `Template::render` puts the hashtags behind it.
                HashtagRule::Drop | HashtagRule::Move => self.text.clone(),
            },
            Variable::Text => self.text.clone(),
            Variable::Title => self.title.clone(),
            Variable::Hashtags => self.hashtags.join(" "),
            Variable::Url => self.url.clone(),
            Variable::Author => self.author.clone(),
            Variable::Date => self.date.clone(),
        }
    }

    /// Renders a template within `max` as `measure` counts it.
    fn fit(&mut self, template: &str, name: &str, max: usize, measure: impl Fn(&str) -> usize) -> Result<String> {
        let template = Template::parse(name, template)?;
        let mut values: BTreeMap<Variable, String> =
            Variable::ALL.into_iter().map(|variable| (variable, self.value(variable))).collect();
        let moved = if self.rule == HashtagRule::Move { self.hashtags.join(" ") } else { String::new() };
        let whole = |values: &BTreeMap<Variable, String>| template.render(values, &moved).trim().to_owned();
        let fits = |values: &BTreeMap<Variable, String>| measure(&whole(values)) <= max;

        for variable in [Variable::Caption, Variable::Text, Variable::Title] {
            if fits(&values) {
                break;
            }
            if !template.uses(variable) {
                continue;
            }
            let units = token::units(&values[&variable]);
            let with = |kept: usize| {
                let mut values = values.clone();
                values.insert(variable, token::cut(&units, kept));
                values
            };
            // More units never take less room, so the most that fit are found by bisection.
            let (mut low, mut high) = (0, units.len());
            while low < high {
                let middle = (low + high).div_ceil(2);
                if fits(&with(middle)) { low = middle } else { high = middle - 1 }
            }
            self.notes.push(format!("the {name} was shortened to its limit of {max}"));
            values = with(low);
        }
        if fits(&values) {
            return Ok(whole(&values));
        }
        Err(Error::invalid(
            "render caption",
            format!(
                "the template of the {name} is longer than the platform's limit of {max} by its own words: shorten it"
            ),
        ))
    }

    /// YouTube refuses angle brackets: their look-alikes take their place.
    fn without_angles(&mut self, text: String) -> String {
        if !text.contains(['<', '>']) {
            return text;
        }
        self.notes.push("YouTube takes no < or >: ‹ and › stand for them".into());
        text.replace('<', "‹").replace('>', "›")
    }

    /// The rule's tags and the post's hashtags, as many as YouTube takes.
    fn tags(&mut self, own: &[String]) -> Vec<String> {
        let (mut tags, mut length, mut left_out) = (Vec::<String>::new(), 0, 0);
        let hashtags = self.hashtags.iter().map(|tag| tag[1..].to_owned());
        for tag in own.iter().cloned().chain(hashtags) {
            let tag = tag.replace(['<', '>', ',', '"'], "").trim().to_owned();
            if tag.is_empty() || tags.iter().any(|other| other.to_lowercase() == tag.to_lowercase()) {
                continue;
            }
            let quotes = if tag.contains(' ') { 2 } else { 0 };
            let more = tag.encode_utf16().count() + quotes + usize::from(!tags.is_empty());
            if length + more > YOUTUBE_TAGS_MAX {
                left_out += 1;
                continue;
            }
            length += more;
            tags.push(tag);
        }
        if left_out > 0 {
            self.notes.push(format!("{left_out} tags over YouTube's limit of {YOUTUBE_TAGS_MAX} characters left out"));
        }
        tags
    }
}

/// Bytes once the angle brackets are replaced: their look-alikes take three each.
fn angled_bytes(text: &str) -> usize {
    text.len() + 2 * text.matches(['<', '>']).count()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Closes the gaps that words leave when they go: no double spaces, no space at the end of a line.
fn tidy(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
        .collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests;
