"""Studies in small: what they keep, and checks that fail where they should."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from bench import __main__ as application
from bench import ablation, annotation, encoders, forgetting, grounds, run, scale, serving, staleness, study
from tailrank.data.dataset import Dataset
from tailrank.data.splits import leave_one_out
from tailrank.errors import RequestError
from tailrank.evaluation.baselines import DEFAULT_MODELS, PEERS
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.reporting import silent


def test_a_run_keeps_its_metrics_and_is_not_repeated(tmp_path: Path) -> None:
    data = tmp_path / "amazon-scientific"
    data.mkdir()
    items = {"item_id": [f"i{n}" for n in range(12)], "title": [f"thing {n}" for n in range(12)]}
    pl.DataFrame(items).write_csv(data / "items.csv")
    events = [(f"u{n // 4}", f"i{(n * n + n // 4) % 12}", n % 4) for n in range(80)]
    pl.DataFrame(events, ["user_id", "item_id", "position"], orient="row").write_csv(data / "events.csv")
    results = tmp_path / "results"
    job = ("amazon-scientific", "leave-one-out", 1)
    assert run.evaluate(*job, tmp_path, results)
    [kept] = [path for path in results.rglob("*") if path.is_file()]
    assert kept.relative_to(results).parts == ("amazon-scientific", "leave-one-out", "seed-1", "metrics.json")
    assert list(json.loads(kept.read_text())["models"]) == [*DEFAULT_MODELS, "without-lm", "last-tfidf"]
    (data / "events.csv").write_text("damaged")
    assert run.evaluate(*job, tmp_path, results)
    assert not run.evaluate("amazon-scientific", "leave-one-out", 2, tmp_path, results)
    assert [path for path in results.rglob("*") if path.is_file()] == [kept]


def test_runs_are_chosen_by_data_set_or_protocol() -> None:
    assert run.wanted(None) == list(run.SETS)
    assert run.wanted(["amazon-sports"]) == [
        ("amazon-sports", "leave-one-out"),
        ("amazon-sports", "cold-items"),
    ]
    some = ["movielens-100k", "amazon-beauty,cold-items"]
    assert run.wanted(some) == [("movielens-100k", "temporal"), ("amazon-beauty", "cold-items")]
    with pytest.raises(RequestError, match="amazon-toys: choose from"):
        run.wanted(["amazon-toys"])


def test_peers_are_fitted_once_and_the_last_item_where_others_do() -> None:
    assert run.models("amazon-scientific", "leave-one-out", 0)[-1] == PEERS[-1]
    assert run.models("amazon-scientific", "leave-one-out", 1)[-1] == "last-tfidf"
    assert run.models("amazon-scientific", "cold-items", 0) == [*DEFAULT_MODELS, "without-lm"]


def test_a_command_says_all_that_an_evaluation_depends_on() -> None:
    job = ("complete-journey", "temporal")
    command = run.command(*job, 1, ["tailrank"], "data", "out")
    assert command[4:10] == ["--protocol", "temporal", "--queries", "4000", "--seed", "1"]
    assert command[10:] == ["--models", "tailrank", "--out", "out"]
    command = run.command(*job, 1, ["tailrank"], "data", "out", epochs=2)
    assert command[10:12] == ["--sequence-epochs", "2"]


def shop(users: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Make sixty things, and users with eight of them each, two a day."""
    items = {"item_id": [f"i{n}" for n in range(60)], "title": [f"thing {n}" for n in range(60)]}
    events = [
        (f"u{user}", f"i{(13 * user + 7 * nth) % 60}", 43_200 * nth + user)
        for user in range(users)
        for nth in range(8)
    ]
    return pl.DataFrame(items), pl.DataFrame(events, ["user_id", "item_id", "timestamp"], orient="row")


def write_shop(folder: Path) -> Path:
    folder.mkdir()
    for table, rows in zip(("items", "events"), shop(20), strict=True):
        rows.write_parquet(folder / f"{table}.parquet")
    return folder


def test_late_events_change_what_ranks_by_them_and_nothing_else() -> None:
    data = Dataset.construct(*shop(40))
    found = staleness.study(data, {}, ["popularity", "item-knn"], None, silent)
    points = {point["staleness"]: point["models"] for point in found["points"]}
    assert list(points) == ["0s", "1m", "1h", "1d", "frozen"]
    assert len({str(models["popularity"]) for models in points.values()}) == 1
    assert points["0s"]["item-knn"] != points["1d"]["item-knn"]
    assert found["protocol"].endswith("events a user")
    assert [point["empty"] for point in found["points"]] == [0] * 5


