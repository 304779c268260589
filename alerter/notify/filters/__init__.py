"""How values become words: cleaning, numbers, dates."""
