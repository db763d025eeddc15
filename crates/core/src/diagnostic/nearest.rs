//! The known word that was probably meant.

/// The word of `known` nearest to `word`, if it is near enough to be worth saying: at most two edits, or a third of the
/// word. Among equals the first one listed.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let limit = (word.chars().count() / 3).max(2);
    let lower = word.to_lowercase();
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&lower, &known.to_lowercase()), *known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, known)| *distance <= limit && *distance < known.chars().count())
        .map(|(_, known)| known)
}

/// Advice for an unknown word: the nearest one, or all of them.
pub fn advice(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_finds_its_word_and_a_stranger_finds_none() {
        let known = ["budget", "cooldown", "hold", "name"];
        assert_eq!(nearest("cooldwon", &known), Some("cooldown"));
        assert_eq!(nearest("Budgets", &known), Some("budget"));
        assert_eq!(nearest("unless", &known), None);
        assert_eq!(nearest("xy", &["do"]), None);
        assert_eq!(nearest("FETTLE_MOD", &["FETTLE_LOG", "FETTLE_MODE"]), Some("FETTLE_MODE"));
        assert_eq!(advice("unless", &known), "known here: budget, cooldown, hold, name");
    }
}
