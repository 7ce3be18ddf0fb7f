//! Makes the keys and tokens of the suites in `tests/suites/auth/`:
//!
//!     cargo run -p palisade-issuer -- key RS256 '{"kid": "a"}'
//!     cargo run -p palisade-issuer -- token RS256 '{"kid": "a"}' '{"sub": "alice"}'
//!     cargo run -p palisade-issuer -- sign EdDSA '{"alg": "none"}' '{}'
//!     cargo run -p palisade-issuer -- explain TOKEN
//!
//! Members are added to those of a good token of `https://idp.example` for `shop`, which expires in the year 2100; `null`
//! takes one away. `sign` takes header and payload as they are, and `explain` prints the command that has made a token.

use std::env::args;
use std::process::ExitCode;

use palisade_issuer::{Issuer, with};
use serde_json::{Value, json};

fn main() -> ExitCode {
    match run(&args().skip(1).collect::<Vec<_>>()) {
        Some(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        None => {
            eprintln!(
                "usage: palisade-issuer key ALGORITHM MEMBERS | token ALGORITHM HEADER CLAIMS | sign ALGORITHM HEADER PAYLOAD | explain TOKEN"
            );
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Option<String> {
    let object = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["key", algorithm, members] => Some(with(Issuer::new().jwk(algorithm), &object(members)?).to_string()),
        ["token", algorithm, header, claims] => {
            let name = algorithm.split('-').next()?;
            let header = with(json!({"alg": name, "typ": "JWT"}), &object(header)?);
            let usual = json!({"iss": "https://idp.example", "aud": "shop", "sub": "alice", "exp": 4_102_444_800_u64});
            Some(Issuer::new().token(algorithm, &header, &with(usual, &object(claims)?)))
        }
        ["sign", algorithm, header, payload] => Some(Issuer::new().sign(algorithm, header, payload)),
        ["explain", token] => {
            let (algorithm, header, payload) = Issuer::new().explain(token)?;
            Some(format!("sign {algorithm} '{header}' '{payload}'"))
        }
        _ => None,
    }
}
