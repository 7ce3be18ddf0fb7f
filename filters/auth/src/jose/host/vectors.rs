//! Vectors: a signature of each algorithm that a host may verify, made once with OpenSSL for keys that nobody holds any more.

use crate::jose::{Algorithm, Curve, Hash};

/// What is signed.
pub(super) const TEXT: &[u8] = b"palisade";

/// The public keys, one of each kind.
pub(super) const KEYS: &[u8] = b"{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"xFpYI_Dxgxtu1TiG8KbANdmsiTWAkMxTVGq2Ye1UrmnKi4PZcmVGja5Fac1U1HuYuQfa39AZ\
    WAsJyV7Wya4exq655c6cPlUwsr5DdqvLvsBR7SW7w0e_89FDWX0E2hMAL_xxhYQdml9TRgDhgVg8PBt6OViZeV-Rj5Vjp4rAgxnJHZMDppJPio\
    Q8ysGYVlmba6KVIUi1_jEDePqhbIlV7GTNPRLMvNKrZoTSQjPnkvdm6pcG_9Vw5aYPpuhnJjnJwzDfGeXa-qdpZGadX-uNucl8CBS3MwXZR0Iu\
    HmdBpUpm1dlfZBlz9Zb1tqHfgb0lsiG1JeNqTLPyrIzcKaib-w\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"XU_MExUbDD4ZMlip4Xc2j4ztba\
    zDUI93v0M-K4ne58k\",\"y\":\"kRsZG1Z1Vo61UVV1EfVroxP9WGzu3XHbJ7FT5RA8SqQ\"},{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"kVI-3PN5I\
    clPPieQiKEscfYgv3UbgxU6TTbKqDs7t1kC0iurO5ffOLdT7igS9TEf\",\"y\":\"lhYB4DHht4TteMVLp3bSjly85Wwr5A8GmNVpt4lscggIVpRd\
    pDUS_yu0dBMU7_gV\"},{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AdB-VarREQ6xmT6KMAIjW2xkX6re7DubTiFDI6KMyWoc3-H3Ss74XUqFBvg6\
    1Ycs5ySxyXZ60EYK2UWI6gpRpyzN\",\"y\":\"AGNmg__c65DEz2gGiUlAIYBNSxFazVWtZk8bpziTBJzW9krwuL-Lzf-8mvQlGnz66rtc6gigJhY\
    dE2K0GdPLCwd_\"}]}";

/// The signatures of [`TEXT`], in base64url.
pub(super) const SIGNATURES: [(Algorithm, &str); 6] = [
    (
        Algorithm::Rs(Hash::Sha256),
        "rNUvUBlsl3OpdMJ_eocVM562t9bLfqG9RSUESudes7eQQE68g5yUhZ5_lqxIdf80bwbDvul8zbidq8w6-4XfW19kX-pWLO2D1LngUjAL0Y\
         bVoKZUoMrvkNcGiCvu3zOWhSxIBZS4RFIy33G-reD8JxetuYSV9bvASq9N1ODUWPyvVHEWR0URSjMgPbqPIfXyGVZ1YvzzrNTecRjpiQwW\
         hjV0mulm35EOBh8T5GPuoJeeQScQnaQU_JZaEmytbcj9ndnNSO27oseRT9ndKpy2NP9HderOPpp07kNY8IVLc_ZV5s6so0M9E3KoueGgjS\
         C12Dj8LzcL1qEgLUeKHbI2IQ",
    ),
    (
        Algorithm::Rs(Hash::Sha384),
        "CddA9iCa93BCw3pRoz6xWZEFZaPN-7FKSn3Gxb8RF4E2jI3WYE9zh5BC-kej7RuM1sg3G26fXIBZJ9RU6VqLMcA_O5WxsqYxavUwMzfxUz\
         hE2z-VFE0tAQqyGuEtrY_yzhjTT7mkHeclo0MbVIOZl6Q1oY-HQJresMq3n1mO8v4vipuQTndhaHDGrrpnoxH4axFnqtgrXiikTdKlm0rE\
         jYW2fEQKpcna4chvn-5xXdSs0jAFlQRYoCF9KILadR4_Os41mz-GCEK_GQOMUUJ6wxX-P5bR3BnGL7Evw32IqAZB3SoEAq_f6WaBA8n9xE\
         45xByR4HGFj8fVrceZH_fIhA",
    ),
    (
        Algorithm::Rs(Hash::Sha512),
        "IyK0x2rtW2R-27jlSroBb6PcEhJpsbq_INyZdrs5mY5sCfnC5T_ofSEAxtl1aYjTBdcxHuCv8XgXwEKds-7yLSZl-d-N9bAWfbV9lvtNn7\
         -JwwLWxuFtWP11wXn_InJsoAk7_IV6KGmRMXKzgd_FAvXblT0FfJZeqVbMqYm-3vRjai0gtOQh7BQ-Su4no0mD59kUvCtiQS1lU30RjNmE\
         7ii8WJvgi0TS0_syKJP5LbKNTSUAt-kIsyE4yAmb5kpT4hNzeA_c7V1IRwKWH2j6JAl-HIw3aDPnyNBtdXcpjVFc3VTkt0g557ifoQxqtp\
         2QGuRpos5lMoRI8iN8iqlDwA",
    ),
    (
        Algorithm::Es(Curve::P256),
        "nE84HStbbPSYUt38sLWVSA7ugWRKgNsVpPVAsxU4ZhrYYabLXm64cKFLMMGIM0KLaiEm-y74yOaFvxguI-isRA",
    ),
    (
        Algorithm::Es(Curve::P384),
        "ZV1Dl-Z7eVqDRuzQCwlk2PYOEuz6535NmRYf8aBZuOLAFm0F_RFv_5sFh5gaul66ci9idcUc8iQ7Mcb5WGd5XQBgGXnRHF0CLE9WjT1oKV\
         4dBUdsogrq_slHd0lxv_BQ",
    ),
    (
        Algorithm::Es(Curve::P521),
        "AbOakcsTY7BbnQ26qAh8mkc8grypQeDo1oiReeGjvYIFS4V0RFnomkZOPGZXObhVjb9-2X_vfZ6Rw-QXjEqVS4T6AZd9mz1FVekcLbOTCH\
         0rvqTj8DRpZbzxpcj-KGmBT-h8T4v30dffO6vNRm-G7bFKeZ7_D8s9cWuIJmRq-dZUlh04",
    ),
];
