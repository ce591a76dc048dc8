def install() -> None:
    """x"""
