"""The benchmarks: what to run, what was found, and the page about it."""

import tailrank  # noqa: F401 - switches off what libraries would send, before a study imports them
