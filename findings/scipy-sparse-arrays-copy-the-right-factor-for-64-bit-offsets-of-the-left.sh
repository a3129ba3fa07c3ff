#!/usr/bin/env bash
# scipy 1.17.1, numpy 2.4.6.
#
# A product of two CSR matrices reads the rows of the right factor that the left one names, and costs as much as those. Offsets by
# `np.cumsum` have 64 bits. `csr_matrix` looks at what they hold, and keeps 32; `csr_array` keeps 64, and so does every product: it
# first copies all column numbers of the right factor to 64 bits, once for each `@`, however few rows are asked for. So whoever
# multiplies some rows at a time, as for neighbours of items, pays for the whole matrix each time: in memory, and in time that
# grows with the square of the data. The numbers that come out are the same.
#
# Output seen (memory at its peak during one row times a matrix of eight million entries, beside both):
#   csr_matrix, offsets of 64 bits: offsets int32, less than 1 MB
#   csr_array, offsets of 64 bits: offsets int64, at least 64 MB
#   csr_array, offsets of 32 bits: offsets int32, less than 1 MB
#   the products are the same
#
# What works: `.astype(np.int32)` on offsets and columns before they become a `csr_array`, where they fit.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
cat > "$work/product.py" <<'PYTHON'
import tracemalloc

import numpy as np
from scipy import sparse

USERS, PER_USER, ITEMS = 400_000, 20, 1_000
MEGABYTE = 1_000_000
rng = np.random.default_rng(0)
columns = rng.integers(ITEMS, size=USERS * PER_USER, dtype=np.int32)
starts = np.arange(0, len(columns) + 1, PER_USER, dtype=np.int32)
lists = np.ones(len(columns), np.float32), columns, starts
users = np.arange(5, dtype=np.int32)  # who chose one item
offsets = np.cumsum([0, len(users)])


def multiplied(kind, own):
    right = kind(lists, shape=(USERS, ITEMS))
    left = kind((np.ones(len(users), np.float32), users, own), shape=(1, USERS))
    tracemalloc.start()
    product = left @ right
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = "less than 1 MB" if peak < MEGABYTE else f"at least {8 * len(columns) // MEGABYTE} MB"
    assert peak < MEGABYTE or peak > 8 * len(columns)
    print(f"{kind.__name__}, offsets of {own.dtype.itemsize * 8} bits: offsets {left.indptr.dtype}, {size}")
    return product.toarray()


found = [
    multiplied(sparse.csr_matrix, offsets),
    multiplied(sparse.csr_array, offsets),
    multiplied(sparse.csr_array, offsets.astype(np.int32)),
]
same = all(np.array_equal(one, found[0]) for one in found)
print("the products are the same" if same else "the products differ")
PYTHON
"$work/venv/bin/python" "$work/product.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
csr_matrix, offsets of 64 bits: offsets int32, less than 1 MB
csr_array, offsets of 64 bits: offsets int64, at least 64 MB
csr_array, offsets of 32 bits: offsets int32, less than 1 MB
the products are the same
EXPECTED
