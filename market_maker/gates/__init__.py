"""`market_maker gates`: the checklist before money, computed from what was recorded, and kept as evidence."""
