"""Settings of an hourly market whose training passes through every phase once."""

from typing import Any

SETTINGS: dict[str, Any] = {
    "time_step": "1h",
    "seed": 1,
    "markets_config": {
        "EOM": {
            "operator": "exchange",
            "products": [{"duration": "1h", "count": 1, "first_delivery": "1h"}],
            "opening_frequency": "1h",
            "opening_duration": "1h",
            "market_mechanism": "pay_as_clear",
        }
    },
    "learning_config": {
        "learning_mode": True,
        "training_episodes": 2,
        "episodes_collecting_initial_experience": 1,
        "validation_episodes_interval": 1,
        "train_freq": "3h",
        "gradient_steps": 2,
        "batch_size": 4,
    },
}
