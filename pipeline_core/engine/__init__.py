"""The engine that takes items through a pipeline.

It holds the coroutine of one item (``run_item``), what an item holds while it runs
(``item_scope``), worker threads, child processes, the loader of pipeline files, printing and
concurrency limits. The contract modules and this package form one layer: each may import the
other. The engine knows nothing about trackers, the journal or the daemon; the packages ``net``
and ``recovery`` build on it.
"""
