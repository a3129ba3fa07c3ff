"""Every signal against its definition, written out as loops over users, events and items."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity

from tailrank.arrays import Doubles
from tailrank.data.candidates import FOLD, CandidateLists, Candidates, score_lists
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories, Queries, flat_offsets
from tailrank.data.latest_time import robust_latest
from tailrank.errors import RequestError
from tailrank.ranking.upstream import standardise
from tailrank.signals import shared_terms
from tailrank.signals.appendable import VectorTable
from tailrank.signals.base import ItemUpdates, Signal
from tailrank.signals.covisitation import CoVisitation, ItemKNN
from tailrank.signals.lexical import Lexical
from tailrank.signals.popularity import HALF_LIVES, Popularity, best_half_life
from tailrank.signals.repetition import Frequency, RelativeFrequency
from tailrank.signals.semantic import SemanticAttention
from tailrank.signals.sparse import SparseRows
from tailrank.signals.stored import StoredArrays
from tailrank.signals.strongest import NEIGHBOURS, strongest
from tailrank.signals.taste import PopularityTaste
from tailrank.signals.vocabulary import Terms, Vocabulary, terms_of

DAY = 86_400.0
TEXTS = [
    "green tea from Uji",
    "black tea, black tin",
    "",
    "coffee beans 250g",
    "coffee grinder",
    "tea pot",
    "tin pot 250g",
    "?!",
    "green tea from Uji",
]
N_ITEMS = len(TEXTS)


def histories_of(*lists: list[int]) -> Histories:
    """Histories over the tiny catalogue, with types in turn and eight hours between events."""
    items = np.array([item for items in lists for item in items], np.int32)
    at = np.arange(len(items))
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return Histories(items, (at % 2).astype(np.int32), at * DAY / 3, offsets)


HISTORIES = histories_of([0, 3, 3, 5, 1], [], [4], [8, 2, 7, 0, 0, 6, 3])


def tiny_dataset() -> Dataset:
    rng = np.random.default_rng(7)
    events = pl.DataFrame(
        {
            "user_id": rng.integers(0, 12, 90),
            "item_id": rng.integers(0, N_ITEMS - 1, 90),
            "timestamp": 1e9 + rng.random(90) * 300 * DAY,
        }
    )
    return Dataset.construct(pl.DataFrame({"item_id": range(N_ITEMS), "title": TEXTS}), events)


DATA = tiny_dataset()
VECTORS = np.random.default_rng(3).standard_normal((N_ITEMS, 4)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
VECTORS[2] = 0
VECTORS[8] = VECTORS[0]
SEMANTIC = SemanticAttention(
    vectors=VectorTable.from_array(VECTORS[:8], np.array([0, 1, 2, 3, 4, 5, 6, 7, 0], np.int32)),
    event_type_bias=np.array([0, -0.8, -0.3], np.float32),
    inverse_temperature=6.0,
    recency_decay=0.5,
    time_decay=0.2,
)
SIGNALS: list[Signal] = [
    SEMANTIC,
    replace(SEMANTIC, space="tuned", known=DATA.counts > 0),
    Lexical.from_texts(TEXTS),
    Frequency(),
    RelativeFrequency.from_events(DATA),
    CoVisitation.from_events(DATA),
    ItemKNN.from_events(DATA),
    Popularity.from_events(DATA, 30.0),
    PopularityTaste.from_counts(DATA.counts),
]
each_signal = pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)


def users(histories: Histories) -> Iterator[Iterator[tuple[int, int, float, int]]]:
    """Each user's events, as item, age, days before the latest, and type."""
    for start, end in zip(histories.offsets[:-1], histories.offsets[1:], strict=True):
        yield (
            (
                int(histories.items[at]),
                int(end - 1 - at),
                (histories.times[end - 1] - histories.times[at]) / DAY,
                int(histories.types[at]),
            )
            for at in range(start, end)
        )


def naive_semantic(item: int, events: list[tuple[int, int, float, int]]) -> float:
    top = bottom = 0.0
    for other, age, days, event_type in events:
        s = float(VECTORS[item].astype(float) @ VECTORS[other].astype(float))
        a = np.exp(6.0 * s - 0.5 * np.log(1 + age) - 0.2 * np.log(1 + days) + [0, -0.8][event_type])
        top, bottom = top + a * s, bottom + a
    return top / bottom if events else 0.0


