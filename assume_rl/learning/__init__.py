"""Multi-agent reinforcement learning in torch; knows transitions, not markets."""
