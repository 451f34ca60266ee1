"""What the running tracker holds in memory: compiled campaigns, who was seen, what is capped."""
