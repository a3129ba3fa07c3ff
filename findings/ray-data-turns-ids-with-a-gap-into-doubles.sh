#!/usr/bin/env bash
# ray 2.60.0 with pyarrow 26.0.1 and numpy 2.4.6, on Python 3.11 and Linux.
#
# Dataset.map_batches hands batches over as numpy arrays unless it is told otherwise. A column of 64-bit integers with a null
# has no such array, so it becomes one of doubles, silently, and goes back into the table as that: a function that only
# returns what it was given changes the column's type, ids above 2 ** 53 merge, and the null is a number that isn't one, which no
# longer counts as null. In a block without a null the same column stays whole, so the types of blocks differ.
#
# Output seen (ids 2 ** 53 + 1, 2 ** 53 and none, through a function that returns its batch):
#   default: double, 1 different ids, 0 nulls
#   pyarrow: int64, 2 different ids, 1 nulls
#   default, without the null: int64, 2 different ids, 0 nulls
#
# What works: batch_format="pyarrow", or ids as text.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  ray==2.60.0 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6 fsspec
cat > "$work/gap.py" <<'PYTHON'
import pyarrow as pa
import ray

ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error")


def said(ids, **how):
    table = pa.table({"id": pa.array(ids, pa.int64())})
    parts = ray.get(ray.data.from_arrow(table).map_batches(lambda batch: batch, **how).to_arrow_refs())
    column = pa.concat_tables(parts)["id"]
    known = {value for value in column.to_pylist() if value is not None and value == value}
    return f"{column.type}, {len(known)} different ids, {column.null_count} nulls"


whole = [2**53 + 1, 2**53]
print("default:", said([*whole, None]))
print("pyarrow:", said([*whole, None], batch_format="pyarrow"))
print("default, without the null:", said(whole))
PYTHON
export RAY_USAGE_STATS_ENABLED=0 RAY_DATA_DISABLE_PROGRESS_BARS=1
"$work/venv/bin/python" "$work/gap.py" 2> "$work/log" | tee "$work/said"
diff "$work/said" - <<'SEEN'
default: double, 1 different ids, 0 nulls
pyarrow: int64, 2 different ids, 1 nulls
default, without the null: int64, 2 different ids, 0 nulls
SEEN
