"""A fitted model is told of items that come, change and go: what must move, and what must not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import History
from tailrank.errors import RequestError, TailrankError
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.signals.sequence.model import SequenceModel

FILMS = ["50", "181", "100", "1682", "742", "1", "1350"]
HISTORY = ["172", "174", "210", "174"]
ALIEN = "Star Battles IV: the return of the empire. science fiction, space, robots"


def unit(rows: int, width: int, seed: int = 0) -> Floats:
    values = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    units: Floats = values / np.linalg.norm(values, axis=1, keepdims=True)
    return units


def semantic(vectors: Floats) -> dict[str, Floats]:
    return {"semantic": vectors}


def both(vectors: Floats) -> dict[str, Floats]:
    return {"semantic": vectors, "tuned": vectors[:, :5]}


@pytest.fixture(scope="module")
def vectors(encoder: TextEncoder) -> Floats:
    return encoder.encode([ALIEN])


@pytest.fixture(scope="module")
def extended(reranker: Reranker, vectors: Floats) -> Reranker:
    return reranker.with_items(["alien"], [ALIEN], {"semantic": vectors})


def test_a_new_item_is_ranked_by_its_text_at_once(extended: Reranker) -> None:
    cold = ["1682", "1350", "alien", "1341"]
    stars, children = (
        extended.rank(history, cold)[0].item_id for history in (["172", "181", "50"], ["1", "588", "95"])
    )
    assert stars == "alien"
    assert children != "alien"


def test_a_new_item_counts_in_a_history(extended: Reranker) -> None:
    wars, lions = (
        {item.item_id: item.score for item in extended.rank(history, ["50", "71"])}
        for history in (["alien"], [])
    )
    assert wars["50"] - wars["71"] > lions["50"] - lions["71"]


def test_scores_of_others_stay(reranker: Reranker, extended: Reranker) -> None:
    assert extended.rank(HISTORY, FILMS) == reranker.rank(HISTORY, FILMS)
    assert extended.explain(HISTORY, FILMS) == reranker.explain(HISTORY, FILMS)
    assert [item.known for item in reranker.rank(HISTORY, ["alien"])] == [False]


def test_a_film_given_its_own_text_again_scores_as_before(
    reranker: Reranker, movielens: Dataset, movielens_vectors: ItemVectors
) -> None:
    codes = movielens.codes(FILMS)
    texts = item_texts(movielens.items)
    same = reranker.with_items(
        FILMS, [texts[code] for code in codes], semantic(movielens_vectors.values[codes])
    )
    before = {item.item_id: item.score for item in reranker.rank(HISTORY, FILMS)}
    after = {item.item_id: item.score for item in same.rank(HISTORY, FILMS)}
    assert after == pytest.approx(before, abs=1e-5)
    assert len(same.catalogue) == len(reranker.catalogue)


def test_a_changed_text_moves_what_texts_decide_and_nothing_else(
    reranker: Reranker, movielens: Dataset, movielens_vectors: ItemVectors
) -> None:
    star_wars, code = "50", movielens.codes(["50"])
    text = item_texts(movielens.items)[code[0]]
    changed = reranker.with_items(["1682"], [text], semantic(movielens_vectors.values[code]))
    model, before = (
        {each.item_id: each for each in ranker.explain(HISTORY, ["1682", star_wars])}
        for ranker in (changed, reranker)
    )
    assert model[star_wars].score == before[star_wars].score
    for name, value in model["1682"].contributions.items():
        if name in ("semantic", "lexical", "list mean"):
            assert value > before["1682"].contributions[name]
        else:
            assert value == pytest.approx(before["1682"].contributions[name], abs=1e-6)


def test_one_by_one_is_all_at_once(reranker: Reranker, encoder: TextEncoder) -> None:
    texts = ["space robots", "a dog comes home", "space robots again", "two people in love"]
    ids, vectors = ["a", "b", "50", "a"], encoder.encode(texts)
    steps = reranker
    for at in range(4):
        steps = steps.with_items(ids[at : at + 1], texts[at : at + 1], semantic(vectors[at : at + 1]))
    once = reranker.with_items(["a", "b", "50"], [texts[3], *texts[1:3]], semantic(vectors[[3, 1, 2]]))
    for history in (HISTORY, ["a", "b", "50"], []):
        expected = {item.item_id: item.score for item in once.rank(history, [*FILMS, "a", "b"])}
        found = {item.item_id: item.score for item in steps.rank(history, [*FILMS, "a", "b"])}
        assert found == pytest.approx(expected, abs=1e-5)


class TestWithout:
    def test_a_deleted_item_is_unknown(self, reranker: Reranker, extended: Reranker) -> None:
        gone = extended.without_items(["alien", "50", "never was"])
        for lost in ("alien", "50"):
            assert gone.rank([lost], ["100"]).unknown_history == [lost]
            assert [item.known for item in gone.rank(["100"], ["100", lost])].count(False) == 1
        left = [film for film in FILMS if film != "50"]
        assert gone.rank(HISTORY, left) == reranker.rank(HISTORY, left)
        assert extended.rank(HISTORY, ["50", "alien"])

    def test_one_that_comes_back_has_its_behaviour_again(
        self, reranker: Reranker, movielens: Dataset, movielens_vectors: ItemVectors
    ) -> None:
        code = movielens.codes(["50"])
        text = item_texts(movielens.items)[code[0]]
        back = reranker.without_items(["50"]).with_items(
            ["50"], [text], semantic(movielens_vectors.values[code])
        )
        assert back.rank(HISTORY, FILMS)[0].score == pytest.approx(
            reranker.rank(HISTORY, FILMS)[0].score, abs=1e-5
        )

    def test_a_new_one_that_comes_back_is_new(
        self, reranker: Reranker, extended: Reranker, vectors: Floats
    ) -> None:
        back = (
            extended.without_items(["alien"])
            .with_items(["other"], ["other"], semantic(vectors))
            .with_items(["alien"], [ALIEN], semantic(vectors))
        )
        assert back.rank(HISTORY, ["alien", "50"]) == extended.rank(HISTORY, ["alien", "50"])


def test_items_that_come_and_go_leave_no_row_behind(reranker: Reranker, vectors: Floats) -> None:
    one = reranker.with_items(["a", "b"], [ALIEN] * 2, {"semantic": vectors.repeat(2, axis=0)})
    model, sizes = one, []
    for turn in range(30):
        gone, came = ("a", f"c{turn}"), ("a", f"d{turn}")
        model = model.without_items(gone).with_items(
            came, [ALIEN] * 2, {"semantic": vectors.repeat(2, axis=0)}
        )
        model = model.without_items([f"d{turn}"])
        arrays = [array.size for signal in model.signals for array in signal.arrays().values()]
        sizes.append((len(model.catalogue), sum(arrays)))
    assert set(sizes[1:]) == {sizes[0]}
    assert sizes[0][0] == len(one.catalogue) + 1
    ranked = model.rank(HISTORY, ["a", "b", *FILMS])
    assert ranked == one.rank(HISTORY, ["a", "b", *FILMS])


def test_a_code_that_is_free_goes_to_the_next_item(extended: Reranker) -> None:
    catalogue = extended.catalogue.with_items(["x", "y"]).without_items(["alien", "x"])
    size = len(catalogue)
    again = catalogue.with_items(["z", "y", "q", "w"])
    assert again.codes_of(["z", "q", "y", "w"]).tolist() == [size - 3, size - 2, size - 1, size]
    assert again.without_items(["z"]).with_items(["z"]).codes_of(["z"]).tolist() == [size - 3]


def test_unknown_ids_and_types_have_codes_too(extended: Reranker) -> None:
    catalogue = extended.without_items(["50"]).catalogue
    known = extended.catalogue.items["item_id"].index_of("100")
    assert catalogue.codes_of(["100", "nope", "50", "alien"]).tolist() == [known, -1, -1, len(catalogue) - 1]
    assert catalogue.codes_of([]).shape == (0,)
    assert catalogue.types_of(["rating", "nope", "", "dislike"]).tolist() == [2, -1, -1, 0]
    assert catalogue.clock == "timestamp"


def test_without_vectors_a_new_item_is_ranked_by_words(reranker: Reranker) -> None:
    blind = reranker.with_items(["alien"], ["Star Wars"])
    told = {each.item_id: each.contributions for each in blind.explain(["50"], ["alien", "1682"])}
    assert told["alien"]["semantic"] + told["1682"]["semantic"] == pytest.approx(0, abs=1e-6)
    assert told["alien"]["lexical"] > 0


@pytest.mark.parametrize(
    ("ids", "texts", "shape", "words"),
    [
        (["a", "a"], ["x", "y"], (2, 384), "give each id once"),
        (["a", "b"], ["x"], (2, 384), "2 items with 1 texts"),
        (["a", "b"], ["x", "y"], (2, 9), "of width 384"),
        (["a", "b"], ["x", "y"], (1, 384), "1 vectors in space 'semantic' for 2 items"),
        (["a"], ["x"], (384,), "384 vectors in space"),
    ],
)
def test_items_that_make_no_sense_are_refused(
    reranker: Reranker, ids: Sequence[str], texts: Sequence[str], shape: tuple[int, ...], words: str
) -> None:
    with pytest.raises(TailrankError, match=words):
        reranker.with_items(ids, texts, semantic(np.ones(shape, np.float32)))
    with pytest.raises(TailrankError, match="finite"):
        reranker.with_items(["a"], ["x"], semantic(np.full((1, 384), np.nan, np.float32)))


@pytest.fixture(scope="module")
def walkers() -> tuple[Reranker, Floats]:
    """A model with a sequence model and a tuned space, of users who walk round a ring of a dozen items."""
    names = [
        "red",
        "green",
        "blue",
        "white",
        "black",
        "pink",
        "grey",
        "brown",
        "gold",
        "cyan",
        "lime",
        "rose",
    ]
    items = pl.DataFrame({"item_id": [str(i) for i in range(12)], "title": [f"{name} tea" for name in names]})
    rows = [
        {"user_id": f"u{user}", "item_id": str((user + step) % 12), "timestamp": 1e9 + 1e5 * step + user}
        for user in range(400)
        for step in range(4 + user % 5)
    ]
    vectors = unit(12, 8)
    ring, settings = Dataset.construct(items, pl.DataFrame(rows)), Settings(sequence_epochs=2)
    spaces = {"semantic": ItemVectors(vectors), "tuned": ItemVectors(vectors[:, :5].copy(), whiten=False)}
    return Reranker.fit(ring, spaces, settings), vectors


class TestSequence:
    def test_a_new_item_is_where_the_map_puts_its_text(self, walkers: tuple[Reranker, Floats]) -> None:
        model, _ = walkers
        new = unit(1, 8, seed=1)
        extended = model.with_items(["new"], ["new tea"], both(new))
        sequence = extended.signals[-1]
        assert isinstance(sequence, SequenceModel)
        assert sequence.map is not None
        expected = model.spaces["semantic"].transform(new) @ sequence.map + sequence.cold_residual
        np.testing.assert_allclose(sequence.table.take(np.array([12], np.int32)), expected, atol=1e-6)

    def test_a_changed_text_moves_an_item_as_the_map_moves_the_text(
        self, walkers: tuple[Reranker, Floats]
    ) -> None:
        model, vectors = walkers
        swapped = model.with_items(["3"], ["white tea"], both(vectors[[7]]))
        before, after = (each.signals[-1] for each in (model, swapped))
        assert isinstance(before, SequenceModel)
        assert isinstance(after, SequenceModel)
        assert before.map is not None
        at, white = np.array([3], np.int32), model.spaces["semantic"].transform(vectors)
        own = before.table.take(at) - white[[3]] @ before.map
        np.testing.assert_allclose(after.table.take(at), own + white[[7]] @ before.map, atol=1e-5)
        back = swapped.with_items(["3"], ["white tea"], both(vectors[[3]]))
        found = {item.item_id: item.score for item in back.rank(["3", "4"], ["5", "3", "9"])}
        expected = {item.item_id: item.score for item in model.rank(["3", "4"], ["5", "3", "9"])}
        assert found == pytest.approx(expected, abs=1e-4)

    def test_without_times_a_new_item_is_not_placed_by_its_text(
        self, walkers: tuple[Reranker, Floats]
    ) -> None:
        placed, vectors = walkers
        rows = [
            {"user_id": f"u{user}", "item_id": str((user + step) % 12), "position": step}
            for user in range(60)
            for step in range(6)
        ]
        timeless = Dataset.construct(placed.catalogue.items, pl.DataFrame(rows))
        model = Reranker.fit(timeless, ItemVectors(vectors), Settings(sequence_epochs=1))
        extended = model.with_items(["new", "3"], ["tea", "tea"], {"semantic": unit(2, 8, seed=1)})
        before, after = (each.signals[-1] for each in (model, extended))
        assert isinstance(before, SequenceModel)
        assert isinstance(after, SequenceModel)
        own = before.table.take(np.array([3], np.int32))[0]
        np.testing.assert_array_equal(
            after.table.take(np.array([12, 3], np.int32)), np.stack([before.cold_residual, own])
        )

    def test_the_list_scores_as_the_catalogue_does(self, walkers: tuple[Reranker, Floats]) -> None:
        model, vectors = walkers
        extended = model.with_items(["3", "new"], ["tea", "grey tea"], both(vectors[[7, 2]]))
        history, size = (
            extended.catalogue.histories([History.from_events(["3", "new", "5"])])[0],
            len(extended.catalogue),
        )
        whole = extended.score(history, Candidates.everything(size))
        some = np.array([12, 0, 3, 11], np.int32)
        np.testing.assert_allclose(extended.score(history, Candidates(some, size)), whole[:, some], atol=1e-5)

    def test_an_extended_model_can_be_saved(self, walkers: tuple[Reranker, Floats], tmp_path: Path) -> None:
        model, vectors = walkers
        extended = model.with_items(["3", "new"], ["tea", "grey tea"], both(vectors[[7, 2]]))
        folder = tmp_path / "extended"
        extended.without_items(["5"]).save(folder)
        loaded = Reranker.load(folder)
        asked = (["3", "new", "4"], ["6", "new", "3"])
        assert loaded.rank(*asked) == extended.rank(*asked)
        assert loaded.rank(["5"], ["6"]).unknown_history == ["5"]
        again = loaded.with_items(["newer"], ["grey tea"], both(vectors[[2]]))
        scores = {item.item_id: item.score for item in again.rank(["3"], ["new", "newer"])}
        assert scores["new"] == pytest.approx(scores["newer"], abs=1e-5)


class TestSpaces:
    """Any number of vector spaces, of any names that mean nothing else."""

    SHOP = Dataset.construct(
        pl.DataFrame({"item_id": list("mgts"), "title": ["Mug", "Grinder", "Tent", "Sleeping bag"]}),
        pl.DataFrame({"user_id": list("aabbcc"), "item_id": list("mgtsmg"), "position": range(6)}),
    )

    def test_all_are_saved_and_take_new_items(self, tmp_path: Path) -> None:
        names = ["semantic", "image.v2", "été_漢字", "space"]
        spaces = {name: ItemVectors(unit(4, 3 + at), whiten=at % 2 == 0) for at, name in enumerate(names)}
        fitted = Reranker.fit(self.SHOP, spaces)
        assert fitted.fusion.signals[:4] == tuple(names)
        fitted.save(tmp_path / "model")
        loaded = Reranker.load(tmp_path / "model")
        assert loaded.explain(["t"], list("mgs")) == fitted.explain(["t"], list("mgs"))
        vectors = {name: unit(1, 3 + at, seed=1) for at, name in enumerate(names)}
        one, other = (each.with_items(["new"], ["Tent"], vectors) for each in (fitted, loaded))
        assert one.rank(["t"], ["m", "new"]) == other.rank(["t"], ["m", "new"])

    @pytest.mark.parametrize(
        "name",
        ["", "a/b", "space x", "upstream als", "rank kept", "lexical", "base", "fusion", "items", "tail", 1],
    )
    def test_a_name_that_means_something_else_is_refused(self, name: Any) -> None:
        with pytest.raises(RequestError, match="can't be called"):
            Reranker.fit(self.SHOP, {"semantic": ItemVectors(unit(4, 3)), name: ItemVectors(unit(4, 3))})

    @pytest.mark.parametrize(
        "values",
        [
            np.ones(4),
            np.ones((4, 2, 2)),
            np.ones((4, 0)),
            np.full((4, 2), np.nan),
            np.full((4, 2), "a"),
            None,
        ],
    )
    def test_only_a_matrix_of_finite_numbers_is_vectors(self, values: Any) -> None:
        with pytest.raises(RequestError, match="give a matrix of finite numbers"):
            ItemVectors(values)

    def test_vectors_that_stay_as_they_are_must_be_unit_vectors(self) -> None:
        with pytest.raises(RequestError, match="length 100: divide each"):
            Reranker.fit(self.SHOP, ItemVectors(100 * unit(4, 3), whiten=False))

    @pytest.mark.parametrize("vectors", [unit(4, 3), {"semantic": unit(4, 3)}, [ItemVectors(unit(4, 3))]])
    def test_bare_arrays_are_refused(self, vectors: Any) -> None:
        with pytest.raises(RequestError, match="must be ItemVectors"):
            Reranker.fit(self.SHOP, vectors)

    def test_what_is_no_item_is_refused(self) -> None:
        fitted = Reranker.fit(self.SHOP, ItemVectors(unit(4, 3)))
        with pytest.raises(RequestError, match="item 5 is no string"):
            fitted.with_items([5], ["Tent"])  # type: ignore[list-item]
        with pytest.raises(RequestError, match="item 5 is no string"):
            fitted.without_items([5])  # type: ignore[list-item]
        with pytest.raises(RequestError, match="item ids must be a list, not 'ab'"):
            fitted.with_items("ab", ["Tent", "Mug"])
        with pytest.raises(RequestError, match="item ids must be a list, not 'ab'"):
            fitted.without_items("ab")
        with pytest.raises(RequestError, match="texts must be strings"):
            fitted.with_items(["new"], [None])  # type: ignore[list-item]
        with pytest.raises(RequestError, match="by the names of their spaces: semantic"):
            fitted.with_items(["new"], ["Tent"], unit(1, 3))  # type: ignore[arg-type]
