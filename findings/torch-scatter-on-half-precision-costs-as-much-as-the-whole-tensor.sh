#!/usr/bin/env bash
# torch 2.13.0, on a CPU.
#
# `scatter_`, `scatter_add_` and `scatter_reduce_` write as many cells as there are indices. On float32 that is what they
# cost: a thousand cells of a tensor of eight million take microseconds. On bfloat16 and float16 the same call takes
# thousands of times as long, as if it went through all of the tensor, though `put_` with the same cells doesn't. A softmax's
# gradient (one cell a row less one) is the usual place: kept in bfloat16, subtracting the targets by `scatter_add_`
# takes as long as the products around it.
#
# Output seen (bfloat16's and float16's time, as a multiple of float32's, at least; one Intel Xeon with AMX, one thread):
#   scatter_: more than 100 times as long
#   scatter_add_: more than 100 times as long
#   put_: less than 20 times as long
# (measured: 2,900 and 4,400, 2,300 and 5,700, 1 and 2.5)
#
# What works: `take` and `put_` on the flat cells, `row * columns + column`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat > "$work/scatter.py" <<'PYTHON'
import statistics
import time

import torch

ROWS, COLUMNS = 1_000, 8_000
torch.set_num_threads(1)
columns = torch.randint(COLUMNS, (ROWS, 1))
cells = (torch.arange(ROWS)[:, None] * COLUMNS + columns).flatten()


def seconds(call):
    call()
    taken = []
    for _ in range(9):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def times(dtype):
    table, values = torch.zeros(ROWS, COLUMNS, dtype=dtype), torch.ones(ROWS, 1, dtype=dtype)
    return {
        "scatter_": seconds(lambda: table.scatter_(1, columns, values)),
        "scatter_add_": seconds(lambda: table.scatter_add_(1, columns, values)),
        "put_": seconds(lambda: table.put_(cells, values.flatten())),
    }


whole, halves = times(torch.float32), [times(torch.bfloat16), times(torch.float16)]
for name, own in whole.items():
    ratios = [half[name] / own for half in halves]
    if min(ratios) > 100:
        print(f"{name}: more than 100 times as long")
    elif max(ratios) < 20:
        print(f"{name}: less than 20 times as long")
    else:
        print(f"{name}: {ratios}")
PYTHON
"$work/venv/bin/python" "$work/scatter.py" 2> /dev/null | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
scatter_: more than 100 times as long
scatter_add_: more than 100 times as long
put_: less than 20 times as long
EXPECTED
