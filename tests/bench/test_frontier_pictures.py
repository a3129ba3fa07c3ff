"""Pictures of policies are those of the stored results."""

from pathlib import Path

from bench.stored import Studies
from bench.study import RESULTS

from bench import charts

DOCS = Path(__file__).parents[2] / "docs"


def test_pictures_are_of_what_is_stored() -> None:
    studies = Studies(RESULTS)
    drawn = charts.svg(charts.exposure, studies.single("exposure"))
    assert drawn == (DOCS / "exposure.svg").read_text(encoding="utf-8")
    drawn = charts.svg(charts.dials, studies.each("frontier"))
    assert drawn == (DOCS / "frontier.svg").read_text(encoding="utf-8")


def test_the_share_was_held_within_two_points() -> None:
    stored = Studies(RESULTS).single("exposure")
    assert stored is not None
    assert stored["requests"] == 20_000
    for name in ("15%", "30%"):
        target, found = stored["settings"][name]["target"], stored["ways"][name]
        assert abs(found["share"] - target) < 0.02
        assert abs(found["worst_window"] - target) < 0.02
        assert found["expected_loss"] < stored["settings"][name]["max_loss"]
