"""Parts of an episode that both shells share: calendar, draws, plan of learning, result rows."""
