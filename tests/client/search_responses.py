"""What `_search` answers, in the documented form of both engines, about films of MovieLens 100K.

- Elasticsearch: https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-search
- OpenSearch: https://docs.opensearch.org/latest/api-reference/search-apis/search/#response-body
"""

from typing import Any, Final

ELASTICSEARCH: Final[dict[str, Any]] = {
    "took": 4,
    "timed_out": False,
    "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
    "hits": {
        "total": {"value": 212, "relation": "eq"},
        "max_score": 6.0517254,
        "hits": [
            {"_index": "films", "_id": "1", "_score": 6.0517254, "_source": {"title": "Toy Story (1995)"}},
            {"_index": "films", "_id": "71", "_score": 5.7, "_source": {"title": "Lion King, The (1994)"}},
            {
                "_index": "films",
                "_id": "172",
                "_score": 3.2188759,
                "_source": {"title": "Empire Strikes Back, The (1980)"},
                "highlight": {"title": ["<em>Empire</em> Strikes Back, The (1980)"]},
            },
            {"_index": "films", "_id": "never-heard-of", "_score": 2.1, "_source": {"title": "?"}},
            {
                "_index": "films",
                "_id": "181",
                "_score": 1.5,
                "_source": {"title": "Return of the Jedi (1983)"},
            },
        ],
    },
    "aggregations": {"genres": {"buckets": [{"key": "Adventure", "doc_count": 3}]}},
}

OPENSEARCH: Final[dict[str, Any]] = {
    "took": 7,
    "timed_out": False,
    "_shards": {"total": 5, "successful": 5, "skipped": 0, "failed": 0},
    "hits": {
        "total": {"value": 4, "relation": "eq"},
        "max_score": None,
        "hits": [
            {
                "_index": "offers",
                "_id": "mHKk3IcBQ",
                "_score": None,
                "_source": {"film": {"id": 98}, "price": 3},
                "sort": [3],
            },
            {
                "_index": "offers",
                "_id": "mXKk3IcBQ",
                "_score": None,
                "_source": {"film": {"id": 50}, "price": 4},
                "sort": [4],
            },
            {
                "_index": "offers",
                "_id": "mnKk3IcBQ",
                "_score": None,
                "_source": {"film.id": "174", "price": 5},
                "sort": [5],
            },
            {
                "_index": "offers",
                "_id": "m3Kk3IcBQ",
                "_score": None,
                "fields": {"film.id": ["50"]},
                "sort": [9],
            },
        ],
    },
}
"""Offers by price: each has a film, and two of them have the same one."""
