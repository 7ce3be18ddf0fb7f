//! Stands in for the program `hurl` where a script wants it, with the library that the suites run on:
//! `hurl --test --variable url=URL --variable admin=URL FILE...`.

use std::env;
use std::path::Path;

use anyhow::{Context, Result, bail};
use palisade_tests::hurl_file::{self, Protocol, Target};

fn main() -> Result<()> {
    let mut target = Target { url: String::new(), admin: None, hidden: Vec::new() };
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--test" => {}
            "--variable" => match arguments.next().as_deref().and_then(|variable| variable.split_once('=')) {
                Some(("url", url)) => target.url = url.to_owned(),
                Some(("admin", url)) => target.admin = Some(url.to_owned()),
                _ => bail!("--variable wants url=URL or admin=URL"),
            },
            file => {
                hurl_file::run(Path::new(file), Protocol::Http1, &target).with_context(|| format!("{file} failed"))?
            }
        }
    }
    Ok(())
}
