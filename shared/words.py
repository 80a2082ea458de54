"""Words around numbers, for people."""


def counted(n: int, noun: str) -> str:
    """`1 coin`, `30 coins`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
