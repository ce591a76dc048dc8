"""Requests to other machines, and their answers.

It holds HTTP requests with their limits, the governor that spaces all requests, retry delays,
redirects and the addresses they may lead to, the tracker's answers, and one run of curl. It may
import ``engine``. The contract modules ``externalprocess`` and ``tracker``, ``recovery`` and
the daemon may import it.
"""
