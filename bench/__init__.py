"""The benchmarks: what to run, what was found, and the page about it."""
