#!/usr/bin/env bash
# vicinity 0.4.6 with usearch 2.26.6 and numpy 2.4.6, on Python 3.11.
#
# `Vicinity.query` returns items with their distances. With usearch as its backend it offers the metric "inner_product", whose
# distance is 1 - the inner product: it is below 0 for any item that scores above 1, and the best have the lowest. But all
# distances below 0 are set to 0 before they are returned. So all that score above 1 are at distance 0, alike. The README offers one
# interface for all backends and metrics, and says nothing of it. usearch itself returns them as they are.
#
# Output seen (1,000 items and users with factors of 32 dimensions, as of a matrix factorisation; the first five for the first user,
# then the first ten for all):
#   usearch: 1 - distance 21.65, 15.29, 14.49, 14.41, 13.65
#   vicinity: 1 - distance 1.00, 1.00, 1.00, 1.00, 1.00
#   usearch, different scores among ten: 10.0 at the mean
#   vicinity, different scores among ten: 1.0 at the mean
#   vicinity, cosine, different scores among ten: 10.0 at the mean
#
# The order of the list is right. But whatever reads the scores, as a re-ranker that adds them to others, a fusion of two indexes, or
# a floor for what is good enough, takes the tenth item for as good as the first.
#
# What works: the inner products computed anew for what is found, or usearch by itself.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check vicinity==0.4.6 usearch==2.26.6 numpy==2.4.6
cat > "$work/distances.py" <<'PYTHON'
import numpy as np
from usearch.index import Index
from vicinity import Backend, Vicinity

rng = np.random.default_rng(0)
items = rng.normal(size=(1_000, 32)).astype(np.float32)
users = rng.normal(size=(100, 32)).astype(np.float32)
plain = Index(ndim=32, metric="ip", dtype="f32")
plain.add(np.arange(1_000), items, threads=1)


def vicinity(metric):
    return Vicinity.from_vectors_and_items(items, list(range(1_000)), backend_type=Backend.USEARCH, metric=metric)


index = vicinity("inner_product")
found = {
    "usearch": plain.search(users, 10, threads=1).distances,
    "vicinity": np.array([[distance for _, distance in row] for row in index.query(users, 10)]),
    "vicinity, cosine": np.array([[distance for _, distance in row] for row in vicinity("cosine").query(users, 10)]),
}
for what in ("usearch", "vicinity"):
    print(f"{what}: 1 - distance {', '.join(f'{1 - distance:.2f}' for distance in found[what][0][:5])}")
for what, distances in found.items():
    print(f"{what}, different scores among ten: {np.mean([len(set(row)) for row in distances.tolist()]):.1f} at the mean")
PYTHON
OMP_NUM_THREADS=1 "$work/venv/bin/python" "$work/distances.py" | tee "$work/output"
diff "$work/output" - <<'EXPECTED'
usearch: 1 - distance 21.65, 15.29, 14.49, 14.41, 13.65
vicinity: 1 - distance 1.00, 1.00, 1.00, 1.00, 1.00
usearch, different scores among ten: 10.0 at the mean
vicinity, different scores among ten: 1.0 at the mean
vicinity, cosine, different scores among ten: 10.0 at the mean
EXPECTED
