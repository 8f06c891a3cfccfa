"""What a learner stores, and how it draws from it."""
