"""How far a task's evaluator, a reviewer and a lineage's gains can be believed: measured, not assumed."""