def naive_tuned(item: int, events: list[tuple[int, int, float, int]]) -> float:
    return naive_semantic(item, events) if item in DATA.histories.items else 0.0


def naive_lexical(item: int, events: list[tuple[int, int, float, int]]) -> float:
    vectors = TfidfVectorizer(sublinear_tf=True).fit_transform(TEXTS).toarray()
    return float(np.log1p(5 * sum(vectors[item] @ vectors[other] / (1 + age) for other, age, *_ in events)))


def naive_frequency(item: int, events: list[tuple[int, int, float, int]]) -> float:
    return float(np.log1p(sum((other == item) / (1 + age) for other, age, *_ in events)))


def naive_relative_frequency(item: int, events: list[tuple[int, int, float, int]]) -> float:
    counts = np.bincount(DATA.histories.items, minlength=N_ITEMS) + 1
    expected = 30 * counts[item] / counts.sum()
    return float(np.log1p(sum((other == item) / (1 + age) for other, age, *_ in events) / expected))


def naive_pairs() -> Doubles:
    """Damped co-visitation, scaled."""
    pairs, counts = np.zeros((N_ITEMS, N_ITEMS)), np.bincount(DATA.histories.items, minlength=N_ITEMS)
    for events in users(DATA.histories):
        items = [item for item, *_ in events]
        for i, first in enumerate(items):
            for distance, second in enumerate(items[i + 1 : i + 11], start=1):
                if first != second:
                    pairs[first, second] += 1 / distance
                    pairs[second, first] += 0.3 / distance
    for i in range(N_ITEMS):
        for j in range(N_ITEMS):
            pairs[i, j] /= max(counts[i], 1) ** 0.5 * max(counts[j], 1) ** 0.1
    scaled: Doubles = pairs / (0.3 * np.mean([row.max() for row in pairs if row.max() > 0]))
    return scaled


def naive_cosines() -> Doubles:
    """Cosine of binary item columns by scikit-learn, scaled."""
    table = np.zeros((DATA.n_users, N_ITEMS))
    table[DATA.histories.owners, DATA.histories.items] = 1
    cosines = cosine_similarity(table.T)
    np.fill_diagonal(cosines, 0)
    scaled: Doubles = cosines / np.mean([row.max() for row in cosines if row.max() > 0])
    return scaled


PAIRS, COSINES = naive_pairs(), naive_cosines()


def naive_covisitation(item: int, events: list[tuple[int, int, float, int]]) -> float:
    return float(np.log1p(sum(PAIRS[other, item] / (1 + age) for other, age, *_ in events)))


def naive_item_knn(item: int, events: list[tuple[int, int, float, int]]) -> float:
    return float(np.log1p(sum(COSINES[other, item] / (1 + age) for other, age, *_ in events)))


def naive_popularity(item: int, events: list[tuple[int, int, float, int]]) -> float:
    h = DATA.histories
    ages = (h.times.max() - h.times[h.items == item]) / DAY
    return float(np.log1p(sum(0.5 ** (age / 30) for age in ages)))


def naive_taste(item: int, events: list[tuple[int, int, float, int]]) -> float:
    logs = np.log1p(np.bincount(DATA.histories.items, minlength=N_ITEMS))
    centred = logs - np.mean([logs[other] for other in DATA.histories.items])
    return float(centred[item] * np.mean([centred[other] for other, *_ in events])) if events else 0.0


ORACLES: dict[str, Callable[[int, list[tuple[int, int, float, int]]], float]] = {
    "semantic": naive_semantic,
    "tuned": naive_tuned,
    "lexical": naive_lexical,
    "frequency": naive_frequency,
    "relative-frequency": naive_relative_frequency,
    "covisitation": naive_covisitation,
    "item-knn": naive_item_knn,
    "popularity": naive_popularity,
    "taste": naive_taste,
}


def some(*codes: int) -> Candidates:
    return Candidates(np.array(codes, np.int32), N_ITEMS)


@each_signal
def test_scores_are_those_of_the_definition(signal: Signal) -> None:
    oracle = ORACLES[signal.name]
    expected = [[oracle(item, events) for item in range(N_ITEMS)] for events in map(list, users(HISTORIES))]
    scores = signal.score(HISTORIES, Candidates.everything(N_ITEMS))
    np.testing.assert_allclose(scores, expected, atol=2e-6)
    assert scores.dtype == np.float32


