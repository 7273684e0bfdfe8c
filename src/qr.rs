//! QR symbols for a terminal.

// merged later
/// The symbol of a text, a line each.
pub fn symbol(_text: &str) -> Vec<String> {
    Vec::new()
}
