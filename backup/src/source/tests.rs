use super::Source;
use crate::{Destination, Engine};
use longshore_base::Code;
use longshore_config::Secret;

fn parse(text: &str) -> Result<Source, String> {
    Source::parse(&Secret::new(text.to_owned())).map_err(|error| {
        assert_eq!(error.code(), Code::ArgsInvalid);
        error.to_string()
    })
}

#[test]
fn addresses_are_read() {
    assert!(matches!(parse("sqlite:/a/b.db"), Ok(Source::Sqlite(path)) if path.to_str() == Some("/a/b.db")));
    assert!(matches!(parse("sqlite:///a/b.db"), Ok(Source::Sqlite(path)) if path.to_str() == Some("/a/b.db")));
    for text in
        ["postgres://h/db", "postgresql://u:p%40@h:5433/db?sslmode=require", "postgres:///db?host=/run/postgresql", "postgres://[::1]/db"]
    {
        assert!(matches!(parse(text), Ok(Source::Postgres(_))), "{text}");
    }
    for text in ["redis://h", "redis://:p@h:1/3", "rediss://u:p@h?cacert=/ca.pem", "unix:///run/redis.sock?db=2&pass=p"] {
        assert!(matches!(parse(text), Ok(Source::Redis(_))), "{text}");
    }
}

#[test]
fn what_cannot_be_backed_up_is_refused_without_telling_it() {
    for text in [
        "",
        "sqlite:relative.db",
        "mysql://u:hidden-word@h/db",
        "postgres://u:hidden-word@h",
        "postgres://h/db?sslpassword=hidden-word",
        "postgres://h:x/hidden-word",
        "redis://:hidden-word@",
        "redis://h?what=hidden-word",
        "redis://h?cacert=/ca.pem",
        "file:///etc/hidden-word",
    ] {
        let told = parse(text).expect_err(text);
        assert!(told.contains("/source") && !told.contains("hidden-word"), "{text}: {told}");
    }
}

#[test]
fn passwords_do_not_print() {
    for text in ["postgres://u:hidden-word@h/db", "redis://u:hidden-word@h", "postgres://h/db?password=hidden-word"] {
        let source = parse(text).expect("an address");
        assert!(source.has_password(), "{text}");
        let shown = format!("{source:?}");
        assert!(!shown.contains("hidden-word"), "{shown}");
    }
}

#[test]
fn an_address_without_a_password_has_none() {
    for text in ["sqlite:/a:b@c.db", "postgres://u@h/db", "postgres://h/db?passfile=/p", "redis://h", "unix:///run/redis.sock?db=2"] {
        assert!(!parse(text).expect("an address").has_password(), "{text}");
    }
}

#[test]
fn a_backup_goes_back_to_a_place_of_its_kind() {
    let to = |text: &str, engine| Destination::parse(&Secret::new(text.to_owned()), engine);
    assert!(matches!(to("/a/b.db", Engine::Sqlite), Ok(Destination::File(_))));
    assert!(matches!(to("sqlite:/a/b.db", Engine::Sqlite), Ok(Destination::File(path)) if path.to_str() == Some("/a/b.db")));
    assert!(matches!(to("dump.rdb", Engine::Redis), Ok(Destination::File(_))));
    assert!(matches!(to("postgres://h/db", Engine::Postgres), Ok(Destination::Database(_))));
    for (text, engine) in [("postgres://h/db", Engine::Sqlite), ("redis://h", Engine::Redis), ("/a", Engine::Postgres)] {
        assert_eq!(to(text, engine).unwrap_err().code(), Code::ArgsInvalid, "{text}");
    }
}
