"""The doctor knows holes by version and lets a campaign start only where a wall stands."""

import pytest

from rsi.sandboxes.guarantees.doctor import Severity, examine, known_holes


@pytest.mark.parametrize(
    ("component", "version", "count"),
    [
        ("Engine", "20.10.24+dfsg1", 2),
        ("Engine", "29.4.2", 1),
        ("Engine", "29.5.1", 0),
        ("runc", "1.1.5+ds1", 2),
        ("runc", "1.1.12", 1),
        ("runc", "1.2.8", 0),
        ("runc", "1.3.2", 1),
        ("runc", "1.3.3", 0),
        ("runc", "1.4.0", 0),
        ("containerd", "1.0.0", 0),
        ("Engine", "unknown", 0),
    ],
)
def test_holes_follow_the_version_and_its_branch(component, version, count):
    assert len(known_holes(component, version)) == count


def test_naming_a_backend_that_cannot_run_blocks_a_campaign():
    report = examine("docker+runsc", with_conformance=False)
    if report.chosen is not None:
        pytest.skip("gVisor is installed here")
    assert not report.may_start
    assert any(each.severity is Severity.BLOCKER for each in report.findings)


@pytest.mark.slow
def test_a_working_backend_lets_a_campaign_start(bubblewrap):
    report = examine("bubblewrap")
    assert report.may_start, report.findings
    assert report.chosen == "bubblewrap"
    assert report.conformance
    assert report.disks
