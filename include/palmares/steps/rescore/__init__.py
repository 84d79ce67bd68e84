"""Tasks of re-scoring: select, grade again, publish again, sum up."""
