//! X's weighted length: the rules of twitter-text, version 3.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::token::{Token, tokens};

/// What a link weighs, however long it is: X shortens it.
const LINK_WEIGHT: usize = 23;

/// The length of a text as X counts it, in weighted characters.
///
/// The text is counted in its composed form (NFC). A link weighs 23, an emoji 2 however many code points make it, a
/// character of the Latin and neighbouring scripts 1, any other 2. Links are recognised as
/// the tokeniser does: any two-letter ending counts as a country's, so a text is rather counted too long
/// than too short.
pub fn weighted_length(text: &str) -> usize {
    let text: String = text.nfc().collect();
    tokens(&text)
        .into_iter()
        .map(|token| match token {
            Token::Link(_) => LINK_WEIGHT,
            Token::Text(text) | Token::Hashtag(text) | Token::Cashtag(text) | Token::Mention(text) => {
                text.graphemes(true).map(grapheme_weight).sum()
            }
        })
        .sum()
}

fn grapheme_weight(grapheme: &str) -> usize {
    if is_emoji(grapheme) { 2 } else { grapheme.chars().map(char_weight).sum() }
}

const fn char_weight(c: char) -> usize {
    match c as u32 {
        0..=4351 | 8192..=8205 | 8208..=8223 | 8242..=8247 => 1,
        _ => 2,
    }
}

fn is_emoji(grapheme: &str) -> bool {
    let mut chars = grapheme.chars();
    chars.next().is_some_and(|first| matches!(first, '\u{1f000}'..='\u{1faff}'))
        || chars.any(|c| matches!(c, '\u{fe0f}' | '\u{20e3}'))
}