@each_signal
def test_a_candidate_list_scores_as_the_catalogue_does(signal: Signal) -> None:
    everything = signal.score(HISTORIES, Candidates.everything(N_ITEMS))
    for codes in ([4], [8, 2, 0, 5], list(range(N_ITEMS))[::-1]):
        np.testing.assert_allclose(signal.score(HISTORIES, some(*codes)), everything[:, codes], atol=1e-6)


@each_signal
def test_lists_score_as_one_by_one(signal: Signal) -> None:
    h, lists = HISTORIES, [some(*range(row, N_ITEMS, 2)) for row in range(len(HISTORIES))]
    found = score_lists(signal, h, CandidateLists.concatenate(lists))
    rows = zip(h.offsets[:-1], h.offsets[1:], lists, strict=True)
    one_by_one = [signal.score(h.cut(np.array([a]), np.array([b])), each)[0] for a, b, each in rows]
    np.testing.assert_array_equal(found, np.concatenate(one_by_one))
    assert found.dtype == np.float32


@each_signal
@pytest.mark.parametrize("candidates", [Candidates.everything(N_ITEMS), some(3, 8, 1)], ids=["all", "three"])
def test_a_batch_scores_as_one_by_one(signal: Signal, candidates: Candidates) -> None:
    batch = signal.score(HISTORIES, candidates)
    h = HISTORIES
    for row, (start, end) in enumerate(zip(h.offsets[:-1], h.offsets[1:], strict=True)):
        one = signal.score(h.cut(np.array([start]), np.array([end])), candidates)
        np.testing.assert_allclose(one[0], batch[row], atol=1e-6)


@each_signal
def test_no_history_and_no_candidates(signal: Signal) -> None:
    nobody, nothing = histories_of([]), some()
    scores = signal.score(nobody, Candidates.everything(N_ITEMS))
    assert np.array_equal(scores[0], signal.values if isinstance(signal, Popularity) else np.zeros(N_ITEMS))
    assert signal.score(HISTORIES, nothing).shape == (4, 0)
    assert signal.score(histories_of(), some(1, 2)).shape == (0, 2)


@each_signal
@pytest.mark.parametrize("events", [[0, 3, 3, 5, 1], [2], []], ids=str)
def test_the_shares_of_events_add_up_to_the_score(
    signal: Signal, events: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_terms, "BLOCK", 3)  # so that there are several
    history = histories_of(events)
    for candidates in (some(3, 8, 1, 7), Candidates.everything(N_ITEMS)):
        shares = signal.by_event(history, candidates)
        if isinstance(signal, Popularity):
            assert shares is None
        else:
            assert shares is not None
            assert shares.shape == (len(events), len(candidates))
            np.testing.assert_allclose(shares.sum(axis=0), signal.score(history, candidates)[0], atol=1e-6)


@each_signal
def test_stored_and_taken_back_it_scores_bit_by_bit_the_same(signal: Signal) -> None:
    copies = {name: np.array(array) for name, array in signal.arrays().items()}
    again = type(signal).from_arrays(StoredArrays(copies, N_ITEMS, 2))
    assert {name: array.tobytes() for name, array in again.arrays().items()} == {
        name: array.tobytes() for name, array in copies.items()
    }
    for candidates in (some(3, 8, 1), Candidates.everything(N_ITEMS)):
        assert np.array_equal(again.score(HISTORIES, candidates), signal.score(HISTORIES, candidates))


SPACES = ("semantic", "tuned")
TWIN, CHANGED, LONER = 1, 4, 8
"""Items: one whose text others are given, one that is given it, a cold one."""


def told(codes: list[int], texts: list[str], vectors: np.ndarray, n_items: int) -> ItemUpdates:
    """Items as a signal is told of them; the vectors of both spaces are the same."""
    at = np.array(codes, np.int32)
    before = np.vstack([VECTORS, np.zeros((n_items - N_ITEMS, 4), np.float32)])[at]
    return ItemUpdates(at, n_items, texts, dict.fromkeys(SPACES, vectors), dict.fromkeys(SPACES, before))


NEW_TEXTS = [TEXTS[TWIN], "Tea with words that nobody knows: tea tin", TEXTS[TWIN]]
NEW_VECTORS = np.vstack([VECTORS[TWIN], -VECTORS[3], VECTORS[TWIN]])
NEW = told([N_ITEMS, N_ITEMS + 1, CHANGED], NEW_TEXTS, NEW_VECTORS, N_ITEMS + 2)
GROWN = Candidates.everything(N_ITEMS + 2)
LATER = histories_of([0, 3, N_ITEMS, 4, 1], [N_ITEMS + 1], [8, N_ITEMS, N_ITEMS])


