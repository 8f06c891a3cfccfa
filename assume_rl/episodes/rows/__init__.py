"""What happens in an episode, kept until it becomes rows of the result tables."""
