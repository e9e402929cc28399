# attune-engine
