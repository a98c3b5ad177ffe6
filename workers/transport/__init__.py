"""How tasks reach a worker and statuses leave it: RabbitMQ, or JSON lines on stdin and stdout."""
