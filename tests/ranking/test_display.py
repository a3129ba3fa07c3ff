"""What a notebook or a prompt shows of results: short, and never as markup of the data's own."""

import numpy as np
import polars as pl

import tailrank
from tailrank import Dataset, ItemVectors, Reranker, Settings
from tailrank.data.splits import leave_one_out
from tailrank.evaluation import runner

SHOP = Dataset.construct(
    pl.DataFrame({"item_id": ["<i>a", "b", "c", "d"], "title": ["tea", "green tea", "tea pot", "tent"]}),
    pl.DataFrame(
        {
            "user_id": ["u"] * 4 + ["v"] * 3 + ["w"] * 3,
            "item_id": ["<i>a", "b", "c", "d", "c", "<i>a", "d", "d", "b", "<i>a"],
            "position": [0, 1, 2, 3, 0, 1, 2, 0, 1, 2],
        }
    ),
    name="shop",
)
VECTORS = ItemVectors(np.eye(4, dtype=np.float32))
RERANKER = Reranker.fit(SHOP, VECTORS, Settings(sequence_epochs=0))


def test_results_have_a_short_form() -> None:
    split = leave_one_out(SHOP)
    settings = Settings(sequence_epochs=0)
    found = runner.evaluate(runner.fit(["popularity"], split, {}, settings), split, {}, settings)
    ranking = RERANKER.rank(["b"], ["<i>a", "c", "d"])
    everything = (SHOP, SHOP.histories, split, split.test, VECTORS, RERANKER, RERANKER.fusion, found, ranking)
    forms = list(map(repr, (*everything, RERANKER.catalogue, RERANKER.spaces["semantic"])))
    assert all(len(form) < 300 and "array(" not in form for form in forms), forms
    assert forms[0] == "Dataset('shop': 4 items, 10 events of 3 users, by position)"
    assert repr(VECTORS) == "ItemVectors(4 of width 4, your own)"
    assert repr(RERANKER).startswith("Reranker(4 items; signals: semantic, ")
    assert repr(ranking).startswith("Ranking(3 items: ")
    assert "ndcg@10: popularity 1.0000" in repr(found)


def test_ids_in_tables_of_a_notebook_are_text() -> None:
    ranking = RERANKER.rank(["b"], ["<i>a", "c", "d"], explain=True)
    table = ranking._repr_html_()
    assert "<i>" not in table
    assert "&lt;i&gt;a" in table
    assert "<th>semantic</th>" in table
    plain = RERANKER.rank(["b"], ["c", "d"])._repr_html_()
    assert plain.count("<tr>") == 3
    first = RERANKER.explain(["<i>a"], ["<i>a", "c"])[0]
    assert "<i>" not in first._repr_html_()
    assert "<td>score</td>" in first._repr_html_()
    assert repr(first).startswith(f"Explanation({first.item_id!r} ")


def test_the_package_knows_its_version() -> None:
    assert tailrank.__version__.count(".") == 2
