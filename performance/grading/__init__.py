"""What the grading benchmark is made of: the original rule, and generated pairs with known verdicts."""
