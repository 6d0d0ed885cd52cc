"""What is printed of an address has no password in it."""

import pytest

from components.contracts.address import without_login, without_password


@pytest.mark.parametrize(
    ("said", "printed", "linked"),
    [
        ("https://me:pw@host:5000/api", "https://me:***@host:5000/api", "https://host:5000/api"),
        ("postgresql://me:p@w:x@host/db", "postgresql://me:***@host/db", "postgresql://host/db"),
        ("https://:token@host", "https://:***@host", "https://host"),
        ("https://me@host/", "https://me@host/", "https://host/"),
        ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200/api", "http://127.0.0.1:4200/api"),
        ("http://host/a:b@c", "http://host/a:b@c", "http://host/a:b@c"),
        ("http://host?to=a:b@c", "http://host?to=a:b@c", "http://host?to=a:b@c"),
        ("sqlite:////work/mlflow.db", "sqlite:////work/mlflow.db", "sqlite:////work/mlflow.db"),
        ("", "", ""),
    ],
)
def test_an_address_is_printed_without_its_password_and_linked_without_a_name(said, printed, linked):
    assert without_password(said) == printed
    assert without_login(said) == linked


def test_every_address_of_a_text_is():
    said = "tried http://a:one@h/x, then s3://b:two@i and http://j:80/k; me@example.com"
    assert without_password(said) == "tried http://a:***@h/x, then s3://b:***@i and http://j:80/k; me@example.com"
