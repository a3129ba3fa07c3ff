#!/usr/bin/env bash
# onnxruntime 1.32.0, the wheel for Linux (x86-64), Python 3.11.
#
# `onnxruntime.disable_telemetry_events()` is the documented call against telemetry. Seen: `import onnxruntime` by itself,
# with no session and no model, writes an id of the device and a database of events below the home folder, so the first
# moment at which the call can be made is after that. Making it at once changes nothing about the files. The environment
# variable ORT_DISABLE_TELEMETRY=1, set before the import, keeps both away. On a machine that looks like continuous
# integration (a variable such as CI) nothing is written either, so a test that runs there finds nothing.
#
# Output seen:
#   import: deviceid onnxruntime.db
#   import, then disable_telemetry_events(): deviceid onnxruntime.db
#   ORT_DISABLE_TELEMETRY=1, then import: nothing
#   CI=true, then import: nothing
#
# What works: setting the variable before anything imports onnxruntime, in the process itself (os.environ) or around it.
# Each process below ends at once, and its home folder is a temporary one; without a network nothing can leave it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.32.0 numpy==2.4.6

show() { # what is said, the program, and variables
  local said=$1 program=$2 home
  shift 2
  home=$(mktemp -d -p "$work")
  env -i PATH="$PATH" HOME="$home" "$@" "$work/venv/bin/python" -c "$program"
  echo "$said: $(find "$home" -type f -printf '%f\n' | sort | paste -sd ' ' | grep . || echo nothing)"
}

{
  show 'import' 'import onnxruntime'
  show 'import, then disable_telemetry_events()' 'import onnxruntime; onnxruntime.disable_telemetry_events()'
  show 'ORT_DISABLE_TELEMETRY=1, then import' 'import onnxruntime' ORT_DISABLE_TELEMETRY=1
  show 'CI=true, then import' 'import onnxruntime' CI=true
} | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
import: deviceid onnxruntime.db
import, then disable_telemetry_events(): deviceid onnxruntime.db
ORT_DISABLE_TELEMETRY=1, then import: nothing
CI=true, then import: nothing
EXPECTED
