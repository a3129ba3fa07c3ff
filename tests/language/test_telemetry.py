"""What runs texts through a model neither writes to the home folder nor looks anybody up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tailrank.data.cache import cache_root
from tailrank.language.onnx_encoder import OnnxEncoder

ENCODE = "from tailrank.language.onnx_encoder import OnnxEncoder; OnnxEncoder.load().encode(['tea'])"
ENCODE_IN_TORCH = "from tailrank.language.encoder import TextEncoder; TextEncoder.load().encode(['tea'])"
MEASURE = "import bench.serving"
SWITCHES = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")
CI = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "TRAVIS", "JENKINS_URL", "BUILDKITE", "TF_BUILD")

SHIM = r"""
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
  FILE *log = fopen(getenv("LOOKED_UP"), "a");
  fprintf(log, "%s\n", name);
  fclose(log);
  return EAI_FAIL;
}
"""
"""Notes every name that is looked up, and finds none: so nothing is sent by a test that fails, either."""


def run(program: str, home: Path, **environment: str) -> None:
    """Run a program with a home folder of its own, as on a machine where nobody has switched anything off."""
    default = {name: value for name, value in os.environ.items() if name not in (*SWITCHES, *CI)}
    default.pop("XDG_CACHE_HOME", None)
    env = default | {"HOME": str(home)} | environment
    subprocess.run([sys.executable, "-c", program], env=env, cwd=Path(__file__).parents[2], check=True)


@pytest.fixture(scope="module")
def cache() -> str:
    """Where the graph is, so that the program doesn't write it into its home folder."""
    OnnxEncoder.load()
    return str(cache_root())


@pytest.mark.parametrize("program", [ENCODE, ENCODE_IN_TORCH, MEASURE])
def test_nothing_is_written_to_the_home_folder(program: str, cache: str, tmp_path: Path) -> None:
    run(program, tmp_path, TAILRANK_CACHE=cache)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="needs cc, on Linux")
def test_no_name_is_looked_up(cache: str, tmp_path: Path) -> None:
    source, shim, log = (tmp_path / name for name in ("shim.c", "shim.so", "looked-up"))
    source.write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source], check=True)
    # What queues events sends them after some seconds. The last name shows that the list is complete.
    wait = "import socket, time; time.sleep(12)\ntry: socket.getaddrinfo('the.end', 80)\nexcept OSError: pass"
    run(f"{ENCODE}\n{wait}", tmp_path, TAILRANK_CACHE=cache, LD_PRELOAD=str(shim), LOOKED_UP=str(log))
    assert log.read_text().split() == ["the.end"]
