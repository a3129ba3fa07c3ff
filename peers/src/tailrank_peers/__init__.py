"""Well-known recommenders, fitted by the libraries that are known for them and tuned alike.

Each is an entry point of the group `tailrank.models`; its library is imported when it is fitted.
"""

from typing import Final

from tailrank_peers.boosting import LAMBDAMART
from tailrank_peers.factors import ALS, BPR
from tailrank_peers.item_to_item import NEIGHBOURS
from tailrank_peers.ncf import NEUMF
from tailrank_peers.sasrec import GBCE, SOFTMAX, TEXT
from tailrank_peers.tuning import Peer

PEERS: Final[dict[str, Peer]] = {
    peer.name: peer for peer in (ALS, BPR, NEIGHBOURS, SOFTMAX, GBCE, TEXT, NEUMF, LAMBDAMART)
}
"""By the name that `tailrank evaluate --models` knows."""
