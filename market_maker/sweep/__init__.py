"""The same recorded days under many settings.

`grid` makes combinations of what was asked for and checks them, `job` replays one day with one of them, `pool` has
many jobs done by processes here or by a Dask cluster, `compare` says what the results show, `show` writes them.
"""
