"""Data folders in a bucket, over the protocol of S3, from moto's server."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import polars as pl
import pytest
from moto.server import ThreadedMotoServer
from obstore.store import S3Store
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.data.buckets import copy_folder
from tailrank.data.dataset import Dataset
from tailrank.errors import DataError, RequestError

SHOP = "s3://shops/north/shop"
ITEMS = pl.DataFrame({"item_id": ["a", "b", "c"], "title": ["Tea", "Coffee", "Milk"]})
DAYS = {
    "2026-11-01": pl.DataFrame({"user_id": ["u", "v"], "item_id": ["a", "b"], "timestamp": [10, 20]}),
    "2026-11-02": pl.DataFrame({"user_id": ["u", "v"], "item_id": ["b", "c"], "timestamp": [30, 40]}),
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """A bucket with a shop, its events a folder of days, and the environment that leads to it."""
    httpx.post(f"{endpoint}/moto-api/reset", timeout=60)
    httpx.put(f"{endpoint}/shops", timeout=60)
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "id-of-a-key",
        "AWS_SECRET_ACCESS_KEY": "secret-of-a-key",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    store = S3Store("shops", prefix="north/shop", client_options={"allow_http": True})
    put(store, "items.parquet", ITEMS)
    for day, events in DAYS.items():
        put(store, f"events/day={day}/part 0.parquet", events)
    store.put("events/_SUCCESS", b"")
    store.put("model/manifest.json", b"{}")
    return store


def put(store: S3Store, path: str, frame: pl.DataFrame) -> None:
    frame.write_parquet(file := BytesIO())
    store.put(path, file.getvalue())


def told(address: str) -> list[int]:
    """Copy a folder; gives how many objects that took."""
    totals = list[int]()

    def tell(task: str, done: int, total: int | None, note: str = "") -> None:
        totals.append(done)

    copy_folder(address, tell)
    return totals


def test_days_in_a_bucket_are_read_as_a_folder_is(bucket: S3Store, tmp_path: Path) -> None:
    found = Dataset.load(copy_folder(SHOP))
    assert (found.name, found.fingerprint) == (
        "shop",
        Dataset.construct(ITEMS, pl.concat(DAYS.values())).fingerprint,
    )
    assert not any(path.name == "manifest.json" for path in tmp_path.rglob("*"))


def test_what_a_teacher_says_is_read_too(bucket: S3Store) -> None:
    pairs = pl.DataFrame({"item_id": ["a"], "neighbour": ["b"], "score": [1.0]})
    put(bucket, "taught.parquet", pairs)
    taught = Dataset.load(copy_folder(SHOP)).taught
    assert taught is not None
    assert taught.equals(pairs)


def test_only_what_is_new_is_copied_again(bucket: S3Store) -> None:
    assert told(SHOP) == [1, 2, 3]
    assert told(SHOP) == []
    put(bucket, "events/day=2026-11-03/part 0.parquet", DAYS["2026-11-01"].with_columns(timestamp=50))
    put(bucket, "items.parquet", ITEMS.reverse())
    assert told(SHOP) == [1, 2]
    found = Dataset.load(copy_folder(SHOP))
    assert found.item_ids == ["c", "b", "a"]
    assert len(found.histories.items) == 6
    bucket.delete("events/day=2026-11-01/part 0.parquet")
    assert len(Dataset.load(copy_folder(SHOP)).histories.items) == 4


def test_commands_take_the_address_and_say_it(bucket: S3Store, tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["validate", SHOP])
    assert run.exit_code == 0, run.output
    put(bucket, "events/day=2026-11-02/part 0.parquet", DAYS["2026-11-02"].drop("item_id"))
    words = ["train", "--data", SHOP, "--out", str(tmp_path / "model"), "--encoder", "none"]
    error = CliRunner().invoke(app, words).exception
    assert isinstance(error, DataError)
    assert str(error).startswith(f"{SHOP}/events: ")
    assert f"{SHOP}/events/day=2026-11-02/part 0.parquet" in str(error)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://shops/south", "s3://shops/south: no such folder, or no items and events in it"),
        (
            "s3://none/shop",
            "s3://none/shop: can't be read (NoSuchBucket). Check the address, and set AWS_ACC",
        ),
    ],
)
def test_what_is_not_there_is_said(bucket: S3Store, address: str, words: str) -> None:
    with pytest.raises(DataError) as failed:
        copy_folder(address)
    assert str(failed.value).startswith(words)


def test_keys_are_named_nowhere(bucket: S3Store, endpoint: str) -> None:
    httpx.post(f"{endpoint}/moto-api/reset-auth", content="0", timeout=60)
    with pytest.raises(DataError, match=r"can't be read \(InvalidAccessKeyId\)") as failed:
        copy_folder(SHOP)
    httpx.post(f"{endpoint}/moto-api/reset-auth", content="Infinity", timeout=60)
    assert "of-a-key" not in str(failed.value)
    with pytest.raises(RequestError, match="keys don't belong into an address") as refused:
        copy_folder("s3://id:secret@shops/north")
    assert "secret@" not in str(refused.value)


def test_a_store_that_is_not_there_is_said(bucket: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"north/shop: can't be read \(.*\). Check the address"):
        copy_folder(SHOP)
