"""What takes an item through its pipeline: the coroutine of one item (``run_item``), what it
holds while it runs (``item_scope``), worker threads, child processes, loading a pipeline file,
printing, limits of concurrency. The modules of the contract and this room make one: each may
import the other. It knows nothing of trackers, of the journal or of the daemon; the rooms
``net`` and ``recovery`` build on it.
"""
