"""Where events come from: files, Redis streams and Kafka topics, each at most a batch at a time."""