@each_signal
def test_growing_leaves_scores_of_other_items_as_they_were(signal: Signal) -> None:
    before = signal.score(HISTORIES, Candidates.everything(N_ITEMS))
    added = signal.with_items(told([N_ITEMS, N_ITEMS + 1], NEW_TEXTS[:2], NEW_VECTORS[:2], N_ITEMS + 2))
    few = np.array([7, 3, 0, 1], np.int32)
    found = added.score(HISTORIES, Candidates(few, N_ITEMS + 2))
    assert np.array_equal(found, signal.score(HISTORIES, Candidates(few, N_ITEMS)))
    np.testing.assert_allclose(added.score(HISTORIES, GROWN)[:, :N_ITEMS], before, atol=1e-6)
    assert np.array_equal(signal.score(HISTORIES, Candidates.everything(N_ITEMS)), before)


@each_signal
def test_growing_in_steps_is_growing_at_once(signal: Signal) -> None:
    steps = signal.with_items(told([N_ITEMS], ["something else"], NEW_VECTORS[1:2], N_ITEMS + 1))
    for at, size in ((1, N_ITEMS + 2), (0, N_ITEMS + 2), (2, N_ITEMS + 2)):
        one = told([int(NEW.codes[at])], [NEW_TEXTS[at]], NEW_VECTORS[[at]], size)
        steps = steps.with_items(one)
    np.testing.assert_allclose(
        steps.score(LATER, GROWN), signal.with_items(NEW).score(LATER, GROWN), rtol=1e-6, atol=1e-6
    )


@each_signal
def test_a_new_item_scores_as_one_of_the_same_text_that_nobody_took(signal: Signal) -> None:
    grown = signal.with_items(told([N_ITEMS], [TEXTS[LONER]], VECTORS[[LONER]], N_ITEMS + 1))
    pair = Candidates(np.array([LONER, N_ITEMS], np.int32), N_ITEMS + 1)
    scores = grown.score(histories_of([0, 3, 3, 1], [5], []), pair)
    assert np.array_equal(scores[:, 0], scores[:, 1])


@each_signal
def test_a_grown_signal_stored_and_taken_back_scores_the_same(signal: Signal) -> None:
    grown = signal.with_items(NEW)
    copies = {name: np.array(array) for name, array in grown.arrays().items()}
    again = type(signal).from_arrays(StoredArrays(copies, N_ITEMS + 2, 2))
    for candidates in (GROWN, Candidates(np.array([N_ITEMS, 4, 0], np.int32), N_ITEMS + 2)):
        assert np.array_equal(again.score(LATER, candidates), grown.score(LATER, candidates))
        one = LATER.cut(LATER.offsets[:1], LATER.offsets[1:2])
        shares = grown.by_event(one, candidates)
        if shares is not None:
            np.testing.assert_allclose(shares.sum(axis=0), grown.score(one, candidates)[0], atol=1e-6)


@pytest.mark.parametrize("signal", [SEMANTIC, Lexical.from_texts(TEXTS)], ids=lambda signal: signal.name)
def test_an_item_that_changes_often_leaves_nothing_behind(signal: Signal) -> None:
    once, often = signal.with_items(NEW), signal
    for _ in range(5):
        often = often.with_items(NEW)
    sizes = ({name: len(array) for name, array in each.arrays().items()} for each in (once, often))
    assert next(sizes) == next(sizes)
    assert np.array_equal(often.score(LATER, GROWN), once.score(LATER, GROWN))


def test_grown_words_weigh_as_scikit_learn_weighs_texts_it_did_not_learn_from() -> None:
    vectorizer = TfidfVectorizer(sublinear_tf=True).fit(TEXTS)
    texts = [*TEXTS, *NEW_TEXTS[:2]]
    texts[CHANGED] = NEW_TEXTS[2]
    expected = vectorizer.transform(texts).toarray()
    grown = Lexical.from_texts(TEXTS).with_items(NEW)
    assert isinstance(grown, Lexical)
    np.testing.assert_allclose(grown.rows.matrix.toarray(), expected, atol=1e-6)


SPACED = st.text(st.sampled_from("aAbß_É9ñж한ع½'-\u3000 \n."))
MANY_SCRIPTS = st.text(st.sampled_from("aÉİ9'-e\u0301\u200d \n.帐篷ーतं"))


