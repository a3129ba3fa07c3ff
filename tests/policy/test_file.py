"""Files of policies: what they say, and what is said of their mistakes."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tailrank.errors import RequestError
from tailrank.policy.exploration import Exploration
from tailrank.policy.file import read_policies
from tailrank.policy.rule import Rule
from tailrank.policy.rules import Rules
from tailrank.policy.tail import TailBoost


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policies.toml"


def test_steps_come_in_their_order_and_the_version_is_of_the_content(file: Path) -> None:
    text = '[[policy]]\nname = "exploration"\nmoves = 2\n[[policy]]\nname = "tail"\nstrength = 0.25\n'
    file.write_text(text)
    found = read_policies(file)
    assert found.steps == (Exploration(moves=2), TailBoost(0.25))
    assert found.version == f"policies.toml@{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    file.write_text(f'version = "summer"\n{text}')
    assert read_policies(file).version.startswith("summer@")


def test_sections_of_commands_may_stand_beside_them(file: Path) -> None:
    file.write_text('[serve]\nport = 8001\n[[policy]]\nname = "tail"\n')
    assert read_policies(file).steps == (TailBoost(),)


RULES = """
[[rule]]
id = "no-wine"
when = "category = 'wine'"
then = "filter"
context = { market = ["de", "at"] }
until = 2026-06-02

[[rule]]
id = "launch"
when = "item_id = 't1'"
then = "pin"
rank = 2
"""


def test_rules_come_where_they_are_placed_or_last(file: Path) -> None:
    tail = '[[policy]]\nname = "tail"\n'
    file.write_text(RULES + tail)
    first, rules = read_policies(file).steps
    assert (first, rules.name) == (TailBoost(), "rules")
    file.write_text(f'{RULES}[[policy]]\nname = "rules"\n{tail}')
    assert read_policies(file).steps == (rules, TailBoost())
    file.write_text(RULES)
    assert read_policies(file).steps == (rules,)
    june = datetime(2026, 6, 2, tzinfo=UTC).timestamp()
    assert rules == Rules(
        (
            Rule("no-wine", "category = 'wine'", "filter", context={"market": ("de", "at")}, until=june),
            Rule("launch", "item_id = 't1'", "pin", 2),
        )
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[policy]]\nname = "rules"', r"\[\[policy\]\] 1: rules must be a list of 1 to"),
        ('[rule]\nid = "a"', r"`rule` must be tables: write \[\[rule\]\]"),
        ('[[rule]]\nid = "a"\nthen = "filter"', r"\[\[rule\]\] 1: a rule needs the field `when`"),
        (f"{RULES}by = 2", r"\[\[rule\]\] 2: rule 'launch': `by` goes with `then = 'boost'`"),
        (RULES + RULES, r"two rules have the id 'no-wine'"),
        ("[[policy]", "policies.toml: can't be read"),
        ("", "policies.toml: names no step"),
        ('[[policy]]\nname = "tial"', r"\[\[policy\]\] 1: no policy is called 'tial'"),
        (
            '[[policy]]\nname = "tail"\n[[policy]]\nname = "tail"\nstrenght = 1',
            r"\[\[policy\]\] 2: policy 'tail' has no setting `strenght`: did you mean `strength`\?",
        ),
        ('[[policy]]\nname = "tail"\nstrength = 2', r"\[\[policy\]\] 1: strength must be .* not 2"),
        ('[[policy]]\nname = "tail"\nstrength = "big"', "strength must be a number, not 'big'"),
        ('[policy]\nname = "tail"', r"`policy` must be tables: write \[\[policy\]\]"),
        ('[[polcy]]\nname = "tail"', r"`polcy` is unknown: did you mean `policy`\?"),
        ('version = 2\n[[policy]]\nname = "tail"', "version must be text, not 2"),
    ],
)
def test_mistakes(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(RequestError, match=message):
        read_policies(file)
