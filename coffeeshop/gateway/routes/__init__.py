"""What the gateway answers to: one module for each group of addresses."""
