"""The engine that takes items through a pipeline.

It has the coroutine of one item (``run_item``), what the item holds (``item_scope``), worker
threads, child processes, the loader of pipeline files, printing and concurrency limits. It knows
no tracker protocol, no journal file and no daemon; it imports a few modules of all four packages
beside it. The delay before a failed program is run again is in ``pipeline_core.externalprocess``.
Imported by: pipeline_core, pipeline_core.net, pipeline_core.recovery, pipeline_core.requirements,
warrior.checkout, warrior.cli, warrior.daemon, warrior.process, warrior.projects,
warrior.settings, warrior.standalone, warrior.web.
"""
