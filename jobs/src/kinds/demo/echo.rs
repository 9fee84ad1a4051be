//! demo.echo — returns its args.
//! Safe to repeat: it touches nothing.

use crate::{Context, Failure, Kind};
use serde_json::{Map, Value};

pub(super) struct Echo;

impl Kind for Echo {
    const NAME: &'static str = "demo.echo";
    const SUMMARY: &'static str = "Returns its args.";
    type Args = Map<String, Value>;
    type Output = Map<String, Value>;

    async fn run(args: Self::Args, _: &Context) -> Result<Self::Output, Failure> {
        Ok(args)
    }
}
