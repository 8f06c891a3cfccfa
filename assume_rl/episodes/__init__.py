"""What both shells share of an episode: its calendar, its draws, its plan of learning, its rows."""
