"""Shared data of the tests of tailrank."""

from tests.conftest import encoder, movielens, movielens_vectors

__all__ = ["encoder", "movielens", "movielens_vectors"]
