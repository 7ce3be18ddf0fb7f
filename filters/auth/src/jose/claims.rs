//! Claims (RFC 7519, section 4.1): whether a token whose signature holds is for us, and now.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Error;
use crate::json;

/// What a provider asks of the claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// `iss`, byte by byte.
    pub issuer: String,
    /// One of these must be in `aud`; if there are none, `aud` does not matter.
    pub audiences: Vec<String>,
    /// Whether audiences are compared without `http://` or `https://` and without one `/` at the end.
    pub lenient_audience: bool,
    /// Claims that must be there, neither null nor empty.
    pub require: Vec<String>,
    /// How far the issuer's clock may be off.
    pub clock_skew: Duration,
    /// How old a token may be, by its `iat`.
    pub max_token_age: Option<Duration>,
    /// Whether a token whose `iat` lies in the future is refused, also without `max_token_age`.
    pub reject_future_iat: bool,
}

/// Claims that hold.
#[derive(Clone, PartialEq)]
pub struct Claims {
    /// All claims of the payload.
    pub all: Map<String, Value>,
    /// When they cease to hold, as the time since the Unix epoch; `None` for never.
    pub until: Option<Duration>,
}

impl Requirements {
    /// Reads the payload of a token and checks its claims; `now` is the time since the Unix epoch.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong; what cannot be read comes before what does not hold.
    pub fn check(&self, payload: &[u8], now: Duration) -> Result<Claims, Error> {
        let all = json::object(payload).ok_or(Error::MalformedClaims)?;
        let issuer = text(&all, "iss")?;
        text(&all, "sub")?;
        text(&all, "jti")?;
        let audiences = audiences(&all)?;
        let [expires, not_before, issued] = [time(&all, "exp")?, time(&all, "nbf")?, time(&all, "iat")?];
        if issuer != Some(&self.issuer) {
            return Err(Error::WrongIssuer);
        }
        self.check_audience(&audiences)?;
        if !self.require.iter().all(|name| is_there(all.get(name))) {
            return Err(Error::MissingClaim);
        }
        let until = self.check_times(expires, not_before, issued, now)?;
        Ok(Claims { all, until })
    }

    fn check_audience(&self, named: &[&str]) -> Result<(), Error> {
        let is_ours = |named: &str, ours: &str| match self.lenient_audience {
            true => bare(named) == bare(ours),
            false => named == ours,
        };
        let is_for_us = self.audiences.iter().any(|ours| named.iter().any(|named| is_ours(named, ours)));
        if self.audiences.is_empty() || is_for_us { Ok(()) } else { Err(Error::WrongAudience) }
    }

    /// When the claims cease to hold.
    fn check_times(
        &self,
        expires: Option<Duration>,
        not_before: Option<Duration>,
        issued: Option<Duration>,
        now: Duration,
    ) -> Result<Option<Duration>, Error> {
        let latest = now.saturating_add(self.clock_skew);
        // A token must not be accepted "on or after" its expiration time (RFC 7519, section 4.1.4).
        let end = expires.map(|expires| expires.saturating_add(self.clock_skew));
        if end.is_some_and(|end| now >= end) {
            return Err(Error::Expired);
        }
        if not_before.is_some_and(|not_before| not_before > latest) {
            return Err(Error::NotYetValid);
        }
        let tells_age = self.max_token_age.is_some() || self.reject_future_iat;
        if tells_age && issued.is_some_and(|issued| issued > latest) {
            return Err(Error::IssuedInFuture);
        }
        let Some(age) = self.max_token_age else { return Ok(end) };
        let old = issued.ok_or(Error::MissingClaim)?.saturating_add(age).saturating_add(self.clock_skew);
        if now > old {
            return Err(Error::TooOld);
        }
        Ok(Some(end.map_or(old, |end| end.min(old))))
    }
}

fn is_there(claim: Option<&Value>) -> bool {
    match claim {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(_) => true,
    }
}

/// An audience as Envoy's own filter compares it.
fn bare(audience: &str) -> &str {
    let rest = audience.strip_prefix("https://").or_else(|| audience.strip_prefix("http://")).unwrap_or(audience);
    rest.strip_suffix('/').unwrap_or(rest)
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<&'a String>, Error> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::MalformedClaims),
    }
}

/// `aud`: a text or a list of texts.
fn audiences(claims: &Map<String, Value>) -> Result<Vec<&str>, Error> {
    let texts = match claims.get("aud") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(Value::as_str).collect(),
        Some(audience) => audience.as_str().map(|audience| vec![audience]),
    };
    texts.ok_or(Error::MalformedClaims)
}

fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Duration>, Error> {
    json::time(claims, name).ok_or(Error::MalformedClaims)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_000_000);

    fn requirements() -> Requirements {
        Requirements {
            issuer: "https://idp.example".to_owned(),
            audiences: vec!["shop".to_owned(), "https://svc.example".to_owned()],
            lenient_audience: false,
            require: vec!["exp".to_owned()],
            clock_skew: Duration::from_secs(60),
            max_token_age: None,
            reject_future_iat: false,
        }
    }

    /// Claims that hold, with others put in their place; `null` takes one away.
    fn with(others: &str) -> Vec<u8> {
        let others = others.strip_suffix(',').unwrap_or(others);
        let mut claims: Map<String, Value> =
            serde_json::from_str(r#"{"iss":"https://idp.example","aud":"shop","exp":1000100}"#).unwrap();
        for (name, claim) in serde_json::from_str::<Map<String, Value>>(&format!("{{{others}}}")).unwrap() {
            match claim {
                Value::Null => claims.remove(&name),
                claim => claims.insert(name, claim),
            };
        }
        serde_json::to_vec(&claims).unwrap()
    }

    fn check(others: &str) -> Result<Option<Duration>, Error> {
        requirements().check(&with(others), NOW).map(|claims| claims.until)
    }

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn claims_that_hold_say_until_when() {
        assert_eq!(check(""), Ok(seconds(1_000_160)));
        assert_eq!(check(r#""exp":1000100.5"#), Ok(Some(Duration::from_millis(1_000_160_500))));
        let without_exp = Requirements { require: Vec::new(), ..requirements() };
        assert_eq!(without_exp.check(&with(r#""exp":null"#), NOW).map(|claims| claims.until), Ok(None));
    }

    #[test]
    fn a_token_is_refused_from_the_second_of_its_expiry_on() {
        assert_eq!(check(r#""exp":999941"#), Ok(seconds(1_000_001)));
        assert_eq!(check(r#""exp":999940"#), Err(Error::Expired));
        assert_eq!(check(r#""exp":0"#), Err(Error::Expired));
    }

    #[test]
    fn a_token_is_refused_before_its_time() {
        assert!(check(r#""nbf":1000060"#).is_ok());
        assert_eq!(check(r#""nbf":1000061"#), Err(Error::NotYetValid));
        assert_eq!(check(r#""nbf":1000060.5"#), Err(Error::NotYetValid));
    }

    #[test]
    fn a_future_issue_date_matters_where_it_is_asked_for() {
        assert!(check(r#""iat":2000000"#).is_ok());
        let strict = Requirements { reject_future_iat: true, ..requirements() };
        assert_eq!(strict.check(&with(r#""iat":1000061"#), NOW).err(), Some(Error::IssuedInFuture));
        assert!(strict.check(&with(r#""iat":1000060"#), NOW).is_ok());
        assert!(strict.check(&with(""), NOW).is_ok());
    }

    #[test]
    fn an_old_token_is_refused_where_an_age_is_given() {
        let aged = Requirements { max_token_age: seconds(600), ..requirements() };
        let check = |others: &str| aged.check(&with(others), NOW).map(|claims| claims.until);
        assert_eq!(check(r#""iat":999340"#), Ok(seconds(1_000_000)));
        assert_eq!(check(r#""iat":999339"#), Err(Error::TooOld));
        assert_eq!(check(r#""iat":1000061"#), Err(Error::IssuedInFuture));
        assert_eq!(check(""), Err(Error::MissingClaim));
        assert_eq!(check(r#""iat":1000000,"exp":1000010"#), Ok(seconds(1_000_070)));
    }

    #[test]
    fn times_are_numbers_that_a_clock_can_show() {
        for time in [r#""1000100""#, "-1", "9007199254740992", "9007199254740993", "1e300", "true", "[1]", "{}"] {
            for name in ["exp", "nbf", "iat"] {
                let claims = format!(r#"{{"iss":"https://idp.example","aud":"shop","{name}":{time}}}"#);
                let checked = requirements().check(claims.as_bytes(), NOW).err();
                assert_eq!(checked, Some(Error::MalformedClaims), "{name} {time}");
            }
        }
        assert!(check(r#""exp":9007199254740991"#).is_ok());
        assert!(requirements().check(br#"{"iss":"https://idp.example","aud":"shop","exp":null}"#, NOW).is_err());
    }

    #[test]
    fn the_issuer_is_compared_byte_by_byte() {
        for issuer in ["https://idp.example/", "https://IDP.example", "idp.example", ""] {
            assert_eq!(check(&format!(r#""iss":"{issuer}""#)), Err(Error::WrongIssuer), "{issuer}");
        }
        assert_eq!(check(r#""iss":null"#), Err(Error::WrongIssuer));
        assert_eq!(check(r#""iss":["https://idp.example"]"#), Err(Error::MalformedClaims));
    }

    #[test]
    fn one_audience_of_many_will_do() {
        assert!(check(r#""aud":["other","shop"]"#).is_ok());
        for audience in [r#""Shop""#, r#""shop ""#, r#""shop/""#, "[]", r#"["other"]"#, "null", r#""svc.example""#] {
            assert_eq!(check(&format!(r#""aud":{audience}"#)), Err(Error::WrongAudience), "{audience}");
        }
        for audience in ["1", r#"["shop",1]"#, r#"{"shop":true}"#, "true"] {
            assert_eq!(check(&format!(r#""aud":{audience}"#)), Err(Error::MalformedClaims), "{audience}");
        }
        let anyone = Requirements { audiences: Vec::new(), ..requirements() };
        assert!(anyone.check(&with(r#""aud":null"#), NOW).is_ok());
    }

    #[test]
    fn a_lenient_audience_is_compared_as_envoy_does() {
        let lenient = Requirements { lenient_audience: true, ..requirements() };
        for audience in ["http://shop/", "https://shop", "shop/", "svc.example", "http://svc.example/"] {
            assert!(lenient.check(&with(&format!(r#""aud":"{audience}""#)), NOW).is_ok(), "{audience}");
        }
        for audience in ["ftp://shop", "shop//", "http://https://shop"] {
            let checked = lenient.check(&with(&format!(r#""aud":"{audience}""#)), NOW).err();
            assert_eq!(checked, Some(Error::WrongAudience), "{audience}");
        }
    }

    #[test]
    fn a_required_claim_is_there_and_says_something() {
        let asks = Requirements { require: vec!["groups".to_owned()], ..requirements() };
        for (claim, is_there) in [("[1]", true), ("false", true), ("0", true), ("[]", false), (r#""""#, false)] {
            assert_eq!(asks.check(&with(&format!(r#""groups":{claim}"#)), NOW).is_ok(), is_there, "{claim}");
        }
        assert_eq!(asks.check(&with(""), NOW).err(), Some(Error::MissingClaim));
        assert_eq!(check(r#""exp":null"#), Err(Error::MissingClaim));
    }

    #[test]
    fn the_payload_is_a_strict_json_object() {
        for payload in [
            r#"{"iss":"https://idp.example","aud":"shop","exp":1000100,"exp":9000000}"#,
            r#"{"iss":"https://idp.example","aud":"shop","exp":1000100,"a":{"b":1,"b":2}}"#,
            r#"["iss"]"#,
            r#""iss""#,
            "",
            "e30.e30.Zg",
        ] {
            let checked = requirements().check(payload.as_bytes(), NOW).err();
            assert_eq!(checked, Some(Error::MalformedClaims), "{payload}");
        }
        assert_eq!(requirements().check(b"{\"a\":\"\xFF\"}", NOW).err(), Some(Error::MalformedClaims));
        assert_eq!(check(r#""sub":7"#), Err(Error::MalformedClaims));
    }

    proptest! {
        #[test]
        fn a_token_holds_exactly_until_it_says(exp in 0_u32..10_000, skew in 0_u32..100, age in 0_u32..5_000,
                                               iat in 0_u32..10_000, now in 0_u32..12_000) {
            let asks = Requirements {
                clock_skew: Duration::from_secs(skew.into()),
                max_token_age: seconds(age.into()),
                ..requirements()
            };
            let claims = with(&format!(r#""exp":{exp},"iat":{iat}"#));
            let check = |now: Duration| asks.check(&claims, now);
            if let Ok(checked) = check(Duration::from_secs(now.into())) {
                let until = checked.until.unwrap();
                prop_assert!(check(until.saturating_sub(Duration::from_nanos(1))).is_ok());
                prop_assert!(check(until + Duration::from_nanos(1)).is_err());
            }
        }

        #[test]
        fn no_payload_is_too_strange(payload in prop_oneof![
            any::<Vec<u8>>(),
            "[{\\[\"a-z:,0-9.eE+\\-\\]}]{0,60}".prop_map(String::into_bytes),
        ]) {
            let _ = requirements().check(&payload, NOW);
        }
    }
}
