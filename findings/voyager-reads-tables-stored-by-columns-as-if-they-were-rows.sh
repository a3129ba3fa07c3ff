#!/usr/bin/env bash
# voyager 2.2.3, with hnswlib 0.8.0, numpy 2.4.6, pandas 2.3.3 and polars 1.44.2, on Python 3.11; hnswlib needs a C++ compiler.
#
# `add_items` and `query` take "a 32-bit floating-point NumPy array, with shape (num_vectors, num_dimensions)". They read its memory
# from the first number on, as if the rows stood there one after another. In `to_numpy` of a table the columns do, as in the
# transposed factor of an SVD, and `vectors[:, :32]`, which shortens Matryoshka vectors, skips some numbers. Such arrays have the
# right shape and type, but what gets indexed are pieces of other vectors, and the same goes for queries. Ids and counts
# look right, and nothing warns. hnswlib, which voyager is made from, stores what it is given.
#
# Output seen (2,000 vectors of 32 dimensions, Euclidean, ef 2,000; queries are rows one after another, but for the last line):
#   rows one after another: voyager 2,000 as given, finds 10.0 of 10 nearest; hnswlib 2,000 as given, finds 10.0 of 10 nearest
#   pandas, to_numpy: voyager 0 as given, finds 0.1 of 10 nearest; hnswlib 2,000 as given, finds 10.0 of 10 nearest
#   polars, to_numpy: voyager 0 as given, finds 0.1 of 10 nearest; hnswlib 2,000 as given, finds 10.0 of 10 nearest
#   the first 32 of 64 dimensions: voyager 1 as given, finds 0.1 of 10 nearest; hnswlib 2,000 as given, finds 10.0 of 10 nearest
#   items' factors of an SVD: voyager 0 as given, finds 0.1 of 10 nearest; hnswlib 2,000 as given, finds 10.0 of 10 nearest
#   rows one after another, queries of polars: voyager 0.1, hnswlib 10.0 of 10 nearest
#
# So candidates come back at random, with distances that look like any others, and the re-ranker after it makes the best of them.
#
# What works: `numpy.ascontiguousarray(vectors, dtype=numpy.float32)` for whatever is added or asked for.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  voyager==2.2.3 hnswlib==0.8.0 numpy==2.4.6 pandas==2.3.3 polars==1.44.2
cat > "$work/layouts.py" <<'PYTHON'
import hnswlib
import numpy as np
import pandas as pd
import polars as pl
import voyager

ROWS, DIMENSIONS, K = 2_000, 32, 10
rng = np.random.default_rng(0)
full = rng.normal(size=(ROWS, 64)).astype(np.float32)
columns = {f"dimension_{n}": full[:, n].copy() for n in range(DIMENSIONS)}
factors = np.linalg.svd(rng.normal(size=(300, ROWS)).astype(np.float32), full_matrices=False)[2][:DIMENSIONS]


def of_voyager(vectors):
    index = voyager.Index(voyager.Space.Euclidean, num_dimensions=DIMENSIONS)
    ids = index.add_items(vectors, num_threads=1)
    return index.get_vectors(ids), lambda queries: index.query(queries, K, num_threads=1, query_ef=ROWS)[0]


def of_hnswlib(vectors):
    index = hnswlib.Index("l2", DIMENSIONS)
    index.init_index(ROWS)
    index.add_items(vectors, num_threads=1)
    index.set_ef(ROWS)
    return index.get_items(range(ROWS), "numpy"), lambda queries: index.knn_query(queries, K, num_threads=1)[0]


def found(search, queries, vectors):
    distances = ((queries[:, None].astype(float) - vectors) ** 2).sum(axis=-1)
    nearest = np.argsort(distances, axis=1)[:, :K].tolist()
    return np.mean([len(set(one) & set(other)) for one, other in zip(search(queries).tolist(), nearest)])


rows = np.ascontiguousarray(full[:, :DIMENSIONS])
for what, vectors in {
    "rows one after another": rows,
    "pandas, to_numpy": pd.DataFrame(columns).to_numpy(),
    "polars, to_numpy": pl.DataFrame(columns).to_numpy(),
    "the first 32 of 64 dimensions": full[:, :DIMENSIONS],
    "items' factors of an SVD": factors.T,
}.items():
    assert vectors.shape == (ROWS, DIMENSIONS) and vectors.dtype == np.float32
    said = []
    for index in (of_voyager, of_hnswlib):
        stored, search = index(vectors)
        right = np.isclose(stored, vectors).all(axis=1).sum()
        nearest = found(search, vectors[:100].copy(order="C"), vectors)
        said.append(f"{index.__name__.removeprefix('of_')} {right:,} as given, finds {nearest:.1f} of {K} nearest")
    print(f"{what}: {'; '.join(said)}")

queries = pl.DataFrame(columns).head(100).to_numpy()
said = [f"{index.__name__.removeprefix('of_')} {found(index(rows)[1], queries, rows):.1f}" for index in (of_voyager, of_hnswlib)]
print(f"rows one after another, queries of polars: {', '.join(said)} of {K} nearest")
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" "$work/layouts.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
rows one after another: voyager 2,000 as given, finds 10.0 of 10 nearest; hnswlib 2,000 as given, finds 10.0 of 10 nearest
pandas, to_numpy: voyager 0 as given, finds 0.1 of 10 nearest; hnswlib 2,000 as given, finds 10.0 of 10 nearest
polars, to_numpy: voyager 0 as given, finds 0.1 of 10 nearest; hnswlib 2,000 as given, finds 10.0 of 10 nearest
the first 32 of 64 dimensions: voyager 1 as given, finds 0.1 of 10 nearest; hnswlib 2,000 as given, finds 10.0 of 10 nearest
items' factors of an SVD: voyager 0 as given, finds 0.1 of 10 nearest; hnswlib 2,000 as given, finds 10.0 of 10 nearest
rows one after another, queries of polars: voyager 0.1, hnswlib 10.0 of 10 nearest
EXPECTED
