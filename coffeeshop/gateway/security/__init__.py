"""Who may do what at the gateway: tokens, and the rule for each request."""
