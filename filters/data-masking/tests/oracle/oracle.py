#!/usr/bin/env python3
"""Writes verdicts.txt: what other implementations say of seeded random numbers.

    pip install python-stdnum==2.2 phonenumbers==9.0.43 idnumbers==1.22.0
    ./oracle.py > verdicts.txt

Each line is a detector, a template, how many bodies are drawn, how many numbers are valid, and the SHA-256 of the verdicts, a `0`
or `1` a number. In a template `9` is a random digit, `A` a capital, `X` either, `_` a blank, and `(a|b)` one of the texts; with each
body every digit for the places `#` is tried, and every digit and capital for `@`. `../oracle.rs` draws the same numbers.
"""

import hashlib
import itertools
import string
import sys

import phonenumbers
import stdnum.au.abn
import stdnum.au.tfn
import stdnum.br.cnpj
import stdnum.br.cpf
import stdnum.ca.sin
import stdnum.cn.ric
import stdnum.de.idnr
import stdnum.es.nif
import stdnum.fr.nir
import stdnum.gb.nhs
import stdnum.iban
import stdnum.in_.aadhaar
import stdnum.in_.pan
import stdnum.iso7064.mod_97_10
import stdnum.kr.rrn
import stdnum.luhn
import stdnum.pl.pesel
import stdnum.tr.tckimlik
import stdnum.us.ssn
import stdnum.za.idnr
from idnumbers.nationalid import GBR, SGP

# Of the schemes' tables in Wikipedia, "Payment card number": first digits, and lengths.
CARDS = [
    ("Visa", ["4"], [13, 16, 18, 19]),
    ("Mastercard", [str(n) for n in [*range(51, 56), *range(2221, 2721)]], [16]),
    ("American Express", ["34", "37"], [15]),
    ("Diners Club", ["300", "301", "302", "303", "304", "305", "3095", "36", "38", "39"], range(14, 20)),
    ("JCB", [str(n) for n in range(3528, 3590)], range(16, 20)),
    ("Mir", ["2200", "2201", "2202", "2203", "2204"], range(16, 20)),
    ("Discover, UnionPay, Maestro, RuPay, Verve, Elo", ["50", "56", "57", "58", "6"], range(13, 20)),
    ("RuPay, UnionPay", ["81", "82"], range(16, 20)),
    ("Uzcard, Humo, Troy", ["8600", "9860", "9792"], [16]),
]


def is_card(number):
    has_issuer = any(number.startswith(tuple(iins)) and len(number) in lengths for _, iins, lengths in CARDS)
    return has_issuer and stdnum.luhn.is_valid(number)


def is_iban(number):
    """The length of the country, and modulo 97: the structure of each country's own part is not looked at."""
    info = stdnum.iban._ibandb.info(number)[0][1]
    if not info:
        return False
    length = 4 + sum(int(part.rstrip("nac").rstrip("!")) for part in info["bban"].replace("c", "c ").replace("n", "n ").replace("a", "a ").split())
    return len(number) == length and stdnum.iso7064.mod_97_10.is_valid(number[4:] + number[:4])


def is_ric(number):
    """With permits of residence of people from Taiwan and of foreigners, 83 and 91, which came after the list of places."""
    return stdnum.cn.ric.is_valid(number) or number[:2] in ("83", "91") and number[-1] == stdnum.cn.ric.calc_check_digit(number)


def has_calling_code(number):
    codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    return any(int(number[1:1 + length]) in codes for length in (1, 2, 3) if number[1] != "0")


