#!/usr/bin/env bash
# torch 2.13.0, on Python 3.11 and Linux, on one machine.
#
# torchrun starts all processes again if one ends with an error (--max-restarts). torch/distributed/rendezvous.py says that there is
# a new store for each attempt, so that keys need no prefix. The store is the same one: what the attempt before has
# written still stands in it, so a process can read where one listened that is no more. init_process_group("gloo") does so:
# four restarts of four failed with --rdzv-backend c10d ("Connection refused"), one of five without.
#
# Output seen (one process, which ends with status 1 in the first attempt):
#   attempt 0: a key of attempt 0 is there: False
#   attempt 1: a key of attempt 0 is there: True
#   attempt 1, by a prefix for each attempt: False
#
# What works: init_process_group(store=PrefixStore(TORCHELASTIC_RESTART_COUNT, TCPStore(MASTER_ADDR, MASTER_PORT, is_master=False)), …).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat > "$work/attempt.py" <<'PYTHON'
import os
import sys

from torch import distributed

attempt = os.environ["TORCHELASTIC_RESTART_COUNT"]
store, _, _ = next(iter(distributed.rendezvous("env://")))
print(f"attempt {attempt}: a key of attempt 0 is there:", store.check(["address/0"]), flush=True)
prefixed = distributed.PrefixStore(attempt, store)
if attempt == "0":
    for each in (store, prefixed):
        each.set("address/0", "of one that is no more")
    sys.exit(1)
print("attempt 1, by a prefix for each attempt:", prefixed.check(["address/0"]), flush=True)
PYTHON
OMP_NUM_THREADS=1 timeout 120 "$work/venv/bin/torchrun" --nproc-per-node 1 --max-restarts 1 --rdzv-backend c10d \
  --rdzv-endpoint localhost:0 "$work/attempt.py" 2> "$work/log" | tee "$work/said"
diff "$work/said" - <<'SEEN'
attempt 0: a key of attempt 0 is there: False
attempt 1: a key of attempt 0 is there: True
attempt 1, by a prefix for each attempt: False
SEEN
