from coffeeshop.cli import program

program()
