"""What is hosted: workflows pin actions and name what exists, missing parts of the system are named."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def jobs(workflow: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(workflow.read_text())["jobs"]
    return found


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda each: each.stem)
def test_a_workflow_pins_actions_and_may_only_read(workflow: Path) -> None:
    uses = [line.strip().removeprefix("- ") for line in workflow.read_text().splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if not PINNED.fullmatch(line)] == []
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in jobs(workflow).values())


def test_what_workflows_run_exists() -> None:
    text = "".join(workflow.read_text() for workflow in WORKFLOWS)
    makefile = (ROOT / "Makefile").read_text()
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    targets, tools, named = (
        set(re.findall(pattern, text)) for pattern in (r"make ([\w./]+)", r"tools/[\w-]+", r"--group (\w+)")
    )
    assert {target for target in targets if not re.search(rf"^{re.escape(target)}:", makefile, re.M)} == {
        ".venv/.ready"  # it is written as $(STAMP)
    }
    assert {"test", "lint", "release"} <= targets
    assert all((ROOT / tool).is_file() for tool in tools)
    assert named <= set(groups)


def test_the_tests_run_on_every_python_that_the_package_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [each.rpartition(" ")[2] for each in project["classifiers"] if ":: Python :: 3." in each]
    [matrix] = [
        job["strategy"]["matrix"] for job in jobs(ROOT / ".github" / "workflows" / "tests.yml").values()
    ]
    assert matrix["python"] == named


def test_only_a_tag_publishes_and_only_with_the_rights_that_it_needs() -> None:
    release = ROOT / ".github" / "workflows" / "release.yml"
    assert yaml.safe_load(release.read_text())[True] == {"push": {"tags": ["v*"]}}  # `on` is True in YAML 1.1
    publish = jobs(release)["publish"]
    assert publish["permissions"] == {"contents": "read", "id-token": "write"}
    assert (publish["needs"], publish["environment"]) == ("build", "pypi")
    assert "secrets." not in "".join(workflow.read_text() for workflow in WORKFLOWS)


def test_missing_parts_of_the_system_are_named_with_what_is_skipped(tmp_path: Path) -> None:
    for command in ("sh", "cat", "id", "sed", "wrk"):  # and neither apt-get nor brew
        found = shutil.which(command) or "/bin/true"
        (tmp_path / command).symlink_to(found)
    done = subprocess.run(
        [ROOT / "tools" / "system-parts"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "redis-server: the state on Valkey or Redis" in done.stderr
    assert "chromium: the pages in a browser" in done.stderr
    assert "wrk" not in done.stderr
    assert done.stdout == ""
