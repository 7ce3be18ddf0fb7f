use super::*;

const LIMITS: HashLimits =
    HashLimits { bcrypt_cost: 12, sha_crypt_rounds: 100_000, argon2_memory: 19 * 1024, allow_insecure: false };
const INSECURE: HashLimits = HashLimits { allow_insecure: true, ..LIMITS };

/// Hashes that other programs wrote.
const WRITTEN_BY_OTHERS: &[(&str, &str, &str)] = &[
    // openssl
    ("apr1", "good", "$apr1$salt$zNt2KILzccMSuwEO7.Ada0"),
    ("SHA", "good", "{SHA}/BkxjdExKM4UNE0GZRCpgiacJBs="),
    ("SSHA", "good", "{SSHA}gVPFKSVobQnEn8GpYtM9nr/+TGdzYWx0"),
    ("PLAIN", "good", "{PLAIN}good"),
    // crypt(3) of libxcrypt
    ("DES", "good", "abb1oGxjdYbAs"),
    ("2y", "good", "$2y$04$abcdefghijklmnopqrstuuX.3eY3Cz749VjAe1eh2D.Wg.3tL5s5C"),
    (
        "SHA-512",
        "good",
        "$6$saltsalt$tvNwrYsLeJNmnd1mv9Q9Cmptu3hZMD//oA1pvMy99AU5ZDlCDttOYpCJq1x/gE95vRHP9RtCKwL4hHmXoXP/j.",
    ),
    ("SHA-256", "good", "$5$rounds=1000$saltsalt$i3pULzsOgd9B88pRzGdZ1Uh9W9KwlSYScOHdM.VOkfA"),
    // crypt_blowfish
    ("2a", "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("2a", "", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"),
    // the reference implementation of Argon2
    ("Argon2id", "password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
    ("Argon2id", "password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"),
];

#[test]
fn a_password_has_the_hash_that_others_wrote_and_no_other_password_has_it() {
    for (kind, password, text) in WRITTEN_BY_OTHERS {
        let hash = Hash::parse(text, &INSECURE).unwrap_or_else(|error| panic!("{kind}: {error:?}"));
        assert_eq!(hash.verify(password.as_bytes()), Some(true), "{kind}");
        for other in ["bad", "goo", "good!", "Good", "passwore"] {
            assert_eq!(hash.verify(other.as_bytes()), Some(false), "{kind} {other}");
        }
        assert_eq!(hash.verify(b""), Some(password.is_empty()), "{kind}");
    }
}

#[test]
fn every_character_of_a_hash_counts() {
    for (kind, password, text) in WRITTEN_BY_OTHERS {
        let (start, last) = text.split_at(text.len() - if text.ends_with('=') { 3 } else { 2 });
        let other = if last.starts_with('B') { "C" } else { "B" };
        let changed: String = [start, other].into_iter().chain(last.get(1..)).collect();
        if let Ok(hash) = Hash::parse(&changed, &INSECURE) {
            assert_eq!(hash.verify(password.as_bytes()), Some(false), "{kind}");
        }
    }
}

#[test]
fn a_malformed_hash_is_broken() {
    for text in [
        "",
        "good",
        "$",
        "$$",
        "$1$salt$nv3ocNtLSqERkOE0R.yRv1",
        "$apr1$",
        "$apr1$salt",
        "$apr1$salt$",
        "$apr1$salt$short",
        "$apr1$saltsalts$zNt2KILzccMSuwEO7.Ada0",
        "{SHA}Zm9vCg==",
        "{SHA}_____HI7uixaa6LQGWx4s+5GKNE=",
        "{SHA}",
        "{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE",
        "{SSHA}Zm9vCg==",
        "{SSHA}_____wQadOA1e+/f+T+H3eCQQhRzYWx0",
        "{SSHA}/BkxjdExKM4UNE0GZRCpgiacJBs=",
        "{sha}/BkxjdExKM4UNE0GZRCpgiacJBs=",
        "$2x$04$abcdefghijklmnopqrstuuX.3eY3Cz749VjAe1eh2D.Wg.3tL5s5C",
        "$2y$4$abcdefghijklmnopqrstuuX.3eY3Cz749VjAe1eh2D.Wg.3tL5s5C",
        "$2y$03$abcdefghijklmnopqrstuuX.3eY3Cz749VjAe1eh2D.Wg.3tL5s5C",
        "$2y$04$abcdefghijklmnopqrstuuX.3eY3Cz749VjAe1eh2D.Wg.3tL5s5",
        "$2y$04$abcdefghijklmnopqrstuuX.3eY3Cz749VjAe1eh2D.Wg.3tL5s5CC",
        "$2y$+4$abcdefghijklmnopqrstuuX.3eY3Cz749VjAe1eh2D.Wg.3tL5s5C",
        "$2y$99$abcdefghijklmnopqrstuuX.3eY3Cz749VjAe1eh2D.Wg.3tL5s5C",
        "$2y$04$abcdefghijklmnopqrst\u{e9}X.3eY3Cz749VjAe1eh2D.Wg.3tL5s5C",
        "$5$rounds=999$saltsalt$i3pULzsOgd9B88pRzGdZ1Uh9W9KwlSYScOHdM.VOkfA",
        "$5$rounds=$saltsalt$i3pULzsOgd9B88pRzGdZ1Uh9W9KwlSYScOHdM.VOkfA",
        "$5$saltsalt",
        "$6$saltsalt$i3pULzsOgd9B88pRzGdZ1Uh9W9KwlSYScOHdM.VOkfA",
        "$5$saltsaltsaltsalts$i3pULzsOgd9B88pRzGdZ1Uh9W9KwlSYScOHdM.VOkfA",
        "$argon2id$",
        "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=18$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=0,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$t=2,m=256,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=1,x=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4$",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ=$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65",
        "abb1oGxjdYbA",
        "abb1oGxjdYbAsx",
        "abb1oGxjdYb!s",
    ] {
        assert!(matches!(Hash::parse(text, &INSECURE), Err(Broken(_))), "{text}");
    }
    assert_eq!([Hash::BROKEN.verify(b"good"), Hash::BROKEN.verify(b"")], [Some(false); 2]);
}

#[test]
fn a_hash_that_costs_more_than_the_limits_is_refused_with_the_field_that_raises_them() {
    let argon2 = |memory, passes, lanes| {
        format!(
            "$argon2id$v=19$m={memory},t={passes},p={lanes}$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
        )
    };
    for (text, part) in [
        (
            "$2y$13$abcdefghijklmnopqrstuuX.3eY3Cz749VjAe1eh2D.Wg.3tL5s5C".to_owned(),
            "13, more than the 12 that \"max_bcrypt_cost\"",
        ),
        ("$5$rounds=100001$s$i3pULzsOgd9B88pRzGdZ1Uh9W9KwlSYScOHdM.VOkfA".to_owned(), "\"max_sha_crypt_rounds\""),
        (argon2(19 * 1024 + 1, 2, 1), "\"max_argon2_memory\""),
        (argon2(256, 11, 1), "10 passes"),
        (argon2(256, 2, 17), "16 lanes"),
    ] {
        let Err(Refused(error)) = Hash::parse(&text, &LIMITS) else { panic!("{text}") };
        assert!(error.contains(part), "{error}");
    }
    assert!(Hash::parse("$2y$12$abcdefghijklmnopqrstuuX.3eY3Cz749VjAe1eh2D.Wg.3tL5s5C", &LIMITS).is_ok());
}

#[test]
fn what_protects_nothing_is_refused_unless_it_is_wanted() {
    for text in ["{PLAIN}good", "abb1oGxjdYbAs"] {
        let Err(Refused(error)) = Hash::parse(text, &LIMITS) else { panic!("{text}") };
        assert!(error.contains("allow_insecure") && !error.contains("good"), "{error}");
    }
}

#[test]
fn an_empty_password_needs_a_hash_of_its_own() {
    let hash = Hash::parse("{PLAIN}", &INSECURE).unwrap();
    assert_eq!([hash.verify(b""), hash.verify(b"x")], [Some(true), Some(false)]);
}

#[test]
fn dear_hashes_cost_more_than_cheap_ones() {
    let cost = |text: &str| Hash::parse(text, &INSECURE).unwrap().cost();
    let bcrypt = cost("$2y$10$abcdefghijklmnopqrstuuX.3eY3Cz749VjAe1eh2D.Wg.3tL5s5C");
    let sha512 = cost(WRITTEN_BY_OTHERS[6].2);
    let apr1 = cost(WRITTEN_BY_OTHERS[0].2);
    assert!(bcrypt > sha512 && sha512 > apr1 && apr1 > cost("{PLAIN}x") && cost("{PLAIN}x") > Hash::BROKEN.cost());
}

#[test]
fn memory_that_is_not_there_is_no_trap() {
    assert_eq!(blocks(usize::MAX / 2).map(|blocks| blocks.len()), None);
    assert_eq!(blocks(8).map(|blocks| blocks.len()), Some(8));
}
