"""What would have to change about who may read, as findings of an audit."""

from __future__ import annotations

import pytest

from publisher.audit.drift import drift
from publisher.objects import AccessChange

PLACE = "s3://b/p/v1/"


def test_access_as_wanted_is_no_finding() -> None:
    assert list(drift(())) == []


@pytest.mark.parametrize(
    ("op", "after", "severity", "said"),
    [
        ("+", "everybody may read it", "error", "run `publisher access`, then everybody may read it"),
        ("~", "strangers are refused", "error", "run `publisher access`, then strangers are refused"),
        ("!", "aws s3api …", "warning", "wanted, by hand: aws s3api …"),
        ("!", "", "note", "was not looked at: because"),
    ],
)
def test_what_should_change_is_a_finding_and_says_who_changes_it(op: str, after: str, severity: str, said: str) -> None:
    (finding,) = drift([AccessChange(op, "public read", PLACE, after, "because")])
    assert (finding.check, finding.severity, finding.key) == ("access-drift", severity, PLACE)
    assert "public read" in finding.message
    assert "because" in finding.message
    assert said in finding.message