def test_a_smaller_size_holds_some_users_and_their_items(tmp_path: Path) -> None:
    source, target = write_shop(tmp_path / "source"), tmp_path / "target"
    target.mkdir()
    scale.sampled(source, 1, target)
    some = Dataset.load(target)
    assert some.n_users == 2
    assert (some.counts > 0).all()
    for user in some.user_ids:
        assert len(some.history(user)) == 8


@pytest.mark.filterwarnings(
    "ignore:You are using the legacy TorchScript-based ONNX export:DeprecationWarning",
    "ignore:The feature will be removed:DeprecationWarning",
)  # the newer exporter needs two more packages
def test_every_runtime_serves_the_same_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "ITEMS", 40)
    monkeypatch.setattr(serving, "CALLS", 3)
    model = serving.random_model()
    timed = {row["runtime"]: row for row in serving.study(model)["rows"]}
    assert set(timed) == {"numpy", "torch", "onnxruntime"}
    monkeypatch.setattr(serving, "CLOSE", -1.0)
    with pytest.raises(SystemExit, match="gives another vector"):
        serving.study(model)


def test_every_study_is_a_command() -> None:
    for group, modules in (
        ([], application.Modules.modules),
        (["resilience"], application.Resilience.modules),
    ):
        for name in modules:
            done = CliRunner().invoke(application.app, [*group, name, "--help"])
            assert done.exit_code == 0, done.output


def test_a_study_keeps_the_command_that_repeats_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["bench", "ablation", str(tmp_path), "shop", "--variant", "whitened LM"])
    study.store("shop/ablation.json", {"rows": []})
    kept = json.loads((tmp_path / "shop" / "ablation.json").read_text())
    assert kept["command"] == "python -m bench ablation DATA shop --variant 'whitened LM'"
    assert {"rows", "date", "processor", "versions"} <= kept.keys()
    (tmp_path / "manifest.json").touch()
    monkeypatch.setattr("sys.argv", ["bench", "resilience", "soak", str(tmp_path), "--keep"])
    assert study.command() == "python -m bench resilience soak MODEL"


