"""The data that a learner stores, and how it draws from them."""
