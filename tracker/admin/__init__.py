"""Commands by HTTP, for who has a key."""