def test_ways_are_compared_by_query(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRANK_CACHE", str(tmp_path))
    dataset = Dataset.construct(*shop(40))
    split = leave_one_out(dataset)
    one = np.linspace(0, 1, len(split.test))
    found = study.collect("shop", dataset, [0], lambda _: {"all": lambda: {"one": one, "other": one / 2}})
    kept = study.collect("shop", dataset, [0], lambda _: {"all": dict})
    assert kept["one"][0].tolist() == one.tolist()
    better, base = study.compared(found, "other", split)
    assert better["metrics"]["ndcg@10"] == {"mean": pytest.approx(0.5), "seeds": [pytest.approx(0.5)]}
    assert better["difference"]["ndcg@10"]["mean"] == pytest.approx(0.25)
    assert "difference" not in base


def random_vectors(n: int) -> ItemVectors:
    values = np.random.default_rng(0).normal(size=(n, 16)).astype(np.float32)
    return ItemVectors(values / np.linalg.norm(values, axis=1, keepdims=True))


def test_an_ablation_compares_every_variant_with_the_product_as_it_is() -> None:
    split, vectors = leave_one_out(Dataset.construct(*shop(40))), random_vectors(60)
    known = ablation.Knowledge(split, vectors, Settings(), lambda: ItemVectors(vectors.values, whiten=False))
    values = {each: [known.values("", each)[""]] for each in ablation.VARIANTS}
    product = grounds.fair_ndcg(Reranker.fit(split, vectors, Settings()), split)
    assert values[ablation.EVERYTHING][0].tolist() == product.tolist()
    words = grounds.fair_ndcg(Reranker.fit(split, None, Settings()), split)
    assert values[grounds.WORDS][0].tolist() == words.tolist()
    found = ablation.rows(grounds.Ground([split]), values)
    assert [row["variant"] for row in found] == list(ablation.VARIANTS)
    for row in found:
        mean = row["metrics"]["ndcg@10"]["mean"]
        for other, differences in row["difference"].items():
            expected = mean - np.mean(values[other][0])
            assert differences["ndcg@10"]["mean"] == pytest.approx(expected)


def test_a_variant_knows_only_what_it_is_given() -> None:
    split, vectors = leave_one_out(Dataset.construct(*shop(40))), random_vectors(60)
    known = ablation.Knowledge(split, vectors, Settings(), lambda: vectors)
    titles = {name: known.reranker(name).catalogue.items["text"].to_list() for name in ablation.VARIANTS}
    spaces = {name: set(known.reranker(name).spaces) for name in ablation.VARIANTS}
    assert set(titles["no text"]) == {""}
    assert titles["permuted texts"] != titles["everything"]
    assert sorted(titles["permuted texts"]) == sorted(titles["everything"])
    assert spaces["no text"] == spaces[grounds.WORDS] == set()
    assert spaces["tuned LM"] == {"tuned"}
    assert spaces["everything, tuned"] == {"semantic", "tuned"}


def test_seeds_with_other_queries_are_compared_together() -> None:
    dataset = Dataset.construct(*shop(40))
    splits = [grounds.fair_splits(dataset, seed)[grounds.COLD] for seed in (0, 1)]
    ground = grounds.Ground(splits)
    zeros = [np.zeros(len(split.test)) for split in splits]
    cold = [split.cold[split.test.targets].astype(float) for split in splits if split.cold is not None]
    found = ground.row(cold, {"zeros": zeros})
    assert found["metrics"]["ndcg@10/cold"] == {"mean": 1.0, "seeds": [1.0, 1.0]}
    assert found["metrics"]["ndcg@10/warm"]["mean"] == 0
    assert found["difference"]["zeros"]["ndcg@10/cold"] == {"mean": 1.0, "ci95": [1.0, 1.0]}
    assert found["difference"]["zeros"]["ndcg@10"]["mean"] == pytest.approx(np.mean(np.concatenate(cold)))


def test_an_ablation_is_stored_by_ground(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "RESULTS", tmp_path / "results")
    write_shop(tmp_path / "shop")
    ablation.main(tmp_path, "shop", "0,1", ["no text", "everything"])
    stored = json.loads((tmp_path / "results" / "shop" / "ablation.json").read_text())
    assert [ground["title"] for ground in stored["grounds"]] == list(grounds.GROUNDS)
    assert [ground["least_count"] for ground in stored["grounds"]] == [0, 1]
    for ground in stored["grounds"]:
        assert [row["variant"] for row in ground["rows"]] == ["no text", "everything"]
        assert all(list(row["difference"]) == ["everything"] for row in ground["rows"])
    assert "ndcg@10/cold" in stored["grounds"][1]["queries"]


def test_an_encoder_is_measured_and_others_stay(
    small_bert: Path, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "RESULTS", tmp_path / "results")
    write_shop(tmp_path / "shop")
    encoders.main(tmp_path, "shop", [str(small_bert)], "0")
    file = tmp_path / "results" / "shop" / "encoders.json"
    first = json.loads(file.read_text())
    assert [row["encoder"] for row in first["rows"]] == [grounds.WORDS, "whole"]
    assert first["rows"][1]["parameters"] > 32 * 30_522
    tuned = first["rows"][1]["tuned"]
    assert (tuned["encoder"], tuned["tunings"]) == ("whole, tuned", 2)
    assert list(tuned["difference"]) == [grounds.WORDS, grounds.FROZEN]
    assert first["command"] == "python -m bench encoders DATA shop --encoder whole"
    other = {**first["rows"][1], "encoder": "large", "parameters": 10**9}
    file.write_text(json.dumps({**first, "rows": [*first["rows"], other]}))
    encoders.main(tmp_path, "shop", [str(small_bert)], "0")
    again = json.loads(file.read_text())["rows"]
    for row in (*again, *first["rows"], other):
        row.pop("texts_per_second", None)
    assert again == [*first["rows"], other]


def test_describing_items_by_any_choice_is_measured() -> None:
    dataset = Dataset.construct(*shop(40))
    for choice in annotation.CHOICES:
        values = annotation.values(dataset, random_vectors(60), choice, 0)
        assert {name: len(found) for name, found in values.items()} == {
            f"{choice}/alone": 40,
            f"{choice}/whole": 40,
        }


def test_eras_of_a_forgetting_study_share_no_target() -> None:
    old, new, since = forgetting.eras(Dataset.construct(*shop(40)))
    assert old.full_train.histories.times.max() < since
    assert len(old.test) == 40
    assert len(new.test) > 0
