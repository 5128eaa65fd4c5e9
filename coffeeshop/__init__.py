"""coffeeshop: a coffee-shop chain's sales analysed by supervised actors over durable journals."""

__version__ = "0.1.0"
