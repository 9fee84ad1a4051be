//! `[traces]` and `[sentry]`: what is told to collectors outside, and where they are.

use crate::{Secret, reader::Reader};
use std::time::Duration;
use url::Url;

/// `[traces]`
#[derive(Debug, Clone)]
pub struct Traces {
    /// Where spans are posted; None: none are made.
    pub endpoint: Option<Url>,
    /// Sent with each post, such as a token.
    pub headers: Vec<(String, Secret<String>)>,
    /// How long one post may take.
    pub timeout: Duration,
    /// Of the traces that begin here so many in a hundred are told.
    pub sample_percent: u8,
    /// The service's name in the traces.
    pub service: String,
}

/// `[sentry]`
#[derive(Debug, Clone)]
pub struct Sentry {
    /// Where failures are reported; None: nowhere. Its key is part of it.
    pub dsn: Option<Secret<Url>>,
    /// Told with each report.
    pub environment: String,
    /// Failures that will be tried again are reported too.
    pub retries: bool,
}

const HEADERS: &str = "name=value,name=value; values percent-encoded";
const DSN: &str = "https://KEY@HOST/PROJECT";

pub(crate) fn traces(r: &mut Reader) -> Traces {
    let endpoint = r.parsed("traces.endpoint", "http://… or https://…, such as http://127.0.0.1:4318/v1/traces", |text| {
        if text.is_empty() { Ok(None) } else { web(text).map(Some) }
    });
    let headers = r.secret("traces.headers", HEADERS, headers);
    let timeout = Duration::from_millis(r.int("traces.timeout_ms", 100..=60_000, "ms"));
    let percent = r.int("traces.sample_percent", 0..=100, "percent of the traces that begin here");
    let service = r.parsed("traces.service", "1 to 128 characters", short);
    Traces { endpoint, headers, timeout, sample_percent: u8::try_from(percent).unwrap_or(100), service }
}

pub(crate) fn sentry(r: &mut Reader) -> Sentry {
    let dsn = r.secret("sentry.dsn", DSN, |text| if text.is_empty() { Ok(None) } else { dsn(text).map(|url| Some(Secret::new(url))) });
    let environment = r.parsed("sentry.environment", "1 to 128 characters", short);
    let retries = r.flag("sentry.retries");
    Sentry { dsn, environment, retries }
}

fn web(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no address: {error}"))?;
    let plain = matches!(url.scheme(), "http" | "https") && url.has_host();
    let open = url.username().is_empty() && url.password().is_none();
    match (plain, open) {
        (false, _) => Err("is no address of HTTP".into()),
        (_, false) => Err("holds a user or a password; send them with traces.headers".into()),
        _ => Ok(url),
    }
}

/// As OTEL_EXPORTER_OTLP_HEADERS has them: a list of W3C Baggage, without properties.
fn headers(text: &str) -> Result<Vec<(String, Secret<String>)>, String> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .enumerate()
        .map(|(at, pair)| {
            let wrong = || format!("has no name=value in place {}", at + 1);
            let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
            let (name, value) = (name.trim(), decoded(value.trim()).ok_or_else(wrong)?);
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            let fit = !name.is_empty() && name.bytes().all(token) && value.bytes().all(|b| matches!(b, b' '..=b'~'));
            if fit { Ok((name.to_ascii_lowercase(), Secret::new(value))) } else { Err(wrong()) }
        })
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    let (mut out, mut bytes) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

/// `SCHEME://KEY@HOST[:PORT]/[PATH/]PROJECT`
fn dsn(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "is no address".to_owned())?;
    let project = url.path_segments().and_then(|mut path| path.next_back().map(str::to_owned)).unwrap_or_default();
    let whole = matches!(url.scheme(), "http" | "https") && url.has_host() && !url.username().is_empty() && !project.is_empty();
    if whole { Ok(url) } else { Err("is no DSN".into()) }
}

fn short(text: &str) -> Result<String, String> {
    let fit = (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fit { Ok(text.to_owned()) } else { Err("is empty, too long, or has characters that cannot be shown".into()) }
}

#[cfg(test)]
mod tests {
    use super::{dsn, headers, web};

    #[test]
    fn headers_are_read_as_collectors_write_them() {
        let read = |text: &str| {
            headers(text).map(|all| all.into_iter().map(|(name, value)| format!("{name}: {}", value.expose())).collect::<Vec<_>>())
        };
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(
            read("Authorization=Bearer%20abc%3D, x-team = a b ,"),
            Ok(vec!["authorization: Bearer abc=".to_owned(), "x-team: a b".to_owned()])
        );
        for (wrong, place) in [("a", 1), ("a=1,b", 2), ("=1", 1), ("a b=1", 1), ("a=%zz", 1), ("a=%0a", 1), ("a=%", 1)] {
            assert_eq!(read(wrong), Err(format!("has no name=value in place {place}")), "{wrong}");
        }
    }

    #[test]
    fn addresses_of_collectors_hold_no_password_and_those_of_sentry_a_key() {
        assert!(web("http://127.0.0.1:4318/v1/traces").is_ok() && web("https://collector.example/v1/traces").is_ok());
        for wrong in ["collector:4318", "grpc://h", "http://u:p@h/v1/traces", "/v1/traces", ""] {
            assert!(web(wrong).is_err(), "{wrong}");
        }
        assert!(dsn("https://key@sentry.example/42").is_ok() && dsn("http://key@h:9000/below/42").is_ok());
        for wrong in ["https://sentry.example/42", "https://key@sentry.example", "key", "file://key@h/1"] {
            assert!(dsn(wrong).is_err(), "{wrong}");
        }
    }
}
