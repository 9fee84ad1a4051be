//! Errors as one line.

use std::error::Error;

/// An error with its causes. A cause that the text ends with already is not repeated.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let (mut told, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        let text = cause.to_string();
        if !told.ends_with(&text) {
            told = format!("{told}: {text}");
        }
        next = cause.source();
    }
    told
}