@given(SPACED)
@example("HP-364XL, 3,5 m² d'été")
def test_where_words_are_spaced_terms_are_those_of_scikit_learn(text: str) -> None:
    assert terms_of([text]).to_list() == [TfidfVectorizer().build_analyzer()(text)]


@given(st.lists(MANY_SCRIPTS, min_size=1, max_size=6), st.lists(MANY_SCRIPTS, max_size=4))
@example(["Tea tea TEA 3,5l", ""], ["tea pot"])
def test_a_vocabulary_weighs_as_scikit_learn_does(texts: list[str], others: list[str]) -> None:
    terms = Terms.from_texts(texts)
    vocabulary = Vocabulary.from_terms(terms)
    vectorizer = TfidfVectorizer(sublinear_tf=True, analyzer=lambda text: terms_of([text]).to_list()[0])
    if not len(terms.names):
        assert vocabulary.rows(Terms.from_texts(others)).matrix.nnz == 0
        return
    found, expected = vocabulary.rows(terms).matrix, vectorizer.fit_transform(texts)
    assert vocabulary.letters.tobytes().decode().split("\n")[:-1] == list(vectorizer.get_feature_names_out())
    np.testing.assert_allclose(found.toarray(), expected.toarray(), atol=1e-6)
    if others:
        again = Vocabulary(vocabulary.letters.copy(), vocabulary.idf.copy()).rows(Terms.from_texts(others))
        np.testing.assert_allclose(again.matrix.toarray(), vectorizer.transform(others).toarray(), atol=1e-6)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("café", "cafe\u0301", id="decomposed accents"),
        pytest.param("İPEK", "ipek", id="Turkish capitals"),
        pytest.param("Zelt\u00adhering", "Zelthering", id="soft hyphens"),
        pytest.param("می\u200cشود", "میشود", id="joiners"),
    ],
)
def test_spellings_that_look_alike_are_one_term(one: str, other: str) -> None:
    assert terms_of([one]).to_list() == terms_of([other]).to_list()
    assert [len(terms) for terms in terms_of([one])] == [1]


@pytest.mark.parametrize(
    "word", ["तंबू", "पत्ती", "তাঁবু", "চা", "கூடாரம்", "డేరా", "ഫിൽട്ടർ", "കൂടാരം", "ක්‍රීඩා", "خَيْمَة", "אֹהֶל", "དཀར"]
)
def test_marks_stay_inside_words(word: str) -> None:
    assert [len(terms) for terms in terms_of([f"{word} ({word})"])] == [2]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("双人帐篷", "双 人 帐 篷 双人 人帐 帐篷"),
        ("茶", "茶"),
        ("iPhone15手机", "iphone15 手 机 手机"),
        ("テント、用", "テ ン ト 用 テン ント"),
        ("ชาดำ", "ช า ด ำ ชา าด ดำ"),
        ("ກາ\u200bເຟ", "ກ າ ເ ຟ ກາ ເຟ"),
        ("តែ ក្ដៅ", "តែ ក្ ដៅ ក្ដៅ"),
        ("လက်ဖက်", "လ က် ဖ က် လက် က်ဖ ဖက်"),
    ],
)
def test_scripts_without_spaces_give_letters_and_pairs(text: str, terms: str) -> None:
    assert sorted(terms_of([text])[0]) == sorted(terms.split())


def test_a_vocabulary_of_other_terms_weighs_those_that_it_knows() -> None:
    letters = np.frombuffer("बल\ntea\n双人帐篷\n".encode(), np.uint8)
    rows = Vocabulary(letters, np.ones(3, np.float32)).rows(Terms.from_texts(["Tea 双人帐篷", "तंबू"]))
    assert rows.matrix.toarray().tolist() == [[0, 1, 0], [0, 0, 0]]


SHOPS = {
    "English": ("two person tent", "tent pegs", "husband mug", "letter paper"),
    "Hindi": ("दो व्यक्ति तंबू", "तंबू खूंटी", "पति प्याला", "पत्र कागज"),
    "Bengali": ("দুজনের তাঁবু", "তাঁবু খুঁটি", "স্বামীর মগ", "চিঠির কাগজ"),
    "Tamil": ("இருவர் கூடாரம்", "கூடாரம் ஆணிகள்", "கணவர் குவளை", "கடித காகிதம்"),
    "Arabic": ("خَيْمَة لِشَخْصَيْن", "أَوْتَاد خَيْمَة", "كُوب الزَّوْج", "وَرَق رَسَائِل"),
    "Chinese": ("双人帐篷", "帐篷钉", "马克杯", "信纸"),
    "Japanese": ("二人用テント", "テントペグ", "夫のマグカップ", "便箋"),
    "Thai": ("เต็นท์สองคน", "หมุดเต็นท์", "แก้วสามี", "กระดาษจดหมาย"),
    "Khmer": ("តង់សម្រាប់ពីរនាក់", "ស្នៀតតង់", "ពែងប្ដី", "ក្រដាសសំបុត្រ"),
    "Burmese": ("လူနှစ်ယောက်တဲ", "တဲချွန်", "ခွက်", "စာရွက်"),
}


