"""Journals and queues on RabbitMQ. Only this folder knows pika."""
