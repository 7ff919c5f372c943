"""Personal data in what a model says: e-mail addresses, telephone and card numbers, bank accounts.

Candidates come from regular expressions that read a text once, and well-kept libraries judge them. What is published
as an example (example.com, 555-0123, 4111 1111 1111 1111, the IBANs of manuals) is nobody's and does not count.

Known limits: a telephone number is found with its country's code (+49 …), and without one only as North America
writes it (415-555-2671, (415) 555-2671, 415.555.2671), because digits alone are mostly something else. Addresses with
letters beyond ASCII are not found. Names and postal addresses are not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache

from ..errors import GroundwireError
from ..scorers import INSTALL, brief, well_formed

# Every repeat is bounded or possessive and what begins a match cannot stand in the middle of one: linear time.
_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}+@[A-Z0-9][A-Z0-9.-]{2,250}+", re.ASCII | re.IGNORECASE)
_ABROAD = re.compile(r"(?<![\w+])\+\(?[0-9][0-9 ().\-/\xa0]{6,25}")
_AMERICAN = re.compile(
    r"(?<![\w+-])(?<![0-9][. ])(?:1[-. ])?(?:\([0-9]{3}\) ?|[0-9]{3}[-.])[0-9]{3}[-.][0-9]{4}(?![\w-]|\.[0-9])"
)
_CARD = re.compile(
    r"(?<![\w+-])(?<![0-9]\.)(?=((?:[0-9]{14,19}|[0-9]{4}([ -])[0-9]{4}\2[0-9]{4}\2[0-9]{4}(?:\2[0-9]{3})?"
    r"|[0-9]{4}([ -])[0-9]{6}\3[0-9]{4,5})(?![\w-]|\.[0-9])))",
    re.ASCII,
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])(?=([A-Z]{2}[0-9]{2}(?:\ ?[A-Z0-9]){11,30}))")

SHORTEST = 8  # characters of a telephone number with its country's code

# First digits and lengths of cards, https://en.wikipedia.org/wiki/Payment_card_number; what any number is, is left
# out: Maestro's short ones and the old ones of Visa.
_ISSUERS = (
    ("4", "4", (16, 19)),  # Visa
    ("51", "55", (16,)), ("2221", "2720", (16,)),  # Mastercard
    ("34", "34", (15,)), ("37", "37", (15,)),  # American Express
    ("6011", "6011", (16, 19)), ("644", "659", (16, 19)),  # Discover
    ("3528", "3589", (16, 19)),  # JCB
    ("300", "305", (14, 16)), ("36", "36", (14,)), ("38", "39", (14, 16)),  # Diners Club
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
)  # fmt: skip

# RFC 2606, by label; file names with @2x.
_NO_DOMAIN = re.compile(r"(?:.*\.)?(?:example|example\.(?:com|net|org))|.*\.(?:png|jpe?g|gif|svg|webp)")
# North America's 555-0100 to 555-0199 and Ofcom's numbers for drama.
_NO_PHONE = re.compile(
    r"\+1\d{3}55501\d\d|\+44(?:1\d\d4960|2079460|2896496|2920180|1632960|7700900|8081570|9098790|3069990)\d{3}"
)
# Numbers that Stripe, PayPal, Adyen and Braintree publish for tests.
_NO_CARD = frozenset({
    "4242424242424242", "4111111111111111", "4012888888881881", "4000056655665556", "4000000000000002",
    "4009348888881881", "4500600000000061", "5555555555554444", "5105105105105100",
    "5200828282828210", "2223003122003222", "2223000048400011", "5431111111111111", "378282246310005",
    "371449635398431", "378734493671000", "6011111111111117", "6011000990139424", "6011981111111113",
    "3056930009020004", "30569309025904", "36227206271667", "38520000023237", "3566002020360505",
    "3530111333300000", "6200000000000005",
})  # fmt: skip
# Examples of SWIFT's registry of IBANs and of the encyclopaedia.
_NO_IBAN = frozenset({
    "DE89370400440532013000", "GB29NWBK60161331926819", "GB82WEST12345698765432", "GB33BUKB20201555555555",
    "FR1420041010050500013M02606", "NL91ABNA0417164300", "ES9121000418450200051332", "IT60X0542811101000000123456",
    "BE68539007547034", "CH9300762011623852957", "AT611904300234573201", "GR1601101250000000012300695",
})  # fmt: skip


class PersonalError(GroundwireError):
    """Personal data cannot be looked for."""


def personal_data(text: str) -> dict[str, list[str]]:
    """Return the distinct items of each kind in a text: "e-mail", "telephone", "card" and "iban".

    Each in one spelling, so that the same item is the same string: addresses in small letters, telephone numbers as
    +14155552671, card numbers as digits, IBANs without spaces.

    Raises:
        PersonalError: A package is missing.
    """
    clean = well_formed(text)
    try:
        return {kind: list(dict.fromkeys(find(clean))) for kind, find in KINDS.items()}
    except ImportError as error:
        raise PersonalError(f"personal data cannot be looked for ({brief(error)}): {INSTALL}") from error


def _emails(text: str) -> Iterator[str]:
    from email_validator import EmailNotValidError, validate_email

    for match in _EMAIL.finditer(text):
        address = match[0].lstrip(".%+-").rstrip(".-").lower()
        if not _NO_DOMAIN.fullmatch(address.partition("@")[2]):
            with suppress(EmailNotValidError):
                validate_email(address, check_deliverability=False, allow_smtputf8=False)
                yield address


def _telephones(text: str) -> Iterator[str]:
    import phonenumbers

    # "ZZ" is no region. One character more than the candidate: a letter there would make it something else.
    spans = [(m.start(), m.end() + 1, "ZZ") for m in _ABROAD.finditer(text)]
    spans += [(m.start(), m.end(), "US") for m in _AMERICAN.finditer(text)]
    for start, end, region in sorted(spans):
        candidate = text[start:end]
        while len(candidate) >= SHORTEST:
            if match := next(iter(phonenumbers.PhoneNumberMatcher(candidate, region, max_tries=3)), None):
                number = phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)
                if not _NO_PHONE.fullmatch(number):
                    yield number
                break
            candidate = candidate.rpartition(" ")[0]  # what follows may be another number


def _cards(text: str) -> Iterator[str]:
    from stdnum import luhn

    for match in _CARD.finditer(text):
        number = re.sub("[ -]", "", match[1])
        if _issued(number) and number not in _NO_CARD and luhn.is_valid(number):
            yield number


def _issued(number: str) -> bool:
    """Return whether some issuer's cards begin like this and are so long; four different digits are the least."""
    length = len(number)
    return len(set(number)) > 3 and any(
        length in lengths and low <= number[: len(low)] <= high for low, high, lengths in _ISSUERS
    )


def _ibans(text: str) -> Iterator[str]:
    from stdnum import iban

    for match in _IBAN.finditer(text):
        compact = match[1].replace(" ", "")
        number = compact[: _iban_length(compact[:2])]
        if number not in _NO_IBAN and len(number) > 4 and iban.is_valid(number):
            yield number


@cache
def _iban_length(country: str) -> int:
    """Return how long the IBANs of a country are, 0 where it has none."""
    from stdnum import numdb

    structure = numdb.get("iban").info(country)[0][1].get("bban", "")
    return 4 + sum(map(int, re.findall(r"([0-9]+)!", structure))) if structure else 0


KINDS: dict[str, Callable[[str], Iterable[str]]] = {
    "e-mail": _emails, "telephone": _telephones, "card": _cards, "iban": _ibans,
}  # fmt: skip
