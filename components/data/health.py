"""Words that tie a picture to a patient: record numbers, dates of birth, names of patients, insurance numbers, DICOM fields.

Each is known by the word that announces it, or by a form that little else has. What a picture of medicine shows, such as
"chest X-ray of a patient with pneumonia", is none of these. Names without such a word are not looked for.
Source: 45 CFR 164.514(b)(2) (identifiers of HIPAA's safe harbour, of which these are the ones that words announce);
DICOM PS3.15, table E.1-1 (the fields that de-identification removes).
"""

import re

RECORD, BIRTH, NAME, INSURANCE, DICOM = (
    "a record number", "a date of birth", "a patient's name", "an insurance number", "a field of DICOM about a patient",
)  # fmt: skip

_NUMBERED = r"(?:\s*(?:no|nr|number|num|id|#)\b\.?|\s*#)"
_SAYS = r"(?:\s+is\b)?\s*[:=#.]?\s*"
_DATE = r"(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{8}|\d{1,2}(?:st|nd|rd|th)?\.? [a-z]{3,9}\.?,? \d{4}|[a-z]{3,9}\.? \d{1,2},? \d{4})"
_KINDS = {
    RECORD: re.compile(
        rf"\b(?:mrn{_NUMBERED}?|(?:medical|health|patient|hospital|chart)(?: record)?{_NUMBERED}|accession{_NUMBERED}?|nhs{_NUMBERED}?)"
        rf"{_SAYS}[a-z]{{0,4}}-?\d(?:[ -]?[a-z\d]){{3,}}",
        re.IGNORECASE,
    ),
    BIRTH: re.compile(rf"\b(?:d\.?o\.?b\b\.?|date of birth|birth ?date|geburtsdatum){_SAYS}{_DATE}", re.IGNORECASE),
    NAME: re.compile(
        r"\b(?i:patient(?:'s)? name)\s*[:=]\s*[A-Z]\w"
        r"|\b(?i:patient)\s*[:=]\s*(?:(?:Mr|Mrs|Ms|Dr)\.? )?[A-Z][\w'-]+(?:,\s*|\s+|\^)(?:[a-z]{2,3} |[A-Z]\.? )?[A-Z][\w'-]+"
    ),
    INSURANCE: re.compile(
        r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"
        rf"|\b(?:ssn|social security|insurance|medicare|medicaid|member){_NUMBERED}?{_SAYS}[a-z]{{0,3}}\d(?:[ -]?[a-z\d]){{6,}}",
        re.IGNORECASE,
    ),
    DICOM: re.compile(
        r"\b(?:Patient(?:Name|ID|BirthDate|Address|TelephoneNumbers)|OtherPatientIDs|AccessionNumber|ReferringPhysicianName)\b"
        r"|\(?\b0010,\s?[0-9A-Fa-f]{4}\b\)?|\b1\.2\.840(?:\.\d+){4,}\b"
    ),
}


def find_health(text: str) -> list[str]:
    """Return which kinds of such words a text holds, each once; never the words themselves."""
    return [kind for kind, pattern in _KINDS.items() if pattern.search(text)]
