"""Bounds within which values are read and compared, so that a verdict depends on the texts alone."""

from __future__ import annotations

MAX_CHARACTERS = 1000
"""Of an answer or a gold; a longer one is no value."""
MAX_TOKENS = 400
MAX_DEPTH = 24
"""Nested parentheses, fractions, roots and exponents."""
MAX_MEMBERS = 32
"""Of a set, a tuple, a union or a row of a matrix."""
MAX_BITS = 4096
"""Of an exact numerator or denominator: 1,233 digits."""
MAX_TERMS = 160
"""Of a polynomial that is being expanded."""
MAX_POWER = 40
"""To which a sum is multiplied out."""
MAX_PRIME = 2000
"""Trial division stops here: what is left of a number stays whole below a root or a logarithm."""
ENGINE_NODES = 120
"""Of two formulas together, that Math-Verify is asked about."""
ENGINE_CPU_SECONDS = 0.8
"""Of its own processor time that a comparison by Math-Verify may take; its process is killed then. Not of the
wall clock, so that a busy machine changes no verdict."""
ENGINE_WALL_SECONDS = 10.0
"""After which the process is killed although it had no processor time."""
ENGINE_MEMORY_BYTES = 1 << 30
"""Address space of that process."""
ENGINE_START_SECONDS = 60.0
"""That its imports may take, once in a process; not part of a comparison."""


class UnreadableError(ValueError):
    """A text is no value, or a larger one than the bounds allow; caught inside this package."""
