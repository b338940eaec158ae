"""What every room needs: the schema of the log, argument checks, wording of messages, and the query engine."""
