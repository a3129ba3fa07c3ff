#!/usr/bin/env bash
# accelerate 1.15.0 with tensorboard 2.21.0 and torch 2.13.0.
#
# `TensorBoardTracker.store_init_configuration` is the documented place for a run's settings. Seen: every call makes two
# more folders inside the run's own, both named by the time. One holds an event file, which TensorBoard lists as a run of
# its own; the other holds `hparams.yml`. A training that is interrupted and started again under the same run name, as
# resuming does, is shown as one run with metrics and one more "run" for each start. The settings' event file also says
# at once, before the first step, that the session has ended with success (SessionEndInfo, status 1), so a training that
# later dies is listed as successful among the hyperparameters.
#
# Output seen:
#   folders after two starts: 4
#   event files of runs that TensorBoard lists beside the run itself: 2
#   session ended, before the first step, with status: [1, 1]
#
# What works: writing the same summaries (torch.utils.tensorboard.summary.hparams) to the tracker's own writer once, and
# the end of the session when training really ends.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  accelerate==1.15.0 tensorboard==2.21.0 torch==2.13.0 numpy==2.4.6
cat > "$work/two_starts.py" <<'PYTHON'
import sys
import time
from pathlib import Path

from accelerate.state import PartialState
from accelerate.tracking import TensorBoardTracker
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams import plugin_data_pb2

PartialState(cpu=True)
root = Path(sys.argv[1])
for _ in range(2):
    tracker = TensorBoardTracker("run", root)
    tracker.start()
    tracker.store_init_configuration({"rate": 0.1, "batch": 8})
    tracker.finish()
    time.sleep(1.1)  # the folders are named by the time

folders = [path for path in (root / "run").iterdir() if path.is_dir()]
print("folders after two starts:", len(folders))
events = sorted(file for folder in folders for file in folder.glob("events.*"))
print("event files of runs that TensorBoard lists beside the run itself:", len(events))
ends = []
for file in events:
    for event in EventFileLoader(str(file)).Load():
        for value in event.summary.value:
            if value.tag == "_hparams_/session_end_info":
                content = plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
                ends.append(content.session_end_info.status)
print("session ended, before the first step, with status:", ends)
PYTHON
"$work/venv/bin/python" "$work/two_starts.py" "$work/runs" 2> /dev/null | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
folders after two starts: 4
event files of runs that TensorBoard lists beside the run itself: 2
session ended, before the first step, with status: [1, 1]
EXPECTED
