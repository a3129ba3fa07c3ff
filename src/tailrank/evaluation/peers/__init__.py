"""Well-known recommenders, fitted by the libraries that are known for them and tuned alike.

Only names and settings live here: a library is imported when its model is fitted.
"""

from typing import Final

from tailrank.evaluation.peers.boosting import LAMBDAMART
from tailrank.evaluation.peers.factors import ALS, BPR
from tailrank.evaluation.peers.item_to_item import EASE, NEIGHBOURS
from tailrank.evaluation.peers.ncf import NEUMF
from tailrank.evaluation.peers.sasrec import GBCE, SOFTMAX, TEXT
from tailrank.evaluation.peers.tuning import Peer

PEERS: Final[dict[str, Peer]] = {
    peer.name: peer for peer in (ALS, BPR, NEIGHBOURS, EASE, SOFTMAX, GBCE, TEXT, NEUMF, LAMBDAMART)
}
"""By the name that `tailrank evaluate --models` takes."""
