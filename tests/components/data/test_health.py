"""Words that name a patient are found, and words about medicine are not."""

import random

import pytest

from components.data.health import BIRTH, DICOM, INSURANCE, NAME, RECORD, find_health

CARRIERS = ("{}", "chest X-ray, {}", "{} - left knee, lateral view", "CT of the head ({}), no bleeding")
DAY = ("03/14/1956", "1956-03-14", "14.3.56", "14 March 1956", "March 14, 1956", "19560314", "3rd April 1961")
FORMS = {
    RECORD: (
        "MRN 00482913", "MRN: 4829134", "mrn#A482913", "Medical Record Number: 48-29-13-02", "medical record no. 4829134",
        "Patient ID: P4829134", "patient no 482913", "Hospital number 482 9134", "Accession #20231108774", "accession number: X1234567",
        "NHS number 943 476 5919", "chart no. 77123",
    ),
    BIRTH: tuple(f"{word}{day}" for word in ("DOB: ", "D.O.B. ", "date of birth ", "Date of birth: ", "birthdate ") for day in DAY),
    NAME: (
        "Patient: John Smith", "Patient name: Smith, John", "patient's name: Maria de Souza", "Patient: Mr. Ola Nordmann",
        "PATIENT NAME = DOE", "Patient Name: DOE^JANE", "patient: Mary J. Blige", "Patient: Maria de Souza",
    ),
    INSURANCE: ("SSN 078-05-1120", "078-05-1120", "social security number: 078051120", "Medicare ID 1EG4TE5MK73", "insurance no. A123456780"),
    DICOM: ("PatientName DOE", "(0010,0020)", "0010,0030 19560314", "AccessionNumber=88", "1.2.840.113619.2.55.3.604688119.971"),
}  # fmt: skip
SOUND = (
    "chest X-ray of a patient with pneumonia", "MRI of the knee, patient 45 years old", "an 80-year-old woman with a fracture",
    "the patient is smiling", "patient: elderly woman in a bed", "Patient care at the hospital", "MRN station in Warsaw",
    "figure 3, panel 2, 512 x 512 pixels", "born in Berlin", "call 555-0123 for an appointment", "the year 1956-57",
    "lot 123-45-67", "version 1.2.840", "a medical record on a desk", "a record by Patient Zero", "medical record of the year 2020",
    "hospital no longer in use", "chart number one of 1999", "NHS nurses clap", "date of birth of the republic", "dob dob dob",
    "insurance building in Chicago", "social security office, 1937", "(0008,0060) CT", "ISBN 978-3-16-148410-0", "12 member team of 2012",
)  # fmt: skip


@pytest.mark.parametrize("kind", FORMS)
def test_planted_words_are_found_and_called_by_their_kind(kind):
    planted = [carrier.format(form) for form in FORMS[kind] for carrier in CARRIERS]
    found = [text for text in planted if kind in find_health(text)]
    assert len(found) >= 0.95 * len(planted), sorted(set(planted) - set(found))


@pytest.mark.parametrize("text", SOUND)
def test_words_about_medicine_and_numbers_are_none(text):
    assert find_health(text) == []


def test_words_that_are_joined_at_random_are_found_each():
    draw = random.Random(5)
    for _ in range(50):
        kinds = draw.sample([RECORD, BIRTH, INSURANCE, DICOM], 2)
        text = "; ".join(draw.choice(FORMS[kind]) for kind in kinds)
        assert set(kinds) <= set(find_health(text)), text


def test_a_long_text_of_digits_takes_no_longer_than_its_length():
    """The patterns do not go back and forth: a text of 200,000 characters ends."""
    for part in ("mrn 1", "patient: A", "1.2.840.1", "0 1", "social security 1a"):
        find_health(part * 20_000)
