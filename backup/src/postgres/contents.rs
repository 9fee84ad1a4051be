//! Rows and a hash of every table that pg_dump takes, counted by the server: the sum of the first 64 bits of each row's SHA-256, so that the order of
//! rows does not matter and nothing is sorted. docs/backups.md has the same statement for psql, to compare a restored database by hand.

/// What the manifest calls it.
pub(crate) const METHOD: &str = "sum of the first 64 bits (signed) of SHA-256 over each row's text";

/// Everything that changes how a value is written as text.
pub(super) const SETTINGS: &str = "SET LOCAL search_path = ''; SET LOCAL row_security = off; SET LOCAL datestyle = 'ISO'; \
     SET LOCAL intervalstyle = 'postgres'; SET LOCAL timezone = 'UTC'; SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = 'hex'; \
     SET LOCAL lc_monetary = 'C'; SET LOCAL client_encoding = 'UTF8'; SET LOCAL statement_timeout = 0; \
     SET LOCAL idle_in_transaction_session_timeout = 0;";

/// Makes a statement for each table and runs them, for psql; and one for large objects, where there are any.
pub(super) const CONTENTS: &str = include_str!("contents.sql");
