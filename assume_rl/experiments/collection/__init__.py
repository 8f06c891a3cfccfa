"""Who plays the episodes of a training: this process, or workers elsewhere."""
