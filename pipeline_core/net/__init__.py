"""What is sent to others and what they answer: HTTP with its limits, the governor that spaces
all requests, retry delays, redirects and the addresses that they may lead to, the tracker's
answers, one run of curl. It may import ``engine``; ``externalprocess`` and ``tracker`` of the
contract, ``recovery`` and the daemon may import it.
"""