@pytest.mark.parametrize("language", SHOPS)
def test_shared_words_count_in_every_script(language: str) -> None:
    tent, pegs, mug, paper = SHOPS[language]
    history, new = one_event(0), np.array([1, 2, 3], np.int32)
    fitted = Lexical.from_texts([tent, pegs, mug, paper])
    updates = ItemUpdates(new, 4, [pegs, mug, paper])
    live = Lexical.from_texts([tent, paper, mug, pegs]).with_items(updates)
    for signal in (fitted, live):
        pegs_score, *others = signal.score(history, Candidates(new, 4))[0]
        assert pegs_score > max(others)


def events_of(*lists: str, every: float = 1.0) -> Dataset:
    """One user a list of one-letter items."""
    rows = [
        (str(user), item, 1e9 + at * every)
        for user, items in enumerate(lists)
        for at, item in enumerate(items)
    ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return Dataset.construct(pl.DataFrame({"item_id": sorted(set("".join(lists)))}), events)


def test_covisitation_knows_what_comes_after_what() -> None:
    data = events_of("ab", "ab", "ab")
    signal = CoVisitation.from_events(data)
    a, b = (signal.score(one_event(code), Candidates.everything(2))[0] for code in (0, 1))
    assert a[1] > b[0] > 0
    assert a[0] == b[1] == 0


def one_event(code: int) -> Histories:
    return Histories(np.array([code], np.int32), np.zeros(1, np.int32), np.zeros(1), np.array([0, 1]))


def test_pairs_end_with_the_window_and_with_the_person() -> None:
    matrix = CoVisitation.from_events(events_of("abcdefghijkl", "m")).rows.matrix.toarray()
    assert matrix[0, 10] > 0
    assert matrix[0, 11] == 0
    assert matrix[11, 12] == matrix[12, 11] == 0


def test_neighbours_are_ranked_as_scikit_learn_ranks_them(movielens: Dataset) -> None:
    h = movielens.histories
    taken = sparse.csr_array((np.ones(len(h.items)), (h.owners, h.items)), shape=(len(h), movielens.n_items))
    taken.data[:] = 1
    rows = ItemKNN.from_events(movielens).rows.matrix
    for item in (0, 49, 257, 1000):
        cosines = cosine_similarity(taken.T[[item]], taken.T)[0]
        cosines[item] = 0
        found = rows[[item]].toarray()[0]
        kept = np.flatnonzero(found)
        assert len(kept) == min(NEIGHBOURS, np.count_nonzero(cosines))
        assert np.delete(cosines, kept).max() <= cosines[kept].min() + 1e-6
        np.testing.assert_allclose(found[kept] / found.max(), cosines[kept] / cosines.max(), rtol=1e-5)


def test_items_with_fifty_thousand_takers_keep_their_cosine() -> None:
    users = np.repeat(np.arange(50_000), 2)
    events = pl.DataFrame(
        {"user_id": users, "item_id": np.tile([0, 1], 50_000), "position": np.arange(100_000)}
    )
    signal = ItemKNN.from_events(Dataset.construct(pl.DataFrame({"item_id": [0, 1]}), events))
    np.testing.assert_allclose(signal.rows.matrix.toarray(), [[0, 1], [1, 0]], rtol=1e-5)


def test_users_with_single_events_leave_no_pairs() -> None:
    data = events_of("a", "b", "b")
    for signal in (CoVisitation.from_events(data), ItemKNN.from_events(data)):
        assert not signal.score(one_event(1), Candidates.everything(2)).any()


@pytest.mark.parametrize("texts", [["", " "], ["a", "!"]], ids=["blank", "without words"])
def test_a_catalogue_without_words_scores_nothing(texts: list[str]) -> None:
    assert not Lexical.from_texts(texts).score(one_event(0), Candidates.everything(2)).any()


def test_popularity_halves_with_the_half_life() -> None:
    data = events_of("ab", every=7 * DAY)
    np.testing.assert_allclose(Popularity.from_events(data, 7.0).values, np.log1p([0.5, 1.0]), rtol=1e-6)
    np.testing.assert_allclose(Popularity.from_events(data).values, np.log1p([1.0, 1.0]), rtol=1e-6)


def test_who_chose_rare_items_is_offered_rare_ones() -> None:
    signal = PopularityTaste.from_counts(np.array([3, 1, 0]))
    scores = signal.score(histories_of([1, 1], [0], [0, 1]), Candidates.everything(3))
    # log2(1 + count) is 2, 1 and 0; less its mean over the four events, 7 / 4, it is:
    popular, rare, cold = 1 / 4, -3 / 4, -7 / 4
    expected = np.outer([rare, popular, (popular + rare) / 2], [popular, rare, cold])
    np.testing.assert_allclose(scores, expected * np.log(2) ** 2, rtol=1e-6)


@pytest.mark.parametrize("late", [1, 7])
@pytest.mark.parametrize("ahead", [DAY * 30, DAY * 365, DAY * 365 * 70])
def test_a_few_wrong_clocks_make_nothing_old(late: int, ahead: float) -> None:
    rng = np.random.default_rng(0)
    times = np.sort(rng.random(700)) * 200 * DAY + 1.6e9
    log = pl.DataFrame(
        {"user_id": rng.integers(0, 50, 700), "item_id": rng.integers(0, 9, 700), "timestamp": times}
    )
    odd = log.head(late).with_columns(timestamp=times.max() + ahead + np.arange(late))
    items = pl.DataFrame({"item_id": range(9), "title": TEXTS})
    clean, skewed = (Dataset.construct(items, each) for each in (log, pl.concat([log, odd])))
    for half_life in HALF_LIVES:
        want = np.expm1(Popularity.from_events(clean, half_life).values)
        future = times.max() + ahead > time.time() + DAY
        weight = want.sum() / 700 if future else 1  # what has happened counts in full, else as any other
        want += weight * np.bincount(odd["item_id"], minlength=9)
        np.testing.assert_allclose(
            np.expm1(Popularity.from_events(skewed, half_life).values), want, rtol=1e-5
        )


@pytest.mark.parametrize("odd", [[4e9] * 50, [0.0] * 50 + [4e9], [3e9 + n * 1e6 for n in range(300)]])
def test_implausible_times_say_nothing_of_the_end(odd: list[float]) -> None:
    times = np.linspace(1.6e9, 1.7e9, 1_000)
    assert robust_latest(np.append(times, odd)) == 1.7e9


@given(st.lists(st.floats(0, 400 * DAY), min_size=1, max_size=9))
def test_the_end_of_few_events_is_the_latest(times: list[float]) -> None:
    assert robust_latest(np.array(times)) == max(times)


@given(st.integers(0, 2**32), st.sampled_from([100, 2_000]), st.sampled_from([3600.0, 5 * DAY]))
def test_the_end_of_steady_events_is_the_latest(seed: int, n: int, gap: float) -> None:
    times = np.random.default_rng(seed).uniform(0.1, 1, n).cumsum() * gap
    assert robust_latest(np.random.default_rng(seed).permutation(times)) == times[-1]


def test_the_half_life_follows_the_targets_of_validation() -> None:
    # `a` was the fashion a year ago, `b` is now: whoever goes on with `b` forgets fast.
    data = events_of("a" * 30 + "b" * 5, every=10 * DAY)
    users, starts, ends = np.zeros(4, np.int32), np.zeros(4, np.int64), np.full(4, 35)
    fashion, classic = (
        best_half_life(data, Queries(data.histories, users, starts, ends, ends, np.full(4, target, np.int32)))
        for target in (1, 0)
    )
    assert fashion == min(HALF_LIVES)
    assert classic == max(HALF_LIVES)


@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.5]), min_size=6, max_size=6), min_size=1, max_size=8)
)
def test_the_strongest_entries_of_each_row_are_kept(table: list[list[float]]) -> None:
    dense = np.array(table, np.float32)
    kept = strongest(sparse.csr_array(dense), 2).toarray()
    for row, found in zip(dense, kept, strict=True):
        assert sorted(found[found > 0]) == sorted(row[row > 0])[-2:]
        assert np.array_equal(found[found > 0], row[found > 0])


