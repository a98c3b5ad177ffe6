"""Adapters that carry tasks to workers: over RabbitMQ, or to worker processes of this program's own."""