DATE = "99(00|01|02|04|06|09|11|12|13|20)(00|01|15|28|29|30|31|32)"
LINES = [
    ("credit_card", "(4|51|2221|2720|2721|34|30|3095|36|3528|3590|2204|2205|50|62|81|83|8600|9792|99)9999999999#", 10_000, is_card),
    ("credit_card", "(4|51|2221|2720|2721|34|30|3095|36|3528|3590|2204|2205|50|62|81|83|8600|9792|99)999999999999#", 10_000, is_card),
    ("credit_card", "(4|51|2221|2720|2721|34|30|3095|36|3528|3590|2204|2205|50|62|81|83|8600|9792|99)9999999999999#", 10_000, is_card),
    ("credit_card", "(4|51|2221|2720|2721|34|30|3095|36|3528|3590|2204|2205|50|62|81|83|8600|9792|99)999999999999999#", 10_000, is_card),
    ("iban", "(DE|GB|NO|XX|US)##999999999999999999", 1_000, is_iban),
    ("iban", "(CH|LI|HR|LV|FR)##XXXXXXXXXXXXXXXXX", 1_000, is_iban),
    ("iban", "(FR|IT|GR|MC|DE)##XXXXXXXXXXXXXXXXXXXXXXX", 1_000, is_iban),
    ("phone_e164", "+###55012345", 1, has_calling_code),
    ("us_ssn", "999-99-9999", 10_000, stdnum.us.ssn.is_valid),
    ("us_ssn", "(000|666|665|899|900|999|123)-(00|01|99)-(0000|0001|9999)", 10_000, stdnum.us.ssn.is_valid),
    ("ca_sin", "999 999 99#", 10_000, stdnum.ca.sin.is_valid),
    ("br_cpf", "999.999.999-##", 2_000, stdnum.br.cpf.is_valid),
    ("br_cnpj", "99.999.999/9999-##", 1_000, stdnum.br.cnpj.is_valid),
    ("br_cnpj", "XX.XXX.XXX/XXXX-##", 1_000, stdnum.br.cnpj.is_valid),
    ("cn_resident_id", "(110101|440000|650000|990101|160101|000000)(18|19|20)" + DATE + "999@", 10_000, is_ric),
    ("cn_resident_id", "##0000(20100307)999@", 100, is_ric),
    ("in_aadhaar", "9999 9999 999#", 10_000, stdnum.in_.aadhaar.is_valid),
    ("in_pan", "AAAAA9999A", 10_000, stdnum.in_.pan.is_valid),
    ("in_pan", "AAA(P|C|X|D)A(0000|0001|9999)A", 10_000, stdnum.in_.pan.is_valid),
    ("kr_rrn", DATE + "-9(00|12|95|96|97)999#", 10_000, stdnum.kr.rrn.is_valid),
    ("sg_fin", "(S|T|F|G|M|A)9999999@", 10_000, SGP.NationalID.validate),
    ("tr_id", "999999999##", 2_000, stdnum.tr.tckimlik.is_valid),
    ("za_id", DATE + "9999(0|1|2)9#", 10_000, stdnum.za.idnr.is_valid),
    ("uk_nhs", "999 999 999#", 10_000, stdnum.gb.nhs.is_valid),
    ("uk_nino", "AA999999@", 10_000, lambda nino: nino[-1] in "ABCD" and GBR.NationalInsuranceNumber.validate(nino)),
    ("es_nif", "99999999@", 10_000, stdnum.es.nif.is_valid),
    ("es_nif", "(X|Y|Z|K|L|M|T)9999999@", 10_000, lambda nif: nif[0] in "XYZKLM" and stdnum.es.nif.is_valid(nif)),
    ("pl_pesel", "99(00|01|06|12|13|20|21|32|41|61|72|81|92|93)(00|01|15|28|29|30|31|32)9999#", 10_000, stdnum.pl.pesel.is_valid),
    ("de_tax_id", "9999999999#", 10_000, stdnum.de.idnr.is_valid),
    ("de_tax_id", "(1|2|3)(3|4|9)4(5|0)6(7|2)8(9|1)(0|8)9#", 10_000, stdnum.de.idnr.is_valid),
    ("fr_nir", "(1|2|7)999999999999##", 1_000, stdnum.fr.nir.is_valid),
    ("fr_nir", "(1|2|7)9999(2A|2B|2C|A1)999999##", 1_000, stdnum.fr.nir.is_valid),
    ("au_tfn", "999 999 99#", 10_000, stdnum.au.tfn.is_valid),
    ("au_tfn", "99 999 99#", 10_000, stdnum.au.tfn.is_valid),
    ("au_abn", "## 999 999 999", 1_000, stdnum.au.abn.is_valid),
]


class Random:
    """SplitMix64."""

    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        self.state = self.state + 0x9E3779B97F4A7C15 & (1 << 64) - 1
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
        z = (z ^ z >> 27) * 0x94D049BB133111EB & (1 << 64) - 1
        return (z ^ z >> 31) % bound


def numbers(template, bodies):
    random = Random(len(template))
    for _ in range(bodies):
        parts, rest = [], template
        while rest:
            symbol, rest = rest[0], rest[1:]
            if symbol == "(":
                choices, rest = rest.split(")", 1)
                choices = choices.split("|")
                parts.append([choices[random.below(len(choices))]])
            elif symbol in "9AX":
                characters = {"9": string.digits, "A": string.ascii_uppercase, "X": string.digits + string.ascii_uppercase}[symbol]
                parts.append([characters[random.below(len(characters))]])
            elif symbol in "#@":
                parts.append(string.digits if symbol == "#" else string.digits + string.ascii_uppercase)
            else:
                parts.append([symbol])
        yield from map("".join, itertools.product(*parts))


def main():
    for name, template, bodies, is_valid in LINES:
        verdicts = [bool(is_valid(number)) for number in numbers(template, bodies)]
        digest = hashlib.sha256(bytes(b"01"[verdict] for verdict in verdicts)).hexdigest()
        print(name, template.replace(" ", "_"), bodies, sum(verdicts), digest)
        if len(sys.argv) > 1 and sys.argv[1] == name:
            for number, verdict in zip(numbers(template, bodies), verdicts):
                print(int(verdict), number, file=sys.stderr)


main()