@given(
    st.lists(st.integers(0, 200_000), max_size=30, unique=True),
    st.lists(st.integers(0, 200_000), max_size=30),
    st.integers(0, 3),
    st.sampled_from([9, FOLD, 300_000]),
)
@example([5, 5 + FOLD], [5 + 2 * FOLD, 5 + FOLD, 5, 6], 0, 300_000)
def test_candidates_are_found_among_items(codes: list[int], items: list[int], shared: int, n: int) -> None:
    items = [*items, *codes[:shared], *[code ^ FOLD for code in codes[:shared]]]
    codes, items = list(dict.fromkeys(code % n for code in codes)), [item % n for item in items]
    candidates = Candidates(np.array(codes, np.int32), n)
    at, which = candidates.find(np.array(items, np.int32))
    pairs = zip(at.tolist(), which.tolist(), strict=True)
    assert list(pairs) == [(i, codes.index(item)) for i, item in enumerate(items) if item in codes]


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 9_000), max_size=9, unique=True), st.lists(st.integers(0, 9_000))),
        min_size=1,
        max_size=5,
    )
)
@example([([5], [5 + 512, 5, 6]), ([], [5]), ([6, 5], [6, 6])])
def test_candidates_of_lists_are_found_among_the_items_for_each(
    asked: list[tuple[list[int], list[int]]],
) -> None:
    lists = [Candidates(np.array(codes, np.int32), 9_001) for codes, _ in asked]
    items = [np.array([*items, *codes[:2]], np.int32) for codes, items in asked]
    sizes = np.array([len(each) for each in items])
    at, which = CandidateLists.concatenate(lists).find(np.concatenate(items), sizes)
    one_by_one = [each.find(some) for each, some in zip(lists, items, strict=True)]
    firsts = flat_offsets(sizes), flat_offsets(np.array([len(each) for each in lists]))
    for found, starts, number in zip((at, which), firsts, (0, 1), strict=True):
        expected = [start + one[number] for start, one in zip(starts, one_by_one, strict=False)]
        assert found.tolist() == np.concatenate(expected).tolist()


@given(st.lists(st.integers(0, 4), max_size=6), st.permutations(range(6)), st.integers(0, 6))
def test_sparse_rows_add_up_as_a_dense_product_does(rows: list[int], order: list[int], width: int) -> None:
    rng = np.random.default_rng(len(rows))
    dense = rng.random((5, 6), dtype=np.float32) * (rng.random((5, 6)) < 0.5)
    weights, owners = rng.random(len(rows), dtype=np.float32), rng.integers(0, 2, len(rows))
    candidates = Candidates(np.array(order[:width], np.int32), 6)
    found = SparseRows.from_scipy(sparse.csr_array(dense)).sum_at(
        np.array(rows, np.int32), weights, owners, 2, candidates
    )
    spread = np.zeros((2, 5))
    np.add.at(spread, (owners, np.array(rows, np.int64)), weights)
    np.testing.assert_allclose(found, (spread @ dense)[:, candidates.codes], atol=1e-6)


class TestStandardise:
    @given(st.lists(st.floats(allow_infinity=False), max_size=20))
    @example([0.0, 3e-278])
    @example([-1.7e308, 1.7e308, 1.7e308])
    def test_known_scores_get_mean_0_and_deviation_1(self, scores: list[float]) -> None:
        given_scores = np.array(scores, np.float64)
        known = ~np.isnan(given_scores)
        standard = standardise(given_scores)
        assert np.isfinite(standard).all()
        assert not standard[~known].any()
        peak = np.abs(given_scores[known]).max(initial=0)
        if peak and np.ptp(given_scores[known] / peak) > 1e-6:
            np.testing.assert_allclose(standard[known].mean(), 0, atol=1e-4)
            np.testing.assert_allclose(standard[known].std(), 1, atol=1e-4)
            order = np.argsort(given_scores[known], kind="stable")
            assert (np.diff(standard[known][order]) >= 0).all()

    def test_equal_scores_say_nothing_whatever_their_rounding(self) -> None:
        assert standardise(np.array([0.1, 0.1, 0.1, np.nan])).tolist() == [0, 0, 0, 0]

    @pytest.mark.parametrize("bad", [np.inf, -np.inf])
    def test_infinite_scores_are_refused(self, bad: float) -> None:
        with pytest.raises(RequestError, match="finite"):
            standardise(np.array([1.0, bad]))
